"""Finding plugins and building a registry out of them.

Built-in layers, path finders, backends and renderers come in through the same hooks as those of
other packages. A plugin of another package that fails is listed with its error, and everything
else works; a built-in that fails is a fault of tensorbp, and raises.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import cache
from importlib import import_module, metadata
from types import MappingProxyType
from typing import Any

from tensorbp.errors import PluginError
from tensorbp.registry.contribution import Contribution, contribution
from tensorbp.registry.hookspecs import HOOKS, PROJECT, Kind
from tensorbp.registry.registry import Entry, PluginInfo, Registry

BUILT_IN = (
    "tensorbp.layers.plugin",
    "tensorbp.planning.plugin",
    "tensorbp.execution.plugin",
    "tensorbp.report.plugin",
)
ENVIRONMENT_VARIABLE = "TENSORBP_LOAD_PLUGINS"

__all__ = ["BUILT_IN", "ENVIRONMENT_VARIABLE", "build_registry", "default_registry"]


@cache
def default_registry() -> Registry:
    """Return the registry of the built-ins and the installed plugins, built once."""
    return build_registry()


def build_registry(*plugins: object, entry_points: bool = True, built_ins: bool = True) -> Registry:
    """Build a registry of the built-ins, the given plugins and the installed ones.

    The environment variable ``TENSORBP_LOAD_PLUGINS`` limits the installed ones to a
    comma-separated list of distributions; an empty value loads none.

    Args:
        *plugins: modules or objects with marked hook functions.
        entry_points: whether to look for installed plugins.
        built_ins: whether to load what tensorbp itself has; plugins alone are there sooner.
    """
    draft = _Draft()
    for name in BUILT_IN if built_ins else ():
        info = PluginInfo(name, distribution=PROJECT, entry_point=name, built_in=True)
        draft.add(info, contribution(import_module(name), name))
    for plugin in plugins:
        info = PluginInfo(str(getattr(plugin, "__name__", None) or type(plugin).__name__))
        draft.attempt(info, plugin)
    if entry_points:
        for entry_point in _admitted(metadata.entry_points(group=PROJECT), draft.warnings):
            draft.attempt(_described(entry_point), entry_point)
    return draft.registry()


def _admitted(
    entry_points: Iterable[metadata.EntryPoint], warnings: list[str]
) -> list[metadata.EntryPoint]:
    """Return the entry points that the environment variable admits, in order of name."""
    found = sorted(entry_points, key=lambda each: (_distribution(each), each.name))
    listed = os.environ.get(ENVIRONMENT_VARIABLE)
    if listed is None:
        return found
    wanted = {_normalized(name): name.strip() for name in listed.split(",") if name.strip()}
    absent = wanted.keys() - {_normalized(_distribution(each)) for each in found}
    warnings.extend(
        f"{ENVIRONMENT_VARIABLE} names '{wanted[name]}', but no installed package of that name "
        "has plugins for tensorbp"
        for name in sorted(absent)
    )
    return [each for each in found if _normalized(_distribution(each)) in wanted]


def _described(entry_point: metadata.EntryPoint) -> PluginInfo:
    distribution = _distribution(entry_point)
    return PluginInfo(
        name=f"{distribution}:{entry_point.name}",
        distribution=distribution,
        version=entry_point.dist.version if entry_point.dist else "",
        entry_point=entry_point.value,
    )


def _distribution(entry_point: metadata.EntryPoint) -> str:
    return (entry_point.dist.name or "") if entry_point.dist else ""


def _normalized(distribution: str) -> str:
    """Return the name as package indexes compare it."""
    return re.sub(r"[-_.]+", "-", distribution.strip()).lower()


@dataclass
class _Draft:
    """A registry while it is being built."""

    entries: dict[Kind, dict[str, Entry]] = field(
        default_factory=lambda: {kind: {} for kind in HOOKS}
    )
    plugins: list[PluginInfo] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def attempt(self, info: PluginInfo, source: object) -> None:
        """Add a plugin, or the reason why it cannot be added, and nothing of it."""
        try:
            plugin = source.load() if isinstance(source, metadata.EntryPoint) else source
            provided = contribution(plugin, info.name)
        except (Exception, SystemExit) as error:
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            self.plugins.append(replace(info, status="failed", error=reason))
            self.warnings.append(f"plugin '{info.label}' failed to load: {reason}")
        else:
            self.add(info, provided)

    def add(self, info: PluginInfo, provided: Contribution) -> None:
        """Add what a plugin provides, settling who owns a name that is claimed twice."""
        layers = tuple(sorted(provided.things["layer"]))
        info = replace(info, hooks=provided.hooks, layers=layers)
        self.plugins.append(info)
        for kind, things in provided.things.items():
            for name, thing in things.items():
                self.entries[kind][name] = self._settled(kind, name, thing, info)

    def _settled(self, kind: Kind, name: str, thing: Any, info: PluginInfo) -> Entry:
        owner = self.entries[kind].get(name)
        if owner is None:
            return Entry(thing, (info,))
        first = owner.plugins[0]
        if info.built_in:
            raise PluginError(f"'{first.name}' and '{info.name}' both define {kind} '{name}'")
        if first.built_in:
            self.warnings.append(
                f"plugin '{info.label}' redefines {kind} '{name}' of '{first.name}'; "
                "the built-in is kept"
            )
            return owner
        return Entry(None, (*owner.plugins, info))

    def registry(self) -> Registry:
        """Return the finished registry."""
        disputes = [
            entry.dispute(kind, name)
            for kind, entries in self.entries.items()
            for name, entry in entries.items()
            if entry.disputed
        ]
        return Registry(
            entries=MappingProxyType(
                {kind: MappingProxyType(entries) for kind, entries in self.entries.items()}
            ),
            plugins=tuple(self.plugins),
            warnings=(*self.warnings, *disputes),
        )
