"""Order finders: functions from a network to a contraction path.

A finder has the signature that opt_einsum gives to its path functions, so that any of them, and
those of plugins, may compete: the cheapest answer wins.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache

from tensorbp.algebra import Axis
from tensorbp.planning.chains import EXACT_LIMIT, chain_order, chain_sizes, chin, exact_splits
from tensorbp.planning.network import (
    Moves,
    Network,
    Path,
    SelectionAxes,
    contraction_cost,
)

__all__ = ["BUILT_IN_FINDERS", "Finder", "best_path", "chain", "greedy", "interval", "subset"]

Finder = Callable[
    [Sequence[frozenset[Axis]], frozenset[Axis], dict[Axis, int], int | None],
    Sequence[tuple[int, ...]],
]
"""Takes inputs, output, sizes and a memory limit, which is always None; returns opt_einsum's path:
positions in the list of what is left, results appended at the end."""

SUBSET_LIMIT = 8
"""The most factors for which all 3^n splits of subsets are tried."""

INTERVAL_LIMIT = 48
"""The most factors for which all n^3 splits of intervals are tried."""


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
        path = _numbered(linear, len(network.inputs))
        if path is not None and (cost := network.cost(path)) < least:
            best, least = path, cost
    return best


def _competing(network: Network, finders: Mapping[str, Finder]) -> Sequence[Finder]:
    """Return the finders that are worth asking: none beats one that tries everything."""
    if len(network.inputs) <= SUBSET_LIMIT and subset in finders.values():
        return (subset,)
    has_selections = any(isinstance(axes, SelectionAxes) for axes in network.inputs)
    if chain in finders.values() and not has_selections:
        found = _chain(network.inputs, network.output, network.sizes)
        if found is not None and len(network.inputs) <= EXACT_LIMIT:
            return (chain,)
    return tuple(finders.values())


def _numbered(linear: Sequence[tuple[int, ...]], factors: int) -> Path | None:
    """Return opt_einsum's path in our numbering, or None where a step is not a pair."""
    left = list(range(factors))
    pairs: list[tuple[int, int]] = []
    for step in linear:
        if len(step) != 2:
            return None
        a, b = (left[position] for position in step)
        left = [number for number in left if number not in (a, b)] + [factors + len(pairs)]
        pairs.append((a, b))
    return tuple(pairs)


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


def subset(
    inputs: Sequence[frozenset[Axis]],
    output: frozenset[Axis],
    sizes: dict[Axis, int],
    memory_limit: int | None = None,
) -> Sequence[tuple[int, ...]]:
    """Return the cheapest of all paths, by dynamic programming over subsets of the factors.

    best(S) = min over splits S = A ∪ B of best(A) + best(B) + flops(A, B), where a tensor S has
    the axes that the output or a factor outside S has as well. O(3^n); for small networks only.
    """
    del memory_limit
    if len(inputs) > SUBSET_LIMIT:
        return _linear(_sequence(len(inputs)))
    masks = _Masks(inputs, output, sizes)
    count = len(inputs)
    everything = (1 << count) - 1
    axes = [0] * (everything + 1)
    for members in range(1, everything + 1):
        lowest = members & -members
        axes[members] = axes[members ^ lowest] | masks.inputs[lowest.bit_length() - 1]
    kept = [axes[m] & (axes[everything ^ m] | masks.output) for m in range(everything + 1)]
    for members in masks.selections:
        kept[members] = axes[members]
    best: list[tuple[int, int]] = [(0, 0)] * (everything + 1)
    split = [0] * (everything + 1)
    for members in range(1, everything + 1):
        if members & (members - 1) == 0:
            continue
        lowest = members & -members
        least: tuple[int, int] | None = None
        part = (members - 1) & members
        while part:
            if part & lowest:
                rest = members ^ part
                flops, written = masks.pair(part, rest, kept[part], kept[rest], kept[members])
                cost = (
                    best[part][0] + best[rest][0] + flops,
                    best[part][1] + best[rest][1] + written,
                )
                if least is None or cost < least:
                    least, split[members] = cost, part
            part = (part - 1) & members
        assert least is not None
        best[members] = least
    return _linear(_pairs(count, everything, lambda m: (split[m], m ^ split[m])))


