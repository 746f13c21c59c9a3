"""How a layer declares a Jacobian: signed einsum signatures with expressions as factors."""

from __future__ import annotations

from dataclasses import dataclass

from tensorbp.algebra import Number
from tensorbp.expression.node import Expression

__all__ = ["Declaration", "signature"]


@dataclass(frozen=True)
class Declaration:
    """A sum of coefficient x signature(factors), not yet bound to shapes.

    Declarations are added, subtracted, negated and scaled: the Jacobian of softmax is
    ``signature("...p -> ...p/...p", y) - signature("...p,...q -> ...p/...q", y, y)``.
    """

    terms: tuple[tuple[Number, str, tuple[Expression, ...]], ...]

    def __add__(self, other: Declaration) -> Declaration:
        return Declaration(self.terms + other.terms)

    def __neg__(self) -> Declaration:
        return self * -1

    def __sub__(self, other: Declaration) -> Declaration:
        return self + -other

    def __mul__(self, number: Number) -> Declaration:
        return Declaration(tuple((number * c, spec, factors) for c, spec, factors in self.terms))

    __rmul__ = __mul__


def signature(spec: str, *factors: Expression) -> Declaration:
    """Declare one term of a Jacobian: ``spec`` is ``"factors -> output/input"``.

    A letter is an axis; ``...`` stands for any number of leading axes; a letter on both sides of
    ``/`` is a Kronecker delta, which is never stored; parentheses group axes into one dimension;
    no factor at all is the number one.

    Args:
        spec: for example ``"io -> bo/bi"`` for y = x W with respect to x.
        *factors: one expression for each comma-separated group left of ``->``.
    """
    return Declaration(((1, spec, factors),))
