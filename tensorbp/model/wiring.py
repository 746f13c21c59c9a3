"""From the lists of a model file to one graph: blocks are written out, every name is resolved."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from tensorbp.model.layer_schema import BLOCK_INPUT, PREVIOUS
from tensorbp.model.problems import Problems
from tensorbp.model.resolution import MOST_LAYERS, Surroundings, note_unread, resolve
from tensorbp.model.scope import Scope, Target
from tensorbp.model.specification import LayerSpecification, ModelSpecification

LOSS = "loss"
GREATEST_NESTING = 64

__all__ = ["GREATEST_NESTING", "LOSS", "Network", "WiredLayer", "wire"]


@dataclass(frozen=True)
class WiredLayer:
    """A layer of the written-out model.

    Attributes:
        name: what it is called; ``stage2.dense`` is a layer in a block.
        specification: what it is.
        inputs: the names of the layers and model inputs that it reads.
    """

    name: str
    specification: LayerSpecification
    inputs: tuple[str, ...]


@dataclass(frozen=True)
class Network:
    """A model whose names are resolved, but whose sizes are still symbols.

    Attributes:
        specification: the file.
        layers: all layers but the loss, each after what it reads.
        loss: the loss, if the model has one.
        outputs: the layers that make the outputs, by the names that the file gives them.
    """

    specification: ModelSpecification
    layers: tuple[WiredLayer, ...]
    loss: WiredLayer | None
    outputs: Mapping[str, str]


def wire(model: ModelSpecification, problems: Problems) -> Network:
    """Return the graph of a model.

    Raises:
        ModelError: a name stands for nothing or for two things, layers read each other in a
            circle, or something else has been found wrong with the file before.
    """
    if not model.layers or not model.inputs:
        problems.check()
    inputs = {name: Target("model input", name) for name in model.inputs}
    blocks = _resolved_blocks(model, inputs, problems)
    taken = {name: each.place for name, each in model.inputs.items()}
    if model.loss:
        taken[model.loss.name or LOSS] = model.loss.place
    first_input = next(iter(inputs.values()))
    surroundings = Surroundings(blocks, inputs, first_input, taken)
    scope = resolve(model.layers, surroundings, problems)
    if scope.count > MOST_LAYERS:
        problems.add(model.layers[0].place, f"there are more than {MOST_LAYERS} layers")
    loss_inputs = _loss_inputs(model, scope, problems)
    outputs = _outputs(model, scope, problems)
    note_unread(scope, [*outputs.values(), *loss_inputs], problems)
    _note_unread_inputs(model, scope, loss_inputs, problems)
    problems.check()
    loss = model.loss
    return Network(
        specification=model,
        layers=tuple(_written_out(scope, "", "")),
        loss=(
            WiredLayer(loss.name or LOSS, loss, tuple(target.path for target in loss_inputs))
            if loss
            else None
        ),
        outputs={name: target.path for name, target in outputs.items()},
    )


def _resolved_blocks(
    model: ModelSpecification, inputs: Mapping[str, Target], problems: Problems
) -> dict[str, Scope]:
    scopes: dict[str, Scope] = {}
    start = Target("block input", BLOCK_INPUT)
    surroundings = Surroundings(scopes, {**inputs, BLOCK_INPUT: start}, start, {})

    def resolve_block(name: str, path: tuple[str, ...]) -> None:
        block = model.blocks[name]
        if len(path) > GREATEST_NESTING:
            problems.add(block.place, f"blocks are nested more than {GREATEST_NESTING} deep")
            problems.check()
        for inner in dict.fromkeys(layer.type_name for layer in block.layers):
            if inner in path:
                shown = " → ".join([*path[path.index(inner) :], inner])
                problems.add(block.place, f"a block contains itself: {shown}")
            elif inner in model.blocks and inner not in scopes:
                resolve_block(inner, (*path, inner))
        if block.layers:
            scopes[name] = resolve(block.layers, surroundings, problems)
            note_unread(scopes[name], [scopes[name].output], problems)

    for name in model.blocks:
        if name not in scopes:
            resolve_block(name, (name,))
    return scopes


def _loss_inputs(model: ModelSpecification, scope: Scope, problems: Problems) -> tuple[Target, ...]:
    """Return what the loss reads: by default the last layer and the inputs that none has read."""
    if model.loss is None:
        return ()
    if model.loss.inputs:
        return scope.names.resolve(model.loss.inputs, problems, **{PREVIOUS: scope.output})
    rest = [name for name in model.inputs if name not in scope.model_inputs]
    return (scope.output, *(Target("model input", name) for name in rest))


def _outputs(model: ModelSpecification, scope: Scope, problems: Problems) -> dict[str, Target]:
    if model.outputs is None:
        return {scope.output.use or "": scope.output}
    outputs = {}
    for reference in model.outputs:
        for target in scope.names.resolve([reference], problems):
            outputs[reference.name] = target
            if target.use is None:
                problems.add(reference.place, f"'{reference.name}' is an input, not a layer")
    return outputs


def _note_unread_inputs(
    model: ModelSpecification, scope: Scope, loss_inputs: Iterable[Target], problems: Problems
) -> None:
    if problems:
        return
    read = scope.model_inputs.union(each.path for each in loss_inputs if each.use is None)
    for name, each in model.inputs.items():
        if name not in read:
            message = f"nothing reads input '{name}'; name it in some 'inputs', or remove it"
            problems.add(each.place, message)


def _written_out(scope: Scope, prefix: str, block_input: str) -> Iterator[WiredLayer]:
    """Yield the layers of a list and of the blocks in it, with their names in the whole model."""
    prefixes = {"layer": prefix, "model input": ""}
    for use in scope.uses:
        inputs = tuple(
            prefixes[each.kind] + each.path if each.kind in prefixes else block_input
            for each in use.inputs
        )
        if use.name in scope.names.blocks:
            block = scope.names.blocks[use.name]
            yield from _written_out(block, f"{prefix}{use.name}.", *inputs)
        else:
            yield WiredLayer(prefix + use.name, use.specification, inputs)
