"""The layers that can be used, as a table and as JSON."""

from __future__ import annotations

from rich.table import Table

from tensorbp.expression.layer import Layer, Primitive
from tensorbp.expression.rule import Elementwise
from tensorbp.registry import Registry
from tensorbp.report.console import table

__all__ = ["kind_of", "layers_list", "layers_table"]


def layers_table(registry: Registry) -> Table:
    """Return a table of the layers."""
    rows = [tuple(each.values()) for each in layers_list(registry)]
    return table(("layer", "formula", "kind", "from"), rows, ())


def layers_list(registry: Registry) -> list[dict[str, str]]:
    """Return, for each layer, its name, formula and kind, and where it comes from."""
    return [
        {
            "name": name,
            "formula": layer.formula,
            "kind": kind_of(layer),
            "plugin": registry.origin("layer", name).label,
        }
        for name, layer in registry.layers.items()
    ]


def kind_of(layer: type[Layer]) -> str:
    """Return which of the three kinds a layer is."""
    if issubclass(layer, Elementwise):
        return "elementwise"
    return "primitive" if issubclass(layer, Primitive) else "composite"
