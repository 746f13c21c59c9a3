"""Writing what a command says: to standard output, or to a file that appears when complete."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from tensorbp.cli.failures import CommandError

if TYPE_CHECKING:
    from rich.console import RenderableType

__all__ = ["check_output", "show", "unwritable", "write"]


def write(text: str, output: str | None = None) -> None:
    """Write a text to a file, or to standard output.

    Raises:
        CommandError: the file cannot be written.
    """
    ended = text if text.endswith("\n") else f"{text}\n"
    if output is None:
        typer.echo(ended, nl=False)
        return
    target = check_output(output)
    partial = target.with_name(f"{target.name}.{secrets.token_hex(4)}.partial")
    with unwritable(output):
        try:
            with partial.open("x", encoding="utf-8") as stream:
                stream.write(ended)
                stream.flush()
                os.fsync(stream.fileno())
            partial.replace(target)
        finally:
            partial.unlink(missing_ok=True)


def show(report: RenderableType, output: str | None = None) -> None:
    """Write a report: with colours on a terminal, as plain text anywhere else.

    Raises:
        CommandError: the file cannot be written.
    """
    from rich.console import Console

    from tensorbp.report.console import plain_text

    console = Console(highlight=False)
    if output is None and console.is_terminal:
        console.print(report)
    else:
        write(plain_text(report), output)


def check_output(output: str) -> Path:
    """Return the path of a file that can be written, to be called before the work begins.

    Raises:
        CommandError: it is no regular file, or its folder is not there.
    """
    target = Path(output)
    if target.is_dir():
        raise CommandError(f"cannot write '{output}': it is a folder")
    if target.exists() and not target.is_file():
        raise CommandError(
            f"cannot write '{output}': it is no regular file; leave out --output, and redirect"
        )
    if not target.parent.is_dir():
        raise CommandError(f"cannot write '{output}': there is no folder '{target.parent}'")
    return target


@contextmanager
def unwritable(output: str) -> Iterator[None]:
    """Turn an error of the file system into one that names the file as it was given."""
    try:
        yield
    except OSError as error:
        raise CommandError(f"cannot write '{output}': {error.strerror or error}") from None
