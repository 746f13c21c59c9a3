"""Standardisation and its gradient by the library's own routines, which read the numbers once.

In a plan the gradient is a sum of three products, each with sums of its own, in an order that the
search has chosen: dx = r (h - mean(h) - y mean(h y)), where y is what is standardised, r the
inverse deviation and h the cotangent times a gain. Sources: Ioffe and Szegedy 2015, Batch
normalization; Ba, Kiros and Hinton 2016, Layer normalization.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import reduce
from math import prod
from operator import mul
from typing import Any, Protocol

from tensorbp.algebra import Axis, Factor, Number
from tensorbp.execution.functional.call import Call, OnLibrary, in_order, needed
from tensorbp.execution.functional.einsums import (
    Function,
    as_number,
    finishing,
    opening,
)
from tensorbp.execution.functional.namespace import Namespace
from tensorbp.execution.functional.products import flat
from tensorbp.execution.functional.standardization_steps import (
    GradientSteps,
    SumStep,
    gradient_steps,
    stretches,
)
from tensorbp.execution.functional.sums import sum_call
from tensorbp.expression.arithmetic import Add
from tensorbp.layers.normalization.standardization import InverseDeviation, Standardize
from tensorbp.planning import Plan, PlannedValue, Step

__all__ = ["Normalization", "with_normalization"]

Array = Any


class Normalization(Protocol):
    """The routines of a library; tensors are (before, kept, behind).

    Means are taken over the first and the last dimension. ``fits`` says for which types of numbers.
    """

    def fits(self, dtype: str) -> bool:
        """Say whether there are routines for a type of numbers."""

    def standardized(self, x: Array, epsilon: float) -> tuple[Array, Array]:
        """Return y = (x - μ) r, and r = 1/√(mean((x - μ)²) + ε), of shape (kept,)."""

    def gradients(
        self, g: Array, y: Array, scale: Array | None, gain: Array | None, sums: bool
    ) -> tuple[Array, Array | None, Array | None]:
        """Return scale · (h - mean(h) - y mean(h y)), where h = gain · g, and two sums.

        Args:
            g: the cotangent.
            y: what is standardised.
            scale: of shape (kept,).
            gain: of shape (before · behind,).
            sums: whether Σ g y and Σ g are wanted: over what is kept if there is a gain, and over
                the other dimensions if there is none.
        """


def with_normalization(plan: Plan, calls: list[Call], routine: Normalization) -> list[Call]:
    """Return the calls of a plan; standardisations have become calls of the routine.

    They become so where one stretch of dimensions is kept, as in layer and batch normalisation.
    """
    if not routine.fits(plan.dtype):
        return calls
    calls = _with_deviations(plan, calls, routine)
    for steps in gradient_steps(plan):
        alone = needed(
            _Gradient(plan, steps, (None, None), routine).instead_of(calls), plan.results
        )
        made = {number for call in alone for number in call.results}
        with_y, without_y = (
            each if each is not None and each.step.result in made else None
            for each in (steps.with_y, steps.without_y)
        )
        gradient = _Gradient(plan, steps, (with_y, without_y), routine)
        together = needed(gradient.instead_of(calls), plan.results)
        calls = in_order(together) or in_order(alone) or calls
    return calls


def _with_deviations(plan: Plan, calls: list[Call], routine: Normalization) -> list[Call]:
    """Return calls in which what is standardised and its inverse deviation are made at once."""
    together: dict[tuple[object, ...], dict[type, Step]] = {}
    for step in plan.steps:
        operator = step.operator
        if isinstance(operator, Standardize | InverseDeviation) and operator.centered:
            key = (step.operands, operator.epsilon, operator.axis)
            together.setdefault(key, {})[type(operator)] = step
    instead: dict[int, list[Call]] = {}
    for steps in together.values():
        standardize = steps.get(Standardize)
        if standardize is None or 0 in standardize.shape:
            continue
        found = [standardize, *[s for k, s in steps.items() if k is InverseDeviation]]
        on = _standardization(found, routine)
        if on is not None:
            results = tuple([step.result for step in found])
            call = Call(results, standardize.operands, "standardize", on)
            first, *others = sorted(results, key=[step.result for step in plan.steps].index)
            instead |= {first: [call], **{number: [] for number in others}}
    return [each for call in calls for each in instead.get(call.results[0], [call])]


def _standardization(steps: Sequence[Step], routine: Normalization) -> OnLibrary | None:
    """Return what standardises, and also returns the inverse deviation if its step is there."""
    operator, shape = steps[0].operator, steps[0].shape
    assert isinstance(operator, Standardize)
    found = stretches(shape, operator.axes(shape))
    if found is None:
        return None
    sizes = tuple([prod([shape[k] for k in each]) for each in found])

    def standardize(x: Array) -> Any:
        y, r = routine.standardized(x.reshape(sizes), operator.epsilon)
        y = y.reshape(shape)
        return y if len(steps) == 1 else (y, r.reshape(steps[1].shape))

    return lambda xp: standardize


class _Gradient:
    """The gradient of a standardisation as a call of a routine."""

    def __init__(
        self,
        plan: Plan,
        steps: GradientSteps,
        sums: tuple[SumStep | None, SumStep | None],
        routine: Normalization,
    ) -> None:
        self.plan, self.steps, self.sums, self.routine = plan, steps, sums, routine
        self.result = steps.add.result
        self.rest = [k for k in range(len(steps.add.operands)) if k not in steps.parts]
        if self.rest:
            # the sum goes on without the parts, the first of which stands for all of them
            self.result = steps.add.operands[steps.parts[0]]

    def instead_of(self, calls: Sequence[Call]) -> list[Call]:
        """Return calls in which those of the steps are replaced."""
        steps = self.steps
        made = [each.step.result for each in self.sums if each is not None]
        factors = steps.product.factors[steps.cotangent], *steps.scales, *steps.gains
        operands = (steps.y, *[each.value.number for each in factors])
        said = "gradient of standardize"
        instead: dict[int, list[Call]] = {number: [] for number in (*made, self.result)}
        instead[steps.add.result] = [Call((self.result, *made), operands, said, self._on)]
        if self.rest:
            numbers = (1, *[steps.numbers[k] for k in self.rest])
            values = (self.result, *[steps.add.operands[k] for k in self.rest])
            rest = replace(steps.add, operator=Add(numbers), operands=values)
            producers = {step.result: step for step in self.plan.steps}
            instead[steps.add.result].append(sum_call(rest, producers))
        return [each for call in calls for each in instead.get(call.results[0], [call])]

    def _on(self, xp: Namespace) -> Function:
        """Return the gradient and the sums as a function of y and the factors."""
        steps, product = self.steps, self.steps.product
        axes = flat(product.output)
        means = [k for k, axis in enumerate(axes) if axis in steps.axes]
        found = stretches([product.sizes[axis] for axis in axes], means)
        assert found is not None, "it was standardised"
        before, kept, behind = ([axes[k] for k in each] for each in found)
        sizes = tuple([prod([product.sizes[a] for a in each]) for each in (before, kept, behind)])
        as_g = self._arranging(product.factors[steps.cotangent], [before, kept, behind], xp)
        as_scales = [self._arranging(each, [kept], xp) for each in steps.scales]
        as_gains = [self._arranging(each, [before + behind], xp) for each in steps.gains]
        count, shape = len(as_scales), steps.add.shape
        has_sums = any(each is not None for each in self.sums)
        number = product.coefficient * steps.numbers[steps.parts[0]]

        def pull_back(y: Array, g: Array, *factors: Array) -> Any:
            scale = _product([f(x) for f, x in zip(as_scales, factors, strict=False)])
            gain = _product([f(x) for f, x in zip(as_gains, factors[count:], strict=True)])
            dx, *sums = self.routine.gradients(as_g(g), y.reshape(sizes), scale, gain, has_sums)
            made = [
                _times(each.multiple, x).reshape(each.step.shape)
                for each, x in zip(self.sums, sums, strict=True)
                if each is not None
            ]
            dx = _times(number, dx).reshape(shape)
            return (dx, *made) if made else dx

        return pull_back

    def _arranging(
        self, factor: Factor[PlannedValue], wanted: Sequence[Sequence[Axis]], xp: Namespace
    ) -> Function:
        """Return what arranges a factor with a dimension for each block of axes."""
        sizes = self.steps.product.sizes
        present, open_it = opening(factor.dimensions, sizes, xp)
        arrange = finishing([tuple(block) for block in wanted], sizes, 1, present, xp)
        return lambda array: arrange(open_it(array))


def _times(number: Number, array: Array) -> Array:
    return array if number == 1 else as_number(number) * array


def _product(arrays: Sequence[Array]) -> Array | None:
    """Return the product of arrays; None of none."""
    return reduce(mul, arrays) if arrays else None
