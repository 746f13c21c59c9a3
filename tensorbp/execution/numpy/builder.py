"""The builder: collects instructions, and the values that they read and write."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from math import prod
from typing import Any

import numpy as np

from tensorbp.execution.numpy.instructions import (
    Apply,
    Choose,
    Copy,
    Instruction,
    Operand,
    Reduce,
    Stored,
)
from tensorbp.execution.numpy.sums import as_matrix
from tensorbp.execution.numpy.view import Shape, View

__all__ = ["Builder"]

FEW_SUMMANDS = 16
"""Sums of so many numbers that lie apart are additions of arrays: numpy reduces these slowly."""


class Builder:
    """Instructions in order, with what helps to make them.

    Attributes:
        dtype: the type of numbers of a program.
        values: the stored values, by number.
        instructions: what is done.
    """

    def __init__(self, dtype: str) -> None:
        self.dtype = np.dtype(dtype)
        self.values: list[Stored] = []
        self.instructions: list[Instruction] = []
        self._constants: dict[tuple[str, bytes], int] = {}

    def emit(self, instruction: Instruction) -> None:
        """Add an instruction."""
        self.instructions.append(instruction)

    def value(self, size: int, dtype: Any = None, kind: str = "buffer", array: Any = None) -> int:
        """Return the number of a new value."""
        self.values.append(Stored(size, np.dtype(dtype or self.dtype), kind, array))
        return len(self.values) - 1

    def new(
        self, shape: Sequence[int], order: Sequence[int] | None = None, dtype: Any = None
    ) -> View:
        """Return a view of a new value.

        Args:
            shape: its shape.
            order: its dimensions as they are stored, the outermost first; by default as they are.
            dtype: the type of its numbers.
        """
        order = range(len(shape)) if order is None else order
        number = self.value(prod(shape), dtype)
        stored = View.whole(number, [shape[k] for k in order])
        return stored.transposed([list(order).index(k) for k in range(len(shape))])

    def constant(self, array: Any) -> View:
        """Return a view of an array that is known beforehand; what it repeats is stored once.

        Equal arrays are one value.
        """
        shape, array = np.shape(array), np.asarray(array)
        for axis, size in enumerate(shape):
            first = array[(slice(None),) * axis + (slice(1),)]
            if size > 1 and (array == first).all():
                array = first
        array = np.ascontiguousarray(array).reshape(array.shape)
        key = (str(array.dtype), array.tobytes())
        if key not in self._constants:
            self._constants[key] = self.value(array.size, array.dtype, "constant", array)
        return View.whole(self._constants[key], array.shape).spread(shape)

    def dtype_of(self, view: View) -> Any:
        """Return the type of the numbers that a view shows."""
        return self.values[view.value].dtype

    def apply(
        self,
        function: Any,
        operands: Sequence[Operand],
        shape: Shape,
        order: Sequence[int] | None = None,
        dtype: Any = None,
    ) -> View:
        """Return what a universal function makes of operands that are spread to a shape."""
        spread = tuple([e.spread(shape) if isinstance(e, View) else e for e in operands])
        result = self.new(shape, order or storage_order(spread), dtype)
        self.emit(Apply(function, spread, result))
        return result

    def choose(
        self, operands: Sequence[Operand], shape: Shape, order: Sequence[int] | None, dtype: Any
    ) -> View:
        """Return the second operand where the first is true, else the third."""
        spread = tuple([e.spread(shape) if isinstance(e, View) else e for e in operands])
        result = self.new(shape, order or storage_order(spread), dtype)
        self.emit(Choose(spread, result))
        return result

    def summed(self, view: View, axes: Sequence[int]) -> View:
        """Return the sum over dimensions."""
        sizes = [view.shape[k] for k in axes]
        are_few = 2 <= prod(sizes) <= FEW_SUMMANDS < view.size
        if not are_few or as_matrix(view, axes) is not None:
            result = self.new([size for k, size in enumerate(view.shape) if k not in axes])
            self.emit(Reduce("add", (view,), tuple(axes), result))
            return result
        parts = []
        for places in product(*[range(size) for size in sizes]):
            at = dict(zip(axes, places, strict=True))
            parts.append(view.part([at.get(k, slice(None)) for k in range(len(view.shape))]))
        total = self.apply("add", parts[:2], parts[0].shape)
        for each in parts[2:]:
            self.emit(Apply("add", (total, each), total))
        return total

    def copied(
        self, operand: Operand, shape: Shape, order: Sequence[int] | None = None, dtype: Any = None
    ) -> View:
        """Return a copy without gaps, by default row after row."""
        known = self.dtype_of(operand) if isinstance(operand, View) else None
        result = self.new(shape, order, dtype or known)
        self.emit(Copy((operand.spread(shape) if isinstance(operand, View) else operand,), result))
        return result

    def contiguous(self, view: View) -> View:
        """Return the view if its numbers are stored row after row, else such a copy."""
        return view if view.is_contiguous else self.copied(view, view.shape)

    def stored(self, operand: Operand, shape: Shape) -> View:
        """Return an operand as a view; a number is stored once and repeated."""
        if isinstance(operand, View):
            return operand
        return self.constant(np.asarray(operand, self.dtype)).spread(shape)

    def merged(self, view: View, groups: Sequence[Sequence[int]]) -> View:
        """Return the view with dimensions merged, of a copy if need be."""
        merged = view.merged(groups)
        if merged is not None:
            return merged
        axes = [axis for group in groups for axis in group]
        copy = self.copied(view.transposed(axes), tuple([view.shape[axis] for axis in axes]))
        starts = [sum(map(len, groups[:k])) for k in range(len(groups))]
        again = copy.merged(
            [range(s, s + len(group)) for s, group in zip(starts, groups, strict=True)]
        )
        assert again is not None, "what is stored row after row can be merged"
        return again

    def reshaped(self, view: View, shape: Shape) -> View:
        """Return the numbers of a view, row after row, in another shape."""
        reshaped = view.reshaped(shape)
        return (
            View.whole(self.copied(view, view.shape).value, shape) if reshaped is None else reshaped
        )


def storage_order(operands: Sequence[Operand]) -> tuple[int, ...] | None:
    """Return the order of dimensions of the first operand that has a number for each place."""
    for each in operands:
        if isinstance(each, View) and all(
            stride or size == 1 for size, stride in zip(each.shape, each.strides, strict=True)
        ):
            return each.order
    return None
