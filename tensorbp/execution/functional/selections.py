"""Products with selections as functions of arrays: windows, takes and scatter-adds.

A product of a tensor with selections is worked through in three stages: what selections determine
is taken from the tensor, what is not needed any more is summed over, and what is left is put where
selections say. Places on a straight line are windows and slices; others are index arrays.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product
from math import prod
from typing import Any

from tensorbp.algebra import Axis
from tensorbp.execution.functional.einsums import Function, as_number, finishing, opening
from tensorbp.execution.functional.namespace import Namespace
from tensorbp.execution.straight import is_straight, overlap, padding, rule_of, steps
from tensorbp.expression.selection import Affine
from tensorbp.planning.selecting import Applied, Selected, SummedUp

__all__ = ["selected_function", "summed_up_function"]

Array = Any
Stage = Callable[[Array, Sequence[Array]], Array]
"""Takes the tensor and the integers of the selections, returns the changed tensor."""

MOST_PARTS = 64
"""Windows are added part by part up to this number of parts, else by index."""


def selected_function(operator: Selected, xp: Namespace) -> Function:
    """Return a product of a tensor and selections as a function of the tensor and integers."""
    axes, open_it = opening(operator.factor, operator.sizes, xp)
    stages = _Stages(operator, axes, xp)
    number = operator.coefficient
    finish = finishing(operator.output, operator.sizes, number, stages.axes, xp)
    return lambda tensor, *integers: finish(stages(open_it(tensor), integers))


def summed_up_function(operator: SummedUp, xp: Namespace, dtype: str) -> Function:
    """Return a sum of which some parts are scattered, each added to the same array."""
    adders: list[tuple[int, int, Function]] = []
    start = 0
    for number, part in zip(operator.coefficients, operator.parts, strict=True):
        end = start + (1 if part is None else part.operand_count)
        adders.append((start, end, _adding(as_number(number), part, xp)))
        start = end

    def sum_up(*arrays: Array) -> Array:
        total = xp.zeros(operator.size, dtype=dtype)
        for start, end, add in adders:
            total = add(total, *arrays[start:end])
        return total

    return sum_up


def _adding(number: float, part: Selected | None, xp: Namespace) -> Function:
    """Return what adds a number times a part to a total."""

    def scaled(array: Array) -> Array:
        return array if number == 1 else number * array

    if part is None:
        return lambda total, array: xp.accumulated(total, scaled(array))
    axes, open_it = opening(part.factor, part.sizes, xp)
    stages = _Stages(part, axes, xp)
    flat = [axis for dimension in part.output for axis in dimension]
    if stages.adds_parts and sorted(flat) == sorted(stages.axes):
        shape = tuple([part.sizes[axis] for axis in flat])
        order = tuple([flat.index(axis) for axis in stages.axes])
        back = tuple([stages.axes.index(axis) for axis in flat])

        def add_parts(total: Array, tensor: Array, *integers: Array) -> Array:
            opened = xp.transpose(total.reshape(shape), order)
            added = stages.added(opened, open_it(scaled(tensor)), integers)
            return xp.transpose(added, back).reshape(total.shape)

        return add_parts
    select = selected_function(part, xp)
    return lambda total, *arrays: xp.accumulated(total, scaled(select(*arrays)))


class _Stages:
    """What carries out a product with selections, up to the order of the axes.

    Attributes:
        axes: the axes of the result, in order.
        adds_parts: whether the last thing that is done is adding parts to zeros, so that they may
            be added to something else as well.
    """

    def __init__(self, operator: Selected, axes: Sequence[Axis], xp: Namespace) -> None:
        self.xp = xp
        self.sizes = operator.sizes
        self.axes = list(axes)
        self.adds_parts = False
        self._add: Callable[[Array, Array], Array] | None = None
        self._stages: list[Stage] = []
        output = {axis for dimension in operator.output for axis in dimension}
        integers = _integer_slices(operator.selections)
        taking = [each for each in operator.selections if set(each.determined) <= set(axes)]
        placing = [each for each in operator.selections if output.intersection(each.determined)]
        for each in taking:
            if is_straight(each) and not set(each.free) & set(self.axes):
                self._show_windows(each)
            else:
                self._take(each, integers[each])
        for each in operator.selections:
            if each not in taking and each not in placing:
                self._mask(each, integers[each])
        self._sum(output.union(*(each.free for each in placing)))
        for each in placing:
            self._spread(each.free)
        for each in placing:
            if not self._add_parts(each, output):
                self._put(each, integers[each], output)
        self._sum(output)

    def __call__(self, tensor: Array, integers: Sequence[Array]) -> Array:
        """Return the product, its axes as `axes` says."""
        for stage in self._stages:
            tensor = stage(tensor, integers)
        return tensor

    def added(self, total: Array, tensor: Array, integers: Sequence[Array]) -> Array:
        """Return the sum of the product and a total, which is not used any more."""
        assert self._add is not None, "nothing is added part by part"
        for stage in self._stages[:-1]:
            tensor = stage(tensor, integers)
        return self._add(total, tensor)

    def _then(self, stage: Stage) -> None:
        self._stages.append(stage)
        self.adds_parts = False

    def _sum(self, needed: set[Axis]) -> None:
        summed = tuple([k for k, axis in enumerate(self.axes) if axis not in needed])
        if summed:
            self.axes = [axis for axis in self.axes if axis in needed]
            self._then(lambda tensor, integers: self.xp.sum(tensor, axis=summed))

    def _ordered(self, order: Sequence[Axis]) -> None:
        """Bring the axes into an order."""
        permutation = tuple([self.axes.index(axis) for axis in order])
        self.axes = list(order)
        if permutation != tuple(range(len(order))):
            self._then(lambda tensor, integers: self.xp.transpose(tensor, permutation))

    def _spread(self, axes: Sequence[Axis]) -> None:
        """Repeat the tensor along axes that it does not have."""
        missing = [axis for axis in axes if axis not in self.axes]
        if missing:
            self.axes = missing + self.axes
            shape = self._shape(self.axes)
            self._then(lambda tensor, integers: self.xp.broadcast_to(tensor, shape))

    def _shape(self, axes: Sequence[Axis]) -> tuple[int, ...]:
        return tuple([self.sizes[axis] for axis in axes])

    def _show_windows(self, each: Applied) -> None:
        """Show windows of the tensor, which is padded first where they reach beyond its ends."""
        xp, rule = self.xp, rule_of(each)
        rest = [axis for axis in self.axes if axis not in each.determined]
        self._ordered([*rest, *each.determined])
        shape = self._shape(rest)
        low, high = padding(each)
        pads = [(0, 0)] * len(rest) + [(low, high)]
        counts, strides = self._shape(each.free), steps(each, self.sizes)
        # a line that goes down is one that goes up, read from its end
        turned = [k - len(counts) for k, stride in enumerate(strides) if stride < 0]
        start = low + rule.offset + sum(strides[k] * (counts[k] - 1) for k in turned)
        lengths = [abs(stride) for stride in strides]
        self.axes = [*rest, *each.free]
        whole = self._shape(self.axes)

        def show(tensor: Array, integers: Sequence[Array]) -> Array:
            if 0 in whole:
                return xp.zeros(whole, dtype=tensor.dtype)
            tensor = tensor.reshape(*shape, rule.size)
            if low or high:
                tensor = xp.pad(tensor, pads)
            windows = xp.windows(tensor, start, lengths, counts)
            return xp.flip(windows, turned) if turned else windows

        self._then(show)

    def _take(self, each: Applied, integers: slice) -> None:
        """Take from one axis what an index array says, at each place of the axes they share."""
        xp = self.xp
        common = [axis for axis in each.free if axis in self.axes]
        new = [axis for axis in each.free if axis not in self.axes]
        rest = [a for a in self.axes if a not in common and a not in each.determined]
        self._ordered([*common, *each.determined, *rest])
        size = prod(self._shape(each.determined))
        shape = (*self._shape(common), size, *self._shape(rest))
        places = self._places(each, [*common, *new])
        spread = (Ellipsis,) + (None,) * len(rest)
        self.axes = [*common, *new, *rest]
        whole = self._shape(self.axes)

        def take(tensor: Array, given: Sequence[Array]) -> Array:
            if not size:
                return xp.zeros(whole, dtype=tensor.dtype)
            place = places(given[integers])
            grids = [
                xp.arange(n).reshape((1,) * k + (n,) + (1,) * (len(place.shape) - k - 1))
                for k, n in enumerate(shape[: len(common)])
            ]
            tensor = tensor.reshape(shape)
            taken = tensor[(*grids, xp.clip(place, 0, size - 1))]
            return xp.where(_is_there(place, size)[spread], taken, xp.zeros_like(taken))

        self._then(take)

    def _mask(self, each: Applied, integers: slice) -> None:
        """Keep the places that select something, where what they select is summed over."""
        rule, xp = each.selection, self.xp
        self._spread(each.free)
        if isinstance(rule, Affine) and (rule.outside != "nothing" or rule.is_inside):
            return
        self._ordered([axis for axis in self.axes if axis not in each.free] + list(each.free))
        places, size = self._places(each, each.free), prod(self._shape(each.determined))

        def mask(tensor: Array, given: Sequence[Array]) -> Array:
            is_there = _is_there(places(given[integers]), size)
            return xp.where(is_there, tensor, xp.zeros_like(tensor))

        self._then(mask)

    def _add_parts(self, each: Applied, output: set[Axis]) -> bool:
        """Add windows to where they belong, all that one place of each holds at a time.

        Returns:
            Whether that is done: places are on a straight line, none of the axes that determine
            them is kept, and the parts are not too many.
        """
        if not is_straight(each) or output.intersection(each.free):
            return False
        strides = dict(zip(each.free, steps(each, self.sizes), strict=True))
        moving = sorted([a for a in each.free if strides[a]], key=lambda a: self.sizes[a])
        loops, along = moving[:-1], moving[-1:]
        if prod(self._shape(loops)) > MOST_PARTS:
            return False
        self._sum(set(self.axes) - {axis for axis, stride in strides.items() if not stride})
        rest = [axis for axis in self.axes if axis not in moving]
        self._ordered([*rest, *moving])
        rule = rule_of(each)
        count, step = (self.sizes[along[0]], strides[along[0]]) if along else (1, 1)
        moves = []
        for values in product(*[range(self.sizes[axis]) for axis in loops]):
            base = rule.offset + sum(strides[a] * n for a, n in zip(loops, values, strict=True))
            here, _ = overlap(base, step, count, rule.size)
            if here.start < here.stop:
                start = base + step * (here.start if step > 0 else here.stop - 1)
                moves.append(((Ellipsis, *values, here), start))
        self.axes = [*rest, *each.determined]
        self._then_add(moves, step, (*self._shape(rest), rule.size), not along)
        return True

    def _then_add(
        self, moves: list[tuple[Any, int]], step: int, shape: tuple[int, ...], is_single: bool
    ) -> None:
        """Add parts of the tensor along the last axis of a shape, opened as `axes` says."""
        xp, whole = self.xp, self._shape(self.axes)

        def add(total: Array, tensor: Array) -> Array:
            total = total.reshape(shape)
            tensor = tensor[..., None] if is_single else tensor
            for index, start in moves:
                part = tensor[index] if step > 0 else xp.flip(tensor[index], [-1])
                total = xp.accumulated_at(total, part, start, abs(step))
            return total.reshape(whole)

        self._then(lambda tensor, integers: add(xp.zeros(shape, dtype=tensor.dtype), tensor))
        self._add, self.adds_parts = add, True

    def _put(self, each: Applied, integers: slice, output: set[Axis]) -> None:
        """Add each number to the place that an index array says."""
        xp = self.xp
        kept = [axis for axis in each.free if axis in output]
        summed = [axis for axis in each.free if axis not in output]
        rest = [axis for axis in self.axes if axis not in each.free]
        self._ordered([*kept, *summed, *rest])
        places = self._places(each, [*kept, *summed])
        size, count = prod(self._shape(each.determined)), prod(self._shape(kept))
        length, width = prod(self._shape(summed)), prod(self._shape(rest))
        self.axes = [*kept, *each.determined, *rest]
        whole = self._shape(self.axes)

        def put(tensor: Array, given: Sequence[Array]) -> Array:
            place = places(given[integers]).reshape(count, length)
            # the places of all kept axes, one after the other, are the places of one long axis
            begins = size * xp.arange(count)[:, None]
            flat = xp.where(_is_there(place, size), place + begins, count * size).reshape(-1)
            return xp.put(tensor.reshape(count * length, width), flat, count * size).reshape(whole)

        self._then(put)

    def _places(self, each: Applied, order: Sequence[Axis]) -> Callable[[Sequence[Array]], Array]:
        """Return what gives the places as an array with the free axes in an order."""
        shape = self._shape(each.free)
        permutation = tuple([each.free.index(axis) for axis in order])
        rule, xp = each.selection, self.xp
        if not rule.inputs:
            import numpy

            places = numpy.asarray(rule.places(numpy)).reshape(shape).transpose(permutation)
            known = xp.asarray(numpy.ascontiguousarray(places))
            return lambda integers: known
        return lambda integers: xp.transpose(rule.places(xp, *integers).reshape(shape), permutation)


def _integer_slices(selections: Sequence[Applied]) -> dict[Applied, slice]:
    """Return which of the integer operands belong to each selection."""
    slices, start = {}, 0
    for each in selections:
        end = start + len(each.selection.inputs)
        slices[each] = slice(start, end)
        start = end
    return slices


def _is_there(place: Array, size: int) -> Array:
    """Say which places select something; libraries that check no labels may be given any."""
    return (place >= 0) & (place < size)
