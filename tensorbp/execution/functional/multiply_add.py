"""A product that is only added to something is multiplied and added at once."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import chain
from math import prod
from typing import Any, Protocol

from tensorbp.algebra import Axis
from tensorbp.execution.functional.call import Call, needed
from tensorbp.execution.functional.einsums import (
    Function,
    as_number,
    chained,
    finishing,
    product_of,
    spreading,
)
from tensorbp.execution.functional.namespace import Namespace
from tensorbp.execution.functional.sums import Summand, summands
from tensorbp.expression.einsum import Einsum
from tensorbp.planning import Plan

__all__ = ["MultiplyAdd", "with_multiply_add"]

Array = Any


class MultiplyAdd(Protocol):
    """The routines of a library; what is added to broadcasts."""

    def numbers(self, total: Array, a: Array, b: Array, value: float) -> Array:
        """Return total + value a b, number by number; a and b broadcast too."""

    def matrices(self, total: Array, a: Array, b: Array, value: float) -> Array:
        """Return total + value A B, a product of two matrices."""


def with_multiply_add(plan: Plan, calls: list[Call], routines: MultiplyAdd) -> list[Call]:
    """Return the calls of a plan; sums of a product and a value have become calls of routines.

    They become so where nothing else reads the product.
    """
    producers = {step.result: step for step in plan.steps}
    own = {call.results[0]: call for call in calls if call.step is not None}
    readers = Counter(chain(plan.results, *(call.operands for call in calls)))
    replaced = []
    for call in calls:
        terms = summands(call.step, producers) if call.step is not None else []
        for product, other in (terms, terms[::-1]) if len(terms) == 2 else ():
            made = own.get(product.operand) if readers[product.operand] == 1 else None
            if made is not None and product.repetition is None and other.number == 1:
                found = _multiply_add(call, product, made, other, routines)
                if found is not None:
                    call = found
                    break
        replaced.append(call)
    return needed(replaced, plan.results)


def _multiply_add(
    call: Call, product: Summand, made: Call, other: Summand, routines: MultiplyAdd
) -> Call | None:
    """Return the call that adds a product to another value, or None where it is no product."""
    operator = None if made.step is None else made.step.operator
    if not isinstance(operator, Einsum) or len(operator.factors) != 2:
        return None
    pattern = operator.pattern
    has_ties = pattern.has_delta or any(len({*each}) < len(each) for each in pattern.axes)
    is_whole = {*pattern.output_axes} <= {*chain(*pattern.axes)}
    if has_ties or not is_whole or not pattern.is_plain:
        return None
    value = as_number(product.number * operator.coefficient)
    axes = tuple(pattern.output_axes)
    if other.repetition is not None:
        own = other.repetition.pattern
        axes = tuple([axes[own.output_axes.index(axis)] for axis in own.axes[0]])
    found = _Addition(operator, axes, value, routines)
    if operator.summed and not found.fits_matrices:
        return None
    on = found.to_matrices if operator.summed else found.to_numbers
    operands = (other.operand, *made.operands)
    return Call(call.results, operands, f"{call.says}, {made.says}", on)


@dataclass(frozen=True)
class _Addition:
    """A value that is added to a product.

    Attributes:
        operator: the product.
        axes: those of the value, by the names that they have in the product.
        number: what the product is multiplied with.
        routines: what multiplies and adds.
    """

    operator: Einsum
    axes: tuple[Axis, ...]
    number: float
    routines: MultiplyAdd

    @property
    def fits_matrices(self) -> bool:
        """Whether the product is one of two matrices, and the value has whole sides of it."""
        left, right = self.operator.pattern.axes
        batch = {*left} & {*right} & {*self.operator.pattern.output_axes}
        sides = [{*left} - {*right}, {*right} - {*left}]
        return not batch and any(sides) and {*self.axes} in [*sides, sides[0] | sides[1]]

    def to_numbers(self, xp: Namespace) -> Function:
        """Return the sum with a product number by number."""
        order, number = self.operator.pattern.output_axes, self.number
        spread = [spreading(axes, order, xp) for axes in (self.axes, *self.operator.pattern.axes)]
        as_total, as_a, as_b = spread
        multiply_add = self.routines.numbers
        return lambda total, a, b: multiply_add(as_total(total), as_a(a), as_b(b), number)

    def to_matrices(self, xp: Namespace) -> Function:
        """Return the sum with a product of matrices."""
        operator, number = self.operator, self.number
        left, right = operator.pattern.axes
        product = product_of(operator, left, right, operator.output, xp)
        present = [axis for axis in product.present if axis in self.axes]
        own = {*(right if product.is_swapped else left)}
        sides = [
            prod([operator.sizes[a] for a in present if (a in own) == s]) for s in (True, False)
        ]
        as_total = chained(spreading(self.axes, present, xp), lambda array: array.reshape(sides))
        finish = chained(
            product.finish, finishing(operator.output, operator.sizes, 1, product.present, xp)
        )
        as_left, as_right, multiply_add = product.left, product.right, self.routines.matrices
        if product.is_swapped:
            return lambda t, a, b: finish(
                multiply_add(as_total(t), as_right(b), as_left(a), number)
            )
        return lambda t, a, b: finish(multiply_add(as_total(t), as_left(a), as_right(b), number))
