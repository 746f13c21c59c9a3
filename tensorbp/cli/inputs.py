"""What commands read: the registry, with its warnings, and the model file."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from contextlib import redirect_stdout
from typing import TYPE_CHECKING

import typer

from tensorbp.cli.failures import CommandError

if TYPE_CHECKING:
    from tensorbp.model import Model
    from tensorbp.registry import Registry

__all__ = ["load_model", "load_registry", "sizes", "warn"]

STANDARD_INPUT = "-"

_DIM = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=([0-9]{1,13})")


def load_registry(built_ins: bool = True) -> Registry:
    """Return what is installed; what is wrong with plugins is said on standard error.

    Args:
        built_ins: whether the built-ins are wanted as well, or plugins only.
    """
    # A plugin that prints something must not spoil the answer.
    with redirect_stdout(sys.stderr):
        from tensorbp.registry import build_registry, default_registry

        registry = default_registry() if built_ins else build_registry(built_ins=False)
    for warning in registry.warnings:
        warn(warning)
    return registry


def warn(text: str) -> None:
    """Say on standard error what a user should know."""
    from tensorbp.report.console import clean

    typer.echo(f"warning: {clean(text)}", err=True)


def load_model(file: str, dims: Iterable[str] | None, registry: Registry) -> Model:
    """Return the model in a file.

    Args:
        file: its path, or ``-`` for standard input.
        dims: sizes of dimensions, each as ``name=size``.
        registry: where layers are looked up.

    Raises:
        CommandError: the file cannot be read, or a size is not written as one.
        ModelError: something is wrong with the model.
        ShapeError: there is no such dimension.
    """
    from tensorbp.model.reader import load

    given = sizes(dims or ())
    source = sys.stdin.buffer if file == STANDARD_INPUT else file
    try:
        return load(source, given, registry)
    except OSError as error:
        raise CommandError(f"cannot read '{file}': {error.strerror or error}") from None


def sizes(dims: Iterable[str]) -> dict[str, int]:
    """Return the sizes of dimensions that are written as ``name=size``.

    Raises:
        CommandError: one is not, or is there twice.
    """
    found: dict[str, int] = {}
    for text in dims:
        match = _DIM.fullmatch(text)
        if match is None:
            raise CommandError(
                f"--dim takes a name and a size, as in --dim batch=64; found '{text}'"
            )
        name, size = match.groups()
        if name in found:
            raise CommandError(f"--dim gives dimension '{name}' twice")
        found[name] = int(size)
    return found
