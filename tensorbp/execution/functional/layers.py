"""Layers by the library's own functions, where one call does what several calls do otherwise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
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

    def function(self, layer: Operator, shapes: Sequence[Shape], dtype: str) -> Function | None:
        """Return the function that carries out a layer, or None where there is none.

        Args:
            layer: the layer.
            shapes: of its operands.
            dtype: of the numbers.
        """


def with_layers(plan: Plan, calls: list[Call], layers: Layers) -> list[Call]:
    """Return the calls of a plan, in which layers are functions of the library."""
    if not layers.fits(plan.dtype):
        return calls
    shapes = {each.value: each.shape for each in plan.inputs}
    shapes |= {step.result: step.shape for step in plan.steps}
    return [_by_library(call, shapes, plan.dtype, layers) for call in calls]


def _by_library(call: Call, shapes: Mapping[int, Shape], dtype: str, layers: Layers) -> Call:
    """Return a call, with the function of the library if there is one."""
    if call.step is None:
        return call
    of_operands = [shapes[operand] for operand in call.step.operands]
    function = layers.function(call.step.operator, of_operands, dtype)
    return call if function is None else replace(call, on=lambda xp: function, step=None)
