"""Arrays taken apart along an axis, into pieces that follow one another."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, pairwise

from tensorbp.errors import ShapeError
from tensorbp.expression.arithmetic import normalized_axes
from tensorbp.expression.node import Expression

__all__ = ["chunk", "split"]


def split(x: Expression, sizes: int | Sequence[int], axis: int = 0) -> tuple[Expression, ...]:
    """Return pieces of x, of these sizes along an axis; of one size, the last may be smaller.

    >>> import tensorbp as tb
    >>> [each.shape for each in tb.split(tb.variable("x", 4, 7), 3, axis=1)]
    [(4, 3), (4, 3), (4, 1)]

    Args:
        x: the expression.
        sizes: the size of each piece, or one size for all.
        axis: the axis along which it is taken apart.

    Raises:
        ShapeError: the axis is out of range, or the sizes do not add up to its size.
    """
    (at,) = normalized_axes(axis, x.ndim)
    length = x.shape[at]
    if isinstance(sizes, int):
        if sizes < 1:
            raise ShapeError(f"split: the size of a piece must be from 1, found {sizes}")
        sizes = [min(sizes, length - start) for start in range(0, length, sizes)]
    if min(sizes, default=0) < 0 or sum(sizes) != length:
        raise ShapeError(
            f"split: pieces of sizes {tuple(sizes)} do not make up axis {axis} of an expression of "
            f"shape {x.shape}, which has size {length}"
        )
    before = (slice(None),) * at
    ends = list(accumulate(sizes, initial=0))
    return tuple([x[(*before, slice(a, b))] for a, b in pairwise(ends)])


def chunk(x: Expression, chunks: int, axis: int = 0) -> tuple[Expression, ...]:
    """Return x taken apart along an axis into a number of pieces, all of one size but the last.

    Where the size of the axis is no multiple, the last piece is smaller, and there may be fewer.

    >>> import tensorbp as tb
    >>> [each.shape for each in tb.chunk(tb.variable("x", 4, 6), 3, axis=-1)]
    [(4, 2), (4, 2), (4, 2)]

    Args:
        x: the expression.
        chunks: how many pieces.
        axis: the axis along which it is taken apart.

    Raises:
        ShapeError: the axis is out of range, or the number is not from 1.
    """
    if chunks < 1:
        raise ShapeError(f"chunk: the number of pieces must be from 1, found {chunks}")
    (at,) = normalized_axes(axis, x.ndim)
    return split(x, max(-(-x.shape[at] // chunks), 1), axis)
