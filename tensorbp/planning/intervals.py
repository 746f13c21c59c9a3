"""The interval programme: the cheapest order that joins neighbours only, as in a matrix chain."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

from tensorbp.algebra import Axis
from tensorbp.planning.chains import Splits
from tensorbp.planning.network import Network, Path, SelectionAxes, contraction_cost, moves_of
from tensorbp.planning.paths import linear

__all__ = ["INTERVAL_LIMIT", "interval", "interval_path"]

INTERVAL_LIMIT = 300
"""The most factors for which all splits of intervals are tried."""

SELECTIONS_LIMIT = 48
"""The most factors for which all splits are tried one by one, as selections are priced."""

WINDOW = 64
"""How many neighbours are ordered at a time where all are too many."""


def interval(
    inputs: Sequence[frozenset[Axis]],
    output: frozenset[Axis],
    sizes: dict[Axis, int],
    memory_limit: int | None = None,
) -> Sequence[tuple[int, ...]]:
    """Return the cheapest path that joins neighbours in the given order, as in a matrix chain.

    It is exact for up to `INTERVAL_LIMIT` factors, with selections for up to
    `SELECTIONS_LIMIT`; of more, a window is worked out at a time, from either end.
    """
    del memory_limit
    return linear(interval_path(Network(tuple(inputs), output, sizes)))


def interval_path(network: Network) -> Path:
    """Return the path that the interval programme finds for a network."""
    count = len(network.inputs)
    splits_of = _priced_splits if network.moves else _splits
    if count <= (SELECTIONS_LIMIT if network.moves else INTERVAL_LIMIT):
        return _pairs(count, splits_of(network))
    window = SELECTIONS_LIMIT if network.moves else WINDOW
    turned = Network(network.inputs[::-1], network.output, network.sizes)
    onwards, back = (_windowed(each, window, splits_of) for each in (network, turned))
    mirrored = [
        tuple([count - 1 - number if number < count else number for number in pair])
        for pair in back
    ]
    return min((onwards, tuple([(a, b) for b, a in mirrored])), key=network.cost)


def _windowed(network: Network, window: int, splits_of: Callable[[Network], Splits]) -> Path:
    """Return a path that makes one tensor of the first factors, then of it and those that follow.

    Args:
        network: what to contract.
        window: how many tensors are ordered at a time.
        splits_of: the programme for so many.
    """
    inputs, count = list(network.inputs), len(network.inputs)
    numbers = list(range(count))
    pairs: list[tuple[int, int]] = []
    while len(inputs) > 1:
        here, after = inputs[:window], inputs[window:]
        kept = frozenset().union(*here) & network.output.union(*after)
        path = _pairs(len(here), splits_of(Network(tuple(here), kept, network.sizes)))
        names = numbers[:window]
        for left, right in path:
            pairs.append((names[left], names[right]))
            names.append(count + len(pairs) - 1)
        inputs, numbers = [kept, *after], [names[-1], *numbers[window:]]
    return tuple(pairs)


def _pairs(count: int, splits: Splits) -> Path:
    """Return the pairs of a tree over intervals, the short ones first."""
    number = {(k, k + 1): k for k in range(count)}
    pairs: list[tuple[int, int]] = []
    for start, end in sorted(splits, key=lambda each: (each[1] - each[0], each)):
        middle = splits[start, end]
        pairs.append((number[start, middle], number[middle, end]))
        number[start, end] = count + len(pairs) - 1
    return tuple(pairs)


def _reached(count: int, middle_of: Callable[[int, int], int]) -> Splits:
    """Return the splits of the intervals that occur in the tree over all factors."""
    splits: Splits = {}
    pending = [(0, count)]
    while pending:
        start, end = pending.pop()
        if end - start > 1:
            middle = splits[start, end] = middle_of(start, end)
            pending += [(start, middle), (middle, end)]
    return splits


def _splits(network: Network) -> Splits:
    """Return the optimal splits of a network without selections.

    best(i, j) = min over i < k < j of best(i, k) + best(k, j) + flops of the two, as for a chain of
    matrices (Godbole, 1973); of equal splits the one that writes fewer numbers. The volume of two
    neighbours is the product of theirs over that of what they share, and what [i, k) and [k, j)
    share is found for all i and k at once as j grows. O(n^3), in vectors.
    """
    import numpy as np

    count = len(network.inputs)
    places: dict[Axis, list[int]] = {}
    for place, axes in enumerate(network.inputs):
        for axis in axes:
            places.setdefault(axis, []).append(place)
    # an axis of size zero makes all orders cost the same, which leaves nothing to compare
    sizes = {axis: float(max(network.sizes[axis], 1)) for axis in places}
    shape = (count + 1, count + 1)
    volume, rank = np.ones(shape), np.zeros(shape, dtype=np.int64)
    for axis, found in places.items():
        for block in _blocks_with(found, axis in network.output):
            volume[block] *= sizes[axis]
            rank[block] += 1
    shared, shared_rank = np.ones(shape), np.zeros(shape, dtype=np.int64)
    best, written = np.zeros(shape), np.zeros(shape)
    middles = np.zeros(shape, dtype=np.int64)
    for end in range(1, count + 1):
        for axis in network.inputs[end - 1]:
            before = [place for place in places[axis] if place < end - 1][-1:]
            for place in before:
                block = (slice(None, place + 1), slice(place + 1, end))
                shared[block] *= sizes[axis]
                shared_rank[block] += 1
        with np.errstate(over="ignore", invalid="ignore"):
            both = volume[:end, :end] * volume[:end, end] / shared[:end, :end]
            ranks = rank[:end, :end] + rank[:end, end] - shared_rank[:end, :end]
            flops = both * np.where(ranks > rank[:end, end, None], 2, 1)
        cost_to_end, written_to_end = np.zeros(count + 1), np.zeros(count + 1)
        for start in range(end - 2, -1, -1):
            between = slice(start + 1, end)
            costs = best[start, between] + cost_to_end[between] + flops[start, between]
            cost = costs.min()
            writes = written[start, between] + written_to_end[between]
            writes[costs > cost] = np.inf
            chosen = int(writes.argmin())
            middles[start, end] = start + 1 + chosen
            best[start, end] = cost_to_end[start] = cost
            written[start, end] = written_to_end[start] = writes[chosen] + volume[start, end]
    return _reached(count, lambda start, end: int(middles[start, end]))


def _blocks_with(places: Sequence[int], is_kept: bool) -> Iterator[tuple[slice, slice]]:
    """Yield which intervals, as starts and ends, still have an axis; each interval comes once.

    Args:
        places: the factors that have the axis, in order.
        is_kept: whether the output has it; otherwise it is summed once all of them are inside.
    """
    first, last = places[0], places[-1]
    yield slice(None, first + 1), slice(first + 1, None if is_kept else last + 1)
    for before, place in pairwise(places):
        yield slice(before + 1, place + 1), slice(place + 1, None)


def _priced_splits(network: Network) -> Splits:
    """Return the optimal splits of a network whose selections are priced one by one."""
    inputs, count = network.inputs, len(network.inputs)
    outside_of = [network.output]
    for axes in reversed(inputs):
        outside_of.append(outside_of[-1] | axes)
    outside_of.reverse()
    kept: dict[tuple[int, int], frozenset[Axis]] = {}
    before = network.output
    for start in range(count):
        inside: frozenset[Axis] = frozenset()
        for end in range(start + 1, count + 1):
            inside |= inputs[end - 1]
            kept[start, end] = inside & (before | outside_of[end])
        before |= inputs[start]
        if isinstance(inputs[start], SelectionAxes):
            kept[start, start + 1] = inputs[start]
    best = {(k, k + 1): (0, 0) for k in range(count)}
    middles: Splits = {}
    for length in range(2, count + 1):
        for start in range(count - length + 1):
            end = start + length
            costs = {}
            for middle in range(start + 1, end):
                one, other = kept[start, middle], kept[middle, end]
                cost = contraction_cost(
                    network.volume, one, other, kept[start, end], moves_of(one), moves_of(other)
                )
                flops, written = network.weighed(cost)
                left, right = best[start, middle], best[middle, end]
                costs[middle] = (left[0] + right[0] + flops, left[1] + right[1] + written)
            middles[start, end] = min(costs, key=costs.__getitem__)
            best[start, end] = costs[middles[start, end]]
    return _reached(count, lambda start, end: middles[start, end])
