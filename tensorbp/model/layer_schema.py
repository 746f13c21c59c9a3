"""The form of a layer in a model file: its type, its arguments, what it reads."""

from __future__ import annotations

from collections.abc import Mapping

from tensorbp.errors import LayerError
from tensorbp.expression.layer import Layer
from tensorbp.model.argument_types import Mismatch, Value, describe
from tensorbp.model.arguments import Argument, arguments
from tensorbp.model.checks import (
    NAME,
    PARAMETER,
    REFERENCE,
    Context,
    integer,
    mapping,
    matching,
    named,
)
from tensorbp.model.document import MappingNode, Node, SequenceNode
from tensorbp.model.specification import LayerSpecification, Reference, Share

LAYER_KEYS = ("name", "type", "inputs", "repeat", "share")
LOSS_KEYS = ("name", "type", "inputs", "share")
PREVIOUS = "previous"
BLOCK_INPUT = "input"
MOST_REPETITIONS = 100_000

__all__ = [
    "BLOCK_INPUT",
    "LAYER_KEYS",
    "LOSS_KEYS",
    "MOST_REPETITIONS",
    "PREVIOUS",
    "check_layer",
    "check_layers",
    "check_references",
]


def check_layers(context: Context, node: Node) -> tuple[LayerSpecification, ...]:
    """Return a list of layers, noting problems."""
    if not isinstance(node, SequenceNode) or not node.items:
        context.problems.add(node.place, f"expected a list of layers, found {describe(node)}")
        return ()
    return tuple(check_layer(context, each, LAYER_KEYS) for each in node.items)


def check_layer(context: Context, node: Node, keys: tuple[str, ...]) -> LayerSpecification:
    """Return a layer, or the use of a block, noting problems.

    Args:
        context: what every check needs to know.
        node: what stands in the file.
        keys: the keys that it may have besides the arguments of the layer.
    """
    given = node.entries if isinstance(node, MappingNode) else {}
    type_name = (
        matching(context.problems, given["type"], "a layer", NAME) if "type" in given else ""
    )
    layer = _layer_class(context, type_name, given["type"]) if type_name else None
    expected = _arguments(context, layer, node) if layer else {}
    is_known = layer is not None or type_name in context.blocks
    what = f"'{type_name}'" if is_known else "a layer"
    # The arguments of an unknown layer may be right, only its name is wrong.
    known = (*keys, *expected) if is_known else (*keys, *given)
    entries = mapping(context.problems, node, what, known, ("type",))
    _check_required(context, node, what, expected)
    problems = context.problems
    return LayerSpecification(
        place=node.place,
        name=_layer_name(context, entries["name"]) if "name" in entries else None,
        type_name=type_name,
        layer=layer,
        arguments={
            name: _argument(context, entries[name], what, argument)
            for name, argument in expected.items()
            if name in entries
        },
        inputs=check_references(context, entries["inputs"]) if "inputs" in entries else None,
        repeat=(
            integer(problems, entries["repeat"], "'repeat'", MOST_REPETITIONS)
            if "repeat" in entries
            else None
        ),
        shares=_shares(context, entries["share"]) if "share" in entries else (),
    )


def check_references(context: Context, node: Node) -> tuple[Reference, ...]:
    """Return the names that stand as one name or a list of names, noting problems."""
    items = node.items if isinstance(node, SequenceNode) else (node,)
    if not items:
        context.problems.add(node.place, "expected a name or a list of names, found an empty list")
    names = [matching(context.problems, each, "a layer or input", REFERENCE) for each in items]
    return tuple(
        Reference(each.place, name) for each, name in zip(items, names, strict=True) if name
    )


def _shares(context: Context, node: Node) -> tuple[Share, ...]:
    """Return what a layer takes from other ones: a layer's name, or a name for each parameter."""
    problems = context.problems
    if not isinstance(node, MappingNode):
        source = matching(problems, node, "a layer", REFERENCE)
        return (Share(node.place, None, source),) if source else ()
    if not node.entries:
        problems.add(node.place, "'share' names no parameter; expected one such as {W: tokens.W}")

    def read(name: str, value: Node) -> Share:
        return Share(value.place, name, matching(problems, value, "a parameter", PARAMETER))

    shares = named(problems, node, "a parameter", REFERENCE, read)
    return tuple(share for share in shares.values() if share.source)


def _layer_class(context: Context, name: str, node: Node) -> type[Layer] | None:
    if name in context.blocks:
        return None
    if name in context.registry.layers:
        return context.registry.layers[name]
    context.problems.add(node.place, context.registry.absence("layer", name, context.blocks))
    return None


def _arguments(context: Context, layer: type[Layer], node: Node) -> Mapping[str, Argument]:
    try:
        return arguments(layer)
    except LayerError as error:
        context.problems.add(node.place, str(error))
        return {}


def _check_required(
    context: Context, node: Node, what: str, expected: Mapping[str, Argument]
) -> None:
    given = node.entries if isinstance(node, MappingNode) else {}
    for name, argument in expected.items():
        if argument.required and name not in given:
            reason = f" ({argument.explanation})" if argument.explanation else ""
            context.problems.add(node.place, f"{what} needs '{name}'{reason}")


def _argument(context: Context, node: Node, what: str, argument: Argument) -> Value:
    if argument.type is None:
        context.problems.add(
            node.place, f"'{argument.name}' of {what} can only be given in Python, not in a file"
        )
        return None
    try:
        return argument.type.read(node, context.dims)
    except Mismatch as mismatch:
        context.problems.add(mismatch.place, f"'{argument.name}' of {what}: {mismatch.message}")
        return None


def _layer_name(context: Context, node: Node) -> str | None:
    name = matching(context.problems, node, "a layer", NAME)
    if name in (PREVIOUS, BLOCK_INPUT):
        context.problems.add(node.place, f"'{name}' has a meaning of its own; use another name")
    return name or None
