"""Layouts: in which order the dimensions of values had best lie in memory.

What is multiplied or added element by element is stored alike, and what a product of matrices reads
is stored as matrices. So each value is stored as those read it that come soonest.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from math import prod

from tensorbp.algebra import Axis, Dimension
from tensorbp.execution.numpy.instructions import Operand
from tensorbp.execution.numpy.products import is_thin_product
from tensorbp.execution.numpy.selections import scattered_order
from tensorbp.execution.numpy.view import View
from tensorbp.expression.arithmetic import Add
from tensorbp.expression.einsum import Einsum
from tensorbp.expression.rule import Elementwise
from tensorbp.planning import Plan, Step
from tensorbp.planning.selecting import Selected, SummedUp

__all__ = ["Layouts"]

FARTHEST_READER = 16
"""How many steps ahead the order of a value's axes is looked for."""

READERS_OF_PRODUCT = 4
"""How many steps ahead that is looked for beyond a product of matrices."""


class Layouts:
    """The orders in which the values of a plan are stored, worked out as they are asked for.

    Args:
        plan: the plan.
        views: the values that are stored already, by number; others are added while a plan is
            lowered.
    """

    def __init__(self, plan: Plan, views: Mapping[int, Operand]) -> None:
        self._views = views
        self._wanted = plan.results
        self._shapes = {each.value: each.shape for each in plan.inputs}
        self._shapes |= {step.result: step.shape for step in plan.steps}
        self._producers = {step.result: step for step in plan.steps}
        self._readers: dict[int, list[Step]] = {}
        for step in plan.steps:
            for number in dict.fromkeys(step.operands):
                self._readers.setdefault(number, []).append(step)
        self._known: dict[int, tuple[int, ...] | None] = {}

    def of(self, number: int) -> tuple[int, ...] | None:
        """Return the order in which a value had best be stored; None where any order does."""
        if number not in self._known:
            self._known[number] = self._looked_for(number, FARTHEST_READER)
        return self._known[number]

    def _looked_for(self, number: int, farthest: int) -> tuple[int, ...] | None:
        rank = len(self._shapes[number])
        if number in self._wanted:
            return self._thin_first(number) or tuple(range(rank))
        if not farthest or rank < 2:
            return None
        for step in self._readers.get(number, ()):
            order = self._order_of_reader(number, step, farthest)
            if order is not None:
                return order
        for step in self._readers.get(number, ()):
            order = self._order_in_product(number, step)
            if order is not None:
                return order
        return None

    def _thin_first(self, number: int) -> tuple[int, ...] | None:
        """Return the order in which a thin product makes a value, or None where it is none.

        To copy the value into another order takes less time than BLAS takes longer to make it so.
        """
        step = self._producers.get(number)
        operator = None if step is None else step.operator
        if step is None or not isinstance(operator, Einsum) or len(operator.factors) != 2:
            return None
        if not operator.summed:
            return None
        one, other = map(_axes, operator.factors)
        for mine, theirs in ((one, other), (other, one)):
            batch, own = (mine & theirs) - operator.summed, mine - theirs
            if _is_thin(own, theirs - batch, operator):
                axes = [axis for dimension in operator.output for axis in dimension]
                axes.sort(key=lambda axis: (axis not in batch, axis not in own))
                return _in_order_of(operator.output, axes)
        return None

    def _order_in_product(self, number: int, step: Step) -> tuple[int, ...] | None:
        """Return the order in which a value is a stack of matrices for a product that reads it."""
        operator = step.operator
        if not isinstance(operator, Einsum) or len(operator.factors) < 2 or not operator.summed:
            return None
        at = step.operands.index(number)
        mine, theirs = operator.factors[at], operator.factors[1 - at]
        if any(len(dimension) != 1 for dimension in mine):
            return None
        other = self._views.get(step.operands[1 - at])
        if isinstance(other, View):
            theirs = tuple([theirs[k] for k in other.order])
        axes = [dimension[0] for dimension in mine]
        shared = [axis for dimension in theirs for axis in dimension if axis in axes]
        batch = [axis for axis in axes if axis in shared and axis not in operator.summed]
        summed = [axis for axis in dict.fromkeys(shared) if axis in operator.summed]
        own = [axis for axis in axes if axis not in shared]
        # as one side of the matrices of the result they come in the order in which that is stored
        order = self._looked_for(step.result, READERS_OF_PRODUCT)
        stored = [axis for k in order or () for axis in operator.output[k]]
        own = [axis for axis in stored if axis in own] or own
        is_thin = _is_thin(own, _axes(theirs) - set(batch), operator)
        matrix = own + summed if is_thin or axes[-1:] == summed[-1:] else summed + own
        return _in_order_of(mine, batch + matrix)

    def _order_of_reader(self, number: int, step: Step, farthest: int) -> tuple[int, ...] | None:
        """Return the order in which a step that works element by element reads a value."""
        operator = step.operator
        if isinstance(operator, Selected | SummedUp):
            return scattered_order(operator, step.operands.index(number))
        dimensions, output = _elementwise_dimensions(step)
        if dimensions is None:
            return None
        mine = dimensions[step.operands.index(number)]
        for other, theirs in zip(step.operands, dimensions, strict=True):
            if other != number and _axes(theirs) == _axes(mine):
                order = self._expected(other, farthest - 1)
                if order is not None:
                    return _in_order_of(mine, [axis for k in order for axis in theirs[k]])
        order = self._looked_for(step.result, farthest - 1)
        if order is None:
            return None
        axes = [axis for k in order for axis in output[k]]
        return _in_order_of(mine, axes) if _axes(mine) <= set(axes) else None

    def _expected(self, number: int, farthest: int) -> tuple[int, ...] | None:
        """Return the order in which a value is stored, or will be for the sake of its operands."""
        if number in self._views:
            view = self._views[number]
            return view.order if isinstance(view, View) and not _repeats(view) else None
        step = self._producers[number]
        dimensions, output = _elementwise_dimensions(step)
        if dimensions is None or not farthest:
            return None
        for operand, theirs in zip(step.operands, dimensions, strict=True):
            if _axes(theirs) == _axes(output):
                order = self._expected(operand, farthest - 1)
                if order is not None:
                    return _in_order_of(output, [axis for k in order for axis in theirs[k]])
        return None


