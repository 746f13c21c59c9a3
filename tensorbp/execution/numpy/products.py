"""Products of two tensors: as multiplications, inner products, or products of matrices.

A sum over shared axes is a product of matrices: the axes that only the left tensor has are rows,
those that only the right one has are columns. Both stay where they are in memory if a matrix
routine can read and write them there; a transposed matrix costs nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import numpy as np

from tensorbp.algebra import Axis, letter
from tensorbp.execution.numpy.blas import is_openblas_for_avx512
from tensorbp.execution.numpy.builder import Builder
from tensorbp.execution.numpy.instructions import Copy, EinsumCall, Loop, Matmul, Vecdot
from tensorbp.execution.numpy.view import View
from tensorbp.planning.memory.storage import LARGEST_COPY, SMALL_RESULT

__all__ = ["Tensor", "multiplied"]

LARGE_MATRIX = 1 << 16
"""Products of matrices with so many multiplications are as fast one by one as they are in one."""

THIN_MATRIX = 16
"""With fewer rows or columns than this, products of matrices are far from the machine's speed."""

LARGE_OPERAND = 1 << 18
"""A matrix of so many numbers takes longer to be read than the few rows that it multiplies."""

FEW_ROWS = 64
"""Up to so many rows in single precision, times the transpose of a large matrix, OpenBLAS is slow
with AVX-512: it is up to twice as fast with the matrix times the columns that these rows are."""

LARGE_TRANSPOSED = 1 << 16
"""From so many numbers on a matrix is large there."""


def is_thin_product(rows: int, size: int) -> bool:
    """Say whether few rows are multiplied by a large matrix.

    Then they had better lie one after the other in memory: BLAS is up to twice as fast.

    Args:
        rows: how many rows.
        size: how many numbers the matrix has.
    """
    return rows < THIN_MATRIX and size >= LARGE_OPERAND


@dataclass(frozen=True)
class Tensor:
    """A view with one dimension for each of its axes."""

    view: View
    axes: tuple[Axis, ...]

    def ordered(self, axes: Sequence[Axis]) -> View:
        """Return the view with the axes in an order, repeated along those that it lacks."""
        here = [axis for axis in axes if axis in self.axes]
        view = self.view.transposed([self.axes.index(axis) for axis in here])
        sizes = iter(zip(view.shape, view.strides, strict=True))
        pairs = [next(sizes) if axis in self.axes else (1, 0) for axis in axes]
        return View(
            view.value,
            tuple([size for size, _ in pairs]),
            tuple([stride for _, stride in pairs]),
            view.offset,
        )

    def by_stride(self, axes: Sequence[Axis]) -> list[Axis]:
        """Return axes of the tensor from the longest stride to the shortest.

        In windows two axes have the same stride; the longer one comes last, to be read in a row.
        """
        known = {
            axis: (-abs(stride), size)
            for axis, size, stride in zip(
                self.axes, self.view.shape, self.view.strides, strict=True
            )
        }
        return sorted(axes, key=lambda axis: known[axis])

    def matrices(
        self, loops: Sequence[Axis], rows: Sequence[Axis], columns: Sequence[Axis]
    ) -> View | None:
        """Return the tensor as a stack of matrices that a routine can read, if it is one."""
        view = self.ordered([*loops, *rows, *columns])
        first, second = len(loops), len(loops) + len(rows)
        groups = [*[[k] for k in range(first)], range(first, second)]
        merged = view.merged([*groups, range(second, len(view.shape))])
        return merged if merged is not None and is_matrix(merged) else None


def is_matrix(view: View) -> bool:
    """Say whether the last two dimensions are a matrix that BLAS takes, transposed or not."""
    (m, n), (row, column) = view.shape[-2:], view.strides[-2:]
    if not view.size:
        return True
    return ((column == 1 or n == 1) and (row >= n or m == 1)) or (
        (row == 1 or m == 1) and (column >= m or n == 1)
    )


def multiplied(
    builder: Builder,
    left: Tensor,
    right: Tensor,
    output: Sequence[Axis],
    wanted: Sequence[Axis] | None,
    sizes: Sequence[int],
    is_final: bool = False,
) -> Tensor:
    """Return the product of two tensors, summed over the axes that are not in the output.

    Args:
        builder: where the instructions go.
        left: one tensor.
        right: the other.
        output: the axes of the result; all of them are axes of a tensor.
        wanted: the order in which they had best be stored, if that matters.
        sizes: the size of each axis.
        is_final: whether the order matters so much that the result would be copied into it.
    """
    shared = [axis for axis in left.axes if axis in right.axes]
    summed = [axis for axis in shared if axis not in output]
    if not summed:
        shape = tuple([sizes[axis] for axis in output])
        order = None if wanted is None else [list(output).index(axis) for axis in wanted]
        operands = [left.ordered(output), right.ordered(output)]
        return Tensor(builder.apply("multiply", operands, shape, order), tuple(output))
    batch = [axis for axis in output if axis in shared]
    if len(batch) == len(output):
        return _inner(builder, left, right, batch, summed, sizes)
    return _Product(builder, left, right, summed, sizes).of(list(wanted or output), is_final)


