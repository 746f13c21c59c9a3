"""The gradients of standardisations among the steps of a plan.

The gradient is r (h - mean(h) - y mean(h y)), a sum of three products, where h is a cotangent times
a gain: the products are compared, not the steps that make them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from math import isclose, nan, prod

from tensorbp.algebra import Axis, Factor, GroupingConflict, Number, Term
from tensorbp.execution.functional.products import (
    Product,
    Products,
    flat,
    identity_of,
    itself,
    renamed,
)
from tensorbp.expression.arithmetic import Add
from tensorbp.expression.einsum import Einsum
from tensorbp.layers.normalization.standardization import Standardize
from tensorbp.planning import Plan, PlannedValue, Step

__all__ = ["GradientSteps", "SumStep", "gradient_steps", "stretches"]

PARTS = 3
"""The gradient is a sum of so many products."""


@dataclass(frozen=True)
class SumStep:
    """A step that makes a multiple of Σ g y or Σ g, g the cotangent."""

    step: Step
    multiple: Number


@dataclass(frozen=True)
class GradientSteps:
    """Steps that are the gradient of a standardisation.

    Attributes:
        add: the step that adds the three products, and maybe other values.
        numbers: what it multiplies its operands with.
        parts: which of its operands they are; first the one that has no sums.
        y: what is standardised.
        axes: the axes over which means are taken.
        product: the first of the three, as a product of the cotangent, numbers for what is kept
            and numbers along the axes; its output has the axes of y, in order.
        cotangent: the position of the cotangent in it.
        with_y: what makes Σ g y, if anything does: over what is kept if there are numbers along
            the axes, and over the axes if there are none.
        without_y: what makes Σ g.
    """

    add: Step
    numbers: tuple[Number, ...]
    parts: tuple[int, ...]
    y: int
    axes: frozenset[Axis]
    product: Product
    cotangent: int
    with_y: SumStep | None
    without_y: SumStep | None

    @property
    def beside(self) -> list[Factor[PlannedValue]]:
        """The factors beside the cotangent."""
        factors = self.product.factors
        return [*factors[: self.cotangent], *factors[self.cotangent + 1 :]]

    @property
    def gains(self) -> list[Factor[PlannedValue]]:
        """The factors along the axes."""
        return [each for each in self.beside if each.axes and self.axes.issuperset(each.axes)]

    @property
    def scales(self) -> list[Factor[PlannedValue]]:
        """The factors along what is kept."""
        return [each for each in self.beside if each not in self.gains]


def stretches(
    shape: Sequence[int], axes: Sequence[int]
) -> tuple[list[int], list[int], list[int]] | None:
    """Return the dimensions of means, in the middle those that are kept, and those of means again.

    Args:
        shape: of what is standardised; dimensions of size one are nowhere.
        axes: over which dimensions means are taken.

    Returns:
        The three stretches; None where those that are kept are not in a row. Where none is kept,
        the first is empty.
    """
    places = [k for k, size in enumerate(shape) if size != 1]
    kept = [k for k in places if k not in axes]
    before = [k for k in places if kept and k < kept[0]]
    behind = [k for k in places if k not in before and k not in kept]
    return (before, kept, behind) if [*before, *kept, *behind] == places else None


def gradient_steps(plan: Plan) -> Iterator[GradientSteps]:
    """Yield the gradients of the standardisations of a plan."""
    standardized = {
        step.result: step
        for step in plan.steps
        if isinstance(step.operator, Standardize)
        and step.operator.centered
        and 0 not in step.shape
        and stretches(step.shape, step.operator.axes(step.shape))
    }
    if standardized:
        yield from _Search(plan, standardized).found()


class _Search:
    """What looks for gradients in a plan."""

    def __init__(self, plan: Plan, standardized: Mapping[int, Step]) -> None:
        self.plan, self.standardized = plan, standardized
        self.products = Products({step.result: step for step in plan.steps})
        self.readers = Counter(chain(plan.results, *(step.operands for step in plan.steps)))

    def found(self) -> Iterator[GradientSteps]:
        """Yield the gradients, each with the sum that it is a part of."""
        for step in self.plan.steps:
            if isinstance(step.operator, Add) and len(step.operands) >= PARTS:
                found = self._gradient(step, step.operator.coefficients)
                if found is not None:
                    yield found

    def _gradient(self, add: Step, numbers: tuple[Number, ...]) -> GradientSteps | None:
        """Return the gradient that a sum contains, or None where there is none."""
        own = [k for k, operand in enumerate(add.operands) if self.readers[operand] == 1]
        terms = {k: self.products.of(add.operands[k], add.shape).scaled(numbers[k]) for k in own}
        ys = {value.number for term in terms.values() for value in term.values}
        for y in sorted(ys.intersection(self.standardized)):
            for first in own if self.standardized[y].shape == add.shape else ():
                found = self._beside(first, terms, self.standardized[y])
                if found:
                    return self._scaled_cotangent(add, numbers, (first, *found), y)
        return None

    def _beside(self, first: int, terms: Mapping[int, Product], y: Step) -> tuple[int, int] | None:
        """Return the terms that are -y mean(t y) and -mean(t), if t is the first."""
        term = terms[first]
        axes = _mean_axes(term, y)
        others = {axis: len(term.sizes) + k for k, axis in enumerate(axes)}
        sizes = (*term.sizes, *[term.sizes[axis] for axis in axes])
        inside = [Factor(each.value, renamed(each.dimensions, others)) for each in term.factors]
        value = PlannedValue(y.result, y.shape)
        both = [Factor(value, each) for each in (term.output, renamed(term.output, others))]
        share = float(term.coefficient) / prod([term.sizes[axis] for axis in axes])
        found = []
        for factors in ([*both, *inside], inside):
            expected = self._identities(Term.of(1, factors, term.output, (), sizes))
            found += [
                k
                for k, each in terms.items()
                if isclose(each.coefficient, -share * expected.get(identity_of(each), nan))
            ][:1]
        return (found[0], found[1]) if len(found) == PARTS - 1 else None

    def _scaled_cotangent(
        self, add: Step, numbers: tuple[Number, ...], parts: tuple[int, ...], y: int
    ) -> GradientSteps:
        """Return the gradient, its first product followed back to the cotangent."""
        product = itself(add.operands[parts[0]], add.shape)
        cotangent = 0
        while inner := self.products.step_of(product.values[cotangent]):
            try:
                followed = product.inlined(cotangent, inner)
            except GroupingConflict:
                break
            whole = _scaled_factor(followed, _mean_axes(followed, self.standardized[y]))
            if whole is None:
                break
            product, cotangent = followed, whole
        axes = _mean_axes(product, self.standardized[y])
        return self._with_sums(
            GradientSteps(add, numbers, parts, y, frozenset(axes), product, cotangent, None, None)
        )

    def _with_sums(self, found: GradientSteps) -> GradientSteps:
        """Return the gradient with the steps that make the sums of its cotangent."""
        product = found.product
        factor = product.factors[found.cotangent]
        value = PlannedValue(found.y, self.standardized[found.y].shape)
        left = [axis for axis in flat(product.output) if (axis in found.axes) == bool(found.gains)]
        sums = []
        for factors in ([Factor(value, product.output), factor], [factor]):
            total = Term.of(1, factors, tuple([(axis,) for axis in left]), (), product.sizes)
            sums.append(self._step_of(self.products.expanded(total)))
        return replace(found, with_y=sums[0], without_y=sums[1])

    def _step_of(self, total: Product) -> SumStep | None:
        """Return the first step that makes a multiple of a sum."""
        expected = self._identities(total)
        for step in self.plan.steps:
            if not isinstance(step.operator, Einsum):
                continue
            made = self.products.of(step.result, step.shape)
            number = expected.get(identity_of(made))
            if number is not None:
                multiple = float(made.coefficient) / number
                return SumStep(step, 1 if isclose(multiple, 1) else multiple)
        return None

    def _identities(self, product: Product) -> dict[tuple[object, ...], float]:
        """Return what tells a product, with its products of matrices or without them."""
        ways = (product, self.products.opened(product))
        return {identity_of(each): float(each.coefficient) for each in ways}


def _mean_axes(product: Product, y: Step) -> list[Axis]:
    """Return the axes of a product, which has the shape of y, over which means are taken."""
    assert isinstance(y.operator, Standardize), "it makes what is standardised"
    return flat(tuple([product.output[k] for k in y.operator.axes(y.shape)]))


def _scaled_factor(product: Product, axes: Sequence[Axis]) -> int | None:
    """Return which factor has all axes; None unless others are along the axes of means, or not."""
    every = set(flat(product.output))
    whole = [k for k, each in enumerate(product.factors) if set(each.axes) == every]
    if len(whole) != 1:
        return None
    beside = [set(each.axes) for k, each in enumerate(product.factors) if k not in whole]
    means = set(axes)
    fits = all(each <= means or each <= every - means for each in beside)
    return whole[0] if fits else None
