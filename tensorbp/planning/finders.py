"""Order finders: functions from a network to a contraction path.

A finder has the signature that opt_einsum gives to its path functions, so that any of them, and
those of plugins, may compete: the cheapest answer wins.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache

from tensorbp.algebra import Axis
from tensorbp.planning.chains import EXACT_LIMIT, chain_order, chain_sizes, chin, exact_splits
from tensorbp.planning.network import Network, Path, SelectionAxes, in_sequence
from tensorbp.planning.paths import linear, numbered
from tensorbp.planning.programmes import interval, is_tried_in_full, subset

__all__ = ["BUILT_IN_FINDERS", "Finder", "best_path", "chain", "greedy", "interval", "subset"]

Finder = Callable[
    [Sequence[frozenset[Axis]], frozenset[Axis], dict[Axis, int], int | None],
    Sequence[tuple[int, ...]],
]
"""Takes inputs, output, sizes and a memory limit, which is always None; returns opt_einsum's path:
positions in the list of what is left, results appended at the end."""


def best_path(network: Network, first: Path, finders: Mapping[str, Finder] | None = None) -> Path:
    """Return the path with the fewest FLOPs that any finder knows.

    Args:
        network: what to contract.
        first: a path that is known already; it is left only for a cheaper one.
        finders: the finders that compete; by default the built-in ones.
    """
    if len(network.inputs) < 3:
        return first
    if finders is None or finders == BUILT_IN_FINDERS:
        return _remembered(network.inputs, network.output, tuple(network.sizes.items()), first)
    return _cheapest(network, first, finders)


@lru_cache(maxsize=4096)
def _remembered(
    inputs: tuple[frozenset[Axis], ...],
    output: frozenset[Axis],
    sizes: tuple[tuple[Axis, int], ...],
    first: Path,
) -> Path:
    """Return the best path for a network of which a model may have many."""
    return _cheapest(Network(inputs, output, dict(sizes)), first, BUILT_IN_FINDERS)


def _cheapest(network: Network, first: Path, finders: Mapping[str, Finder]) -> Path:
    best, least = first, network.cost(first)
    for finder in _competing(network, finders):
        linear = finder(list(network.inputs), network.output, dict(network.sizes), None)
        path = numbered(linear, len(network.inputs))
        if path is not None and (cost := network.cost(path)) < least:
            best, least = path, cost
    return best


def _competing(network: Network, finders: Mapping[str, Finder]) -> Sequence[Finder]:
    """Return the finders that are worth asking: none beats one that tries everything."""
    if is_tried_in_full(network.inputs, network.output) and subset in finders.values():
        return (subset,)
    has_selections = any(isinstance(axes, SelectionAxes) for axes in network.inputs)
    if chain in finders.values() and not has_selections:
        found = _chain(network.inputs, network.output, network.sizes)
        if found is not None and len(network.inputs) <= EXACT_LIMIT:
            return (chain,)
    return tuple(finders.values())


def greedy(
    inputs: Sequence[frozenset[Axis]],
    output: frozenset[Axis],
    sizes: dict[Axis, int],
    memory_limit: int | None = None,
) -> Sequence[tuple[int, ...]]:
    """Return the path of opt_einsum's greedy finder."""
    # opt_einsum brings numpy with it, which most of the command line can do without
    from opt_einsum import paths

    path: Sequence[tuple[int, ...]] = paths.greedy(list(inputs), output, sizes, memory_limit)
    return path


def chain(
    inputs: Sequence[frozenset[Axis]],
    output: frozenset[Axis],
    sizes: dict[Axis, int],
    memory_limit: int | None = None,
) -> Sequence[tuple[int, ...]]:
    """Return the cheapest path of a chain of matrices, in whatever order its factors are given.

    It is exact for chains of up to `chains.EXACT_LIMIT` matrices, and then within a thousandth.
    """
    del memory_limit
    found = _chain(inputs, output, sizes)
    if found is None:
        return linear(in_sequence(len(inputs)))
    order, dims = found
    splits = (exact_splits if len(inputs) <= EXACT_LIMIT else chin)(dims)
    number = {(k, k + 1): factor for k, factor in enumerate(order)}
    pairs: list[tuple[int, int]] = []
    for start, end in sorted(splits, key=lambda interval: interval[1] - interval[0]):
        middle = splits[start, end]
        pairs.append((number[start, middle], number[middle, end]))
        number[start, end] = len(inputs) + len(pairs) - 1
    return linear(pairs)


def _chain(
    inputs: Sequence[frozenset[Axis]], output: frozenset[Axis], sizes: Mapping[Axis, int]
) -> tuple[list[int], list[int]] | None:
    """Return the order and the sizes of a chain of matrices, or None where it is none."""
    order = chain_order(inputs, output)
    dims = None if order is None else chain_sizes([inputs[k] for k in order], output, sizes)
    return None if order is None or dims is None else (order, dims)


BUILT_IN_FINDERS: dict[str, Finder] = {
    "subset": subset,
    "chain": chain,
    "interval": interval,
    "greedy": greedy,
}
