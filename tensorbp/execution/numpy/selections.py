"""Selections as instructions: views of windows, takes, and scatter-adds; never a dense selection.

A product of a tensor with selections is worked through in three stages: what selections determine
is taken from the tensor, what is not needed any more is summed over, and what is left is put where
selections say. Places on a straight line are views and slices; others are index arrays.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

from tensorbp.algebra import Axis, Number
from tensorbp.execution.numpy import indexed
from tensorbp.execution.numpy.builder import Builder
from tensorbp.execution.numpy.instructions import Apply, Call, Copy, Operand
from tensorbp.execution.numpy.products import Tensor
from tensorbp.execution.numpy.view import View
from tensorbp.execution.straight import (
    is_straight,
    looped_axes,
    moves,
    names_one_place,
    padding,
    rule_of,
    sliced_axes,
    steps,
)
from tensorbp.expression.selection import Affine
from tensorbp.planning.selecting import Applied, Selected, SummedUp

__all__ = ["lower_selected", "lower_summed_up"]

MOST_SLICES = 1024
"""Scattered windows are added slice by slice up to this number of slices, else by index."""


def lower_selected(
    builder: Builder,
    operator: Selected,
    operands: Sequence[View],
    order: Sequence[int] | None,
) -> View:
    """Return the product of a tensor with selections, as a node's value.

    Args:
        builder: where the instructions go.
        operator: the product.
        operands: the tensor, and the integers of those selections that have any.
        order: the order in which the dimensions of the result had best be stored.
    """
    selecting = Selecting(builder, operator, operands, order)
    selecting.take_and_put(None)
    return selecting.finished()


def lower_summed_up(
    builder: Builder,
    operator: SummedUp,
    operands: Sequence[View],
    order: Sequence[int] | None,
) -> View:
    """Return a sum of which some parts are scattered, each added to the same array."""
    total = builder.new(operator.size, order)
    is_begun = False
    start = 0
    # whole parts come first: with one of them the sum begins, instead of with zeros
    parts = []
    for number, part in zip(operator.coefficients, operator.parts, strict=True):
        end = start + (1 if part is None else part.operand_count)
        parts.append((number, part, operands[start:end]))
        start = end
    for number, part, given in sorted(parts, key=lambda each: each[1] is not None):
        tensor, *integers = given
        if number != 1:
            factor: Operand = number if isinstance(number, int) else float(number)
            tensor = builder.apply("multiply", [tensor, factor], tensor.shape)
        if part is None:
            if is_begun:
                builder.emit(Apply("add", (total, tensor), total))
            else:
                builder.emit(Copy((tensor,), total))
        else:
            if not is_begun:
                builder.emit(Copy((0,), total))
            selecting = Selecting(builder, part, [tensor, *integers])
            if not selecting.take_and_put(total):
                builder.emit(Apply("add", (total, selecting.finished()), total))
        is_begun = True
    return total


def scattered_order(operator: Selected | SummedUp, position: int) -> tuple[int, ...] | None:
    """Return the order of dimensions in which an operand that is scattered had best be stored.

    What is added slice by slice has the axes along a slice last.

    Args:
        operator: what reads the operand.
        position: which operand it is.
    """
    if isinstance(operator, SummedUp):
        for part in operator.parts:
            if position == 0 and part is not None:
                return scattered_order(part, 0)
            position -= 1 if part is None else part.operand_count
        return None
    straight = [each for each in operator.selections if is_straight(each)]
    if position or not operator.scatters or len(straight) < len(operator.selections):
        return None
    output = {axis for dimension in operator.output for axis in dimension}
    sliced = [axis for e in straight for axis in sliced_axes(e, output, operator.sizes)]
    moved = {axis for each in straight for axis in each.free}

    def place(k: int) -> int:
        axes = operator.factor[k]
        if any(axis in sliced for axis in axes):
            return 2
        return 1 if any(axis in moved for axis in axes) else 0

    return tuple(sorted(range(len(operator.factor)), key=place))


class Selecting:
    """A product with selections on its way from the tensor to the result.

    Attributes:
        view: what there is so far, with one dimension for each axis.
        axes: its axes.
    """

    def __init__(
        self,
        builder: Builder,
        operator: Selected,
        operands: Sequence[View],
        order: Sequence[int] | None = None,
    ) -> None:
        self.builder, self.operator, self.order = builder, operator, order
        self.sizes = operator.sizes
        tensor, *integers = operands
        shapes = [[self.sizes[axis] for axis in dimension] for dimension in operator.factor]
        flat = [axis for dimension in operator.factor for axis in dimension]
        self.view, self.axes = tensor.split(shapes).diagonal(flat)
        self.output = {axis for dimension in operator.output for axis in dimension}
        self._integers: dict[Applied, Sequence[View]] = {}
        for each in operator.selections:
            count = len(each.selection.inputs)
            self._integers[each] = integers[:count]
            integers = integers[count:]

    def take_and_put(self, total: View | None) -> bool:
        """Work through all stages.

        Args:
            total: the array to which the result may be added, if it is a sum.

        Returns:
            Whether it has been added.
        """
        selections = self.operator.selections
        determined = {each: set(each.determined) for each in selections}
        taking = [each for each in selections if determined[each] <= set(self.axes)]
        placing = [each for each in selections if self.output & determined[each]]
        self._take(taking)
        for each in selections:
            if each not in taking and each not in placing:
                self._mask(each)
        self._sum(self.output.union(*(each.free for each in placing)))
        for each in placing:
            self._spread(each.free)
        is_added = self._put(placing, total)
        if not is_added:
            self._sum(self.output)
        return is_added

    def finished(self) -> View:
        """Return the product as the value of a node: scaled, spread, its axes merged."""
        flat = [axis for dimension in self.operator.output for axis in dimension]
        shape = tuple([self.sizes[axis] for axis in flat])
        view = self.view
        number = self.operator.coefficient
        if number != 1:
            view = self.builder.apply("multiply", [view, _as_float(number)], view.shape)
        view = Tensor(view, tuple(self.axes)).ordered(flat).spread(shape)
        groups, start = [], 0
        for dimension in self.operator.output:
            groups.append(range(start, start + len(dimension)))
            start += len(dimension)
        return self.builder.merged(view, groups)

    def _order(self, axes: Sequence[Axis]) -> None:
        self.view = self.view.transposed([self.axes.index(axis) for axis in axes])
        self.axes = list(axes)

    def _sum(self, needed: set[Axis]) -> None:
        summed = tuple([k for k, axis in enumerate(self.axes) if axis not in needed])
        if summed:
            self.axes = [axis for axis in self.axes if axis in needed]
            self.view = self.builder.summed(self.view, summed)

    def _spread(self, axes: Sequence[Axis]) -> None:
        """Repeat the tensor along axes that it does not have, without copying it."""
        missing = [axis for axis in axes if axis not in self.axes]
        self.axes = missing + list(self.axes)
        self.view = self.view.spread([self.sizes[axis] for axis in self.axes])

    def _grouped(self, axes: Sequence[Axis]) -> Axis:
        """Make a product of axes one axis, the first of them, whose size is then all theirs."""
        if len(axes) == 1:
            return axes[0]
        rest = [axis for axis in self.axes if axis not in axes]
        self._order([*rest, *axes])
        groups: list[Sequence[int]] = [[k] for k in range(len(rest))]
        groups.append(range(len(rest), len(rest) + len(axes)))
        self.view = self.builder.merged(self.view, groups)
        marker = axes[0] if axes else max(self.axes, default=-1) + len(self.sizes) + 1
        self.axes = [*rest, marker]
        return marker

    # ----- taking -----

    def _take(self, taking: Sequence[Applied]) -> None:
        straight = [
            each for each in taking if is_straight(each) and not set(each.free) & set(self.axes)
        ]
        self._show(straight)
        for each in taking:
            if each not in straight:
                self._take_by_index(each)

    def _show(self, selections: Sequence[Applied]) -> None:
        """Show windows of the tensor, which is padded first where they reach beyond its ends."""
        rules = {self._grouped(each.determined): each for each in selections}
        pads = [padding(rules[axis]) if axis in rules else (0, 0) for axis in self.axes]
        view = self._padded(pads)
        axes: list[Axis] = []
        shape: list[int] = []
        strides: list[int] = []
        offset = view.offset
        for axis, size, stride, (low, _) in zip(
            self.axes, view.shape, view.strides, pads, strict=True
        ):
            if axis in rules:
                each = rules[axis]
                offset += stride * (rule_of(each).offset + low)
                axes += each.free
                shape += [self.sizes[a] for a in each.free]
                strides += [stride * step for step in steps(each, self.sizes)]
            else:
                axes.append(axis)
                shape.append(size)
                strides.append(stride)
        if 0 in shape:
            self.view = self.builder.new(shape)
        else:
            self.view = View(view.value, tuple(shape), tuple(strides), offset)
        self.axes = axes

    def _padded(self, pads: Sequence[tuple[int, int]]) -> View:
        """Return the tensor with zeros before and after it."""
        view = self.view
        if not any(low or high for low, high in pads):
            return view
        shape = [n + low + high for n, (low, high) in zip(view.shape, pads, strict=True)]
        padded = self.builder.new(shape, view.order if view.is_dense else None)
        inside = padded

        def slices(k: int, start: int, count: int) -> list[slice]:
            return [slice(None)] * k + [slice(start, start + count)]

        for k, (size, (low, high)) in enumerate(zip(view.shape, pads, strict=True)):
            for start, count in ((0, low), (low + size, high)):
                if count:
                    self.builder.emit(Copy((0,), inside.part(slices(k, start, count))))
            inside = inside.part(slices(k, low, size))
        self.builder.emit(Copy((view,), inside))
        return padded

    def _take_by_index(self, each: Applied) -> None:
        """Take from one axis what an index array says, at each place of the axes they share."""
        axis = self._grouped(each.determined)
        common = [a for a in each.free if a in self.axes]
        new = [a for a in each.free if a not in self.axes]
        rest = [a for a in self.axes if a not in common and a != axis]
        self._order([*common, axis, *rest])
        function = indexed.take(self._places(each, [*common, *new]), len(common))
        self._call("take", function, each, [*common, *new, *rest])

    def _mask(self, each: Applied) -> None:
        """Keep the places that select something, where what they select is summed over."""
        rule = each.selection
        self._spread(each.free)
        if isinstance(rule, Affine) and (rule.outside != "nothing" or rule.is_inside):
            return
        order = [a for a in self.axes if a not in each.free] + list(each.free)
        self._order(order)
        self._call("mask", indexed.mask(self._places(each, each.free)), each, order)

    def _call(self, name: str, function: Any, each: Applied, axes: Sequence[Axis]) -> None:
        """Let a function of indices fill a new tensor with the axes."""
        result = self.builder.new([self.sizes[axis] for axis in axes])
        operands = (self.view, *self._integers[each])
        self.builder.emit(Call(name, function, operands, result, fills=True))
        self.view, self.axes = result, list(axes)

    def _places(self, each: Applied, order: Sequence[Axis]) -> indexed.Places:
        shape = tuple([self.sizes[axis] for axis in each.free])
        permutation = [list(each.free).index(axis) for axis in order]
        return indexed.places(each.selection, shape, permutation)

    # ----- putting -----

    def _put(self, placing: Sequence[Applied], total: View | None) -> bool:
        straight = [
            e
            for e in placing
            if is_straight(e) and (names_one_place(e) or sliced_axes(e, self.output, self.sizes))
        ]
        loops = [a for e in straight for a in looped_axes(e, self.output, self.sizes)]
        if prod([self.sizes[axis] for axis in loops]) > MOST_SLICES:
            straight = []
        others = [each for each in placing if each not in straight]
        if straight:
            is_added = self._add_slices(straight, None if others else total)
            if is_added:
                return True
        for each in others:
            self._put_by_index(each)
        return False

    def _add_slices(self, selections: Sequence[Applied], total: View | None) -> bool:
        """Add windows to where they belong: all that one place of each window holds at a time."""
        loops = [a for each in selections for a in looped_axes(each, self.output, self.sizes)]
        sliced = [sliced_axes(each, self.output, self.sizes) for each in selections]
        kept_loops = [axis for axis in loops if axis in self.output]
        last = [axis for axes in sliced for axis in axes]
        rest = [axis for axis in self.axes if axis not in loops and axis not in last]
        self._order([*loops, *rest, *last])
        axes = [*kept_loops, *rest, *[a for each in selections for a in each.determined]]
        target = self._total(total, axes)
        is_added = target is not None
        if target is None:
            target = self._zeros(axes)
        start = len(kept_loops) + len(rest)
        groups: list[Sequence[int]] = [[k] for k in range(start)]
        for each in selections:
            groups.append(range(start, start + len(each.determined)))
            start += len(each.determined)
        grouped = target.merged(groups)
        assert grouped is not None, "the target is stored row after row"
        for source, place in moves(selections, loops, sliced, kept_loops, len(rest), self.sizes):
            there = grouped.part(place)
            self.builder.emit(Apply("add", (there, self.view.part(source)), there))
        self.view, self.axes = target, axes
        return is_added

    def _zeros(self, axes: Sequence[Axis]) -> View:
        """Return new zeros with one dimension for each of the axes, stored as they had best be."""
        if self.order is not None:
            whole = self.builder.new(self.operator.shape(), self.order)
            opened = self._total(whole, axes)
            if opened is not None:
                self.builder.emit(Copy((0,), whole))
                return opened
        zeros = self.builder.new([self.sizes[axis] for axis in axes])
        self.builder.emit(Copy((0,), zeros))
        return zeros

    def _total(self, total: View | None, axes: Sequence[Axis]) -> View | None:
        """Return the sum with one dimension for each of the axes, if it has just those."""
        flat = [axis for dimension in self.operator.output for axis in dimension]
        if total is None or set(flat) != set(axes) or len(flat) != len(axes):
            return None
        shapes = [[self.sizes[axis] for axis in each] for each in self.operator.output]
        return total.split(shapes).transposed([flat.index(axis) for axis in axes])

    def _put_by_index(self, each: Applied) -> None:
        """Add each number to the place that an index array says."""
        kept = [axis for axis in each.free if axis in self.output]
        summed = [axis for axis in each.free if axis not in self.output]
        rest = [axis for axis in self.axes if axis not in each.free]
        self._order([*kept, *summed, *rest])
        kept_size = prod([self.sizes[a] for a in kept])
        size = prod([self.sizes[a] for a in each.determined])
        places = self._places(each, [*kept, *summed])
        self._call(
            "put",
            indexed.put(places, len(each.free), kept_size, size),
            each,
            [*kept, *each.determined, *rest],
        )


def _as_float(number: Number) -> int | float:
    return number if isinstance(number, int) else float(number)
