"""Sums as products with ones: BLAS adds up the rows of a matrix several times as fast as numpy.

Σ_b x[b, a] = Σ_b 1[b] x[b, a], whichever of the two dimensions is stored first.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np

from tensorbp.execution.numpy.view import View

__all__ = ["as_matrix", "ones"]

LONGEST = 2**16
"""How many ones there are at most."""

LONGEST_ROW = 2**12
"""How many neighbours are added up so at most: numpy adds halves, and longer rows exactly so."""


def as_matrix(view: View, axes: Sequence[int]) -> View | None:
    """Return a view as a matrix of which rows are added up, or None where BLAS cannot read it so.

    Args:
        view: the numbers.
        axes: the dimensions that are summed, which become the first; the others the second.
    """
    summed = sorted(axes, key=lambda k: -abs(view.strides[k]))
    kept = [k for k in range(len(view.shape)) if k not in summed]
    matrix = view.merged([summed, kept])
    if matrix is None:
        return None
    count = matrix.shape[0]
    is_along_rows = not matrix.is_contiguous or matrix.shape[1] == 1
    if count > (LONGEST_ROW if is_along_rows else LONGEST):
        return None
    is_read = matrix.is_contiguous or matrix.transposed((1, 0)).is_contiguous
    return matrix if is_read else None


@cache
def ones(count: int, dtype: Any) -> Any:
    """Return so many ones, the same array to all programs."""
    return np.ones(count, dtype)
