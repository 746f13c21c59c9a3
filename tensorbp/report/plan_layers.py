"""The steps of a plan summed up for each layer, the costliest first, repeated blocks folded."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial

from rich.table import Table

from tensorbp.planning import Plan, Step
from tensorbp.report.console import table
from tensorbp.report.units import byte_count, flop_count, grouped, number_count, percentage

__all__ = ["MOST_ROWS", "layer_table"]

MOST_ROWS = 40
"""A summary by layers has no more rows than this."""

_NO_LAYER = "(no layer)"
_OTHERS = "(others)"
_NUMBER = re.compile(r"\d+")

Naming = Callable[[str], str]


def layer_table(plan: Plan) -> Table:
    """Return a table with a row for each layer, or for each group of layers if there are many.

    With more layers than rows, the copies of repeated blocks share their rows, then whole blocks
    have a single one; what is cheapest is summed up at the end.
    """
    by_layer = _summed(
        (step.layer or _NO_LAYER, _Total.of(step.layer, step)) for step in plan.steps
    )
    rows = [
        (
            name,
            grouped(len(total.layers)),
            grouped(total.steps),
            flop_count(total.flops),
            percentage(total.flops, plan.flops),
            number_count(total.multiply_adds),
            byte_count(total.bytes),
        )
        for name, total in _costliest(_folded(by_layer))
    ]
    columns = ("layer", "layers", "steps", "FLOPs", "share", "multiply-adds", "bytes")
    return table(columns, rows, columns[1:])


@dataclass(frozen=True)
class _Total:
    """What some steps cost.

    Attributes:
        layers: the names of the layers to which they belong.
        steps: how many steps there are.
        flops: their operations.
        multiply_adds: the multiplications among them whose products are summed up.
        bytes: what their results take.
    """

    layers: frozenset[str]
    steps: int
    flops: int
    multiply_adds: int
    bytes: int

    @classmethod
    def of(cls, layer: str | None, step: Step) -> _Total:
        """Return what one step costs."""
        layers = frozenset([layer] if layer else [])
        return cls(layers, 1, step.flops, step.multiply_adds, step.bytes)

    def __add__(self, other: _Total) -> _Total:
        return _Total(
            self.layers | other.layers,
            self.steps + other.steps,
            self.flops + other.flops,
            self.multiply_adds + other.multiply_adds,
            self.bytes + other.bytes,
        )


def _summed(named: Iterable[tuple[str, _Total]]) -> dict[str, _Total]:
    sums: dict[str, _Total] = {}
    for name, total in named:
        sums[name] = sums[name] + total if name in sums else total
    return sums


def _folded(by_layer: dict[str, _Total]) -> dict[str, _Total]:
    """Return rows for groups of layers, as few as there may be, else as few as can be."""
    if len(by_layer) <= MOST_ROWS:
        return by_layer
    rows = by_layer
    for naming in _namings(max(name.count(".") for name in by_layer)):
        rows = _summed((naming(name), total) for name, total in by_layer.items())
        if len(rows) <= MOST_ROWS:
            break
    return {_own_name(name, total): total for name, total in rows.items()}


def _own_name(name: str, total: _Total) -> str:
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


def _costliest(rows: dict[str, _Total]) -> list[tuple[str, _Total]]:
    """Return the rows in the order of their cost, and one row for those that are too many."""
    ordered = sorted(rows.items(), key=lambda row: -row[1].flops)
    if len(ordered) <= MOST_ROWS:
        return ordered
    others = _summed((_OTHERS, total) for _, total in ordered[MOST_ROWS - 1 :])
    return [*ordered[: MOST_ROWS - 1], *others.items()]
