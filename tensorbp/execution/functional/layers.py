"""Layers by the library's own functions, where one call does what several calls do otherwise."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from tensorbp.algebra import Shape
from tensorbp.execution.functional.call import Call
from tensorbp.execution.functional.einsums import Function
from tensorbp.expression.node import Operator
from tensorbp.planning import Plan

__all__ = ["Layers", "with_layers"]


class Layers(Protocol):
    """The functions of a library."""

    def fits(self, dtype: str) -> bool:
        """Say whether there are functions for a type of numbers."""

    def function(self, layer: Operator, shapes: Sequence[Shape]) -> Function | None:
        """Return the function that carries out a layer, or None where there is none.

        Args:
            layer: the layer.
            shapes: of its operands.
        """


def with_layers(plan: Plan, calls: list[Call], layers: Layers) -> list[Call]:
    """Return the calls of a plan, in which layers are functions of the library."""
    if not layers.fits(plan.dtype):
        return calls
    steps = {step.result: step for step in plan.steps}
    shapes = {each.value: each.shape for each in plan.inputs}
    shapes |= {step.result: step.shape for step in plan.steps}
    found = []
    for call in calls:
        step = steps[call.results[0]]
        function = None
        # a call that stands for several steps is carried out already
        if (call.results, call.operands) == ((step.result,), step.operands):
            function = layers.function(step.operator, [shapes[each] for each in step.operands])
        found.append(call if function is None else _call(call, function))
    return found


def _call(call: Call, function: Function) -> Call:
    return Call(call.results, call.operands, call.says, lambda xp: function)
