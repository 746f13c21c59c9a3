"""Sums of arrays, of which some need not be repeated: libraries broadcast what they add."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import add, sub
from typing import Any

from tensorbp.algebra import Number
from tensorbp.execution.functional.call import Call, said
from tensorbp.execution.functional.einsums import Function, as_number, chained, spreading
from tensorbp.execution.functional.namespace import Namespace
from tensorbp.expression.arithmetic import Add
from tensorbp.expression.einsum import Einsum
from tensorbp.planning import Step

__all__ = ["Summand", "sum_call", "summands"]

Array = Any


def sum_call(step: Step, producers: Mapping[int, Step]) -> Call:
    """Return a step that adds values, each times its number, as a call.

    Args:
        step: the step.
        producers: the steps of the plan by their results.
    """
    terms = summands(step, producers)

    def on(xp: Namespace) -> Function:
        return _addition([as_number(term.number) for term in terms], [t.spread(xp) for t in terms])

    return Call((step.result,), tuple([term.operand for term in terms]), said(step), on, step)


@dataclass(frozen=True)
class Summand:
    """A value in a sum.

    Attributes:
        number: what it is multiplied with.
        operand: its number.
        repetition: how it is repeated to the shape of the sum, or None.
    """

    number: Number
    operand: int
    repetition: Einsum | None

    def spread(self, xp: Namespace) -> Function:
        """Return what makes it broadcast to the shape of the sum."""
        if self.repetition is None:
            return chained()
        pattern = self.repetition.pattern
        return spreading(pattern.axes[0], pattern.output_axes, xp)


def summands(step: Step, producers: Mapping[int, Step]) -> list[Summand]:
    """Return what a step adds, if it adds; one at least is as large as the sum."""
    if not isinstance(step.operator, Add):
        return []
    terms = [
        _summand(number, operand, producers.get(operand))
        for number, operand in zip(step.operator.coefficients, step.operands, strict=True)
    ]
    if all(term.repetition for term in terms):
        terms[0] = Summand(step.operator.coefficients[0], step.operands[0], None)
    return terms


def _summand(number: Number, operand: int, step: Step | None) -> Summand:
    """Return a value in a sum; what repeats a tensor along new axes stands for that tensor."""
    operator = None if step is None else step.operator
    if step is not None and isinstance(operator, Einsum) and len(operator.factors) == 1:
        axes, output = operator.pattern.axes[0], operator.pattern.output_axes
        is_plain = operator.pattern.is_plain and len({*axes}) == len(axes) < len(output)
        if is_plain and not operator.summed and not operator.pattern.has_delta:
            return Summand(number * operator.coefficient, step.operands[0], operator)
    return Summand(number, operand, None)


def _addition(numbers: Sequence[float], spreads: Sequence[Function]) -> Function:
    """Return the sum of as many arrays as there are numbers, each times its number."""
    if all(each is chained() for each in spreads) and list(numbers) in ([1, 1], [1, -1]):
        return add if numbers[1] == 1 else sub
    (first, spread), *others = zip(numbers, spreads, strict=True)

    def sum_up(*arrays: Array) -> Array:
        total = spread(arrays[0])
        total = total if first == 1 else first * total
        for (number, each), array in zip(others, arrays[1:], strict=True):
            if number == 1:
                total = total + each(array)
            elif number == -1:
                total = total - each(array)
            else:
                total = total + number * each(array)
        return total

    return sum_up