def interval(
    inputs: Sequence[frozenset[Axis]],
    output: frozenset[Axis],
    sizes: dict[Axis, int],
    memory_limit: int | None = None,
) -> Sequence[tuple[int, ...]]:
    """Return the cheapest path that joins neighbours in the given order, as in a matrix chain.

    Godbole, "On efficient computation of matrix chain products", 1973. O(n^3).
    """
    del memory_limit
    count = len(inputs)
    if count > INTERVAL_LIMIT:
        return _linear(_sequence(count))
    masks = _Masks(inputs, output, sizes)

    def members(start: int, end: int) -> int:
        return (1 << end) - (1 << start)

    before, after = [masks.output], [masks.output]
    for mask in masks.inputs:
        before.append(before[-1] | mask)
    for mask in reversed(masks.inputs):
        after.append(after[-1] | mask)
    after.reverse()
    kept: dict[tuple[int, int], int] = {}
    for start in range(count):
        inside = 0
        for end in range(start + 1, count + 1):
            inside |= masks.inputs[end - 1]
            kept[start, end] = inside & (before[start] | after[end])
        if members(start, start + 1) in masks.selections:
            kept[start, start + 1] = masks.inputs[start]
    best = {(k, k + 1): (0, 0) for k in range(count)}
    split: dict[tuple[int, int], int] = {}
    for length in range(2, count + 1):
        for start in range(count - length + 1):
            end = start + length
            least = None
            for middle in range(start + 1, end):
                flops, written = masks.pair(
                    members(start, middle),
                    members(middle, end),
                    kept[start, middle],
                    kept[middle, end],
                    kept[start, end],
                )
                cost = (
                    best[start, middle][0] + best[middle, end][0] + flops,
                    best[start, middle][1] + best[middle, end][1] + written,
                )
                if least is None or cost < least:
                    least, split[start, end] = cost, middle
            assert least is not None
            best[start, end] = least
    halves = {
        members(start, end): (members(start, middle), members(middle, end))
        for (start, end), middle in split.items()
    }
    return _linear(_pairs(count, members(0, count), halves.__getitem__))


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
        return _linear(_sequence(len(inputs)))
    order, dims = found
    splits = (exact_splits if len(inputs) <= EXACT_LIMIT else chin)(dims)
    number = {(k, k + 1): factor for k, factor in enumerate(order)}
    pairs: list[tuple[int, int]] = []
    for start, end in sorted(splits, key=lambda interval: interval[1] - interval[0]):
        middle = splits[start, end]
        pairs.append((number[start, middle], number[middle, end]))
        number[start, end] = len(inputs) + len(pairs) - 1
    return _linear(pairs)


def _chain(
    inputs: Sequence[frozenset[Axis]], output: frozenset[Axis], sizes: Mapping[Axis, int]
) -> tuple[list[int], list[int]] | None:
    """Return the order and the sizes of a chain of matrices, or None where it is none."""
    order = chain_order(inputs, output)
    dims = None if order is None else chain_sizes([inputs[k] for k in order], output, sizes)
    return None if order is None or dims is None else (order, dims)


class _Masks:
    """Sets of axes as bits of integers, with remembered volumes."""

    def __init__(
        self,
        inputs: Sequence[frozenset[Axis]],
        output: frozenset[Axis],
        sizes: Mapping[Axis, int],
    ) -> None:
        bit: dict[Axis, int] = {}
        for axis in [axis for axes in (*inputs, output) for axis in sorted(axes)]:
            bit.setdefault(axis, 1 << len(bit))
        self.inputs = [sum(bit[axis] for axis in axes) for axes in inputs]
        self.output = sum(bit[axis] for axis in output)
        self._sizes = {bit[axis]: sizes[axis] for axis in bit}
        self._volumes = {0: 1}
        self.selections = {
            1 << k: Moves(
                sum(bit[axis] for axis in axes.moves.determined),
                axes.moves.is_view,
            )
            for k, axes in enumerate(inputs)
            if isinstance(axes, SelectionAxes)
        }

    def pair(self, left: int, right: int, one: int, other: int, kept: int) -> tuple[int, int]:
        """Return the FLOPs of a pair, and how many numbers it writes.

        Args:
            left: the factors that went into the one tensor.
            right: those of the other.
            one: the axes of the one tensor.
            other: those of the other.
            kept: the axes of the result.
        """
        found = self.selections
        return contraction_cost(self.volume, one, other, kept, found.get(left), found.get(right))

    def volume(self, mask: int) -> int:
        """Return the product of the sizes of a set of axes."""
        known = self._volumes.get(mask)
        if known is None:
            lowest = mask & -mask
            known = self.volume(mask ^ lowest) * self._sizes[lowest]
            self._volumes[mask] = known
        return known


def _linear(pairs: list[tuple[int, int]]) -> Sequence[tuple[int, ...]]:
    """Return a path in opt_einsum's form: positions in the list of what is left."""
    left = list(range(len(pairs) + 1))
    linear = []
    for k, pair in enumerate(pairs):
        linear.append(tuple([left.index(number) for number in pair]))
        left = [number for number in left if number not in pair] + [len(pairs) + 1 + k]
    return linear


def _sequence(count: int) -> list[tuple[int, int]]:
    return [(0, 1)] + [(count + k, k + 2) for k in range(count - 2)] if count > 1 else []


def _pairs(
    count: int, everything: int, halves: Callable[[int], tuple[int, int]]
) -> list[tuple[int, int]]:
    """Return the pairs of a tree over subsets of the factors, leaves first."""
    number = {1 << k: k for k in range(count)}
    pairs: list[tuple[int, int]] = []
    pending = [everything]
    while pending:
        members = pending[-1]
        missing = [half for half in halves(members) if half not in number]
        if missing:
            pending.extend(missing)
            continue
        pending.pop()
        if members not in number:
            left, right = halves(members)
            pairs.append((number[left], number[right]))
            number[members] = count + len(pairs) - 1
    return pairs


BUILT_IN_FINDERS: dict[str, Finder] = {
    "subset": subset,
    "chain": chain,
    "interval": interval,
    "greedy": greedy,
}
