"""Plugins as a table and as JSON, failed ones with the reason."""

from __future__ import annotations

from typing import Any

from rich.console import Group

from tensorbp import __version__
from tensorbp.registry import PluginInfo, Registry
from tensorbp.report.console import paragraphs, table, words

__all__ = ["plugins_list", "plugins_report"]

_PREFIX = "tensorbp_register_"


def plugins_report(registry: Registry) -> Group:
    """Return a table of all plugins, and what is wrong with those that failed."""
    rows = [(each.name, _version(each), each.status, _provides(each)) for each in registry.plugins]
    failures = [
        words(f"{each.name} failed to load: {each.error}")
        for each in registry.plugins
        if each.status == "failed"
    ]
    return paragraphs(table(("plugin", "version", "status", "provides"), rows, ()), *failures)


def plugins_list(registry: Registry) -> list[dict[str, Any]]:
    """Return all that is known of each plugin, as JSON can write it."""
    return [
        {
            "name": each.name,
            "distribution": each.distribution,
            "version": _version(each),
            "entry_point": each.entry_point,
            "built_in": each.built_in,
            "status": each.status,
            "error": each.error,
            "hooks": list(each.hooks),
            "layers": list(each.layers),
        }
        for each in registry.plugins
    ]


def _version(plugin: PluginInfo) -> str:
    return __version__ if plugin.built_in else plugin.version


def _provides(plugin: PluginInfo) -> str:
    """Return what a plugin registers: its layers by number, the other kinds by name."""
    others = [each.removeprefix(_PREFIX).replace("_", " ") for each in plugin.hooks]
    count = len(plugin.layers)
    counted = f"{count} layer{'s' * (count != 1)}"
    return ", ".join(counted if each == "layers" else each for each in others)
