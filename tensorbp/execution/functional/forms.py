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
"""What is multiplied: the value in which others are written out, or a function of forms."""

Monomial = frozenset[tuple[Atom, int]]
"""The atoms that are multiplied, and how often each occurs."""

Form = frozenset[tuple[Monomial, float]]
"""The monomials that are added, and the number in front of each, rounded."""

Exact = Mapping[Monomial, float]
"""The same before the numbers are rounded."""

MOST_TERMS = 12
MOST_FACTORS = 6
"""A value is written out as a sum of so many terms, each of so many factors, or not at all."""

MOST_VALUES = 24
"""So many values may be made on the way from one value to another that is written out in it."""

VARIABLE = None
"""The atom that is the value in which another is written out."""


class Forms:
    """The values of a plan as forms.

    Args:
        producers: the steps of the plan by their results.
    """

    def __init__(self, producers: Mapping[int, Step]) -> None:
        self._producers = producers

    def of(self, number: int, variable: int) -> Form | None:
        """Return a value in terms of another, or None where it is none, or none that is short.

        Args:
            number: of the value.
            variable: the number of the other.
        """
        if not self._is_made_of(number, variable):
            return None
        found = self._exact(number, {variable: {frozenset({(VARIABLE, 1)}): 1.0}})
        return None if found is None else _rounded(found)

    def _is_made_of(self, number: int, variable: int) -> bool:
        """Say whether a value is made, number by number, of another alone, and in few steps."""
        pending, begun = [number], {number, variable}
        for each in pending if number != variable else ():
            step = self._producers.get(each)
            if step is None or len(pending) > MOST_VALUES or not is_number_by_number(step):
                return False
            pending += [operand for operand in step.operands if operand not in begun]
            begun.update(step.operands)
        return True

    def _exact(self, number: int, known: dict[int, Exact | None]) -> Exact | None:
        """Return a value as a sum whose numbers are not rounded; None where it is too long."""
        if number not in known:
            step = self._producers[number]
            operands = [self._exact(each, known) for each in step.operands]
            short = [each for each in operands if each is not None]
            made = _made(step, short) if len(short) == len(operands) else None
            known[number] = made if made is not None and len(made) <= MOST_TERMS else None
        return known[number]


def _made(step: Step, operands: list[Exact]) -> Exact | None:
    """Return the result of a step of which the operands are known."""
    operator = step.operator
    if isinstance(operator, Add):
        return _added(zip(operator.coefficients, operands, strict=True))
    if isinstance(operator, Einsum):
        return _multiplied(operator.coefficient, operands)
    assert isinstance(operator, Elementwise)
    atom = operator, tuple(map(_rounded, operands))
    return {frozenset({(atom, 1)}): 1.0}


def _rounded(exact: Exact) -> Form:
    """Return a sum as it is compared: in another order of steps it has other rounding errors."""
    return frozenset((monomial, float(f"{number:.12g}")) for monomial, number in exact.items())


def is_number_by_number(step: Step) -> bool:
    """Say whether each number that a step makes depends on those in the same place alone."""
    operator = step.operator
    if isinstance(operator, Einsum):
        is_plain = not operator.pattern.has_delta
        return is_plain and all(each == operator.output for each in operator.factors)
    return isinstance(operator, Add | Elementwise)


def _added(parts: Iterable[tuple[Number, Exact]]) -> Exact:
    total: defaultdict[Monomial, float] = defaultdict(float)
    for number, part in parts:
        for monomial, factor in part.items():
            total[monomial] += float(number) * factor
    return total


def _multiplied(number: Number, factors: Iterable[Exact]) -> Exact | None:
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
