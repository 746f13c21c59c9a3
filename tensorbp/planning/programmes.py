"""The subset programme as an order finder."""

from __future__ import annotations

import math
from collections.abc import Sequence

from tensorbp.algebra import Axis
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
    everything = (1 << len(network.inputs)) - 1
    kept: list[frozenset[Axis]] = []
    for members in range(everything + 1):
        inside = [axes for k, axes in enumerate(network.inputs) if members >> k & 1]
        outside = [axes for k, axes in enumerate(network.inputs) if not members >> k & 1]
        shared = frozenset().union(*inside) & network.output.union(*outside)
        is_selection = len(inside) == 1 and isinstance(inside[0], SelectionAxes)
        # a selection is not summed beforehand, which would make a dense tensor of it
        kept.append(inside[0] if is_selection else shared)
    best: list[tuple[int, int]] = [(0, 0)] * (everything + 1)
    halves = [0] * (everything + 1)
    for members in range(1, everything + 1):
        lowest = members & -members
        costs = {}
        part = (members - 1) & members
        while part:
            if part & lowest:
                one, other = kept[part], kept[members ^ part]
                cost = contraction_cost(
                    network.volume, one, other, kept[members], moves_of(one), moves_of(other)
                )
                flops, written = network.weighed(cost)
                left, right = best[part], best[members ^ part]
                costs[part] = (left[0] + right[0] + flops, left[1] + right[1] + written)
            part = (part - 1) & members
        if costs:
            halves[members] = min(costs, key=costs.__getitem__)
            best[members] = costs[halves[members]]
    return halves
