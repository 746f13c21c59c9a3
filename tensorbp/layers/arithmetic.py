"""Sums and products of the outputs of other layers, broadcast as numpy does."""

from __future__ import annotations

from dataclasses import dataclass

from tensorbp.expression import arithmetic
from tensorbp.expression.layer import Composite, Example, Input, argument
from tensorbp.expression.node import Expression
from tensorbp.expression.rule import number_argument
from tensorbp.layers.checks import blame

__all__ = ["Add", "Multiply", "Scale"]


@dataclass(frozen=True)
class Add(Composite):
    """Sum of its inputs, a skip connection: z = x + y + ...; each derivative is the identity.

    Source: He et al. 2016, Deep residual learning for image recognition.
    """

    name = "add"
    formula = "z = x + y + ..."
    inputs = (Input("x"), Input("y"))
    variadic = True

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        """Return two inputs, and three of which one is repeated along the batch."""
        return (Example(cls(), ((3, 4), (3, 4))), Example(cls(), ((3, 4), (4,), (3, 1))))

    def build(self, *operands: Expression, **parameters: Expression) -> Expression:
        """Return the sum."""
        with blame(self.name):
            return arithmetic.add(*operands)


@dataclass(frozen=True)
class Multiply(Composite):
    """Elementwise product of its inputs, a gate: z = x ⊙ y ⊙ ...; dz/dx = y ⊙ ..."""

    name = "multiply"
    formula = "z = x ⊙ y ⊙ ..."
    inputs = (Input("x"), Input("y"))
    variadic = True

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        """Return two inputs, and three of which one is repeated along the features."""
        return (Example(cls(), ((3, 4), (3, 4))), Example(cls(), ((3, 4), (3, 1), (3, 4))))

    def build(self, *operands: Expression, **parameters: Expression) -> Expression:
        """Return the product."""
        with blame(self.name):
            return arithmetic.multiply(*operands)


@dataclass(frozen=True)
class Scale(Composite):
    """Multiplication by a number: y = c x; dy/dx = c."""

    name = "scale"
    formula = "y = c x"

    factor: float = argument("the number c")

    def __post_init__(self) -> None:
        object.__setattr__(self, "factor", number_argument(self.name, "factor", self.factor))

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        """Return one that also changes the sign."""
        return (Example(cls(-0.5), ((3, 4),)),)

    def build(self, *operands: Expression, **parameters: Expression) -> Expression:
        """Return c x."""
        (x,) = operands
        return self.factor * x
