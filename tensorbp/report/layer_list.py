"""The layers that can be used, by family, as text and as JSON."""

from __future__ import annotations

from rich.console import Group

from tensorbp.expression.layer import Layer, Primitive
from tensorbp.expression.rule import Elementwise
from tensorbp.registry import Registry
from tensorbp.report.console import key_values, paragraphs, words
from tensorbp.report.layer_families import Family, families

__all__ = ["kind_of", "layers_list", "layers_text"]


def layers_text(registry: Registry) -> Group:
    """Return the layers with their formulas, family by family."""
    width = max(map(len, registry.layers), default=0)
    return paragraphs(
        *[
            Group(
                words(_heading(family), "bold"),
                key_values(
                    (f"  {name:<{width}}", layer.formula) for name, layer in family.layers.items()
                ),
            )
            for family in families(registry)
        ],
        words(f"{len(registry.layers)} layers; 'tensorbp layers NAME' says all about one."),
    )


def layers_list(registry: Registry) -> list[dict[str, str]]:
    """Return, for each layer, its name, formula, kind and family, and where it comes from."""
    family_of = {name: family for family in families(registry) for name in family.layers}
    return [
        {
            "name": name,
            "formula": layer.formula,
            "kind": kind_of(layer),
            "family": family_of[name].title,
            "plugin": family_of[name].plugin,
        }
        for name, layer in registry.layers.items()
    ]


def kind_of(layer: type[Layer]) -> str:
    """Return which of the three kinds a layer is."""
    if issubclass(layer, Elementwise):
        return "elementwise"
    return "primitive" if issubclass(layer, Primitive) else "composite"


def _heading(family: Family) -> str:
    return family.title if family.built_in else f"{family.title} (from {family.plugin})"
