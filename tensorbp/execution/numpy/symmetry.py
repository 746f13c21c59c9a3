"""Symmetry: of Xᵀ D X with a diagonal D one half is computed, and the other is copied.

Of Xᵀ X numpy itself has BLAS compute one half (syrk). With weights D between the two, which may be
negative, BLAS has no routine that does less than all of it: the matrices are cut into strips, and
each strip of rows begins at the diagonal.
"""

from __future__ import annotations

from itertools import pairwise
from math import prod

from tensorbp.execution.numpy.instructions import Apply, Copy, Instruction, Matmul
from tensorbp.execution.numpy.lowering import Lowered
from tensorbp.execution.numpy.repetition import constant_values
from tensorbp.execution.numpy.view import View

__all__ = ["with_symmetry"]

STRIPS = 4
"""So many strips leave 5/8 of the work; more leave less, but the strips become thin."""

SMALLEST = 128
"""Matrices of fewer rows are made whole: thin strips are slower."""

FEWEST_SUMMANDS = 128
"""With fewer, copying the other half would take as long as computing it."""


SUMS = ("add", "subtract")
"""The functions that make weighted matrices of weighted ones."""


def with_symmetry(lowered: Lowered) -> Lowered:
    """Return instructions that compute half of each product Xᵀ D X of matrices, D being diagonal.

    Where there are none, the same instructions are returned.
    """
    constant = constant_values(lowered.values, lowered.instructions)
    scaled: dict[int, Apply] = {}

    def parts(instruction: Instruction) -> list[Instruction]:
        if isinstance(instruction, Apply) and instruction.function in ("multiply", *SUMS):
            used = [each.value for each in instruction.operands if isinstance(each, View)]
            if constant.issuperset([*used, instruction.result.value]):
                scaled[instruction.result.value] = instruction
        if isinstance(instruction, Matmul) and _is_symmetric(instruction, scaled):
            return _strips(instruction)
        return [instruction]

    return lowered.replaced(parts)


def _is_symmetric(product: Matmul, scaled: dict[int, Apply]) -> bool:
    """Say whether a product is Xᵀ D X, where D X was made by the instructions that are given."""
    left, right = product.operands
    *_, rows, columns = product.result.shape
    if product.accumulates or rows != columns or rows < SMALLEST:
        return False
    if left.shape[-1] < FEWEST_SUMMANDS:
        return False
    left = _transposed(left)
    return _is_scaled(right, left, scaled) or _is_scaled(left, right, scaled)


def _is_scaled(view: View, matrices: View, scaled: dict[int, Apply]) -> bool:
    """Say whether a view is of matrices of which each row was multiplied by a number.

    It may be a sum of such views.
    """
    maker = scaled.get(view.value)
    if maker is None or len(view.shape) < len(matrices.shape):
        return False
    one, other = (_seen_alike(each, maker.result, view) for each in maker.operands)
    if maker.function in SUMS:
        return all(each is not None and _is_scaled(each, matrices, scaled) for each in (one, other))
    return any(
        base == matrices.spread(view.shape) and factor is not None and not factor.strides[-1]
        for base, factor in ((one, other), (other, one))
    )


def _seen_alike(operand: object, result: View, view: View) -> View | None:
    """Return an operand of an elementwise instruction at the places at which its result is seen.

    Args:
        operand: the operand, of the shape of the result.
        result: all of the result, without gaps.
        view: how the result is seen, its dimensions in another order, or merged.
    """
    if not isinstance(operand, View):
        return None
    order = [k for k in result.order if result.shape[k] != 1]
    stored = result.transposed(order)
    groups: list[range] = []
    for size, stride in zip(view.shape, view.strides, strict=True):
        if stride not in stored.strides:
            return None
        last = stored.strides.index(stride)
        first = next((k for k in range(last + 1) if prod(stored.shape[k : last + 1]) == size), None)
        if first is None:
            return None
        groups.append(range(first, last + 1))
    is_whole = sorted(k for group in groups for k in group) == list(range(len(order)))
    return operand.transposed(order).merged(groups) if is_whole else None


def _strips(product: Matmul) -> list[Instruction]:
    """Return a symmetric product as strips from the diagonal on, and copies of what they leave."""
    (left, right), result = product.operands, product.result
    strips: list[Instruction] = []
    copies: list[Instruction] = []
    for start, end in pairwise([result.shape[-1] * k // STRIPS for k in range(STRIPS + 1)]):
        own, rest, all_of_it = slice(start, end), slice(start, None), slice(None)
        operands = _part(left, own, all_of_it), _part(right, all_of_it, rest)
        strips.append(Matmul(operands, _part(result, own, rest)))
        beyond = slice(end, None)
        mirrored = _transposed(_part(result, own, beyond))
        copies.append(Copy((mirrored,), _part(result, beyond, own)))
    return [*strips, *copies[:-1]]


def _part(matrices: View, rows: slice, columns: slice) -> View:
    return matrices.part([*[slice(None)] * (len(matrices.shape) - 2), rows, columns])


def _transposed(matrices: View) -> View:
    *loops, row, column = range(len(matrices.shape))
    return matrices.transposed([*loops, column, row])
