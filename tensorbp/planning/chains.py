"""Chains of matrices: the cheapest way to put the parentheses, exactly or nearly so.

A chain is a product in which each matrix shares one axis with the next, as in A B C x. An order of
multiplication is a way to cut a polygon into triangles, whose vertices have the sizes d_0, d_1, ...
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

from tensorbp.algebra import Axis
from tensorbp.planning.paths import linear

__all__ = [
    "EXACT_LIMIT",
    "Splits",
    "chain",
    "chain_order",
    "chain_sizes",
    "chin",
    "exact_splits",
    "is_chain",
]

Splits = dict[tuple[int, int], int]
"""For each interval of sizes that occurs, the size at which it is split."""

EXACT_LIMIT = 1000
"""Longer chains are ordered by Chin's heuristic, in time that grows linearly; so many take half a
second."""


def chain(
    inputs: Sequence[frozenset[Axis]],
    output: frozenset[Axis],
    sizes: dict[Axis, int],
    memory_limit: int | None = None,
) -> Sequence[tuple[int, ...]] | None:
    """Return the cheapest path of a chain of matrices, in whatever order its factors are given.

    None for what is no chain of matrices. It is exact for up to `EXACT_LIMIT` matrices, and then
    within two thousandths.
    """
    del memory_limit
    found = _chain(inputs, output, sizes)
    if found is None:
        return None
    order, dims = found
    splits = (exact_splits if len(inputs) <= EXACT_LIMIT else chin)(dims)
    number = {(k, k + 1): factor for k, factor in enumerate(order)}
    pairs: list[tuple[int, int]] = []
    for start, end in sorted(splits, key=lambda interval: interval[1] - interval[0]):
        middle = splits[start, end]
        pairs.append((number[start, middle], number[middle, end]))
        number[start, end] = len(inputs) + len(pairs) - 1
    return linear(pairs)


def is_chain(
    inputs: Sequence[frozenset[Axis]], output: frozenset[Axis], sizes: Mapping[Axis, int]
) -> bool:
    """Say whether a network is a chain of matrices, in whatever order its factors are given."""
    return _chain(inputs, output, sizes) is not None


def _chain(
    inputs: Sequence[frozenset[Axis]], output: frozenset[Axis], sizes: Mapping[Axis, int]
) -> tuple[list[int], list[int]] | None:
    """Return the order and the sizes of a chain of matrices, or None where it is none."""
    order = chain_order(inputs, output)
    dims = None if order is None else chain_sizes([inputs[k] for k in order], output, sizes)
    return None if order is None or dims is None else (order, dims)


def chain_order(inputs: Sequence[frozenset[Axis]], output: frozenset[Axis]) -> list[int] | None:
    """Return the factors in the order in which they are linked, or None where they are no chain.

    Two factors are linked by an axis that only the two of them have.
    """
    holders: dict[Axis, list[int]] = {}
    for k, axes in enumerate(inputs):
        for axis in axes:
            holders.setdefault(axis, []).append(k)
    linked: dict[int, list[int]] = {k: [] for k in range(len(inputs))}
    for axis, found in holders.items():
        if len(found) == 2 and axis not in output:
            one, other = found
            linked[one].append(other)
            linked[other].append(one)
    ends = [k for k, others in linked.items() if len(others) == 1]
    if len(ends) != 2 or any(len(others) > 2 for others in linked.values()):
        return None
    order = [ends[0]]
    while len(order) < len(inputs):
        following = [k for k in linked[order[-1]] if len(order) < 2 or k != order[-2]]
        if len(following) != 1:
            return None
        order += following
    return order


def chain_sizes(
    inputs: Sequence[frozenset[Axis]], output: frozenset[Axis], sizes: Mapping[Axis, int]
) -> list[int] | None:
    """Return the sizes d_0, d_1, ... of a chain in order, or None where it is no chain of matrices.

    Matrix k has the sizes d_k and d_k+1. A vector at an end has one axis; its other size is one.
    """
    links = [one & other for one, other in pairwise(inputs)]
    if not links or any(len(link) != 1 or link & output for link in links):
        return None
    found = [next(iter(link)) for link in links]
    ends: list[int] = []
    for k, axes in enumerate(inputs):
        free = axes.difference(found[max(k - 1, 0) : k + 1])
        is_end = k in (0, len(inputs) - 1)
        if len(free) > is_end or not free <= output or (not is_end and len(axes) != 2):
            return None
        if is_end:
            ends.append(next((sizes[axis] for axis in free), 1))
    # an axis that both ends have would close the chain to a ring
    if len(set(found)) < len(found) or inputs[0] & inputs[-1] & output:
        return None
    return [ends[0], *[sizes[axis] for axis in found], ends[1]]


def exact_splits(dims: Sequence[int]) -> Splits:
    """Return optimal splits, by dynamic programming over intervals.

    best(i, j) = min over i < k < j of best(i, k) + best(k, j) + d_i d_k d_j. Godbole, "On efficient
    computation of matrix chain products", 1973; O(n^3), all intervals of one length at a time.

    Args:
        dims: matrix k has the sizes ``dims[k]`` and ``dims[k + 1]``.
    """
    import numpy as np
    from numpy.lib.stride_tricks import as_strided

    d = np.array(dims, dtype=float)
    count = len(d)
    best = np.zeros((count, count))
    # the same turned over, so that what ends at one size lies together as well
    ending = np.zeros((count, count))
    split = np.zeros((count, count), dtype=int)
    step = d.itemsize
    for length in range(2, count):
        # a row for each interval of that length, a column for each way to split it
        shape, along = (count - length, length - 1), ((count + 1) * step, step)
        cost = d[: count - length, None] * as_strided(d[1:], shape, (step, step))
        cost *= d[length:, None]
        cost += as_strided(best[0, 1:], shape, along)
        cost += as_strided(ending[length, 1:], shape, along)
        first = np.arange(count - length)
        chosen = cost.argmin(axis=1)
        best[first, first + length] = ending[first + length, first] = cost[first, chosen]
        split[first, first + length] = first + 1 + chosen
    splits: Splits = {}
    pending = [(0, count - 1)]
    while pending:
        i, j = pending.pop()
        if j - i > 1:
            k = splits[i, j] = int(split[i, j])
            pending += [(i, k), (k, j)]
    return splits


def chin(dims: Sequence[int]) -> Splits:
    """Return near-optimal splits of a chain, in time that grows linearly.

    Vertices of the polygon are cut off where that is cheaper than to connect them with the smallest
    of all; what is left is a fan around the smallest. Chin, "An O(n) algorithm for determining a
    near-optimal computation order of matrix chain products", 1978.

    Args:
        dims: matrix k has the sizes ``dims[k]`` and ``dims[k + 1]``.
    """
    count = len(dims)
    smallest = min(range(count), key=dims.__getitem__)
    least = dims[smallest]
    triangles: list[tuple[int, int, int]] = []
    ring: list[int] = []

    def is_cut(one: int, top: int, other: int) -> bool:
        if top == smallest or one == other:
            return False
        left, peak, right = dims[one], dims[top], dims[other]
        return left * right * (peak + least) < least * peak * (left + right)

    for vertex in (*range(smallest, count), *range(smallest + 1)):
        ring.append(vertex)
        while len(ring) > 2 and is_cut(*ring[-3:]):
            triangles.append((ring[-3], ring[-2], ring[-1]))
            del ring[-2]
    triangles += [(smallest, one, other) for one, other in pairwise(ring[1:-1])]
    splits: Splits = {}
    for triangle in triangles:
        first, middle, last = sorted(triangle)
        splits[first, last] = middle
    return splits
