"""The subset programme for networks of a dozen factors, over all subsets of a subset at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tensorbp.algebra import Axis

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["cheapest_halves"]

HALF = 16
"""Volumes of sets of axes are looked up by this many bits at a time."""


def cheapest_halves(
    inputs: Sequence[frozenset[Axis]], output: frozenset[Axis], sizes: Mapping[Axis, int]
) -> list[int]:
    """Return for each subset of the factors, as bits, the half with which it is cheapest to make.

    best(S) = min over splits S = A ∪ B of best(A) + best(B) + flops(A, B); of equal splits the one
    that writes fewer numbers. Each factor is a tensor: selections are not known here.

    Args:
        inputs: the axes of each factor.
        output: the axes that are kept.
        sizes: the size of each axis.
    """
    import numpy as np

    axes = sorted(frozenset().union(output, *inputs))
    bit = {axis: k for k, axis in enumerate(axes)}
    factors = [sum(1 << bit[axis] for axis in each) for each in inputs]
    tables = [
        _volumes([float(sizes[axis]) for axis in axes[start : start + HALF]])
        for start in range(0, max(len(axes), 1), HALF)
    ]

    def volume(masks: NDArray[Any]) -> NDArray[Any]:
        result = np.ones(masks.shape)
        for k, table in enumerate(tables):
            result *= table[(masks >> (HALF * k)) & (len(table) - 1)]
        return result

    count = len(inputs)
    everything = (1 << count) - 1
    union = np.zeros(everything + 1, dtype=np.int64)
    for k, mask in enumerate(factors):
        union[1 << k : 2 << k] = union[: 1 << k] | mask
    members = np.arange(everything + 1)
    kept = union & (union[everything ^ members] | sum(1 << bit[axis] for axis in output))
    written = volume(kept)
    flops, numbers = np.zeros(everything + 1), np.zeros(everything + 1)
    halves = [0] * (everything + 1)
    for subset in range(1, everything + 1):
        if subset & (subset - 1) == 0:
            continue
        one = _parts(subset)
        other = subset ^ one
        both = kept[one] | kept[other]
        cost = flops[one] + flops[other] + volume(both) * np.where(both != kept[subset], 2, 1)
        least = cost.min()
        ties = np.flatnonzero(cost == least)
        writes = numbers[one[ties]] + numbers[other[ties]]
        chosen = ties[writes.argmin()]
        flops[subset], numbers[subset] = least, writes.min() + written[subset]
        halves[subset] = int(one[chosen])
    return halves


def _volumes(sizes: Sequence[float]) -> NDArray[Any]:
    """Return the product of the sizes in each subset of them."""
    import numpy as np

    table = np.ones(1 << len(sizes))
    for k, size in enumerate(sizes):
        table[1 << k : 2 << k] = table[: 1 << k] * size
    return table


def _parts(subset: int) -> NDArray[Any]:
    """Return the proper parts of a subset that have its lowest member."""
    import numpy as np

    lowest = subset & -subset
    parts = np.array([lowest], dtype=np.int64)
    rest = subset ^ lowest
    while rest:
        each = rest & -rest
        parts = np.concatenate([parts, parts | each])
        rest ^= each
    return parts[:-1]
