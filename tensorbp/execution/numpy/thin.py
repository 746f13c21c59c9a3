"""Thin products: a large matrix times a few rows or columns, strip by strip.

OpenBLAS copies matrices into the order in which its kernels read them. For a large matrix of which
each number is used a few times, that takes as long as the products. For small products it has
kernels that copy nothing, on processors with AVX-512: on one thread these take 0.2 to 0.8 of the
time. Two threads on the whole product are as fast.
"""

from __future__ import annotations

from tensorbp.execution.numpy.blas import is_openblas_for_avx512, threads
from tensorbp.execution.numpy.instructions import Instruction, Loop, Matmul
from tensorbp.execution.numpy.lowering import Lowered
from tensorbp.execution.numpy.products import THIN_MATRIX

__all__ = ["in_strips"]

LARGEST_SMALL = 10**6
"""OpenBLAS has a product of matrices of so many multiplications made without copies."""

NARROWEST = 64
"""Strips across the rows in which a matrix is stored are at least so wide."""

LARGEST_ACROSS = 1 << 22
"""Of a matrix of more bytes, strips across its rows are slower: each row is on another page."""

MULTIPLE = 16
"""Strips are a multiple of so many numbers wide, as many as are multiplied at a time."""


def in_strips(lowered: Lowered) -> Lowered:
    """Return instructions in which thin products are made strip by strip, if that is faster here.

    If it is not, or there are none, the same instructions are returned.
    """

    def parts(instruction: Instruction) -> list[Instruction]:
        if not isinstance(instruction, Matmul):
            return [instruction]
        return _strips(instruction, lowered.values[instruction.result.value].dtype.itemsize)

    cut = lowered.replaced(parts)
    is_faster = cut is not lowered and is_openblas_for_avx512() and threads() == 1
    return cut if is_faster else lowered


def _strips(product: Matmul, itemsize: int) -> list[Instruction]:
    """Return a product as a loop over strips and what is left, if it is thin, else by itself.

    Args:
        product: the product.
        itemsize: the bytes of a number.
    """
    left, right = product.operands
    if product.accumulates or any(len(each.shape) != 2 for each in (left, right, product.result)):
        return [product]
    (rows, inner), columns = left.shape, right.shape[1]
    thin, length = sorted((rows, columns))
    if thin >= THIN_MATRIX or not thin * inner or rows * inner * columns <= LARGEST_SMALL:
        return [product]
    are_rows = rows == length
    most = LARGEST_SMALL // (thin * inner) // MULTIPLE * MULTIPLE
    large = left if are_rows else right.transposed((1, 0))
    # where what is summed lies beside each other, a strip is all in one piece
    is_along = large.strides[1] == 1
    if most < (MULTIPLE if is_along else NARROWEST):
        return [product]
    if not is_along and large.size * itemsize > LARGEST_ACROSS:
        return [product]

    def strip(start: int, end: int) -> Matmul:
        places = slice(start, end)
        if are_rows:
            return Matmul((left.part([places]), right), product.result.part([places]))
        every = slice(None)
        operands = left, right.part([every, places])
        return Matmul(operands, product.result.part([every, places]))

    count, rest = divmod(length, most)
    first, axis = strip(0, most), 0 if are_rows else 1
    moving = (first.operands[axis], first.result)
    loop = Loop(count, (first,), {view: most * view.strides[axis] for view in moving})
    return [loop, strip(length - rest, length)] if rest else [loop]
