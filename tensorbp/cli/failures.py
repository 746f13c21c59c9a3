"""Failures: what is said, and the exit code.

0: ok. 1: the answer is no. 2: wrong usage or bad input. 3: a bug of tensorbp.
"""

from __future__ import annotations

import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import typer

from tensorbp.errors import MemoryLimitError, ModelError, TensorbpError

__all__ = ["ANSWER_IS_NO", "BAD_INPUT", "BUG", "CommandError", "Settings", "located", "reported"]

ANSWER_IS_NO = 1
BAD_INPUT = 2
BUG = 3

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


class CommandError(TensorbpError):
    """An argument of a command that means nothing, or a file that cannot be read or written."""


@dataclass(frozen=True)
class Settings:
    """What holds for every command.

    Attributes:
        debug: whether errors show their traceback.
    """

    debug: bool = False


def reported(command: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """Make a command that reports its errors on standard error and exits with their code.

    The command takes a `typer.Context` named ``context``. With a true argument ``json`` errors are
    written as JSON.
    """

    @wraps(command)
    def reporting(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        settings = getattr(kwargs["context"], "obj", None) or Settings()
        as_json = bool(kwargs.get("json"))
        try:
            with warnings.catch_warnings():
                warnings.showwarning = _show_warning
                return command(*args, **kwargs)
        except (typer.Exit, typer.Abort, BrokenPipeError):
            raise
        except (TensorbpError, OSError, MemoryError) as error:
            if settings.debug:
                traceback.print_exc()
            _write(error, _message(error), as_json)
            is_answer = isinstance(error, MemoryLimitError)
            raise typer.Exit(ANSWER_IS_NO if is_answer else BAD_INPUT) from None
        except Exception as error:
            if settings.debug:
                traceback.print_exc()
            _write(error, _confession(error), as_json)
            raise typer.Exit(BUG) from None

    return reporting


def _show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    """Write a warning in a line, without the place in our source that it comes from."""
    from tensorbp.report.console import clean

    typer.echo(f"warning: {clean(str(message))}", err=True)


def _message(error: TensorbpError | OSError | MemoryError) -> str:
    """Return the text of an error that is not ours to mend."""
    if isinstance(error, MemoryError) and not isinstance(error, MemoryLimitError):
        return f"error: there is not enough memory; {error or 'choose smaller dimensions'}"
    # The lines of a ModelError start with file, line and column, where editors look for them.
    return str(error) if isinstance(error, ModelError) else f"error: {error}"


def _confession(error: Exception) -> str:
    return (
        f"internal error: {type(error).__name__}: {error}\n"
        "This is a bug of tensorbp, or of one of its plugins. Please report it with the traceback "
        "that 'tensorbp --debug' shows, followed by the same command."
    )


def _write(error: Exception, message: str, as_json: bool) -> None:
    from tensorbp.report.console import clean

    if as_json:
        from tensorbp.report.json_text import json_text

        message = json_text({"error": _as_dict(error)})
    typer.echo(clean(message), err=True)


def located(error: ModelError) -> list[dict[str, Any]]:
    """Return the problems of a model file, as JSON says them."""
    return [
        {"file": error.source, "line": each.line, "column": each.column, "message": each.message}
        for each in error.problems
    ]


def _as_dict(error: Exception) -> dict[str, Any]:
    described: dict[str, Any] = {"type": type(error).__name__, "message": str(error)}
    if isinstance(error, ModelError):
        described["problems"] = located(error)
    return described
