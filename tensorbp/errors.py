"""What can go wrong, and how it is said.

Every message names the object, what was expected, what was found, and the way out.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches

__all__ = [
    "CompileError",
    "LayerError",
    "MemoryLimitError",
    "ModelError",
    "OperandError",
    "ParameterError",
    "PlanError",
    "PluginError",
    "PluginWarning",
    "Problem",
    "ShapeError",
    "SignatureError",
    "TensorbpError",
    "suggestion",
]


class TensorbpError(Exception):
    """Base of every error that tensorbp raises on purpose."""


class SignatureError(TensorbpError, ValueError):
    """An einsum signature that cannot be read, or does not fit its factors."""


class ShapeError(TensorbpError, ValueError):
    """Shapes that do not fit together."""


class OperandError(TensorbpError, TypeError):
    """Something that is neither an expression nor a number where one is needed."""


class LayerError(TensorbpError, ValueError):
    """A layer that is given wrong arguments, or breaks its own contract."""


class PluginError(TensorbpError):
    """A plugin that cannot be loaded, or collides with another."""


class PluginWarning(UserWarning):
    """Something of a plugin that failed, without which the work goes on."""


class CompileError(TensorbpError, ValueError):
    """A program that cannot be built, or is called with the wrong arrays."""


class PlanError(TensorbpError, ValueError):
    """A plan that cannot be written or read, or is not one of what is asked for."""


class MemoryLimitError(TensorbpError, MemoryError):
    """A limit on memory that no plan was found to keep.

    Attributes:
        limit: the limit, in bytes.
        least: the least limit that was found to be kept, in bytes.
    """

    def __init__(self, message: str, limit: int, least: int) -> None:
        self.limit = limit
        self.least = least
        super().__init__(message)


class ParameterError(TensorbpError, LookupError):
    """Parameters that do not exist, or a file of parameters that cannot be read."""


@dataclass(frozen=True, order=True)
class Problem:
    """One fault in a file: where it is (1-based line and column) and what is wrong."""

    line: int
    column: int
    message: str


class ModelError(TensorbpError, ValueError):
    """Everything that is wrong with a model file, located, all at once.

    Attributes:
        source: the name of the file.
        problems: the faults, in the order of the file.
    """

    def __init__(self, source: str, problems: Iterable[Problem]) -> None:
        self.source = source
        self.problems = tuple(sorted(problems))
        super().__init__(
            "\n".join(
                f"{source}:{problem.line}:{problem.column}: {problem.message}"
                for problem in self.problems
            )
        )


def suggestion(name: str, options: Iterable[str]) -> str:
    """Return ``"; did you mean 'tanh'?"``, or the sorted options, or nothing.

    >>> suggestion("tahn", ["tanh", "relu"])
    "; did you mean 'tanh'?"
    >>> suggestion("quaternion", ["tanh", "relu"])
    '; known: relu, tanh'
    """
    known = sorted(set(options))
    by_folded_name = {option.casefold(): option for option in known}
    matches = get_close_matches(name.casefold(), by_folded_name, n=1)
    if matches:
        return f"; did you mean '{by_folded_name[matches[0]]}'?"
    return f"; known: {', '.join(known)}" if known else ""
