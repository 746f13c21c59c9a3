"""The reference of all layers, as a page of Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from tensorbp.registry import Registry
from tensorbp.report.console import clean
from tensorbp.report.layer_description import (
    ArgumentDescription,
    JacobianTerm,
    LayerDescription,
    describe,
)
from tensorbp.report.layer_families import Family, families
from tensorbp.report.layer_text import default_text, shapes_text

MOST_TERMS = 12
"""Of a Jacobian no more terms than this are shown; `tensorbp layers NAME` shows all."""

LONGEST_CELL = 160

HOW_TO_WRITE = (
    "TENSORBP_LOAD_PLUGINS= tensorbp layers --format markdown -o docs/reference/layers.md"
)

_SPECIAL = re.compile(r"([\\_*<>|\[\]#])")

__all__ = ["HOW_TO_WRITE", "layer_reference", "layer_section"]


def layer_reference(registry: Registry) -> str:
    """Return a page about all layers, family by family.

    Raises:
        LayerError: a layer has no examples.
    """
    found = families(registry)
    contents = [
        f"- [{_escaped(each.title)}](#{_anchor(each.title)}): "
        + ", ".join(f"[`{name}`](#{_anchor(name)})" for name in each.layers)
        for each in found
    ]
    parts = [
        "# Layers",
        f"The {len(registry.layers)} layers, by family. This page is written by",
        f"```sh\n{HOW_TO_WRITE}\n```",
        "For each layer: what it computes, a line for a [model file](model-files.md), its "
        "arguments, and its Jacobian as einsum signatures `factors -> output/input`, in which a "
        "letter on both sides of `/` is a Kronecker delta. The Jacobian of a composite is not "
        "declared but worked out, for the example. Which laws hold for each layer is the subject "
        "of the [conformance table](conformance.md).",
        "\n".join(contents),
        *[part for family in found for part in _family(registry, family)],
    ]
    return "\n\n".join(clean(part) for part in parts) + "\n"


def layer_section(layer: LayerDescription) -> str:
    """Return all there is to say of a layer, as a section of Markdown."""
    parts = [f"### {layer.name}", *_text(layer), "\n".join(_facts(layer))]
    if layer.arguments:
        columns = ("argument", "type", "default", "explanation")
        parts.append(_table(columns, map(_argument, layer.arguments)))
    if layer.jacobian:
        origin = "worked out" if layer.kind == "composite" else "declared"
        columns = (f"Jacobian ({origin}) by", "coefficient", "signature", "factors")
        parts.append(_table(columns, map(_term, layer.jacobian[:MOST_TERMS])))
        if len(layer.jacobian) > MOST_TERMS:
            rest = len(layer.jacobian) - MOST_TERMS
            parts.append(f"and {rest} more terms, which `tensorbp layers {layer.name}` shows.")
    return "\n\n".join(parts)


def _family(registry: Registry, family: Family) -> Iterator[str]:
    yield f"## {_escaped(family.title)}"
    for name, layer in family.layers.items():
        yield layer_section(describe(layer, registry.origin("layer", name)))


def _text(layer: LayerDescription) -> Iterator[str]:
    """Yield the paragraphs of the docstring; what is run there needs names of its module."""
    for paragraph in layer.text.split("\n\n"):
        if not paragraph.lstrip().startswith(">>>"):
            yield _prose(paragraph)


def _facts(layer: LayerDescription) -> Iterator[str]:
    inputs = [
        _code(name) + (" (integers)" if kind == "integer" else "")
        for name, kind in layer.inputs.items()
    ]
    yield f"- formula: {_code(layer.formula)}"
    yield f"- reads: {', '.join(inputs)}{', ...' if layer.variadic else ''}"
    if layer.output_kind == "integer":
        yield "- gives: integers"
    yield f"- kind: {layer.kind}"
    yield f"- example: {_code(layer.example)}, where {shapes_text(layer.example_inputs)}"
    if layer.parameters:
        yield f"- its parameters: {shapes_text(layer.parameters)}"


def _argument(argument: ArgumentDescription) -> tuple[str, ...]:
    default = "required" if argument.required else _cell(default_text(argument))
    cells = (_escaped(argument.type), default, _escaped(argument.explanation))
    return (_cell(argument.name), *cells)


def _term(term: JacobianTerm) -> tuple[str, ...]:
    most = LONGEST_CELL // max(len(term.factors), 1)
    factors = [_cell(_cut(" ".join(each.split()), most)) for each in term.factors]
    return (_cell(term.operand), term.coefficient, _cell(term.signature), ", ".join(factors))


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[: length - 1]}…"


def _table(columns: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    heading = list(columns)
    lines = [heading, ["---"] * len(heading), *map(list, rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _code(text: str) -> str:
    return f"`{text}`" if text else ""


def _cell(text: str) -> str:
    r"""Return a text as code in a table.

    >>> _cell("|x|")
    '`\\|x\\|`'
    """
    return _code(text).replace("|", r"\|")


def _prose(text: str) -> str:
    """Return a docstring's paragraph as Markdown: what stands in backquotes is code."""
    return "".join(
        f"`{part}`" if k % 2 else _escaped(part) for k, part in enumerate(re.split("`+", text))
    )


def _escaped(text: str) -> str:
    return _SPECIAL.sub(r"\\\1", text)


def _anchor(title: str) -> str:
    """Return the anchor that a heading gets: small letters, digits, and - for spaces."""
    kept = [each for each in title.lower() if each.isalnum() or each in " -_"]
    return "".join(kept).replace(" ", "-")
