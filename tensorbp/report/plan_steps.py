"""The steps of a plan as a table, one by one or summed up for each layer."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

from rich.table import Table

from tensorbp.planning import Plan, Step
from tensorbp.report.console import table
from tensorbp.report.units import byte_count, flop_count, grouped, shape_text

__all__ = ["layer_table", "step_table"]

MOST_ROWS = 40
"""A summary by layers has no more rows than this."""

_NO_LAYER = "(no layer)"
_NUMBER = re.compile(r"\d+")


def step_table(plan: Plan) -> Table:
    """Return a table with a row for each step; inputs are named, values have numbers."""
    names = {each.value: each.name for each in plan.inputs}
    rows = [
        (
            str(step.result),
            step.operation,
            _equation(step),
            ", ".join(names.get(number, str(number)) for number in step.operands),
            shape_text(step.shape),
            flop_count(step.flops),
            byte_count(step.bytes),
            step.layer or "",
        )
        for step in plan.steps
    ]
    return table(
        ("#", "operation", "equation", "reads", "shape", "FLOPs", "bytes", "layer"),
        rows,
        ("#", "FLOPs", "bytes"),
    )


def layer_table(plan: Plan) -> Table:
    """Return a table with a row for each layer, or for each group of layers if there are many.

    With more layers than rows, those whose names differ in their numbers alone share a row, and
    of the rows the costliest are shown.
    """
    totals = [_Total({step.layer}, 1, step.flops, step.bytes) for step in plan.steps]
    by_layer = _summed((total.name, total) for total in totals)
    if len(by_layer) > MOST_ROWS:
        by_layer = _summed((_NUMBER.sub("*", name), total) for name, total in by_layer.items())
    rows = [_row(name, total) for name, total in _costliest(by_layer).items()]
    columns = ("layer", "layers", "steps", "FLOPs", "bytes")
    return table(columns, rows, columns[1:])


@dataclass(frozen=True)
class _Total:
    """What some steps cost.

    Attributes:
        layers: the names of the layers to which they belong.
        steps: how many steps there are.
        flops: their operations.
        bytes: what their results take.
    """

    layers: set[str | None]
    steps: int
    flops: int
    bytes: int

    def __add__(self, other: _Total) -> _Total:
        return _Total(
            self.layers | other.layers,
            self.steps + other.steps,
            self.flops + other.flops,
            self.bytes + other.bytes,
        )

    @property
    def name(self) -> str:
        """The name of a single layer."""
        (layer,) = self.layers
        return layer or _NO_LAYER


def _summed(named: Iterable[tuple[str, _Total]]) -> dict[str, _Total]:
    sums: dict[str, _Total] = {}
    for name, total in named:
        sums[name] = sums[name] + total if name in sums else total
    return sums


def _costliest(totals: dict[str, _Total]) -> dict[str, _Total]:
    """Return the rows that cost most, in their order, and one row for all the others."""
    if len(totals) <= MOST_ROWS:
        return totals
    by_cost = sorted(totals, key=lambda name: -totals[name].flops)
    shown = set(by_cost[: MOST_ROWS - 1])
    return _summed((name if name in shown else "(others)", totals[name]) for name in totals)


def _row(name: str, total: _Total) -> tuple[str, ...]:
    return (
        name,
        grouped(len(total.layers - {None})),
        grouped(total.steps),
        flop_count(total.flops),
        byte_count(total.bytes),
    )


def _equation(step: Step) -> str:
    """Return the equation with its coefficient; the one of a layer is its formula."""
    coefficient = step.arguments.get("coefficient", 1) if step.operation == "einsum" else 1
    if coefficient == 1:
        return step.equation
    is_fraction = isinstance(coefficient, Fraction)
    return f"{f'({coefficient})' if is_fraction else coefficient} {step.equation}"