def _elementwise_dimensions(
    step: Step,
) -> tuple[Sequence[tuple[Dimension, ...]] | None, tuple[Dimension, ...]]:
    """Return the dimensions of operands and result of a step that works element by element."""
    operator = step.operator
    if isinstance(operator, Einsum):
        is_elementwise = not operator.summed
        return (operator.factors if is_elementwise else None), operator.output
    output = tuple([(axis,) for axis in range(len(step.shape))])
    if isinstance(operator, Add | Elementwise):
        return [output] * len(step.operands), output
    return None, output


def _axes(dimensions: Sequence[Dimension]) -> set[Axis]:
    return {axis for dimension in dimensions for axis in dimension}


def _is_thin(own: Iterable[Axis], matrix: Collection[Axis], operator: Einsum) -> bool:
    """Say whether a product is one of a few rows, along axes of their own, and a large matrix."""
    few, size = (prod([operator.sizes[axis] for axis in each]) for each in (own, matrix))
    return len(matrix) == 2 and is_thin_product(few, size)


def _in_order_of(dimensions: Sequence[Dimension], axes: Sequence[Axis]) -> tuple[int, ...]:
    """Return the positions of dimensions in the order in which their axes come."""
    place = {axis: k for k, axis in enumerate(dict.fromkeys(axes))}
    return tuple(
        sorted(
            range(len(dimensions)), key=lambda k: min([place[a] for a in dimensions[k]], default=0)
        )
    )


def _repeats(view: View) -> bool:
    return any(not s and size != 1 for size, s in zip(view.shape, view.strides, strict=True))
