"""The subset programme: all orders of a dozen factors, all subsets of one size at a time."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from tensorbp.algebra import Axis
from tensorbp.planning.network import Moves, SelectionAxes, contraction_cost

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["AXES_LIMIT", "SubsetProgramme", "has_few_axes"]

AXES_LIMIT = 62
"""The most axes, those alike counted once, of which a set fits the bits of a machine integer."""

LEVELS = 128
"""Of how many numbers of factors and sizes of subsets all splits are remembered."""

HALF = 16
"""Volumes of sets of axes are looked up by this many bits at a time."""


def has_few_axes(inputs: Sequence[frozenset[Axis]], output: frozenset[Axis]) -> bool:
    """Say whether the sets of axes of a network fit the bits of a machine integer."""
    return len(_alike(inputs, output)) <= AXES_LIMIT


@dataclass(frozen=True)
class _Level:
    """All subsets of one size, a column for each, and a row for each way to halve it.

    Attributes:
        subsets: the subsets, as bits.
        halves: the half with the subset's lowest member.
        flops: what it costs to contract the two halves, as it is weighed.
        written: how many numbers that writes.
    """

    subsets: NDArray[Any]
    halves: NDArray[Any]
    flops: NDArray[Any]
    written: NDArray[Any]


class SubsetProgramme:
    """The prices of all contractions that may occur in any order of a network.

    best(S) = min over splits S = A ∪ B of best(A) + best(B) + flops(A, B), where a tensor S has the
    axes that the output or a factor outside S has as well; of equal splits the one that writes
    fewer numbers. O(3^n).

    Attributes:
        kept: for each subset, the axes that are left of it, as bits.
    """

    def __init__(
        self,
        inputs: Sequence[frozenset[Axis]],
        output: frozenset[Axis],
        sizes: Mapping[Axis, int],
        largest: float = math.inf,
    ) -> None:
        """Price all contractions.

        Args:
            inputs: the axes of each factor; those of a selection say which are determined.
            output: the axes that are kept.
            sizes: the size of each axis.
            largest: the most numbers that an intermediate may have.
        """
        import numpy as np

        self.count, self._largest = len(inputs), largest
        alike = _alike(inputs, output)
        self._bit = {axis: k for k, group in enumerate(alike) for axis in group}
        volumes = [float(_product(sizes, group)) for group in alike]
        self._tables = [
            _volumes(volumes[start : start + HALF])
            for start in range(0, max(len(volumes), 1), HALF)
        ]
        everything = (1 << self.count) - 1
        union = np.zeros(everything + 1, dtype=np.int64)
        for k, axes in enumerate(inputs):
            union[1 << k : 2 << k] = union[: 1 << k] | self._bits(axes)
        outside = union[everything ^ np.arange(everything + 1)]
        self.kept = union & (outside | self._bits(output))
        self._selections: dict[int, Moves[int]] = {}
        for k, axes in enumerate(inputs):
            if isinstance(axes, SelectionAxes):
                # a selection is not summed beforehand, which would make a dense tensor of it
                self.kept[1 << k] = union[1 << k]
                determined = self._bits(axes.moves.determined)
                self._selections[1 << k] = Moves(determined, axes.moves.is_view)
        self._levels = [self._level(size) for size in range(2, self.count + 1)]

    def halves(self, free: Collection[int] = ()) -> list[int]:
        """Return for each subset the half with which it is cheapest to make.

        Args:
            free: subsets that are there already, and cost nothing.
        """
        import numpy as np

        chosen = np.zeros(1 << self.count, dtype=np.int64)
        flops, written = np.zeros(1 << self.count), np.zeros(1 << self.count)
        is_free = np.zeros(1 << self.count, dtype=bool)
        is_free[list(free)] = True
        for level in self._levels:
            one = level.halves
            other = level.subsets ^ one
            cost = flops.take(one) + flops.take(other) + level.flops
            writes = written.take(one) + written.take(other) + level.written
            least = cost.min(axis=0)
            writes = np.where(cost > least, np.inf, writes)
            fewest = writes.min(axis=0)
            # halves stand in the order of their numbers: the first of equal ones is the smallest
            chosen[level.subsets] = np.where(writes > fewest, level.subsets, one).min(axis=0)
            costs = ~is_free[level.subsets]
            flops[level.subsets] = least * costs
            written[level.subsets] = fewest * costs
        result: list[int] = chosen.tolist()
        return result

    def _level(self, size: int) -> _Level:
        import numpy as np

        subsets, halves = _splits(self.count, size)
        rest = subsets ^ halves
        kept = self.kept.take(subsets)
        both = self.kept.take(halves) | self.kept.take(rest)
        flops = self._volume(both) * np.where(both != kept, 2, 1)
        volumes = self._volume(kept)
        written = np.repeat(volumes[None], len(halves), axis=0)
        for single in self._selections:
            for row, column in zip(*np.nonzero((halves == single) | (rest == single)), strict=True):
                flops[row, column], written[row, column] = self.price(
                    int(halves[row, column]), int(rest[row, column])
                )
        if self._selections:
            # as `Network.weighed` compares them
            flops = flops + written
        if size < self.count:
            flops[:, volumes > self._largest] = np.inf
        return _Level(subsets, halves, flops, written)

    def price(self, left: int, right: int) -> tuple[int, int]:
        """Return the FLOPs of contracting two subsets, and how many numbers that writes."""
        return contraction_cost(
            lambda axes: int(self._volume(axes)),
            int(self.kept[left]),
            int(self.kept[right]),
            int(self.kept[left | right]),
            self._selections.get(left),
            self._selections.get(right),
        )

    def _bits(self, axes: frozenset[Axis]) -> int:
        bits = 0
        for axis in axes:
            bits |= 1 << self._bit[axis]
        return bits

    def _volume(self, axes: Any) -> Any:
        """Return the product of the sizes of sets of axes."""
        result: Any = 1.0
        for k, table in enumerate(self._tables):
            result = result * table[(axes >> (HALF * k)) & (len(table) - 1)]
        return result


@lru_cache(maxsize=LEVELS)
def _splits(count: int, size: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the subsets of one size, and in a column for each the halves with its lowest member.

    Networks with as many factors have the same.
    """
    import numpy as np

    everything = np.arange(1 << count)
    members = (everything[:, None] >> np.arange(count)) & 1
    subsets = everything[members.sum(axis=1) == size]
    places = np.nonzero(members[subsets])[1].reshape(-1, size)
    # the lowest member is in the half; of the others any but all
    patterns = 1 + 2 * np.arange((1 << (size - 1)) - 1)
    chosen = (patterns[:, None] >> np.arange(size)) & 1
    return subsets, chosen @ (1 << places.T)


def _alike(inputs: Sequence[frozenset[Axis]], output: frozenset[Axis]) -> list[list[Axis]]:
    """Return the axes in groups: those that the same factors have are as good as one."""
    holders: dict[Axis, list[int]] = {axis: [-1] for axis in output}
    for k, axes in enumerate(inputs):
        for axis in axes:
            holders.setdefault(axis, []).append(k)
            if isinstance(axes, SelectionAxes):
                # what a selection determines is told apart
                holders[axis].append(-2 - (axis in axes.moves.determined))
    groups: dict[tuple[int, ...], list[Axis]] = {}
    for axis, found in holders.items():
        groups.setdefault(tuple(found), []).append(axis)
    return list(groups.values())


def _product(sizes: Mapping[Axis, int], axes: Sequence[Axis]) -> int:
    result = 1
    for axis in axes:
        result *= sizes[axis]
    return result


def _volumes(sizes: Sequence[float]) -> NDArray[Any]:
    """Return the product of the sizes in each subset of them."""
    import numpy as np

    table = np.ones(1 << len(sizes))
    for k, size in enumerate(sizes):
        table[1 << k : 2 << k] = table[: 1 << k] * size
    return table
