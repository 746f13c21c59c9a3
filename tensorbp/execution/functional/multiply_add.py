"""A product that is only added to something is multiplied and added at once, number by number."""

from __future__ import annotations

from collections import Counter
from itertools import chain
from typing import Any, Protocol

from tensorbp.algebra import Number
from tensorbp.execution.functional.call import Call, needed
from tensorbp.execution.functional.einsums import Function, as_number, spreading
from tensorbp.execution.functional.namespace import Namespace
from tensorbp.execution.functional.sums import Summand, summands
from tensorbp.expression.einsum import Einsum
from tensorbp.planning import Plan, Step

__all__ = ["MultiplyAdd", "with_multiply_add"]

Array = Any


class MultiplyAdd(Protocol):
    """The routine of a library."""

    def __call__(self, total: Array, a: Array, b: Array, *, value: float) -> Array:
        """Return total + value a b; the three broadcast."""


def with_multiply_add(plan: Plan, calls: list[Call], routine: MultiplyAdd) -> list[Call]:
    """Return the calls of a plan; sums of a product and a value have become calls of the routine.

    They become so where nothing else reads the product.
    """
    producers = {step.result: step for step in plan.steps}
    made = {call.results[0]: call for call in calls if _is_product(call.step)}
    readers = Counter(chain(plan.results, *(call.operands for call in calls)))
    replaced = []
    for call in calls:
        terms = summands(call.step, producers) if call.step is not None else []
        if len(terms) == 2:
            for product, other in (terms, terms[::-1]):
                factors = made.get(product.operand) if readers[product.operand] == 1 else None
                if factors is not None and product.repetition is None and other.number == 1:
                    call = _multiply_add(call, product.number, factors, other, routine)
                    break
        replaced.append(call)
    return needed(replaced, plan.results)


def _is_product(step: Step | None) -> bool:
    """Say whether a step multiplies two values number by number, and repeats nothing."""
    operator = None if step is None else step.operator
    if not isinstance(operator, Einsum) or len(operator.factors) != 2 or operator.summed:
        return False
    pattern = operator.pattern
    one, other = pattern.axes
    is_whole = {*one, *other} == {*pattern.output_axes}
    has_ties = pattern.has_delta or any(len({*each}) < len(each) for each in pattern.axes)
    return pattern.is_plain and is_whole and not has_ties


def _multiply_add(
    call: Call, number: Number, product: Call, other: Summand, routine: MultiplyAdd
) -> Call:
    """Return the call that adds a number times a product to another value."""
    assert product.step is not None, "it multiplies"
    operator = product.step.operator
    assert isinstance(operator, Einsum), "it multiplies"
    value, order = as_number(number * operator.coefficient), operator.pattern.output_axes

    def on(xp: Namespace) -> Function:
        as_total = other.spread(xp)
        as_a, as_b = (spreading(axes, order, xp) for axes in operator.pattern.axes)
        return lambda total, a, b: routine(as_total(total), as_a(a), as_b(b), value=value)

    operands = (other.operand, *product.operands)
    return Call(call.results, operands, f"{call.says}, {product.says}", on)
