"""Predicted peaks of memory against measured ones, and what it costs to stay below a limit."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from fractions import Fraction
from functools import partial
from importlib import import_module
from typing import Any

import tensorbp as tb
from tensorbp.errors import TensorbpError
from tensorbp.planning.memory.checkpointing import Checkpointing
from tensorbp.planning.memory.limit import Way, laid_out
from tensorbp.planning.memory.recomputing import recomputed
from tensorbp.planning.memory.reordering import orders
from tensorbp.planning.query import Query
from tensorbp.planning.schedule import Schedule
from tensorbp.planning.search import Search
from tensorbp.registry import default_registry
from tensorbp_bench.checkout import in_checkout
from tensorbp_bench.planning.models import multilayer_gradients
from tensorbp_bench.tables import Cell, Table

FRACTIONS = (0.9, 0.75, 0.5)
"""Limits, as parts of the peak that a plan without one has."""

DEEP_FRACTIONS = (Fraction(1, 2), Fraction(1, 3), Fraction(1, 4), Fraction(1, 6))
"""The limits of deep networks."""

__all__ = ["tables"]


def tables(quick: bool, seed: int) -> list[Table]:
    """Return peaks and overheads for the zoo of programs that the tests of memory have."""
    del seed
    sys.path.insert(0, str(in_checkout("tests", "memory_zoo.py").parent))
    zoo = import_module("memory_zoo")
    names = ["multilayer"] if quick else list(zoo.ZOO)
    scales = {name: 5 if quick else zoo.LARGE[name] for name in names}
    return [_peaks(zoo, scales), _limits(zoo, scales), _deep(6 if quick else 48)]


def _peaks(zoo: Any, scales: dict[str, int]) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for name, scale in scales.items():
        found = zoo.measured_under_limits(name, scale)
        mebibytes = (found.predicted / 2**20, found.measured / 2**20)
        rows.append((name, *mebibytes, found.predicted / found.measured))
    return Table(
        "Peak of memory: predicted by the plan, and measured",
        ("program", "predicted MiB", "measured MiB", "predicted / measured"),
        tuple(rows),
        "Measured: the inputs, and the smallest limit of the operating system on what a process "
        "allocates under which the program runs.",
    )


def _limits(zoo: Any, scales: dict[str, int]) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for name, scale in scales.items():
        outputs = zoo.ZOO[name](scale)
        free = tb.plan(outputs)
        limits = [int(fraction * free.peak_bytes) for fraction in FRACTIONS]
        cells = [_planned(outputs, limit, free.flops) for limit in limits]
        rows.append((name, free.peak_bytes / 2**20, *cells))
    return Table(
        "FLOPs under a limit of memory, over those without one",
        ("program", "peak MiB", *[f"limit {fraction:.0%}" for fraction in FRACTIONS]),
        tuple(rows),
        "Limits are parts of the peak of the plan without one; where no plan is known that fits, "
        "it is refused.",
    )


def _deep(depth: int) -> Table:
    """Return what limits cost deep networks, by all means and by computing values again alone."""
    rows: list[tuple[Cell, ...]] = []
    for name, outputs in _deep_networks(depth).items():
        free = tb.plan(outputs)
        schedule = _schedule(outputs)
        tried = list(orders(schedule.roots, schedule.storage))
        ways: dict[str, list[Way]] = {
            "checkpoints": [Checkpointing(tried, schedule.storage).sequence],
            "giving up values": [partial(recomputed, each, schedule.storage) for each in tried],
        }
        limits = [int(fraction * schedule.peak_bytes) for fraction in DEEP_FRACTIONS]
        anyhow = [_planned(outputs, limit, free.flops) for limit in limits]
        rows.append((name, "any means", schedule.peak_bytes / 2**20, *anyhow))
        for means, each in ways.items():
            cells = [_recomputing(each, schedule, limit) for limit in limits]
            rows.append((name, means, schedule.peak_bytes / 2**20, *cells))
    return Table(
        "Deep networks: FLOPs under a limit of memory, over those without one",
        ("gradients of", "kept by", "peak MiB", *[f"limit {each}" for each in DEEP_FRACTIONS]),
        tuple(rows),
        "Limits are parts of the peak of the best order of steps. Any means: what a plan with that "
        "limit takes, slices of the batch as a rule. Below, no slices: the best checkpoints of a "
        "chain of stages, and the heuristic that gives up one value after the other, whatever the "
        "graph; a plan takes the cheaper.",
    )


def _deep_networks(depth: int) -> dict[str, list[tb.Expression]]:
    return {
        f"{depth} layers, tanh": multilayer_gradients(
            [23 + 7 * k % 13 for k in range(depth + 1)], 1500
        ),
        f"{depth // 2} residual blocks, gelu": _residual_gradients(depth // 2, 1500),
    }


def _residual_gradients(depth: int, batch: int) -> list[tb.Expression]:
    h = tb.variable("x", batch, 31)
    weights: list[tb.Expression] = []
    for k in range(depth):
        inner = 40 + 17 * k % 23
        A, B = tb.variable(f"A{k}", 31, inner), tb.variable(f"B{k}", inner, 31)
        h = h + tb.gelu(h @ A) @ B
        weights += [A, B]
    return list(tb.gradient(tb.mean(h * h), weights))


def _schedule(outputs: Sequence[Any]) -> Schedule:
    """Return what a plan without a limit computes, in the order that needs the least memory."""
    query = Query(outputs, "float64", {}, default_registry().path_finders)
    return Schedule(Search(query, 0, None).best()[0].schedule.roots, "float64")


def _planned(outputs: Sequence[Any], limit: int, free: int) -> Cell:
    try:
        return tb.plan(outputs, memory_limit=limit).flops / free
    except TensorbpError:
        return "refused"


def _recomputing(ways: Sequence[Way], schedule: Schedule, limit: int) -> Cell:
    made = [laid_out(each, schedule, limit) for each in ways]
    flops = [each.cost.flops for each in made if each is not None]
    return min(flops) / schedule.cost.flops if flops else "none found"
