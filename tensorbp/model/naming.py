"""What the layers of a list are called: as the file says, or by their type and a number."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from tensorbp.model.problems import Place, Problems, quoted
from tensorbp.model.specification import LayerSpecification

__all__ = ["layer_names"]


def layer_names(
    layers: Sequence[LayerSpecification], taken: Mapping[str, Place], problems: Problems
) -> list[tuple[str, ...]]:
    """Return the names of each layer: one, or as many as it is repeated.

    A repeated layer ``stage`` is ``stage1``, ``stage2`` and so on; a layer of type ``tanh``
    without a name is the next free one of ``tanh1``, ``tanh2`` and so on.

    Args:
        layers: a list of layers.
        taken: names that mean something else, and where they are given.
        problems: where names that are there twice are noted.
    """
    given = [_given_names(layer) for layer in layers]
    places = dict(taken)
    for layer, names in zip(layers, given, strict=True):
        # The name of a repeated layer without a number stands for its last repetition.
        for name in {*names, *filter(None, [layer.name])}:
            if name in places:
                line = places[name].line
                message = f"the name {quoted(name)} is there twice, first on line {line}"
                problems.add(layer.place, message)
            places.setdefault(name, layer.place)
    numbers: Counter[str] = Counter()
    return [
        names or tuple(_next(layer.type_name, numbers, places) for _ in range(layer.repeat or 1))
        for layer, names in zip(layers, given, strict=True)
    ]


def _given_names(layer: LayerSpecification) -> tuple[str, ...]:
    if layer.name is None:
        return ()
    if layer.repeat is None:
        return (layer.name,)
    return tuple(f"{layer.name}{number}" for number in range(1, layer.repeat + 1))


def _next(kind: str, numbers: Counter[str], taken: Iterable[str]) -> str:
    while True:
        numbers[kind] += 1
        name = f"{kind}{numbers[kind]}"
        if name not in taken:
            return name
