"""A comparison of order finders as a table."""

from __future__ import annotations

from rich.console import Group

from tensorbp.planning.comparison import Compared, Comparison
from tensorbp.report.console import paragraphs, table, words
from tensorbp.report.units import byte_count, flop_count, ratio

__all__ = ["comparison_report"]

EXPLANATION = (
    "Each finder orders every einsum of the derivative, which is taken from the side with fewer "
    "numbers; the plan chooses that side too, and what is shared."
)


def comparison_report(comparison: Comparison) -> Group:
    """Return a comparison as a table: the plan, the plain orders, and every finder."""
    columns = ("order or finder", "of", "FLOPs", "peak memory", "FLOPs of this plan", "search", "")
    rows = [_row(each, comparison.plan.flops) for each in comparison.entries]
    return paragraphs(table(columns, rows, columns[2:-1]), words(EXPLANATION))


def _row(each: Compared, flops: int) -> tuple[str, ...]:
    took = "" if each.seconds is None else f"{each.seconds:.3f} s"
    if each.figures is None:
        return each.name, each.source, "", "", "", took, each.note
    times = f"{ratio(each.figures.flops, flops)} ×" if each.figures.flops and flops else ""
    cost = flop_count(each.figures.flops), byte_count(each.figures.peak_bytes)
    return each.name, each.source, *cost, times, took, each.note
