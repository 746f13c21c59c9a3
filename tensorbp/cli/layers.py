"""``tensorbp layers``: the layers that are there, or all about one of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from tensorbp.cli.inputs import load_registry
from tensorbp.cli.options import Json
from tensorbp.cli.output import show, write
from tensorbp.errors import PluginError

if TYPE_CHECKING:
    from tensorbp.registry import Registry
    from tensorbp.report.layer_description import LayerDescription

__all__ = ["layers"]


def layers(
    context: typer.Context,
    name: Annotated[str | None, typer.Argument(help="A layer of which all is shown.")] = None,
    json: Json = False,
) -> None:
    """List the layers, or show one: its arguments, parameters and Jacobian."""
    del context
    registry = load_registry()
    from tensorbp.report.json_text import json_text
    from tensorbp.report.layer_text import layer_page, layers_table

    if name is not None:
        description = _described(registry, name)
        if json:
            write(json_text(description.to_dict()))
        else:
            show(layer_page(description))
    elif json:
        write(json_text(_listed(registry)))
    else:
        show(layers_table(registry))


def _listed(registry: Registry) -> list[dict[str, Any]]:
    from tensorbp.report.layer_description import kind_of

    return [
        {
            "name": name,
            "formula": layer.formula,
            "kind": kind_of(layer),
            "plugin": registry.origin("layer", name).label,
        }
        for name, layer in registry.layers.items()
    ]


def _described(registry: Registry, name: str) -> LayerDescription:
    """Return what there is to say of a layer.

    Raises:
        LayerError: there is no such layer.
        PluginError: the layer of a plugin fails when it is asked for its example or Jacobian.
    """
    from tensorbp.report.layer_description import describe

    layer = registry.layer(name)
    plugin = registry.origin("layer", name)
    try:
        return describe(layer, plugin)
    except Exception as error:
        if plugin.built_in:
            raise
        raise PluginError(
            f"layer '{name}' of plugin '{plugin.label}' cannot be shown: "
            f"{type(error).__name__}: {error}"
        ) from error
