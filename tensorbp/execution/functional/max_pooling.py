"""Pools of the largest number by the library's own routine, which finds number and place at once.

In a plan the places are found first, then numbers are taken from there, and cotangents are put back
there: each is a step of its own, with an index for each number.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from tensorbp.algebra import Shape
from tensorbp.execution.functional.call import Call
from tensorbp.execution.functional.einsums import Function
from tensorbp.execution.functional.namespace import Namespace
from tensorbp.layers.convolution.spatial import Window
from tensorbp.layers.pooling.maximum import PlacesOfLargest
from tensorbp.planning import Plan, Step
from tensorbp.planning.selecting import Selected

__all__ = ["MaxPooling", "with_max_pooling"]

Array = Any

MOST_SPATIAL_AXES = 3
"""Libraries have pools over so many axes."""


class MaxPooling(Protocol):
    """The routines of a library; tensors are (batch, channels, *space)."""

    def fits(self, dtype: str) -> bool:
        """Say whether there are routines for a type of numbers."""

    def largest(self, x: Array, windows: Sequence[Window]) -> tuple[Array, Array]:
        """Return the largest number of each window and its place, counted row by row.

        Args:
            x: the tensor.
            windows: for each axis of space; as many places are added behind it as before.
        """

    def put_back(self, g: Array, places: Array, shape: Shape) -> Array:
        """Return zeros of a shape, with numbers added at their places in space."""


def with_max_pooling(plan: Plan, calls: list[Call], routine: MaxPooling) -> list[Call]:
    """Return the calls of a plan; pools of the largest number have become calls of the routine."""
    if not routine.fits(plan.dtype):
        return calls
    shapes = {each.value: each.shape for each in plan.inputs}
    shapes |= {step.result: step.shape for step in plan.steps}
    instead: dict[int, Call | None] = {}
    for places in plan.steps:
        windows = _windows(places, shapes[places.operands[0]]) if places.operands else None
        if windows is None:
            continue
        taken = [s for s in plan.steps if _takes(s, places) and s.result not in instead]
        instead |= {step.result: None for step in taken[:1]}
        instead[places.result] = _pool(places, taken[:1], windows, routine)
        instead |= {s.result: _put_back(s, routine) for s in plan.steps if _puts(s, places)}
    replaced = [call if call.step is None else instead.get(call.results[0], call) for call in calls]
    return [call for call in replaced if call is not None]


def _windows(step: Step, shape: Shape) -> list[Window] | None:
    """Return the windows of a pool that libraries have, or None if a step is none."""
    layer = step.operator
    if not isinstance(layer, PlacesOfLargest) or layer.channels_last or 0 in shape:
        return None
    space = shape[2:]
    rules = [rule for rule in layer.rules if isinstance(rule, Window)]
    if len(rules) < len(space) or len(space) > MOST_SPATIAL_AXES:
        return None
    for rule, length, count in zip(rules, space, step.shape[2:], strict=True):
        alike = Window(rule.size, rule.stride, rule.dilation, rule.before, rule.before)
        if alike.count(length) != count or 2 * rule.before > rule.size:
            return None
    return rules


def _takes(step: Step, places: Step) -> bool:
    """Say whether a step takes numbers of the tensor of a pool from the places."""
    return step.operands == (*places.operands, places.result) and _is_at_places(step, False)


def _puts(step: Step, places: Step) -> bool:
    """Say whether a step adds numbers at the places."""
    return step.operands[1:] == (places.result,) and _is_at_places(step, True)


def _is_at_places(step: Step, puts: bool) -> bool:
    """Say whether a step relates (batch, channels, *windows) to (batch, channels, *space)."""
    operator = step.operator
    if not isinstance(operator, Selected) or operator.coefficient != 1:
        return False
    (each,) = operator.selections if len(operator.selections) == 1 else (None,)
    if each is None:
        return False
    small, large = operator.output, operator.factor
    if puts:
        small, large = large, small
    whole = tuple([axis for dimension in large[2:] for axis in dimension])
    axes = [axis for dimension in (*small, *large[2:]) for axis in dimension]
    is_plain = all(len(d) == 1 for d in (*small, *large)) and len(set(axes)) == len(axes)
    return is_plain and each.dimensions == (*small, whole) and small[:2] == large[:2]


def _pool(
    places: Step, taken: Sequence[Step], windows: Sequence[Window], routine: MaxPooling
) -> Call:
    """Return the call that finds places, and takes what is there if a step does."""

    def largest(x: Array) -> Any:
        values, found = routine.largest(x, windows)
        return (found, values) if taken else found

    results = (places.result, *[step.result for step in taken])
    return Call(results, places.operands, "largest of each window", lambda xp: largest)


def _put_back(step: Step, routine: MaxPooling) -> Call:
    """Return the call that adds numbers at places."""

    def on(xp: Namespace) -> Function:
        return lambda g, places: routine.put_back(g, places, step.shape)

    return Call((step.result,), step.operands, "put back where the largest was", on)
