"""The arena: one stretch of memory in which buffers that are alive at different times share places.

Each buffer is alive from one step to another, and has a place that no other has while it is alive.
A few layouts are made, the quickest first, until one is hardly larger than what is alive at one
time; the smallest is taken:
- in time: as the steps need them, each in the smallest hole that is free then;
- by size: larger ones first, each in the smallest gap among those that are alive with it (Pisarchyk
  and Lee 2020, Efficient memory management for deep neural net inference);
- by life: the same, those first that live longer.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import accumulate
from typing import Any

__all__ = ["ALIGNMENT", "Lifetime", "place"]

ALIGNMENT = 64
"""Every buffer starts at a multiple of so many bytes: a cache line, and the widest register."""

SMALL_PART = 0.03
"""How much larger than what is alive at one time an arena may be for no other to be made."""

Layout = tuple[list[int], int]
"""The line where each buffer begins, and the lines of all."""


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
    enough = (1 + SMALL_PART) * _most_alive(lifetimes)
    made: list[Layout] = []
    for layout in _layouts(lifetimes):
        made.append(layout)
        if layout[1] <= enough:
            break
    offsets, size = min(made, key=lambda layout: layout[1])
    return [each * ALIGNMENT for each in offsets], size * ALIGNMENT


def _layouts(lifetimes: Sequence[Lifetime]) -> Iterator[Layout]:
    """Yield the layouts, the quickest to make first."""
    yield _in_time(lifetimes)
    numbers = range(len(lifetimes))
    large_first = sorted(numbers, key=lambda k: (-lifetimes[k].size, lifetimes[k].first))
    yield _in_gaps(lifetimes, large_first)
    # sorting is stable: of those that live equally long the large ones stay first
    long_first = sorted(large_first, key=lambda k: lifetimes[k].first - lifetimes[k].last)
    yield _in_gaps(lifetimes, long_first)


def _most_alive(lifetimes: Sequence[Lifetime]) -> int:
    """Return the most lines that are alive at one step: no arena is smaller."""
    change = [0] * (2 + max([each.last for each in lifetimes], default=0))
    for each in lifetimes:
        change[each.first] += each.lines
        change[each.last + 1] -= each.lines
    return max(accumulate(change))


def _in_time(lifetimes: Sequence[Lifetime]) -> Layout:
    """Return a layout made step after step, each buffer in the smallest hole that is long enough.

    It takes a time that grows with the buffers, not with the square of their number.
    """
    offsets = [0] * len(lifetimes)
    alive: list[tuple[int, int]] = []
    # the last hole is longer than any other can be
    holes = _Holes(2 * sum([each.lines for each in lifetimes]))
    size = 0
    numbers = [k for k, each in enumerate(lifetimes) if each.size]
    for k in sorted(numbers, key=lambda k: (lifetimes[k].first, -lifetimes[k].last)):
        buffer = lifetimes[k]
        while alive and alive[0][0] < buffer.first:
            dead = heappop(alive)[1]
            holes.give_back(offsets[dead], offsets[dead] + lifetimes[dead].lines)
        lines = buffer.lines
        offsets[k] = holes.take(lines)
        size = max(size, offsets[k] + lines)
        heappush(alive, (buffer.last, k))
    return offsets, size


class _Holes:
    """Stretches that are free, no two of which touch."""

    def __init__(self, end: int) -> None:
        self._lengths = [(end, 0)]
        self._ends, self._begins = {0: end}, {end: 0}

    def take(self, lines: int) -> int:
        """Return where a stretch begins that was taken from the smallest hole that has it."""
        length, begin = self._lengths[bisect_left(self._lengths, (lines, 0))]
        end = self._removed(begin)
        if length > lines:
            self._add(begin + lines, end)
        return begin

    def give_back(self, begin: int, end: int) -> None:
        """Make a stretch free; with those that it touches it is one."""
        if end in self._ends:
            end = self._removed(end)
        if begin in self._begins:
            begin = self._begins[begin]
            self._removed(begin)
        self._add(begin, end)

    def _add(self, begin: int, end: int) -> None:
        insort(self._lengths, (end - begin, begin))
        self._ends[begin], self._begins[end] = end, begin

    def _removed(self, begin: int) -> int:
        """Remove the hole that begins somewhere, and return where it ends."""
        end = self._ends.pop(begin)
        del self._begins[end]
        del self._lengths[bisect_left(self._lengths, (end - begin, begin))]
        return end


def _in_gaps(lifetimes: Sequence[Lifetime], order: Sequence[int]) -> Layout:
    """Return a layout made in an order, each buffer in the smallest gap among those beside it."""
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
