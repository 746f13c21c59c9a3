"""One einsum at a time: what the finders find, against all orders."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from statistics import mean, median
from time import process_time
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
        found = [_found(finder, each) for each in einsums]
        answered = [k for k, flops in enumerate(found) if flops is not None]
        if answered:
            summary = _summary([found[k] or 0 for k in answered], [least[k] for k in answered])
            rows.append((name, len(answered), *summary))
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
        found = [path_flops(each, finder(*_asked(each))) for each in einsums]
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
            start = process_time()
            found = path_flops(einsum, tb.Optimizer()(*_asked(einsum)))
            seconds.append(process_time() - start)
            ratios.append(found / best_chain(dims))
        exact = sum(ratio <= EXACT for ratio in ratios) / draws
        rows.append((length, draws, f"{exact:.1%}", mean(ratios), max(ratios), median(seconds)))
    return Table(
        "Chains of matrices against the optimum",
        ("matrices", "chains", "cheapest found", "mean ratio", "largest ratio", "median seconds"),
        tuple(rows),
        "Widths of 1 to 1024; the optimum is found by all splits of all intervals. CPU seconds are of "
        "the search and of pricing its path.",
    )


def _found(finder: Finder, einsum: Einsum) -> int | None:
    """Return the FLOPs of a finder's path, if it has one."""
    path = finder(*_asked(einsum))
    return None if path is None else path_flops(einsum, path)


def _asked(einsum: Einsum) -> tuple[Any, ...]:
    """Return what finders are given: tensors, output, sizes, and no limit of memory."""
    return list(einsum.inputs), einsum.output, dict(einsum.sizes), None


def _summary(found: Sequence[float], least: Sequence[float]) -> tuple[Cell, ...]:
    ratios = [a / b for a, b in zip(found, least, strict=True)]
    exact = sum(ratio <= EXACT for ratio in ratios) / len(ratios)
    return f"{exact:.2%}", mean(ratios), max(ratios)
