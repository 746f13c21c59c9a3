"""The subset programme as an order finder."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from tensorbp.algebra import Axis
from tensorbp.planning.network import Moves, SelectionAxes, contraction_cost
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
        whole = (1 << len(inputs)) - 1
        return linear(pairs_of_tree(len(inputs), whole, lambda m: (halves[m], m ^ halves[m])))
    masks = Masks(inputs, output, sizes)
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
    return linear(pairs_of_tree(count, everything, lambda m: (split[m], m ^ split[m])))


class Masks:
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
