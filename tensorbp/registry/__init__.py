"""Plugins: what they may provide, how they are found, and where everything came from."""

from tensorbp.registry.hookspecs import HOOKS, Kind, hookimpl, hookspec
from tensorbp.registry.loading import BUILT_IN, build_registry, default_registry
from tensorbp.registry.registry import Entry, PluginInfo, Registry

__all__ = [
    "BUILT_IN",
    "HOOKS",
    "Entry",
    "Kind",
    "PluginInfo",
    "Registry",
    "build_registry",
    "default_registry",
    "hookimpl",
    "hookspec",
]
