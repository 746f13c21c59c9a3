"""The steps of a plan summed up for each layer, the costliest first, repeated blocks folded."""

from __future__ import annotations

from dataclasses import dataclass

from rich.table import Table

from tensorbp.planning import Plan, Step
from tensorbp.report.console import table
from tensorbp.report.folding import folded
from tensorbp.report.units import byte_count, flop_count, grouped, number_count, percentage

__all__ = ["layer_table"]


def layer_table(plan: Plan) -> Table:
    """Return a table with a row for each layer, or for each group of layers if there are many."""
    totals = [(step.layer, _Total.of(step)) for step in plan.steps]
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
        for name, total in folded(totals, lambda total: total.flops)
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
    def of(cls, step: Step) -> _Total:
        """Return what one step costs."""
        layers = frozenset([step.layer] if step.layer else [])
        return cls(layers, 1, step.flops, step.multiply_adds, step.bytes)

    def __add__(self, other: _Total) -> _Total:
        return _Total(
            self.layers | other.layers,
            self.steps + other.steps,
            self.flops + other.flops,
            self.multiply_adds + other.multiply_adds,
            self.bytes + other.bytes,
        )
