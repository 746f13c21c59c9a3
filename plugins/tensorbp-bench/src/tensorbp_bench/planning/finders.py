"""One einsum at a time: what the finders find, against all orders."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from statistics import mean, median
from time import perf_counter
from typing import Any

import tensorbp as tb
from tensorbp_bench.planning.oracle import (
    Einsum,
    best_chain,
    chain_with_batch,
    costs_of_trees,
    path_flops,
    random_einsum,
)
from tensorbp_bench.tables import Cell, Table

EXACT = 1 + 1e-9

Finder = Callable[..., Sequence[tuple[int, ...]]]

__all__ = ["tables"]


def tables(quick: bool, seed: int) -> list[Table]:
    """Return how close finders come to the cheapest of all orders."""
    return [
        _random_networks(20 if quick else 10_000, seed),
        _chains_with_batch(5 if quick else 500, seed),
        _pure_chains((10, 30) if quick else (10, 30, 100, 300, 1000), 2 if quick else 10, seed),
    ]


def _random_networks(draws: int, seed: int) -> Table:
    random = Random(seed)
    einsums = [random_einsum(random, 7) for _ in range(draws)]
    least = [float(costs_of_trees(each).min()) for each in einsums]
    rows: list[tuple[Cell, ...]] = []
    finders: dict[str, Finder] = {
        "tensorbp's subset programme": tb.default_registry().path_finder("subset"),
        "opt_einsum's auto": _opt_einsum("auto"),
        "opt_einsum's dp": _opt_einsum("dp"),
        "opt_einsum's greedy": _opt_einsum("greedy"),
    }
    for name, finder in finders.items():
        rows.append((name, *_summary([_found(finder, each) for each in einsums], least)))
    return Table(
        f"One einsum against all binary trees: {draws:,} random networks of 3 to 7 tensors",
        ("finder", "cheapest found", "mean ratio", "largest ratio"),
        tuple(rows),
        "Chains, batch indices in many tensors, diagonals, loose ends and outer products, widths "
        "of 1 to 4, 64 or 1024. FLOPs of the path over the fewest of all trees, each tree priced.",
    )


def _chains_with_batch(draws: int, seed: int) -> Table:
    random = Random(seed)
    rows: list[tuple[Cell, ...]] = []
    finder = tb.default_registry().path_finder("interval")
    for least in (9, 1):
        einsums = [chain_with_batch(random, random.choice([1, 2]), least) for _ in range(draws)]
        trees = [float(costs_of_trees(each).min()) for each in einsums]
        found = [_found(finder, each) for each in einsums]
        rows.append((f"{least} to 1024", draws, *_summary(found, trees)))
    return Table(
        "Chains through activations: the interval programme against all binary trees",
        ("widths", "networks", "cheapest found", "mean ratio", "largest ratio"),
        tuple(rows),
        "The gradient of one weight, cotangent, activations and weights in turn, with a batch of 1 "
        "to 512. Only neighbours are joined; all trees are tried in the comparison.",
    )


def _pure_chains(lengths: Sequence[int], draws: int, seed: int) -> Table:
    random = Random(seed)
    rows: list[tuple[Cell, ...]] = []
    for length in lengths:
        ratios, seconds = [], []
        for _ in range(draws):
            dims = [random.randint(1, 1024) for _ in range(length + 1)]
            chain = tuple([frozenset([k, k + 1]) for k in range(length)])
            einsum = Einsum(chain, frozenset([0, length]), dict(enumerate(dims)))
            start = perf_counter()
            found = _found(tb.Optimizer(), einsum)
            seconds.append(perf_counter() - start)
            ratios.append(found / best_chain(dims))
        exact = sum(ratio <= EXACT for ratio in ratios) / draws
        rows.append((length, draws, f"{exact:.1%}", mean(ratios), max(ratios), median(seconds)))
    return Table(
        "Chains of matrices against the optimum",
        ("matrices", "chains", "cheapest found", "mean ratio", "largest ratio", "median seconds"),
        tuple(rows),
        "Widths of 1 to 1024; the optimum is found by all splits of all intervals. Seconds are of "
        "the search and of pricing its path.",
    )


def _found(finder: Any, einsum: Einsum) -> int:
    inputs, output = list(einsum.inputs), einsum.output
    return path_flops(einsum, finder(inputs, output, dict(einsum.sizes), None))


def _opt_einsum(name: str) -> Finder:
    from opt_einsum import paths

    return paths.get_path_fn(name)  # type: ignore[no-any-return]


def _summary(found: Sequence[float], least: Sequence[float]) -> tuple[Cell, ...]:
    ratios = [a / b for a, b in zip(found, least, strict=True)]
    exact = sum(ratio <= EXACT for ratio in ratios) / len(ratios)
    return f"{exact:.2%}", mean(ratios), max(ratios)
