"""The arena: one stretch of memory in which buffers that are alive at different times share places.

Each buffer is alive from one step to another. Larger ones are placed first, each in the smallest
gap, among those that are alive with it, in which it fits (greedy by size: Pisarchyk and Lee 2020,
Efficient memory management for deep neural net inference).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

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
    offsets = [0] * len(lifetimes)
    # the placed buffers: where each begins and ends in memory, and in time
    placed: list[tuple[int, int, int, int]] = []
    total = 0
    for k in sorted(range(len(lifetimes)), key=lambda k: -lifetimes[k].size):
        buffer = lifetimes[k]
        size = -(-buffer.size // ALIGNMENT) * ALIGNMENT
        first, last = buffer.first, buffer.last
        beside = sorted([each for each in placed if each[2] <= last and each[3] >= first])
        offsets[k] = _best_gap(beside, size)
        placed.append((offsets[k], offsets[k] + size, first, last))
        total = max(total, offsets[k] + size)
    return offsets, total


def _best_gap(beside: Sequence[tuple[int, int, int, int]], size: int) -> int:
    """Return where the smallest gap begins that has the size; behind everything there is one."""
    best: tuple[int, int] | None = None
    free = 0
    for begin, end, _, _ in beside:
        if begin - free >= size and (best is None or begin - free < best[0]):
            best = (begin - free, free)
        free = max(free, end)
    return free if best is None else best[1]
