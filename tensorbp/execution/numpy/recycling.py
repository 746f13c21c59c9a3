"""Recycling: a large result is written where an earlier one was that nobody holds any more.

Memory comes from the operating system page by page, which takes longer than writing it, and goes
back to it when many arrays are let go of at once. Who calls a program again and again, and lets go
of what it returned, need not pay for that each time: as the arena is, the arrays of the last two
calls are kept for the next. An array that anything refers to, be it by a view, is never written
again.
"""

from __future__ import annotations

import sys
from math import prod
from typing import Any

import numpy as np

from tensorbp.execution.numpy.view import Shape

__all__ = ["Recycled", "is_worth_recycling"]

SMALLEST = 2**16
"""From how many bytes on arrays are kept: with smaller ones nothing is gained."""

LARGEST = 2**28
"""Up to how many bytes arrays are kept."""

KEPT = 2
"""How many arrays are kept: one is still held while the next is made, in most loops."""

_list = [object()]
ALONE = sys.getrefcount(_list[0])
"""The references to an array that only a list holds, as Python counts them."""

COUNTS = getattr(sys, "_is_gil_enabled", lambda: True)()
"""Whether references are counted exactly; without a global lock they are not."""


def is_worth_recycling(shape: Shape, dtype: Any) -> bool:
    """Say whether arrays of a shape and type are kept."""
    return COUNTS and SMALLEST <= prod(shape) * dtype.itemsize <= LARGEST


class Recycled:
    """Makes the arrays of one result; one thread at a time may ask for them."""

    def __init__(self, shape: Shape, dtype: Any) -> None:
        self._shape, self._dtype = shape, dtype
        self._arrays: list[Any] = []

    def __call__(self) -> Any:
        """Return an array that nobody else has; its numbers are arbitrary."""
        for k in range(len(self._arrays)):
            if sys.getrefcount(self._arrays[k]) == ALONE:
                return self._arrays[k]
        array = np.empty(self._shape, self._dtype)
        self._arrays = [*self._arrays[1 - KEPT :], array]
        return array
