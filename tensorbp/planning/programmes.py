"""The subset programme as an order finder."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache, lru_cache

from tensorbp.algebra import Axis
from tensorbp.algebra.pattern import REMEMBERED
from tensorbp.planning.network import Network, SelectionAxes, contraction_cost, moves_of
from tensorbp.planning.paths import linear, pairs_of_tree
from tensorbp.planning.subsets import SubsetProgramme, has_few_axes

__all__ = ["SUBSET_LIMIT", "is_tried_in_full", "subset"]

SUBSET_LIMIT = 12
"""The most factors for which all 3^n splits of subsets are tried."""

NARROW_LIMIT = 4
"""The most factors for which a loop over subsets is faster than all subsets of a size at a time."""


def is_tried_in_full(inputs: Sequence[frozenset[Axis]], output: frozenset[Axis]) -> bool:
    """Say whether the subset programme tries every order of a network."""
    return len(inputs) <= SUBSET_LIMIT and has_few_axes(inputs, output)


def subset(
    inputs: Sequence[frozenset[Axis]],
    output: frozenset[Axis],
    sizes: dict[Axis, int],
    memory_limit: int | None = None,
) -> Sequence[tuple[int, ...]] | None:
    """Return the cheapest of all paths, by dynamic programming over subsets of the factors.

    best(S) = min over splits S = A ∪ B of best(A) + best(B) + flops(A, B), where a tensor S has
    the axes that the output or a factor outside S has as well. O(3^n); for small networks only.
    Of paths whose intermediates keep the memory limit it is the cheapest, if there is any. None
    where `is_tried_in_full` says no.
    """
    if not is_tried_in_full(inputs, output):
        return None
    if len(inputs) > NARROW_LIMIT or memory_limit is not None:
        largest = math.inf if memory_limit is None else memory_limit
        halves = SubsetProgramme(inputs, output, sizes, largest).halves()
    else:
        halves = _narrow_halves(Network(tuple(inputs), output, sizes))
    return linear(pairs_of_tree(len(inputs), len(halves) - 1, lambda m: (halves[m], m ^ halves[m])))


def _narrow_halves(network: Network) -> list[int]:
    """Return for each subset the half with which it is cheapest to make, one after the other."""
    kept = _kept(network.inputs, network.output)
    volume = cache(network.volume)
    best: list[tuple[int, int]] = [(0, 0)] * len(kept)
    halves = [0] * len(kept)
    for members, parts in _halvings(len(network.inputs)):
        costs = {}
        for part in parts:
            one, other = kept[part], kept[members ^ part]
            cost = contraction_cost(
                volume, one, other, kept[members], moves_of(one), moves_of(other)
            )
            flops, written = network.weighed(cost)
            left, right = best[part], best[members ^ part]
            costs[part] = (left[0] + right[0] + flops, left[1] + right[1] + written)
        halves[members] = min(costs, key=costs.__getitem__)
        best[members] = costs[halves[members]]
    return halves


@lru_cache(maxsize=REMEMBERED)
def _kept(
    inputs: tuple[frozenset[Axis], ...], output: frozenset[Axis]
) -> Sequence[frozenset[Axis]]:
    """Return for each subset of the factors the axes that are left of it."""
    kept: list[frozenset[Axis]] = []
    for members in range(1 << len(inputs)):
        inside = [axes for k, axes in enumerate(inputs) if members >> k & 1]
        outside = [axes for k, axes in enumerate(inputs) if not members >> k & 1]
        shared = frozenset().union(*inside) & output.union(*outside)
        is_selection = len(inside) == 1 and isinstance(inside[0], SelectionAxes)
        # a selection is not summed beforehand, which would make a dense tensor of it
        kept.append(inside[0] if is_selection else shared)
    return kept


@cache
def _halvings(count: int) -> Sequence[tuple[int, Sequence[int]]]:
    """Return the subsets of two and more factors, each with the halves that hold its lowest."""

    def halves(members: int) -> list[int]:
        lowest = members & -members
        below = range(members - 1, 0, -1)
        return [part for part in below if part | members == members and part & lowest]

    return [(each, halves(each)) for each in range(1 << count) if each.bit_count() > 1]
