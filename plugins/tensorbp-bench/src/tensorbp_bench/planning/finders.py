"""One einsum at a time: what the finders find, against all orders."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from statistics import mean, median
from time import process_time

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

Finder = Callable[..., Sequence[tuple[int, ...]] | None]

OPT_EINSUM = ("auto", "dp", "greedy")

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
    for name, finder in _finders().items():
        ratios = _ratios(finder, einsums, least)
        if ratios:
            rows.append((name, len(ratios), *_summary(ratios)))
    return Table(
        f"One einsum against all binary trees: {draws:,} random networks of 3 to 7 tensors",
        ("finder", "answers", "cheapest found", "mean ratio", "largest ratio"),
        tuple(rows),
        "Chains, batch indices in many tensors, diagonals, loose ends and outer products, widths "
        "of 1 to 4, 64 or 1024. FLOPs of the path over the fewest of all trees, each tree priced; "
        "a finder need not answer where it has nothing to offer.",
    )


def _finders() -> dict[str, Finder]:
    """Return tensorbp as a whole, each of its finders and those of plugins, and opt_einsum's."""
    from opt_einsum import paths

    found: dict[str, Finder] = {"tensorbp": tb.Optimizer()}
    found |= {f"tensorbp's {name}": f for name, f in tb.default_registry().path_finders.items()}
    return found | {f"opt_einsum's {name}": paths.get_path_fn(name) for name in OPT_EINSUM}


def _chains_with_batch(draws: int, seed: int) -> Table:
    random = Random(seed)
    rows: list[tuple[Cell, ...]] = []
    finder = tb.default_registry().path_finder("interval")
    for least in (9, 1):
        einsums = [chain_with_batch(random, random.choice([1, 2]), least) for _ in range(draws)]
        trees = [float(costs_of_trees(each).min()) for each in einsums]
        ratios = _ratios(finder, einsums, trees)
        rows.append((f"{least} to 1024", len(ratios), *_summary(ratios)))
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
        ratios: list[float] = []
        seconds = []
        for _ in range(draws):
            dims = [random.randint(1, 1024) for _ in range(length + 1)]
            chain = tuple([frozenset([k, k + 1]) for k in range(length)])
            einsum = Einsum(chain, frozenset([0, length]), dict(enumerate(dims)))
            optimum = best_chain(dims)
            start = process_time()
            ratios += _ratios(tb.Optimizer(), [einsum], [optimum])
            seconds.append(process_time() - start)
        rows.append((length, draws, *_summary(ratios), median(seconds)))
    return Table(
        "Chains of matrices against the optimum",
        ("matrices", "chains", "cheapest found", "mean ratio", "largest ratio", "median seconds"),
        tuple(rows),
        "Widths of 1 to 1024; the optimum is found by all splits of all intervals. CPU seconds are "
        "of the search and of pricing its path.",
    )


def _ratios(finder: Finder, einsums: Sequence[Einsum], least: Sequence[float]) -> list[float]:
    """Return the FLOPs of a finder's paths over the fewest, where it has a path to offer."""
    ratios = []
    for einsum, optimum in zip(einsums, least, strict=True):
        path = finder(list(einsum.inputs), einsum.output, dict(einsum.sizes), None)
        if path is not None:
            ratios.append(path_flops(einsum, path) / optimum)
    return ratios


def _summary(ratios: Sequence[float]) -> tuple[Cell, ...]:
    exact = sum(ratio <= EXACT for ratio in ratios) / len(ratios)
    return f"{exact:.2%}", mean(ratios), max(ratios)
