"""Commands of plugins: where they are, until somebody uses them."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Any

__all__ = ["Command"]


@dataclass(frozen=True)
class Command:
    """A command that a plugin adds to the command line; nothing of it is imported before its use.

    Attributes:
        target: ``"module:attribute"``, where the attribute is a `typer.Typer`.
        summary: what it does, in the line that the list of commands has for it.
    """

    target: str
    summary: str

    def load(self) -> Any:
        """Import the `typer.Typer` and return it.

        Raises:
            ImportError: there is no such module, or something that it imports is missing.
            AttributeError: the module has nothing of that name.
            Exception: whatever the module itself raises.
        """
        module, _, attribute = self.target.partition(":")
        return getattr(import_module(module), attribute)
