"""Values of a plan as polynomials in others, number by number: what is compared, not the steps."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from itertools import product as choices
from math import isclose, prod

from tensorbp.expression.arithmetic import Add
from tensorbp.expression.einsum import Einsum
from tensorbp.planning import Step

__all__ = ["Polynomial", "Polynomials", "is_close"]

Monomial = tuple[int, ...]
"""The values that are multiplied, sorted by their numbers; one may occur several times."""

Polynomial = Mapping[Monomial, float]
"""The number in front of each monomial."""

MOST_TERMS = 12
MOST_FACTORS = 6
"""A value is followed back to a polynomial of so many terms, each of so many factors."""


class Polynomials:
    """The values of a plan, followed back through sums and products number by number.

    Args:
        producers: the steps of the plan by their results.
        ends: the values that are not followed back any further.
    """

    def __init__(self, producers: Mapping[int, Step], ends: Collection[int]) -> None:
        self._producers, self._ends = producers, ends
        self._known: dict[int, Polynomial] = {}

    def of(self, number: int) -> Polynomial:
        """Return a value as a polynomial in what cannot be followed back any further."""
        if number not in self._known:
            itself: Polynomial = {(number,): 1.0}
            step = None if number in self._ends else self._producers.get(number)
            followed = itself if step is None else self._followed(step)
            is_short = len(followed) <= MOST_TERMS and all(
                len(monomial) <= MOST_FACTORS for monomial in followed
            )
            self._known[number] = followed if is_short else itself
        return self._known[number]

    def _followed(self, step: Step) -> Polynomial:
        operator = step.operator
        total: defaultdict[Monomial, float] = defaultdict(float)
        if isinstance(operator, Add):
            for number, operand in zip(operator.coefficients, step.operands, strict=True):
                for monomial, factor in self.of(operand).items():
                    total[monomial] += float(number) * factor
        elif isinstance(operator, Einsum) and _is_number_by_number(operator):
            for parts in choices(*[self.of(operand).items() for operand in step.operands]):
                monomial = tuple(sorted(value for values, _ in parts for value in values))
                total[monomial] += float(operator.coefficient) * prod(n for _, n in parts)
        else:
            total[(step.result,)] = 1.0
        return total


def _is_number_by_number(operator: Einsum) -> bool:
    """Say whether each number of the result is the product of those at the same place."""
    has_delta = operator.pattern.has_delta
    return not has_delta and all(each == operator.output for each in operator.factors)


def is_close(one: Polynomial, other: Polynomial) -> bool:
    """Say whether two polynomials are the same but for rounding."""
    return one.keys() == other.keys() and all(
        isclose(number, other[monomial], rel_tol=1e-12) for monomial, number in one.items()
    )
