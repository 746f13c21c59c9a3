"""The registry: everything that has a name, and the plugin that it came from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

from tensorbp.errors import LayerError, PluginError, suggestion
from tensorbp.registry.hookspecs import Kind

if TYPE_CHECKING:
    from tensorbp.expression.layer import Layer
    from tensorbp.registry.command import Command

__all__ = ["Entry", "PluginInfo", "Registry"]


@dataclass(frozen=True)
class PluginInfo:
    """One plugin, loaded or not.

    Attributes:
        name: ``"distribution:entry point"``, or the name of the module.
        distribution: the installed package that it belongs to, empty for a plugin given as an
            object.
        version: the version of that package; empty for built-ins, which have that of tensorbp.
        entry_point: where its module is, as its package declares it.
        built_in: whether it is a part of tensorbp.
        status: ``"ok"``, or ``"failed"``: then nothing of it is used.
        error: why it failed.
        hooks: the hooks that it implements.
        layers: the names of the layers that it provides.
    """

    name: str
    distribution: str = ""
    version: str = ""
    entry_point: str = ""
    built_in: bool = False
    status: Literal["ok", "failed"] = "ok"
    error: str = ""
    hooks: tuple[str, ...] = ()
    layers: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """What messages call it: the package that one can install and uninstall, if any."""
        return self.distribution or self.name


@dataclass(frozen=True)
class Entry:
    """A registered thing and the plugins that claim its name; with two, neither is chosen."""

    thing: Any
    plugins: tuple[PluginInfo, ...]

    @property
    def disputed(self) -> bool:
        """Whether several plugins claim the name."""
        return len(self.plugins) > 1

    def dispute(self, kind: Kind, name: str) -> str:
        """Return who claims the name, and the way out."""
        claimants = " and ".join(f"'{plugin.label}'" for plugin in self.plugins)
        return (
            f"{kind} '{name}' is provided by {claimants}, so neither is used; "
            "uninstall one, or name the plugins to load in TENSORBP_LOAD_PLUGINS"
        )


@dataclass(frozen=True, eq=False)
class Registry:
    """Everything that plugins provide, by kind and name; made by `build_registry`.

    Attributes:
        entries: everything that was registered, by kind and name.
        plugins: every plugin, built-ins first, failed ones included.
        warnings: what a user should be told, one line each.
    """

    entries: Mapping[Kind, Mapping[str, Entry]]
    plugins: tuple[PluginInfo, ...]
    warnings: tuple[str, ...]

    @cached_property
    def layers(self) -> Mapping[str, type[Layer]]:
        """The layers that can be used, by name."""
        return self._usable("layer")

    @cached_property
    def operators(self) -> Mapping[str, type[Any]]:
        """What plan files name and is no layer of its own, by name."""
        return self._usable("operator")

    @cached_property
    def path_finders(self) -> Mapping[str, Any]:
        """The functions that order contractions, by name."""
        return self._usable("path finder")

    @cached_property
    def backends(self) -> Mapping[str, Any]:
        """The array libraries that run programs, by name."""
        return self._usable("backend")

    @cached_property
    def renderers(self) -> Mapping[str, Any]:
        """The forms in which reports are written, by name."""
        return self._usable("renderer")

    @cached_property
    def commands(self) -> Mapping[str, Command]:
        """The commands that plugins add to the command line, by name."""
        return self._usable("command")

    def layer(self, name: str) -> type[Layer]:
        """Return the class of a layer.

        Raises:
            LayerError: no plugin, or more than one, provides the layer.
        """
        if name not in self.layers:
            raise LayerError(self.absence("layer", name))
        return self.layers[name]

    def operator(self, name: str) -> type[Any]:
        """Return the class that a plan file means by a name: of a layer, or of an operator.

        Raises:
            PluginError: no plugin, or more than one, provides it.
        """
        if name in self.layers:
            return self.layers[name]
        if name not in self.operators:
            raise PluginError(self.absence("layer", name, tuple(self.operators)))
        return self.operators[name]

    def path_finder(self, name: str) -> Any:
        """Return a function that orders contractions.

        Raises:
            PluginError: no plugin, or more than one, provides it.
        """
        return self._find("path finder", name, self.path_finders)

    def backend(self, name: str) -> Any:
        """Return what runs programs on an array library.

        Raises:
            PluginError: no plugin, or more than one, provides it.
        """
        return self._find("backend", name, self.backends)

    def renderer(self, name: str) -> Any:
        """Return what writes reports in some form.

        Raises:
            PluginError: no plugin, or more than one, provides it.
        """
        return self._find("renderer", name, self.renderers)

    def origin(self, kind: Kind, name: str) -> PluginInfo:
        """Return the plugin that provides something.

        Raises:
            PluginError: no plugin, or more than one, provides it.
        """
        entry = self.entries[kind].get(name)
        if entry is None or entry.disputed:
            raise PluginError(self.absence(kind, name))
        return entry.plugins[0]

    def absence(self, kind: Kind, name: str, others: tuple[str, ...] = ()) -> str:
        """Return why nothing of that kind and name can be used, and what to do about it.

        Args:
            kind: what was looked for.
            name: the name that was asked for.
            others: names that would also have done, for the suggestion.
        """
        entry = self.entries[kind].get(name)
        if entry is not None and entry.disputed:
            return entry.dispute(kind, name)
        return (
            f"unknown {kind} '{name}'{suggestion(name, [*self._usable(kind), *others])}"
            + "".join(
                f"; plugin '{plugin.label}' failed to load: {plugin.error}"
                for plugin in self.plugins
                if plugin.status == "failed"
            )
        )

    def _usable(self, kind: Kind) -> Mapping[str, Any]:
        entries = sorted(self.entries[kind].items())
        return MappingProxyType({name: each.thing for name, each in entries if not each.disputed})

    def _find(self, kind: Kind, name: str, table: Mapping[str, Any]) -> Any:
        if name not in table:
            raise PluginError(self.absence(kind, name))
        return table[name]
