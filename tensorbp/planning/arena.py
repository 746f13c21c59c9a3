"""The arena: one stretch of memory in which buffers that are alive at different times share places.

Each buffer is alive from one step to another. Larger ones are placed first, each in the smallest
gap, among those that are alive with it, in which it fits (greedy by size: Pisarchyk and Lee 2020,
Efficient memory management for deep neural net inference).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
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


def place(lifetimes: Sequence[Lifetime]) -> tuple[list[int], int]:
    """Return the offset in bytes of each buffer, and the size of the arena.

    >>> place([Lifetime(128, 0, 1), Lifetime(64, 1, 2), Lifetime(128, 2, 3)])
    ([0, 128, 0], 192)

    Args:
        lifetimes: the buffers; no two that are alive at one step overlap.
    """
    import numpy as np

    offsets = [0] * len(lifetimes)
    lines = [-(-each.size // ALIGNMENT) for each in lifetimes]
    # the placed buffers in order: where each begins and ends in memory, and in time
    placed = np.zeros((4, len(lifetimes)), np.int64 if sum(lines) < 2**62 else object)
    # among equals the first comes first: as few places as can be are enough for intervals so
    order = sorted(range(len(lifetimes)), key=lambda k: (-lifetimes[k].size, lifetimes[k].first))
    for count, k in enumerate(order):
        buffer = lifetimes[k]
        begins, ends, firsts, lasts = placed[:, :count]
        is_beside = (firsts <= buffer.last) & (lasts >= buffer.first)
        begin = _best_gap(begins[is_beside], ends[is_beside], lines[k])
        at = int(begins.searchsorted(begin))
        placed[:, at + 1 : count + 1] = placed[:, at:count].copy()
        placed[:, at] = begin, begin + lines[k], buffer.first, buffer.last
        offsets[k] = begin * ALIGNMENT
    return offsets, int(placed[1].max(initial=0)) * ALIGNMENT


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
