"""The families of layers: packages and modules, whose docstrings say what they are about."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass

from tensorbp.expression.layer import Layer
from tensorbp.registry import Registry

__all__ = ["Family", "families"]

PACKAGES = "tensorbp.layers."


@dataclass(frozen=True)
class Family:
    """Layers that belong together.

    Attributes:
        title: what they are.
        plugin: the package that they come from.
        built_in: whether that is tensorbp.
        layers: the layers by name.
    """

    title: str
    plugin: str
    built_in: bool
    layers: Mapping[str, type[Layer]]


def families(registry: Registry) -> tuple[Family, ...]:
    """Return the families by title, those of tensorbp first."""
    found: dict[tuple[bool, str, str], dict[str, type[Layer]]] = {}
    for name, layer in registry.layers.items():
        plugin = registry.origin("layer", name)
        key = (not plugin.built_in, _title(layer), plugin.label)
        found.setdefault(key, {})[name] = layer
    return tuple(
        Family(title, plugin, not is_foreign, layers)
        for (is_foreign, title, plugin), layers in sorted(found.items(), key=lambda each: each[0])
    )


def _title(layer: type[Layer]) -> str:
    """Return the first line of the docstring of the layer's family, or else the module's name.

    A family is a package of `tensorbp.layers`, or a module that stands by itself.
    """
    name = layer.__module__
    package, _, _ = name.rpartition(".")
    family = sys.modules.get(package if package.startswith(PACKAGES) else name)
    first, _, _ = (getattr(family, "__doc__", None) or "").strip().partition("\n")
    return first.removesuffix(".") or name
