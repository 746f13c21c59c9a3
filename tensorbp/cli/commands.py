"""The commands of tensorbp and, behind them, those of plugins.

Plugins are looked for only where a list of all commands is shown, or a name is not one of our own;
the module of a command is imported only when the command is used.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from importlib import metadata
from typing import TYPE_CHECKING, Any

import typer
from typer.core import TyperCommand, TyperGroup

from tensorbp.cli.failures import reported
from tensorbp.cli.inputs import load_registry, warn

if TYPE_CHECKING:
    from tensorbp.registry.command import Command

__all__ = ["Commands"]


class Commands(TyperGroup):
    """A group of commands to which plugins add their own."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names of all commands, our own first."""
        return [*super().list_commands(ctx), *self._of_plugins]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return the command of that name, or None."""
        return super().get_command(ctx, cmd_name) or self._of_plugins.get(cmd_name)

    @cached_property
    def _of_plugins(self) -> Mapping[str, _PluginCommand]:
        if not metadata.entry_points(group="tensorbp"):
            # Most have no plugins, and need not wait for the registry.
            return {}
        registry = load_registry(built_ins=False)
        found = {}
        for name, command in registry.commands.items():
            label = registry.origin("command", name).label
            if name in self.commands:
                warn(f"plugin '{label}' redefines command '{name}'; the built-in is kept")
            else:
                found[name] = _PluginCommand(name, command, label)
        return found


class _PluginCommand(TyperCommand):
    """A command that becomes what the plugin made of it when it is used."""

    def __init__(self, name: str, command: Command, plugin: str) -> None:
        super().__init__(name, help=command.summary)
        self._command = command
        self._plugin = plugin

    def make_context(self, info_name: Any, args: Any, parent: Any = None, **extra: Any) -> Any:
        """Return the context of the command itself."""
        loaded = self._loaded(context=parent)
        return loaded.make_context(info_name, args, parent=parent, **extra)

    @reported
    def _loaded(self, context: Any) -> Any:
        """Import the command.

        Raises:
            PluginError: that fails, or it is no `typer.Typer`.
        """
        del context
        from tensorbp.errors import PluginError

        where = f"command '{self.name}' of plugin '{self._plugin}'"
        try:
            app = self._command.load()
        except Exception as error:
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            raise PluginError(f"{where} failed to load: {reason}") from error
        if not isinstance(app, typer.Typer):
            raise PluginError(f"{where}: '{self._command.target}' is no typer.Typer")
        return typer.main.get_command(app)
