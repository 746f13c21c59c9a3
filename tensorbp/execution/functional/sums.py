"""Sums of arrays, of which some need not be repeated: libraries broadcast what they add."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import add, sub
from typing import Any

from tensorbp.algebra import Number
from tensorbp.execution.functional.call import Call
from tensorbp.execution.functional.einsums import Function, as_number, chained, spreading
from tensorbp.execution.functional.namespace import Namespace
from tensorbp.expression.einsum import Einsum
from tensorbp.planning import Step

__all__ = ["sum_call"]

Array = Any


def sum_call(
    result: int,
    numbers: Sequence[Number],
    operands: Sequence[int],
    says: str,
    producers: Mapping[int, Step],
) -> Call:
    """Return the sum of values, each times its number, as a call.

    Args:
        result: the number of the sum.
        numbers: what the values are multiplied with.
        operands: the numbers of the values.
        says: what is done.
        producers: the steps of the plan by their results.
    """
    terms = [
        _term(number, operand, producers.get(operand))
        for number, operand in zip(numbers, operands, strict=True)
    ]
    if all(term.repetition for term in terms):
        # someone has to be as large as the sum
        terms[0] = _Term(numbers[0], operands[0], None)

    def on(xp: Namespace) -> Function:
        return _addition([as_number(term.number) for term in terms], [t.spread(xp) for t in terms])

    return Call((result,), tuple([term.operand for term in terms]), says, on)


@dataclass(frozen=True)
class _Term:
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


def _term(number: Number, operand: int, step: Step | None) -> _Term:
    """Return a value in a sum; what repeats a tensor along new axes stands for that tensor."""
    operator = None if step is None else step.operator
    if step is not None and isinstance(operator, Einsum) and len(operator.factors) == 1:
        axes, output = operator.pattern.axes[0], operator.pattern.output_axes
        is_plain = operator.pattern.is_plain and len({*axes}) == len(axes) < len(output)
        if is_plain and not operator.summed and not operator.pattern.has_delta:
            return _Term(number * operator.coefficient, step.operands[0], operator)
    return _Term(number, operand, None)


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
