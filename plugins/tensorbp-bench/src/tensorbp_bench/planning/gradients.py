"""Gradients of all parameters at once, against plain reverse mode."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from statistics import mean, median
from time import process_time

from opt_einsum import paths

import tensorbp as tb
from tensorbp_bench.planning.models import draw_widths, linear_gradients, multilayer_gradients
from tensorbp_bench.planning.oracle import Einsum, steps
from tensorbp_bench.tables import Cell, Table

DRAWS = {3: 200, 10: 100, 30: 50, 100: 20, 300: 5, 1000: 3, 2000: 2}
"""How many networks of each depth."""

QUICK_DRAWS = {3: 3, 10: 2}

__all__ = ["tables"]


def tables(quick: bool, seed: int) -> list[Table]:
    """Return the costs of plans over those of plain reverse mode."""
    return [
        _multilayer(QUICK_DRAWS if quick else DRAWS, seed),
        _linear(3, 4, 64, seed) if quick else _linear(100, 8, 1024, seed),
    ]


def _multilayer(draws: dict[int, int], seed: int) -> Table:
    random = Random(seed)
    rows: list[tuple[Cell, ...]] = []
    for depth, count in draws.items():
        ratios, seconds = [], []
        for _ in range(count):
            outputs = multilayer_gradients(draw_widths(random, depth), 32)
            start = process_time()
            plan = tb.plan(outputs)
            seconds.append(process_time() - start)
            ratios.append(plan.flops / plan.baselines.reverse.flops)
        rows.append((depth, count, mean(ratios), max(ratios), min(ratios), median(seconds)))
    return Table(
        "Gradients of multilayer networks: FLOPs over those of plain reverse mode",
        ("layers", "networks", "mean ratio", "largest ratio", "smallest ratio", "median seconds"),
        tuple(rows),
        "tanh after every layer, widths of 1 to 1024, batch 32, value and all gradients together. "
        "Seconds of CPU time.",
    )


def _linear(draws: int, depth: int, batch: int, seed: int) -> Table:
    random = Random(seed)
    ours, shared = [], []
    for _ in range(draws):
        widths = draw_widths(random, depth, 8, 256)
        plan = tb.plan(linear_gradients(widths, batch))
        reverse = plan.baselines.reverse.flops
        ours.append(plan.flops / reverse)
        shared.append(independent_with_sharing(widths, batch) / reverse)
    between = [one / other for one, other in zip(ours, shared, strict=True)]
    rows = [
        ("tensorbp", mean(ours), min(ours), max(ours)),
        ("each by opt_einsum's dp, equal products once", mean(shared), min(shared), max(shared)),
        ("tensorbp over that", mean(between), min(between), max(between)),
    ]
    return Table(
        f"Gradients of linear networks: FLOPs over those of plain reverse mode, {draws} draws",
        ("plan", "mean ratio", "smallest ratio", "largest ratio"),
        tuple(rows),
        f"No activations, {depth} layers, widths of 8 to 256, batch {batch}: the batch may be "
        "contracted first. The cotangent of the output is given.",
    )


def independent_with_sharing(widths: Sequence[int], batch: int) -> int:
    """Return the FLOPs of all gradients, each ordered by itself, equal intermediates made once.

    An intermediate is known by the tensors that went into it and the indices that are left.
    """
    depth = len(widths) - 1
    sizes = dict(enumerate([*widths, batch]))
    weights = {k: frozenset([k, k + 1]) for k in range(depth)}
    ends = {-1: frozenset([depth + 1, depth]), -2: frozenset([depth + 1, 0])}
    made: dict[tuple[frozenset[int], frozenset[int]], int] = {}
    search = paths.DynamicProgramming(minimize="flops")
    for k in range(depth):
        tensors = ends | {j: axes for j, axes in weights.items() if j != k}
        names = list(tensors)
        einsum = Einsum(tuple(tensors.values()), weights[k], sizes)
        path = search([frozenset(axes) for axes in einsum.inputs], einsum.output, dict(sizes))
        for step in steps(einsum, path):
            made[frozenset([names[m] for m in step.members]), step.kept] = step.flops
    return sum(made.values())
