"""All there is to say of a layer, as a page of text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from rich.console import Group, RenderableType

from tensorbp.report.console import key_values, paragraphs, table, words
from tensorbp.report.layer_description import ArgumentDescription, LayerDescription
from tensorbp.report.units import shape_text

__all__ = ["default_text", "layer_page", "shapes_text"]


def layer_page(layer: LayerDescription) -> Group:
    """Return all there is to say of a layer."""
    parts: list[RenderableType] = [
        words(layer.name, "bold"),
        words(layer.text),
        key_values(_facts(layer)),
    ]
    if layer.arguments:
        rows = [
            (each.name, each.type, default_text(each), each.explanation) for each in layer.arguments
        ]
        parts.append(table(("argument", "type", "default", "explanation"), rows, ()))
    if layer.jacobian:
        origin = "worked out" if layer.kind == "composite" else "declared"
        rows = [
            (each.operand, each.signature, each.coefficient, ", ".join(each.factors))
            for each in layer.jacobian
        ]
        columns = (f"Jacobian ({origin}) by", "signature", "coefficient", "factors")
        parts.append(table(columns, rows, ()))
    return paragraphs(*parts)


def _facts(layer: LayerDescription) -> Iterator[tuple[str, str]]:
    inputs = [
        f"{name} (integers)" if kind == "integer" else name for name, kind in layer.inputs.items()
    ]
    yield "formula", layer.formula
    yield "kind", layer.kind
    yield "from", layer.plugin
    yield "inputs", ", ".join(inputs) + (", ..." if layer.variadic else "")
    if layer.output_kind == "integer":
        yield "gives", "integers"
    if layer.parameters:
        yield "parameters", shapes_text(layer.parameters)
    yield "example", layer.example
    yield "", f"where {shapes_text(layer.example_inputs)}"


def shapes_text(shapes: Mapping[str, tuple[int, ...]]) -> str:
    """Return shapes by name, as in ``W is 4 × 5, b is 5``."""
    return ", ".join(f"{name} is {shape_text(shape)}" for name, shape in shapes.items())


def default_text(argument: ArgumentDescription) -> str:
    """Return the default as a model file writes it."""
    value = argument.default
    if argument.required:
        return "required"
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else str(value)
