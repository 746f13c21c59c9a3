"""Jacobians of the output by the outputs of all layers at once."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from statistics import mean
from time import perf_counter

import tensorbp as tb
from tensorbp_bench.planning.oracle import Interval, chain_intervals, joint_chains
from tensorbp_bench.tables import Cell, Table

EXACT = 1 + 1e-9

__all__ = ["tables"]


def tables(quick: bool, seed: int) -> list[Table]:
    """Return the costs of several plans over the exhaustive joint optimum."""
    draws = 5 if quick else 1000
    random = Random(seed)
    cases = [(n, m, 1) for n in (5, 6) for m in (10, 512)] + [(6, 512, 8)]
    rows: list[tuple[Cell, ...]] = []
    seconds = []
    for matrices, outputs, bottleneck in cases:
        ratios: dict[str, list[float]] = {}
        for _ in range(draws):
            dims = [random.randint(1, 1024) for _ in range(matrices)]
            if bottleneck > 1:
                dims[matrices // 2] = bottleneck
            dims = [outputs, *dims]
            start = perf_counter()
            ours = planned(dims)
            seconds.append(perf_counter() - start)
            optimum = joint_chains(dims, wanted(dims))
            found = {
                "tensorbp": ours,
                "each by itself, equal products once": independent(dims),
                "reverse order": in_reverse(dims),
            }
            for name, flops in found.items():
                ratios.setdefault(name, []).append(flops / optimum)
        case = f"{matrices} matrices, {outputs} outputs"
        if bottleneck > 1:
            case += f", bottleneck {bottleneck}"
        for name, each in ratios.items():
            exact = sum(ratio <= EXACT for ratio in each) / draws
            rows.append((case, name, f"{exact:.1%}", mean(each), max(each)))
    return [
        Table(
            f"Jacobians by the outputs of all layers at once, {draws:,} draws each",
            ("chain", "plan", "optimum found", "mean ratio", "largest ratio"),
            tuple(rows),
            "FLOPs over the exhaustive joint optimum: over all families of intervals, each product "
            f"made once. Widths of 1 to 1024. {mean(seconds):.2g} seconds a plan on average.",
        )
    ]


def wanted(dims: Sequence[int]) -> list[Interval]:
    """Return the products that are wanted: of the first matrix and those after it."""
    return [(0, k) for k in range(1, len(dims))]


def planned(dims: Sequence[int]) -> int:
    """Return the FLOPs of the plan for the Jacobians of a chain A B C ... x."""
    count = len(dims) - 1
    layers = [tb.variable("x", dims[-1])]
    for k in reversed(range(count)):
        layers.append(tb.variable(f"A{k}", dims[k], dims[k + 1]) @ layers[-1])
    return tb.plan(tb.jacobian(layers[-1], layers[:-1])).flops


def independent(dims: Sequence[int]) -> int:
    """Return the FLOPs when each product is ordered by itself and equal parts are made once."""
    _, split = chain_intervals(dims)
    pending, made = wanted(dims), set[Interval]()
    while pending:
        i, j = each = pending.pop()
        if j - i > 1 and each not in made:
            made.add(each)
            pending += [(i, split[each]), (split[each], j)]
    return sum(2 * dims[i] * dims[split[i, j]] * dims[j] for i, j in made)


def in_reverse(dims: Sequence[int]) -> int:
    """Return the FLOPs of pulling back from the outputs, one matrix after the other."""
    return sum(2 * dims[0] * dims[k] * dims[k + 1] for k in range(1, len(dims) - 1))
