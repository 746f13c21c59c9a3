"""Sets of small numbers as the bits of integers."""

from __future__ import annotations

__all__ = ["members_of"]


def members_of(bits: int) -> list[int]:
    """Return the numbers in a set, in order.

    >>> members_of(0b1011)
    [0, 1, 3]
    """
    members = []
    while bits:
        lowest = bits & -bits
        members.append(lowest.bit_length() - 1)
        bits ^= lowest
    return members
