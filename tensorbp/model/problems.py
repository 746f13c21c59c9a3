"""Places in a file, and the problems found there, gathered so that all are reported at once."""

from __future__ import annotations

from typing import NamedTuple

from tensorbp.errors import ModelError, Problem

_MOST_PROBLEMS = 100
_LONGEST_TEXT = 60

__all__ = ["Place", "Problems", "quoted"]


class Place(NamedTuple):
    """A position in a file.

    Attributes:
        line: the line, from 1.
        column: the column in that line, from 1.
    """

    line: int
    column: int


class Problems:
    """What is wrong with one file.

    Attributes:
        source: the name of the file.
    """

    def __init__(self, source: str) -> None:
        self.source = source
        self._found: dict[Problem, None] = {}

    def __bool__(self) -> bool:
        return bool(self._found)

    def add(self, place: Place, message: str) -> None:
        """Note a problem; with a hundred of them, stop reading.

        Raises:
            ModelError: there are too many problems to go on.
        """
        self._found[Problem(*place, message)] = None
        if len(self._found) >= _MOST_PROBLEMS:
            last = max(self._found)
            self._found[Problem(last.line, last.column, "too many problems, stopped here")] = None
            self.check()

    def check(self) -> None:
        """Raise `ModelError` with all the problems, if there are any."""
        if self._found:
            raise ModelError(self.source, self._found)


def quoted(text: str) -> str:
    """Return a text of the file in quotes, cut where it is long, without control characters."""
    shown = text if len(text) <= _LONGEST_TEXT else text[: _LONGEST_TEXT - 3] + "..."
    return (
        "'"
        + "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in shown)
        + "'"
    )
