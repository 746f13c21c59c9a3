"""Speed: what this machine reaches, as a measure for programs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from time import perf_counter
from typing import Any

import numpy as np

__all__ = ["Speed", "measured_speed"]

MATRIX_SIZE = 512
COPIED_BYTES = 1 << 26
SECONDS = 0.2
"""How long each measurement takes, about."""


@dataclass(frozen=True)
class Speed:
    """What a machine reaches at its best.

    Attributes:
        flops_per_second: in a product of square matrices.
        bytes_per_second: in copying an array that no cache holds, read and written bytes counted.
    """

    flops_per_second: float
    bytes_per_second: float

    def least_seconds(self, flops: int, bytes: int) -> float:
        """Return how long work takes if it goes at full speed: the roofline.

        Source: Williams, Waterman and Patterson 2009, Roofline: an insightful visual performance
        model for multicore architectures.

        Args:
            flops: its floating-point operations.
            bytes: what it reads and writes.
        """
        return max(flops / self.flops_per_second, bytes / self.bytes_per_second)


@cache
def measured_speed(dtype: str) -> Speed:
    """Return what this machine reaches with a type of numbers; it is measured once a process."""
    matrix = np.ones((MATRIX_SIZE, MATRIX_SIZE), dtype)
    product = np.empty_like(matrix)
    source = np.ones(COPIED_BYTES // matrix.itemsize, dtype)
    target = np.empty_like(source)
    return Speed(
        2 * MATRIX_SIZE**3 / _least_seconds(lambda: np.matmul(matrix, matrix, product)),
        2 * COPIED_BYTES / _least_seconds(lambda: np.copyto(target, source)),
    )


def _least_seconds(work: Callable[[], Any]) -> float:
    """Return how long something takes; what disturbs it only makes it longer."""
    durations: list[float] = []
    while len(durations) < 2 or sum(durations) < SECONDS:
        start = perf_counter()
        work()
        durations.append(perf_counter() - start)
    return min(durations)
