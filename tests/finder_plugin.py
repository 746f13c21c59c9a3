"""A plugin that brings one order finder."""

from __future__ import annotations

from types import ModuleType
from typing import Any

from tensorbp.registry import Registry, build_registry, hookimpl


def registry_with(finder: Any, name: str) -> Registry:
    """Return what is built in, and a finder by a name, of plugin ``tensorbp_name``."""
    plugin = ModuleType(f"tensorbp_{name}")

    @hookimpl
    def tensorbp_register_path_finders(register: Any) -> None:
        register(name, finder)

    vars(plugin)["tensorbp_register_path_finders"] = tensorbp_register_path_finders
    return build_registry(plugin, entry_points=False)
