"""``tensorbp layers``: the layers that are there, or all about one of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

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

    if name is not None:
        from tensorbp.report.layer_text import layer_page

        description = _described(registry, name)
        if json:
            write(json_text(description.to_dict()))
        else:
            show(layer_page(description))
        return
    from tensorbp.report.layer_list import layers_list, layers_table

    if json:
        write(json_text(layers_list(registry)))
    else:
        show(layers_table(registry))


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
