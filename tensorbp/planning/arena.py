"""The arena: one stretch of memory in which buffers that are alive at different times share places.

Each buffer is alive from one step to another. Larger ones are placed first, each in the smallest
gap, among those that are alive with it, in which it fits (greedy by size: Pisarchyk and Lee 2020,
Efficient memory management for deep neural net inference). Where that leaves gaps, those that live
longer come first in a second layout, and the smaller of the two is taken.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

__all__ = ["ALIGNMENT", "Lifetime", "place"]

ALIGNMENT = 64
"""Every buffer starts at a multiple of so many bytes: a cache line, and the widest register."""


@dataclass(frozen=True)
class Lifetime:
    """A buffer: its size in bytes, and the first and the last step at which it is alive."""

    size: int
    first: int
    last: int

    @property
    def lines(self) -> int:
        """Of how many times the alignment its place is."""
        return -(-self.size // ALIGNMENT)


def place(lifetimes: Sequence[Lifetime]) -> tuple[list[int], int]:
    """Return the offset in bytes of each buffer, and the size of the arena.

    >>> place([Lifetime(128, 0, 1), Lifetime(64, 1, 2), Lifetime(128, 2, 3)])
    ([0, 128, 0], 192)

    Args:
        lifetimes: the buffers; no two that are alive at one step overlap.
    """
    numbers = range(len(lifetimes))
    # among equals the first comes first: as few places as can be are enough for intervals so
    large_first = sorted(numbers, key=lambda k: (-lifetimes[k].size, lifetimes[k].first))
    offsets, size = _in_gaps(lifetimes, large_first)
    if size > _most_alive(lifetimes):
        # sorting is stable: of those that live equally long the large ones stay first
        long_first = sorted(large_first, key=lambda k: lifetimes[k].first - lifetimes[k].last)
        offsets, size = min((offsets, size), _in_gaps(lifetimes, long_first), key=lambda e: e[1])
    return [each * ALIGNMENT for each in offsets], size * ALIGNMENT


def _most_alive(lifetimes: Sequence[Lifetime]) -> int:
    """Return the most lines that are alive at one step: no arena is smaller."""
    change = [0] * (2 + max([each.last for each in lifetimes], default=0))
    for each in lifetimes:
        change[each.first] += each.lines
        change[each.last + 1] -= each.lines
    return max(accumulate(change))


def _in_gaps(lifetimes: Sequence[Lifetime], order: Sequence[int]) -> tuple[list[int], int]:
    """Return the line where each buffer begins, and the lines of all, placed in an order."""
    import numpy as np

    offsets = [0] * len(lifetimes)
    most = sum([each.lines for each in lifetimes])
    # the placed buffers in order: where each begins and ends in memory, and in time
    placed = np.zeros((4, len(lifetimes)), np.int64 if most < 2**62 else object)
    for count, k in enumerate(order):
        buffer = lifetimes[k]
        begins, ends, firsts, lasts = placed[:, :count]
        is_beside = (firsts <= buffer.last) & (lasts >= buffer.first)
        begin = _best_gap(begins[is_beside], ends[is_beside], buffer.lines)
        at = int(begins.searchsorted(begin))
        placed[:, at + 1 : count + 1] = placed[:, at:count].copy()
        placed[:, at] = begin, begin + buffer.lines, buffer.first, buffer.last
        offsets[k] = begin
    return offsets, int(placed[1].max(initial=0))


def _best_gap(begins: Any, ends: Any, size: int) -> int:
    """Return where the smallest gap begins that has the size; behind everything there is one.

    Args:
        begins: where the buffers begin that are in the way, in order.
        ends: where they end.
        size: how long the gap has to be.
    """
    if not len(ends):
        return 0
    import numpy as np

    # up to where all is taken, from each buffer on
    taken = np.maximum.accumulate(ends)
    free = np.concatenate(([0], taken[:-1]))
    gaps = begins - free
    is_enough = gaps >= size
    if not is_enough.any():
        return int(taken[-1])
    return int(free[np.where(is_enough, gaps, taken[-1]).argmin()])
