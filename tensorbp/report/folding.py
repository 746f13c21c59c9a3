"""Rows for layers, repeated blocks folded: few enough to be read, however large the model is."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any, Protocol, TypeVar

__all__ = ["MOST_ROWS", "folded"]

MOST_ROWS = 40
"""A summary by layers has no more rows than this."""

_NO_LAYER = "(no layer)"
_OTHERS = "(others)"
_NUMBER = re.compile(r"\d+")

Naming = Callable[[str], str]


class Summed(Protocol):
    """What some steps cost, to be added up."""

    @property
    def layers(self) -> frozenset[str]:
        """The names of the layers to which they belong."""

    def __add__(self, other: Any) -> Any:
        """Return what both cost."""


Total = TypeVar("Total", bound=Summed)


def folded(
    steps: Iterable[tuple[str | None, Total]], cost: Callable[[Total], float]
) -> list[tuple[str, Total]]:
    """Return a row for each layer, or for each group of layers if there are many.

    With more layers than rows, the copies of repeated blocks share their rows, then whole blocks
    have a single one; what is cheapest is summed up at the end.

    Args:
        steps: the layer that each step belongs to, and what it costs.
        cost: by what rows are ordered, the costliest first.
    """
    by_layer = _summed((layer or _NO_LAYER, total) for layer, total in steps)
    return _costliest(_named(by_layer), cost)


def _summed(named: Iterable[tuple[str, Total]]) -> dict[str, Total]:
    sums: dict[str, Total] = {}
    for name, total in named:
        sums[name] = sums[name] + total if name in sums else total
    return sums


def _named(by_layer: Mapping[str, Total]) -> Mapping[str, Total]:
    """Return rows for groups of layers, as few as there may be, else as few as can be."""
    if len(by_layer) <= MOST_ROWS:
        return by_layer
    rows = by_layer
    for naming in _namings(max(name.count(".") for name in by_layer)):
        rows = _summed((naming(name), total) for name, total in by_layer.items())
        if len(rows) <= MOST_ROWS:
            break
    return {_own_name(name, total): total for name, total in rows.items()}


def _own_name(name: str, total: Total) -> str:
    """Return the name of the layer that a row is about, if it is about one only."""
    return next(iter(total.layers)) if len(total.layers) == 1 else name


def _namings(depth: int) -> Iterator[Naming]:
    """Yield ways to name groups of layers, from many groups to few.

    The copies of a block differ in a number before the last dot, two layers of one block in a
    number behind it: so the numbers of blocks are left out first, from the innermost one outwards.

    Args:
        depth: how many blocks there are around the innermost layer.
    """
    for levels in range(1, depth + 1):
        yield partial(_without_numbers, levels=levels)
    yield partial(_NUMBER.sub, "*")
    for length in range(depth, 0, -1):
        yield partial(_beginning, length=length)


def _without_numbers(name: str, levels: int) -> str:
    """Return a name without the numbers of so many blocks, the innermost ones."""
    *blocks, layer = name.split(".")
    start = max(len(blocks) - levels, 0)
    inner = [_NUMBER.sub("*", each) for each in blocks[start:]]
    return ".".join([*blocks[:start], *inner, layer])


def _beginning(name: str, length: int) -> str:
    return ".".join(_NUMBER.sub("*", name).split(".")[:length])


def _costliest(
    rows: Mapping[str, Total], cost: Callable[[Total], float]
) -> list[tuple[str, Total]]:
    """Return the rows in the order of their cost, and one row for those that are too many."""
    ordered = sorted(rows.items(), key=lambda row: -cost(row[1]))
    if len(ordered) <= MOST_ROWS:
        return ordered
    others = _summed((_OTHERS, total) for _, total in ordered[MOST_ROWS - 1 :])
    return [*ordered[: MOST_ROWS - 1], *others.items()]
