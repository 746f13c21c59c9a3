"""Forms: values of a plan written out in one of them, number by number, to be compared.

Two values that are the same function of another have the same form, in whatever order the search
has put the steps: a sum of products of functions of sums of products, and so on.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from itertools import product as choices
from math import prod

from tensorbp.algebra import Number
from tensorbp.expression.arithmetic import Add
from tensorbp.expression.einsum import Einsum
from tensorbp.expression.rule import Elementwise
from tensorbp.planning import Step

__all__ = ["Form", "Forms", "is_number_by_number"]

Atom = None | tuple[Elementwise, tuple["Form", ...]]
"""What is multiplied: the value in which others are written, None, or a function of forms."""

Monomial = frozenset[tuple[Atom, int]]
"""The atoms that are multiplied, and how often each occurs."""

Form = frozenset[tuple[Monomial, float]]
"""The monomials that are added, and the number in front of each, rounded."""

Sum = Mapping[Monomial, float]

MOST_TERMS = 12
MOST_FACTORS = 6
"""A value is written out as a sum of so many terms, each of so many factors, or not at all."""


class Forms:
    """The values of a plan as forms.

    Args:
        producers: the steps of the plan by their results.
    """

    def __init__(self, producers: Mapping[int, Step]) -> None:
        self._producers = producers
        self._known: dict[tuple[int, int], Sum | None] = {}

    def of(self, number: int, variable: int) -> Form | None:
        """Return a value in terms of another, or None where it takes more than that to make it.

        Args:
            number: of the value.
            variable: the number of the other.
        """
        found = self._sum(number, variable)
        if found is None:
            return None
        # other orders of steps have other rounding errors
        return frozenset((monomial, float(f"{n:.12g}")) for monomial, n in found.items())

    def _sum(self, number: int, variable: int) -> Sum | None:
        key = number, variable
        if number == variable:
            return {frozenset({(None, 1)}): 1.0}
        if key not in self._known:
            step = self._producers.get(number)
            found = None if step is None else self._made(step, variable)
            is_short = found is not None and len(found) <= MOST_TERMS
            self._known[key] = found if is_short else None
        return self._known[key]

    def _made(self, step: Step, variable: int) -> Sum | None:
        """Return the result of a step as a sum."""
        if not is_number_by_number(step):
            return None
        operator = step.operator
        operands = [self._sum(each, variable) for each in step.operands]
        known = [each for each in operands if each is not None]
        if len(known) < len(operands):
            return None
        if isinstance(operator, Add):
            return _added(zip(operator.coefficients, known, strict=True))
        if isinstance(operator, Einsum):
            return _multiplied(operator.coefficient, known)
        assert isinstance(operator, Elementwise)
        forms = [self.of(each, variable) for each in step.operands]
        atom = operator, tuple([form for form in forms if form is not None])
        return {frozenset({(atom, 1)}): 1.0}


def is_number_by_number(step: Step) -> bool:
    """Say whether each number that a step makes depends on those in the same place alone."""
    operator = step.operator
    if isinstance(operator, Einsum):
        is_plain = not operator.pattern.has_delta
        return is_plain and all(each == operator.output for each in operator.factors)
    return isinstance(operator, Add | Elementwise)


def _added(parts: Iterable[tuple[Number, Sum]]) -> Sum:
    total: defaultdict[Monomial, float] = defaultdict(float)
    for number, part in parts:
        for monomial, factor in part.items():
            total[monomial] += float(number) * factor
    return total


def _multiplied(number: Number, factors: Iterable[Sum]) -> Sum | None:
    """Return a product of sums; None where too much is multiplied."""
    total: defaultdict[Monomial, float] = defaultdict(float)
    for parts in choices(*[each.items() for each in factors]):
        counts: Counter[Atom] = Counter()
        for monomial, _ in parts:
            for atom, times in monomial:
                counts[atom] += times
        if counts.total() > MOST_FACTORS:
            return None
        total[frozenset(counts.items())] += float(number) * prod([n for _, n in parts])
    return total
