"""Resolving the names in one list of layers.

The list of a block is resolved once, however often the block is used.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tensorbp.model.layer_schema import PREVIOUS
from tensorbp.model.naming import layer_names
from tensorbp.model.problems import Place, Problems
from tensorbp.model.scope import Entry, Names, Scope, Target, Use
from tensorbp.model.specification import LayerSpecification, Reference

MOST_LAYERS = 100_000

__all__ = ["MOST_LAYERS", "Surroundings", "note_unread", "resolve"]


@dataclass(frozen=True)
class Surroundings:
    """What the names in a list of layers may stand for besides each other.

    Attributes:
        blocks: the blocks that may be used.
        targets: inputs of the model and of the block, by name.
        start: what the first layer reads.
        taken: the names that no layer may have, and where they are given.
    """

    blocks: Mapping[str, Scope]
    targets: Mapping[str, Target]
    start: Target
    taken: Mapping[str, Place]


@dataclass(frozen=True)
class _Reader:
    """A layer that has a name, but does not know yet what it reads.

    Attributes:
        name: what it is called.
        layer: what it is.
        previous: what comes before it in the file.
        is_repetition: whether that is the same layer once more.
    """

    name: str
    layer: LayerSpecification
    previous: Target
    is_repetition: bool


def resolve(
    layers: Sequence[LayerSpecification], surroundings: Surroundings, problems: Problems
) -> Scope:
    """Return a list of layers with its names resolved, noting problems.

    Raises:
        ModelError: there are too many layers.
    """
    if sum(layer.repeat or 1 for layer in layers) > MOST_LAYERS:
        problems.add(layers[0].place, f"there are more than {MOST_LAYERS} layers")
        problems.check()
    targets, blocks = dict(surroundings.targets), dict[str, Scope]()
    owners: dict[str, Entry] = {}
    names = Names(targets, blocks, owners)
    entries: list[_Reader] = []
    output = surroundings.start
    all_names = layer_names(layers, surroundings.taken, problems)
    for layer, its_names in zip(layers, all_names, strict=True):
        for name in its_names:
            entries.append(_Reader(name, layer, output, is_repetition=name != its_names[0]))
            owners[name] = Entry(name, layer)
            output = Target("layer", name)
            if layer.type_name in surroundings.blocks:
                blocks[name] = surroundings.blocks[layer.type_name]
                output = Target("layer", f"{name}.{blocks[name].output.path}")
            targets[name] = output
        # Without a number, the name of a repeated layer stands for the last repetition.
        targets[layer.name or its_names[-1]] = output
        owners.setdefault(layer.name or its_names[0], owners[its_names[0]])
    uses = [_use(entry, names, problems) for entry in entries]
    inner = [blocks[use.name] for use in uses if use.name in blocks]
    inputs = [t.path for use in uses for t in use.inputs if t.kind == "model input"]
    return Scope(
        uses=_ordered(uses, problems),
        names=names,
        output=output,
        model_inputs=frozenset(inputs).union(*(block.model_inputs for block in inner)),
        count=len(uses) - len(inner) + sum(block.count for block in inner),
    )


def _use(entry: _Reader, names: Names, problems: Problems) -> Use:
    references = entry.layer.inputs or (Reference(entry.layer.place, PREVIOUS),)
    if entry.is_repetition and all(each.name != PREVIOUS for each in references):
        # Further repetitions go on from the one before, and read the rest again.
        references = (Reference(references[0].place, PREVIOUS), *references[1:])
    if entry.name in names.blocks and len(references) > 1:
        message = f"block '{entry.layer.type_name}' takes 1 input, got {len(references)}"
        problems.add(entry.layer.place, message)
    targets = names.resolve(references, problems, **{PREVIOUS: entry.previous})
    return Use(entry.name, entry.layer, targets)


def note_unread(scope: Scope, wanted: Sequence[Target], problems: Problems) -> None:
    """Note the layers whose output nothing reads, which is always a slip.

    Where there are other problems, they may be the reason.
    """
    if problems:
        return
    read = {name for use in scope.uses for name in use.reads} | {target.use for target in wanted}
    for use in scope.uses:
        if use.name not in read:
            message = f"nothing reads '{use.name}'; name it in some 'inputs', or remove it"
            problems.add(use.specification.place, message)


def _ordered(uses: Sequence[Use], problems: Problems) -> tuple[Use, ...]:
    """Return the entries so that each comes after what it reads, else in the order of the file."""
    by_name = {use.name: use for use in uses}
    ordered: dict[str, Use] = {}
    for first in uses:
        path = {first.name: iter(first.reads)} if first.name not in ordered else {}
        while path:
            name = next(reversed(path))
            following = next((each for each in path[name] if each not in ordered), None)
            if following is None:
                del path[name]
                ordered[name] = by_name[name]
            elif following in path:
                circle = list(path)[list(path).index(following) :]
                shown = " → ".join([circle[0], *reversed(circle)])
                problems.add(by_name[following].specification.place, f"circular inputs: {shown}")
            else:
                path[following] = iter(by_name[following].reads)
    return tuple(ordered.values())
