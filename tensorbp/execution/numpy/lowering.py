"""Lowering: the steps of a plan become instructions, once, before there are any arrays.

Each value of the plan is a view of something stored, with a dimension for each dimension of the
value. Transpositions, broadcasts and reshapes are views and cost nothing. In which order a product
stores its axes is chosen by who reads it: what is multiplied or added element by element is
stored alike.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain, pairwise
from math import prod

import numpy as np

from tensorbp.algebra import Axis, Dimension, Number
from tensorbp.execution.numpy.builder import Builder
from tensorbp.execution.numpy.instructions import (
    Call,
    Copy,
    Instruction,
    Operand,
    Stored,
)
from tensorbp.execution.numpy.layouts import Layouts
from tensorbp.execution.numpy.products import Tensor, multiplied
from tensorbp.execution.numpy.selections import lower_selected, lower_summed_up
from tensorbp.execution.numpy.tracing import NotTraceableError, traced
from tensorbp.execution.numpy.view import View
from tensorbp.expression.arithmetic import Add
from tensorbp.expression.einsum import Einsum
from tensorbp.expression.layer import Primitive
from tensorbp.planning import Plan, Step
from tensorbp.planning.selecting import Selected, SummedUp

__all__ = ["Lowered", "lower"]


@dataclass(frozen=True)
class Lowered:
    """A plan as instructions.

    Attributes:
        values: the stored values, the inputs first.
        instructions: what is done, in order.
        origins: for each instruction the number of the plan's value that it helps to make.
        results: the view that each wanted value is, one after the other.
        input_shapes: the shapes of the values that are inputs.
        planned_bytes: what the plan says that may be taken beside inputs and results.
    """

    values: list[Stored]
    instructions: list[Instruction]
    origins: list[int]
    results: list[View]
    input_shapes: dict[int, tuple[int, ...]]
    planned_bytes: int = 0

    def replaced(self, parts: Callable[[Instruction], list[Instruction]]) -> Lowered:
        """Return the plan with others in the place of instructions; itself where all stay.

        Args:
            parts: returns what takes the place of an instruction, maybe itself alone.
        """
        made = [parts(each) for each in self.instructions]
        if all(new == [old] for old, new in zip(self.instructions, made, strict=True)):
            return self
        origins = [k for k, each in zip(self.origins, made, strict=True) for _ in each]
        return replace(self, instructions=list(chain.from_iterable(made)), origins=origins)


def lower(plan: Plan) -> Lowered:
    """Return a plan as instructions; each result is a value of its own, stored row after row."""
    return _Lowering(plan).lowered()


class _Lowering:
    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.builder = Builder(plan.dtype)
        self.views: dict[int, Operand] = {}
        self.shapes = {each.value: each.shape for each in plan.inputs}
        self.shapes |= {step.result: step.shape for step in plan.steps}
        self.wanted = plan.results
        self.results: dict[int, View] = {}
        self.origins: list[int] = []
        self.layouts = Layouts(plan, self.views)

    def lowered(self) -> Lowered:
        for each in self.plan.inputs:
            dtype = np.int64 if each.kind == "integer" else self.builder.dtype
            number = self.builder.value(prod(each.shape), dtype, "input")
            self.views[each.value] = View.whole(number, each.shape)
        wanted = set(self.wanted)
        for step in self.plan.steps:
            self.views[step.result] = self._step(step)
            self._attribute(step.result)
            if step.result in wanted:
                self._keep(step.result)
                self._attribute(step.result)
        results = []
        for number in self.wanted:
            result = self.results.pop(number, None)
            results.append(self._copy_of_result(number) if result is None else result)
            self._attribute(number)
        shapes = {k: each.shape for k, each in enumerate(self.plan.inputs)}
        values = self.builder.values
        handed_over = sum(
            [each.size * each.dtype.itemsize for each in values if each.kind in ("input", "result")]
        )
        return Lowered(
            values,
            self.builder.instructions,
            self.origins,
            results,
            shapes,
            max(0, self.plan.figures.peak_bytes - handed_over),
        )

    def _attribute(self, number: int) -> None:
        """Say of the instructions that were added last which value they help to make."""
        self.origins += [number] * (len(self.builder.instructions) - len(self.origins))

    def _keep(self, number: int) -> None:
        """Make a value a result: as it is stored, where it is stored as it should be."""
        view = self.views[number]
        if isinstance(view, View) and self.builder.values[view.value].kind == "buffer":
            is_whole = view.is_contiguous and not view.offset
            if is_whole and view.size == self.builder.values[view.value].size:
                self.builder.values[view.value].kind = "result"
                self.results[number] = View.whole(view.value, self.shapes[number])
                return
        # whoever reads it from now on reads the copy, so that what it is a view of may go
        self.results[number] = self.views[number] = self._copy_of_result(number)

    def _copy_of_result(self, number: int) -> View:
        copy = self.builder.copied(self.views[number], self.shapes[number])
        self.builder.values[copy.value].kind = "result"
        return copy

    def _step(self, step: Step) -> Operand:
        operator = step.operator
        if isinstance(operator, Einsum):
            return self._einsum(step, operator)
        if isinstance(operator, Add):
            return self._add(step, operator)
        operands = [
            self.builder.stored(self.views[number], self.shapes[number]) for number in step.operands
        ]
        if isinstance(operator, Selected | SummedUp):
            order = self.layouts.of(step.result)
            if isinstance(operator, Selected):
                return lower_selected(self.builder, operator, operands, order)
            return lower_summed_up(self.builder, operator, operands, order)
        assert isinstance(operator, Primitive)
        order = self.layouts.of(step.result)
        is_integer = getattr(operator, "kind", "real") == "integer"
        dtype = np.dtype(np.int64) if is_integer else self.builder.dtype
        before = len(self.builder.instructions)
        try:
            return traced(self.builder, operator, operands, step.shape, order, dtype)
        except NotTraceableError:
            del self.builder.instructions[before:]
        result = self.builder.new(step.shape, None, dtype)
        function = partial(operator.forward, np)
        self.builder.emit(Call(operator.name, function, tuple(operands), result))
        return result

    # ----- sums -----

    def _add(self, step: Step, operator: Add) -> Operand:
        pairs = [
            (_as_float(number), self.views[operand])
            for number, operand in zip(operator.coefficients, step.operands, strict=True)
        ]
        # what is added as it is comes first: nothing need be multiplied for it
        pairs.sort(key=lambda pair: pair[0] != 1)
        shape, order = step.shape, self.layouts.of(step.result)
        number, total = pairs[0]
        if number != 1:
            total = self._scaled(number, total, shape, None)
        for number, operand in pairs[1:]:
            if number not in (1, -1):
                operand = self._scaled(number, operand, shape, None)
            function = "subtract" if number == -1 else "add"
            total = self.builder.apply(function, [total, operand], shape, order)
        return total

    def _scaled(
        self, number: float, operand: Operand, shape: tuple[int, ...], order: Sequence[int] | None
    ) -> Operand:
        if not isinstance(operand, View):
            return number * operand
        if number == -1:
            return self.builder.apply("negative", [operand], shape, order)
        return self.builder.apply("multiply", [operand, number], shape, order)

    # ----- einsums -----

    def _einsum(self, step: Step, operator: Einsum) -> Operand:
        number = _as_float(operator.coefficient)
        flat = [axis for dimension in operator.output for axis in dimension]
        distinct = list(dict.fromkeys(flat))
        if not operator.factors:
            if len(distinct) == len(flat):
                return number
            one = Tensor(self.builder.stored(number, ()), ())
            return self._finished(operator, one, distinct)
        tensors = [
            self._opened(self.views[value], dimensions, operator.sizes)
            for value, dimensions in zip(step.operands, operator.factors, strict=True)
        ]
        kept = [axis for axis in distinct if any(axis in each.axes for each in tensors)]
        wanted = [axis for axis in self._axes_wanted(step.result, operator) if axis in kept]
        if len(tensors) == 2:
            left, right = tensors
            is_final = step.result in self.wanted
            result = multiplied(
                self.builder, left, right, kept, wanted or None, operator.sizes, is_final
            )
        else:
            result = self._summed(tensors[0], operator)
        if number != 1:
            view = result.view
            order = [result.axes.index(axis) for axis in wanted] if wanted else None
            scaled = self._scaled(number, view, view.shape, order)
            assert isinstance(scaled, View)
            result = Tensor(scaled, result.axes)
        return self._finished(operator, result, distinct)

    def _opened(
        self, operand: Operand, dimensions: Sequence[Dimension], sizes: Sequence[int]
    ) -> Tensor:
        """Return an operand with one dimension for each of its distinct axes."""
        shapes = [[sizes[axis] for axis in dimension] for dimension in dimensions]
        view = self.builder.stored(operand, tuple([prod(shape) for shape in shapes]))
        axes = [axis for dimension in dimensions for axis in dimension]
        tied, distinct = view.split(shapes).diagonal(axes)
        return Tensor(tied, tuple(distinct))

    def _summed(self, tensor: Tensor, operator: Einsum) -> Tensor:
        axes = tuple([k for k, axis in enumerate(tensor.axes) if axis in operator.summed])
        if not axes:
            return tensor
        kept = [axis for axis in tensor.axes if axis not in operator.summed]
        return Tensor(self.builder.summed(tensor.view, axes), tuple(kept))

    def _finished(self, operator: Einsum, tensor: Tensor, distinct: list[Axis]) -> View:
        """Return a tensor as the value of a node: spread, deltas written out, axes merged."""
        sizes = operator.sizes
        flat = [axis for dimension in operator.output for axis in dimension]
        shape = tuple([sizes[axis] for axis in distinct])
        view = tensor.ordered(distinct).spread(shape)
        if len(distinct) < len(flat):
            written = self.builder.copied(0, tuple([sizes[axis] for axis in flat]))
            diagonal, _ = written.diagonal(flat)
            self.builder.emit(Copy((view,), diagonal))
            view = written
        ends = [0]
        for dimension in operator.output:
            ends.append(ends[-1] + len(dimension))
        groups = [range(a, b) for a, b in pairwise(ends)]
        return self.builder.merged(view, groups)

    def _axes_wanted(self, number: int, operator: Einsum) -> list[Axis]:
        """Return the axes of a node's result in the order in which they had best be stored."""
        order = self.layouts.of(number)
        if order is None:
            return []
        return list(dict.fromkeys([a for k in order for a in operator.output[k]]))


def _as_float(number: Number) -> float | int:
    return number if isinstance(number, int) else float(number)