def _inner(
    builder: Builder,
    left: Tensor,
    right: Tensor,
    batch: list[Axis],
    summed: Sequence[Axis],
    sizes: Sequence[int],
) -> Tensor:
    """Return products of which nothing is left but the axes that both have."""
    result = builder.new([sizes[axis] for axis in batch])
    inner = left.by_stride(summed)
    vectors = [each.matrices(batch, [], inner) for each in (left, right)]
    if builder.dtype.kind == "f" and all(each and each.strides[-1] == 1 for each in vectors):
        views = [
            View(v.value, (*v.shape[:-2], v.shape[-1]), (*v.strides[:-2], 1), v.offset)
            for v in vectors
            if v
        ]
        builder.emit(Vecdot((views[0], views[1]), result))
    else:
        letters = {axis: letter(k) for k, axis in enumerate([*batch, *summed])}
        words = ["".join(letters[axis] for axis in each.axes) for each in (left, right)]
        spec = f"{','.join(words)}->{''.join(letters[axis] for axis in batch)}"
        builder.emit(EinsumCall(spec, (left.view, right.view), result))
    return Tensor(result, tuple(batch))


class _Product:
    """A product of matrices, arranged so that as little as possible is copied."""

    def __init__(
        self,
        builder: Builder,
        left: Tensor,
        right: Tensor,
        summed: Sequence[Axis],
        sizes: Sequence[int],
        may_slice: bool = True,
    ) -> None:
        self.builder, self.left, self.right, self.sizes = builder, left, right, sizes
        self.summed, self.may_slice = list(summed), may_slice

    def of(self, output: list[Axis], is_final: bool) -> Tensor:
        """Return the product, its axes stored in an order if that costs nothing.

        Args:
            output: the axes of the result, as they had best be stored.
            is_final: whether the result would be copied into that order.
        """
        # the matrices' columns come last in memory: those of the right tensor, or of the left
        last = next((a for a in reversed(output) if not self._is_shared(a)), None)
        if last is not None and last in self.left.axes:
            self.left, self.right = self.right, self.left
        arrangement = self._arrangement(output)
        if arrangement is None or self._is_cut_up(arrangement, output, is_final):
            kinds = (self._is_shared, self._is_row, self._is_column)
            loops, rows, columns = ([a for a in output if kind(a)] for kind in kinds)
            output = loops + rows + columns
        else:
            loops, rows, columns = arrangement
        if not loops and self._is_faster_transposed(rows, columns):
            self.left, self.right = self.right, self.left
            rows, columns = columns, rows
            output = rows + columns
        shape = [self.sizes[axis] for axis in output]
        stored = Tensor(self.builder.new(shape), tuple(output))
        self._multiply(loops, rows, columns, stored)
        return stored

    def _is_cut_up(
        self,
        arrangement: tuple[list[Axis], list[Axis], list[Axis]],
        output: list[Axis],
        is_final: bool,
    ) -> bool:
        """Say whether an arrangement makes many small or thin products of what could be few."""
        loops, rows, columns = arrangement
        if all(self._is_shared(axis) or self.sizes[axis] == 1 for axis in loops):
            return False
        if is_final:
            # a copy of all of it takes longer than many products that are not very small
            return self._size(rows + columns) < SMALL_RESULT
        if self._size(rows + columns + self.summed) < LARGE_MATRIX:
            return True
        return any(
            self._size(part) < THIN_MATRIX <= self._size([axis for axis in output if kind(axis)])
            for part, kind in ((rows, self._is_row), (columns, self._is_column))
        )

    def _is_faster_transposed(self, rows: list[Axis], columns: list[Axis]) -> bool:
        """Say whether to make the transposed product and read it across takes less time."""
        last = self.right.by_stride(columns + self.summed)[-1]
        return (
            self.builder.dtype == np.float32
            and THIN_MATRIX <= self._size(rows) <= FEW_ROWS
            and self._size(columns + self.summed) >= LARGE_TRANSPOSED
            and last in self.summed
            and is_openblas_for_avx512()
        )

    def _is_shared(self, axis: Axis) -> bool:
        return axis in self.left.axes and axis in self.right.axes

    def _is_row(self, axis: Axis) -> bool:
        return axis not in self.right.axes

    def _is_column(self, axis: Axis) -> bool:
        return axis not in self.left.axes

    def _size(self, axes: Sequence[Axis]) -> int:
        return prod([self.sizes[axis] for axis in axes])

    def _arrangement(self, output: list[Axis]) -> tuple[list[Axis], list[Axis], list[Axis]] | None:
        """Return which axes are looped over, rows and columns, for a result in a given order."""
        k = len(output)
        while k and self._is_column(output[k - 1]):
            k -= 1
        columns, rest = output[k:], output[:k]
        if not columns:
            return None
        loops = []
        while rest and not self._is_row(rest[-1]):
            loops.append(rest.pop())
        k = len(rest)
        while k and self._is_row(rest[k - 1]):
            k -= 1
        return rest[:k] + loops[::-1], rest[k:], columns

    def _multiply(
        self, loops: list[Axis], rows: list[Axis], columns: list[Axis], stored: Tensor
    ) -> None:
        left, right = self.left, self.right
        inner = self._inner_order(loops, rows, columns)
        as_left = left.matrices(loops, rows, inner)
        as_right = right.matrices(loops, inner, columns)
        if self.may_slice and self._slices(as_left, as_right, loops, rows, columns, inner, stored):
            return
        if as_left is None:
            as_left = self._copied(left, loops, rows, inner)
        if as_right is None:
            as_right = self._copied(right, loops, inner, columns)
        result = stored.matrices(loops, rows, columns)
        assert result is not None, "the result was arranged to be written as matrices"
        self.builder.emit(Matmul(_simplified(as_left, as_right), _without_ones(result)))

    def _inner_order(self, loops: list[Axis], rows: list[Axis], columns: list[Axis]) -> list[Axis]:
        """Return the order of the summed axes that makes the smaller copies."""

        def copied(inner: list[Axis]) -> int:
            cost = 0
            if self.left.matrices(loops, rows, inner) is None:
                cost += self._size(loops + rows + inner)
            if self.right.matrices(loops, inner, columns) is None:
                cost += self._size(loops + inner + columns)
            return cost

        orders = [each.by_stride(self.summed) for each in (self.left, self.right)]
        return min(orders, key=copied)

    def _copied(
        self, tensor: Tensor, loops: list[Axis], rows: list[Axis], columns: list[Axis]
    ) -> View:
        """Return a tensor copied into matrices; the axis that moves least stays innermost."""
        own = [axis for axis in loops if axis in tensor.axes]
        nearest = tensor.by_stride([*rows, *columns])[-1:]
        is_transposed = nearest and nearest[0] in rows
        order = own + ([*columns, *rows] if is_transposed else [*rows, *columns])
        view = tensor.ordered(order)
        copy = Tensor(self.builder.copied(view, view.shape), tuple(order))
        matrices = copy.matrices(loops, rows, columns)
        assert matrices is not None, "a copy is made to be matrices"
        return matrices

    def _slices(
        self,
        as_left: View | None,
        as_right: View | None,
        loops: list[Axis],
        rows: list[Axis],
        columns: list[Axis],
        inner: list[Axis],
        stored: Tensor,
    ) -> bool:
        """Copy and multiply slice after slice, where what is to be copied is large."""
        copied = [t for t, v in ((self.left, as_left), (self.right, as_right)) if v is None]
        if not copied or max(each.view.size for each in copied) <= LARGEST_COPY:
            return False
        if not all(each.view.size for each in (self.left, self.right, stored)):
            return False
        biggest = max(copied, key=lambda each: each.view.size)
        # to add to all of the result again and again must not move more than the copy would
        most = biggest.view.size // max(stored.view.size, 1)
        adding = [axis for axis in inner if self.sizes[axis] <= most]
        sliced = next(
            (a for a in [*loops, *adding] if a in biggest.axes and self.sizes[a] > 1), None
        )
        if sliced is None or self.left.view.value == self.right.view.value:
            return False
        if sliced in inner and any(sliced not in each.axes for each in copied):
            return False
        accumulates = sliced in inner
        rest = [[a for a in axes if a != sliced] for axes in (loops, rows, columns, inner)]
        body = Builder(str(self.builder.dtype))
        body.values = self.builder.values
        part = _Product(
            body, _slice(self.left, sliced), _slice(self.right, sliced), rest[3], self.sizes, False
        )
        target = stored if accumulates else _slice(stored, sliced)
        steps: dict[View, int] = {}
        part._multiply(rest[0], rest[1], rest[2], target)
        if accumulates:
            product = body.instructions[-1]
            assert isinstance(product, Matmul), "a product ends with the product of matrices"
            body.instructions[-1] = Matmul(product.operands, product.result, True)
            self.builder.emit(Copy((0,), stored.view))
        for tensor in (self.left, self.right, *([] if accumulates else [stored])):
            if sliced in tensor.axes:
                moved = tensor.view.strides[tensor.axes.index(sliced)]
                for each in body.instructions:
                    for view in (*each.operands, each.result):  # type: ignore[union-attr]
                        if isinstance(view, View) and view.value == tensor.view.value:
                            steps[view] = moved
        self.builder.emit(Loop(self.sizes[sliced], tuple(body.instructions), steps))
        return True


def _slice(tensor: Tensor, axis: Axis) -> Tensor:
    """Return the first slice of a tensor along an axis, if it has it."""
    if axis not in tensor.axes:
        return tensor
    kept = [k for k, each in enumerate(tensor.axes) if each != axis]
    return Tensor(tensor.view.transposed(kept), tuple([tensor.axes[k] for k in kept]))


def _simplified(left: View, right: View) -> tuple[View, View]:
    return _without_ones(left), _without_ones(right)


def _without_ones(view: View) -> View:
    """Return a stack of matrices without leading dimensions of size one; broadcasting adds them."""
    k = 0
    while k < len(view.shape) - 2 and view.shape[k] == 1:
        k += 1
    return View(view.value, view.shape[k:], view.strides[k:], view.offset)
