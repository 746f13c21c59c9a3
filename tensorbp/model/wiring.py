"""From the lists of a model file to one graph: blocks are written out, every name is resolved."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from tensorbp.model.layer_schema import BLOCK_INPUT, PREVIOUS
from tensorbp.model.problems import Problems
from tensorbp.model.resolution import MOST_LAYERS, Surroundings, note_unread, resolve
from tensorbp.model.scope import Scope, Target, Use
from tensorbp.model.sharing import Sharing, WiredShare
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
        shares: the parameters that it takes from other layers, the last word on each last.
    """

    name: str
    specification: LayerSpecification
    inputs: tuple[str, ...]
    shares: tuple[WiredShare, ...] = ()


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
    sharing = Sharing(scope.names, problems)
    for each in (scope, *blocks.values()):
        for use in each.uses:
            # Blocks are looked into even if they are not used.
            list(sharing.of(use, each.names))
    loss = _loss(model.loss, loss_inputs, scope, sharing) if model.loss else None
    problems.check()
    layers = tuple(_Writer(sharing).written_out(scope, "", "", ()))
    _note_late_owners([*layers, *filter(None, [loss])], problems)
    problems.check()
    return Network(
        specification=model,
        layers=layers,
        loss=loss,
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


def _loss(
    loss: LayerSpecification, inputs: Iterable[Target], scope: Scope, sharing: Sharing
) -> WiredLayer:
    use = Use(loss.name or LOSS, loss, tuple(inputs))
    paths = tuple(target.path for target in use.inputs)
    return WiredLayer(use.name, loss, paths, tuple(sharing.of(use, scope.names)))


def _note_late_owners(layers: Iterable[WiredLayer], problems: Problems) -> None:
    """Note parameters that are used before the layer to which they belong is there."""
    seen: set[str] = set()
    for layer in layers:
        seen.add(layer.name)
        for share in layer.shares:
            if share.layer not in seen:
                message = (
                    f"'{layer.name}' uses parameters of '{share.layer}', which comes after it; "
                    "write 'share' at the later one"
                )
                problems.add(share.place, message)


class _Writer:
    """Writes out the layers of lists and of the blocks in them."""

    def __init__(self, sharing: Sharing) -> None:
        self._sharing = sharing

    def written_out(
        self, scope: Scope, prefix: str, block_input: str, of_block: tuple[WiredShare, ...]
    ) -> Iterator[WiredLayer]:
        """Yield the layers of a list, with their names in the whole model.

        Args:
            scope: the list.
            prefix: what stands before its names.
            block_input: what the block is applied to, if it is the list of one.
            of_block: the block whose parameters it uses, if it does.
        """
        prefixes = {"layer": prefix, "model input": ""}
        for use in scope.uses:
            inputs = tuple(
                prefixes[each.kind] + each.path if each.kind in prefixes else block_input
                for each in use.inputs
            )
            name = f"{prefix}{use.name}"
            inherited = tuple(
                replace(each, layer=f"{each.layer}.{use.name}", is_of_block=True)
                for each in of_block
            )
            shares = (*inherited, *self._sharing.of(use, scope.names, prefix))
            if use.name in scope.names.blocks:
                block = scope.names.blocks[use.name]
                yield from self.written_out(block, f"{name}.", inputs[0], shares[-1:])
            else:
                yield WiredLayer(name, use.specification, inputs, shares)
