"""Orders of vertex elimination compared: what the plain ones cost, and the best that was found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich.console import Group

from tensorbp.report.console import paragraphs, table, words
from tensorbp.report.units import grouped

__all__ = ["Comparison", "elimination_report"]

COLUMNS = ("graph", "vertices", "forward", "reverse", "Markowitz", "best", "found by")


@dataclass(frozen=True)
class Comparison:
    """What the elimination of a graph's vertices costs in several orders, in multiplications.

    Attributes:
        graph: its name.
        vertices: how many vertices are eliminated.
        inputs: how many inputs it has.
        outputs: how many outputs.
        forward: the cost from the inputs to the outputs.
        reverse: the cost from the outputs to the inputs.
        markowitz: the cost of taking the cheapest vertex each time.
        best: the cost of the best order that was found.
        method: how that was found.
        is_optimal: whether it is proven that no order costs less.
        is_complete: whether the search ended before its time did.
        order: the best order, by the numbers that the vertices have in the file.
    """

    graph: str
    vertices: int
    inputs: int
    outputs: int
    forward: int
    reverse: int
    markowitz: int
    best: int
    method: str
    is_optimal: bool
    is_complete: bool
    order: tuple[int, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the comparison as plain data."""
        return asdict(self)


def elimination_report(compared: Sequence[Comparison]) -> Group:
    """Return a table of all graphs, and the best order of each."""
    rows = [
        (
            each.graph,
            grouped(each.vertices),
            grouped(each.forward),
            grouped(each.reverse),
            grouped(each.markowitz),
            grouped(each.best),
            _found_by(each),
        )
        for each in compared
    ]
    orders = [
        words(f"{each.graph}: {' '.join(map(str, each.order))}") for each in compared if each.order
    ]
    heading = words("Multiplications to eliminate all inner vertices")
    return paragraphs(heading, table(COLUMNS, rows, COLUMNS[1:-1]), *orders)


def _found_by(each: Comparison) -> str:
    """Return how the best order was found, and how far it can be trusted."""
    if each.is_optimal:
        return f"{each.method}: no order is cheaper"
    return each.method if each.is_complete else f"{each.method}, time ran out"
