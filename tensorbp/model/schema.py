"""The form of a model file: which keys there are, and what may stand under them."""

from __future__ import annotations

from functools import partial
from typing import Literal

from tensorbp.model.argument_types import INTEGER, Mismatch, describe
from tensorbp.model.checks import DIM_NAME, NAME, Context, mapping, named, text
from tensorbp.model.document import MappingNode, Node, ScalarNode, SequenceNode
from tensorbp.model.layer_schema import (
    LOSS_KEYS,
    PREVIOUS,
    check_layer,
    check_layers,
    check_references,
)
from tensorbp.model.problems import Problems
from tensorbp.model.sizes import LARGEST_SIZE, Size
from tensorbp.model.specification import (
    BlockSpecification,
    DimSpecification,
    InputSpecification,
    LayerSpecification,
    ModelSpecification,
)
from tensorbp.registry import Registry

FORMAT = 1
MODEL_KEYS = ("tensorbp", "name", "dims", "inputs", "blocks", "layers", "loss", "outputs")
REQUIRED_MODEL_KEYS = ("tensorbp", "inputs", "layers")
KINDS: tuple[Literal["real", "integer"], ...] = ("real", "integer")

_Kind = Literal["real", "integer"]

__all__ = ["FORMAT", "KINDS", "MODEL_KEYS", "REQUIRED_MODEL_KEYS", "check"]


def check(root: Node, problems: Problems, registry: Registry) -> ModelSpecification:
    """Return what a file says, noting everything that it must not say.

    The result means something only if no problem was noted.
    """
    entries = mapping(problems, root, "a model", MODEL_KEYS, REQUIRED_MODEL_KEYS)
    nothing = MappingNode(root.place, {}, {})
    blocks = entries.get("blocks", nothing)
    dims = named(
        problems,
        entries.get("dims", nothing),
        "a dimension",
        DIM_NAME,
        partial(_dim, problems),
    )
    block_names = tuple(blocks.entries) if isinstance(blocks, MappingNode) else ()
    context = Context(problems, registry, dims, block_names)
    if "tensorbp" in entries:
        _check_format(problems, entries["tensorbp"])
    inputs = named(
        problems, entries.get("inputs", nothing), "an input", NAME, partial(_input, context)
    )
    if "inputs" in entries and not inputs:
        problems.add(entries["inputs"].place, "a model needs at least one input")
    return ModelSpecification(
        source=problems.source,
        name=text(problems, entries["name"]) if "name" in entries else "",
        dims=dims,
        inputs=inputs,
        blocks=named(problems, blocks, "a block", NAME, partial(_block, context)),
        layers=check_layers(context, entries["layers"]) if "layers" in entries else (),
        loss=_loss(context, entries["loss"]) if "loss" in entries else None,
        outputs=check_references(context, entries["outputs"]) if "outputs" in entries else None,
    )


def _check_format(problems: Problems, node: Node) -> None:
    if not isinstance(node, ScalarNode) or node.value is True or node.value != FORMAT:
        problems.add(
            node.place,
            f"'tensorbp' is the version of the format: expected {FORMAT}, found {describe(node)}",
        )


def _dim(problems: Problems, name: str, node: Node) -> DimSpecification:
    value = node.value if isinstance(node, ScalarNode) else ""
    if value is None:
        return DimSpecification(node.place, None)
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= LARGEST_SIZE:
        return DimSpecification(node.place, value)
    problems.add(
        node.place,
        f"dimension '{name}' must be an integer from 1 to {LARGEST_SIZE}, or null if it has no "
        f"default; found {describe(node)}",
    )
    return DimSpecification(node.place, None)


def _input(context: Context, name: str, node: Node) -> InputSpecification:
    if name == PREVIOUS:
        context.problems.add(node.place, f"'{name}' has a meaning of its own; use another name")
    if not isinstance(node, MappingNode):
        return InputSpecification(node.place, _shape(context, name, node), "real")
    what = f"input '{name}'"
    entries = mapping(context.problems, node, what, ("shape", "kind"), ("shape",))
    shape = _shape(context, name, entries["shape"]) if "shape" in entries else ()
    kind = _kind(context, entries["kind"]) if "kind" in entries else "real"
    return InputSpecification(node.place, shape, kind)


def _kind(context: Context, node: Node) -> _Kind:
    for kind in KINDS:
        if isinstance(node, ScalarNode) and node.value == kind:
            return kind
    context.problems.add(node.place, f"'kind' must be real or integer, found {describe(node)}")
    return "real"


def _shape(context: Context, name: str, node: Node) -> tuple[Size, ...]:
    if not isinstance(node, SequenceNode):
        context.problems.add(
            node.place,
            f"input '{name}' needs a shape such as [batch, 2*hidden], found {describe(node)}",
        )
        return ()
    return tuple(_size(context, each) for each in node.items)


def _size(context: Context, node: Node) -> Size:
    try:
        value = INTEGER.read(node, context.dims)
    except Mismatch as mismatch:
        context.problems.add(mismatch.place, mismatch.message)
        return Size(1)
    if isinstance(value, Size):
        return value
    if isinstance(value, int) and value >= 1:
        return Size(value)
    context.problems.add(node.place, f"a size must be positive, found {value}")
    return Size(1)


def _block(context: Context, name: str, node: Node) -> BlockSpecification:
    if name in context.registry.layers:
        context.problems.add(node.place, f"block '{name}' has the name of a layer; rename it")
    entries = mapping(context.problems, node, f"block '{name}'", ("layers",), ("layers",))
    layers = check_layers(context, entries["layers"]) if "layers" in entries else ()
    return BlockSpecification(node.place, layers)


def _loss(context: Context, node: Node) -> LayerSpecification:
    loss = check_layer(context, node, LOSS_KEYS)
    if loss.type_name in context.blocks:
        context.problems.add(node.place, f"the loss must be a layer, '{loss.type_name}' is a block")
    return loss
