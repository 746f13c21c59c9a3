"""``tensorbp layers``: the layers that are there, or all about one of them."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from tensorbp.cli.inputs import load_registry
from tensorbp.cli.options import Json, Output
from tensorbp.cli.output import check_output, show, write
from tensorbp.errors import PluginError

if TYPE_CHECKING:
    from tensorbp.registry import Registry
    from tensorbp.report.layer_description import LayerDescription

__all__ = ["layers"]


class Form(StrEnum):
    """The forms in which layers are described."""

    TEXT = "text"
    JSON = "json"
    MARKDOWN = "markdown"


def layers(
    context: typer.Context,
    name: Annotated[str | None, typer.Argument(help="A layer of which all is shown.")] = None,
    form: Annotated[
        Form, typer.Option("--format", help="markdown is the reference of all layers.")
    ] = Form.TEXT,
    json: Json = False,
    output: Output = None,
) -> None:
    """List the layers, or show one: its arguments, parameters and Jacobian."""
    del context
    if output is not None:
        check_output(output)
    form = Form.JSON if json else form
    registry = load_registry()
    if name is None:
        _write_all(registry, form, output)
    else:
        _write_one(_described(registry, name), form, output)


def _write_all(registry: Registry, form: Form, output: str | None) -> None:
    from tensorbp.report.json_text import json_text
    from tensorbp.report.layer_list import layers_list, layers_text

    match form:
        case Form.TEXT:
            show(layers_text(registry), output)
        case Form.JSON:
            write(json_text(layers_list(registry)), output)
        case Form.MARKDOWN:
            from tensorbp.report.layer_reference import layer_reference

            write(layer_reference(registry), output)


def _write_one(layer: LayerDescription, form: Form, output: str | None) -> None:
    from tensorbp.report.json_text import json_text
    from tensorbp.report.layer_reference import layer_section
    from tensorbp.report.layer_text import layer_page

    match form:
        case Form.TEXT:
            show(layer_page(layer), output)
        case Form.JSON:
            write(json_text(layer.to_dict()), output)
        case Form.MARKDOWN:
            write(layer_section(layer), output)


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
