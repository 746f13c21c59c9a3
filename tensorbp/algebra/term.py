"""A term: coefficient x product of factors, as a linear map from input axes to output axes.

With factors F_1 ... F_n, output axes o and input axes i, the term is the map

    J[o | i] = coefficient · Σ F_1[...] ··· F_n[...]

summed over the axes that occur in factors alone. An axis on both sides is a Kronecker delta and
is never stored; an axis of one side that no factor has stands for ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache
from math import prod
from typing import Generic, Protocol, TypeVar

from tensorbp.algebra.axes import Axis, Dimension, Shape, Unifier, check_meeting, shape_of
from tensorbp.algebra.pattern import (
    REMEMBERED,
    Pattern,
    Rewritten,
    composed,
    inlined,
    refined,
    rewritten,
)
from tensorbp.algebra.signature import Signature

Number = int | float | Fraction


class Tensor(Protocol):
    """What may stand as the value of a factor: anything that has a shape."""

    @property
    def shape(self) -> Shape:
        """The size of each dimension."""


Value = TypeVar("Value", bound=Tensor)

__all__ = ["Factor", "Number", "Tensor", "Term", "Value", "reciprocal", "simplify"]


def reciprocal(number: Number) -> Number:
    """Return 1 / number, exactly where the number is."""
    return 1 / number if isinstance(number, float) else Fraction(1, number)


def simplify(number: Number) -> Number:
    """Return an equal number, as an integer where a fraction is one."""
    if type(number) is int or isinstance(number, float) or number.denominator != 1:
        return number
    return number.numerator


@dataclass(frozen=True, slots=True)
class Factor(Generic[Value]):
    """A tensor in a product, with the dimensions by which it takes part."""

    value: Value
    dimensions: tuple[Dimension, ...]

    @property
    def axes(self) -> tuple[Axis, ...]:
        """The axes of all dimensions, in order."""
        return tuple([axis for dimension in self.dimensions for axis in dimension])


@lru_cache(maxsize=REMEMBERED)
def _bound(
    spec: str, shapes: tuple[Shape, ...], output: Shape | None, input: Shape | None
) -> tuple[int, Pattern, Shape]:
    """Return the sign, the pattern and the sizes of axes of a signature for given shapes."""
    signature = Signature.parse(spec)
    bound = signature.bind(shapes, output, input)
    new = rewritten(bound.factors, bound.output, bound.input)
    return signature.sign, new.pattern, tuple([bound.sizes[axis] for axis in new.axes])


@dataclass(frozen=True, slots=True)
class Term(Generic[Value]):
    """A product of factors read as a linear map; build it with `Term.of`.

    Axes are numbered 0, 1, 2... in the order in which they first occur in output, input and
    factors, so that equal terms compare equal.

    Attributes:
        coefficient: the number in front.
        values: the tensors.
        pattern: their dimensions, and those of the two sides.
        sizes: the size of axis k at position k.
    """

    coefficient: Number
    values: tuple[Value, ...]
    pattern: Pattern
    sizes: tuple[int, ...]

    @staticmethod
    def of(
        coefficient: Number,
        factors: Iterable[Factor[Value]],
        output: Sequence[Dimension],
        input: Sequence[Dimension],
        sizes: Mapping[Axis, int] | Sequence[int],
        unused: Iterable[Axis] = (),
    ) -> Term[Value]:
        """Return the term with its axes numbered anew.

        Args:
            coefficient: the number in front.
            factors: the tensors with their dimensions.
            output: the dimensions of the output side.
            input: the dimensions of the input side.
            sizes: the size of each axis.
            unused: axes to sum over that may have fallen out of every factor and side; such an
                axis becomes its size in the coefficient.
        """
        factors = tuple(factors)
        new = rewritten(tuple([each.dimensions for each in factors]), tuple(output), tuple(input))
        if unused:
            coefficient *= prod([sizes[axis] for axis in set(unused).difference(new.axes)])
        return Term(
            simplify(coefficient),
            tuple([each.value for each in factors]),
            new.pattern,
            tuple([sizes[axis] for axis in new.axes]),
        )

    @staticmethod
    def from_signature(
        spec: str, factors: Sequence[Value], output: Shape | None = None, input: Shape | None = None
    ) -> Term[Value]:
        """Return the term that a signature describes.

        Args:
            spec: for example ``"io -> bo/bi"``.
            factors: the tensors left of ``->``.
            output: the shape of the output side, where the factors do not say it.
            input: the same of the input side.

        Raises:
            SignatureError: the signature does not fit the shapes.
        """
        values = tuple(factors)
        sign, pattern, sizes = _bound(spec, tuple([each.shape for each in values]), output, input)
        return Term(sign, values, pattern, sizes)

    @property
    def factors(self) -> tuple[Factor[Value], ...]:
        """The tensors with their dimensions."""
        return tuple(map(Factor, self.values, self.pattern.factors))

    @property
    def output(self) -> tuple[Dimension, ...]:
        """The dimensions of the output side."""
        return self.pattern.output

    @property
    def input(self) -> tuple[Dimension, ...]:
        """The dimensions of the input side; empty for a tensor."""
        return self.pattern.input

    @property
    def output_shape(self) -> Shape:
        """The shape of the output side."""
        return shape_of(self.pattern.output, self.sizes)

    @property
    def input_shape(self) -> Shape:
        """The shape of the input side."""
        return shape_of(self.pattern.input, self.sizes)

    @property
    def sides(self) -> tuple[Dimension, ...]:
        """The dimensions of both sides, output first."""
        return self.pattern.output + self.pattern.input

    @property
    def factor_axes(self) -> frozenset[Axis]:
        """The axes that occur in some factor."""
        return self.pattern.factor_axes

    @property
    def T(self) -> Term[Value]:  # noqa: N802 - the transpose is written so everywhere
        """The transposed map: the sides swapped."""
        return self.with_sides(self.pattern.input, self.pattern.output)

    def with_sides(
        self, output: tuple[Dimension, ...], input: tuple[Dimension, ...] = ()
    ) -> Term[Value]:
        """Return the same product between other sides; every axis is in a factor or in them."""
        return self._rewritten(rewritten(self.pattern.factors, output, input), self.values)

    def swapped(self) -> Term[Value]:
        """Return the same product with its factors in reverse order."""
        new = rewritten(self.pattern.factors[::-1], self.pattern.output, self.pattern.input)
        return self._rewritten(new, self.values[::-1])

    def derivative(self, position: int) -> Term[Value]:
        """Return the map to a tensor from one of its factors: what is left without that factor.

        Args:
            position: which factor.
        """
        factors = self.pattern.factors
        rest = factors[:position] + factors[position + 1 :]
        new = rewritten(rest, self.pattern.output, factors[position])
        return self._rewritten(new, self.values[:position] + self.values[position + 1 :])

    def scaled(self, number: Number) -> Term[Value]:
        """Return the term times a number."""
        return replace(self, coefficient=simplify(self.coefficient * number))

    def compose(self, other: Term[Value]) -> Term[Value]:
        """Return ``self @ other``: unify my input axes with the other's output axes.

        Raises:
            ShapeError: the two shapes differ.
            GroupingConflict: they group axes in ways that have no common refinement.
        """
        check_meeting(self.input_shape, other.output_shape)
        new = composed(self.pattern, other.pattern, self._decisive_sizes(other))
        return self._rewritten(new, self.values + other.values, other)

    def diagonal(self) -> Term[Value]:
        """Return the tensor of the entries in which output and input axes agree.

        Raises:
            ShapeError: the two sides differ in shape.
        """
        return self._tied(self.output)

    def trace(self) -> Term[Value]:
        """Return the sum of the diagonal, a tensor without dimensions."""
        return self._tied(())

    def _tied(self, output: tuple[Dimension, ...]) -> Term[Value]:
        """Return the tensor with some output dimensions in which output and input axes agree."""
        unifier = Unifier(dict(enumerate(self.sizes)))
        unifier.equate_all(self.output, self.input)
        return self._refined(unifier, Pattern(self.pattern.factors, output), self.values)

    def shifted(self, offset: int) -> Term[Value]:
        """Return the term with all axes moved up, apart from those of another product.

        Such a term has no sizes of its own, and is only a part of something larger.
        """
        return Term(self.coefficient, self.values, self.pattern.shifted(offset), self.sizes)

    def refined(self, unifier: Unifier) -> Term[Value]:
        """Return the term after the unifications that an `Unifier` holds."""
        return self._refined(unifier, self.pattern, self.values)

    def without(self, position: int, dimension: Dimension) -> Term[Value]:
        """Return the term without a factor, the last dimension of which is made equal to another.

        Args:
            position: which factor.
            dimension: what its last dimension becomes.

        Raises:
            GroupingConflict: the two group axes without a common refinement.
        """
        pattern = self.pattern
        unifier = Unifier(dict(enumerate(self.sizes)))
        unifier.equate(dimension, pattern.factors[position][-1])
        rest = pattern.factors[:position] + pattern.factors[position + 1 :]
        values = self.values[:position] + self.values[position + 1 :]
        return self._refined(unifier, replace(pattern, factors=rest), values)

    def inlined(self, position: int, inner: Term[Value]) -> Term[Value]:
        """Return the term in which the factor at a position is replaced by the product it equals.

        Args:
            position: which factor.
            inner: a tensor (a term without input side) equal to that factor's value.

        Raises:
            GroupingConflict: the two group the factor's axes without a common refinement.
        """
        check_meeting(shape_of(self.pattern.factors[position], self.sizes), inner.output_shape)
        new = inlined(self.pattern, position, inner.pattern, self._decisive_sizes(inner))
        values = self.values[:position] + inner.values + self.values[position + 1 :]
        return self._rewritten(new, values, inner)

    def _decisive_sizes(self, other: Term[Value]) -> Shape:
        """Return the sizes of both terms, as ones where they make no difference to unification.

        Where every dimension is one axis, all layers that differ in sizes alone are then alike.
        """
        if self.pattern.is_plain and other.pattern.is_plain:
            return (1,) * (len(self.sizes) + len(other.sizes))
        return self.sizes + other.sizes

    def _refined(
        self, unifier: Unifier, pattern: Pattern, values: tuple[Value, ...]
    ) -> Term[Value]:
        return self._rewritten(refined(pattern, unifier, len(self.sizes)), values)

    def _rewritten(
        self, new: Rewritten, values: tuple[Value, ...], other: Term[Value] | None = None
    ) -> Term[Value]:
        """Return a rewritten pattern with values, coefficients and sizes put in again."""
        coefficient = self.coefficient if other is None else self.coefficient * other.coefficient
        sizes = (self.sizes if other is None else self.sizes + other.sizes) + new.born
        if new.lost:
            coefficient *= prod([sizes[axis] for axis in new.lost])
        return Term(
            simplify(coefficient), values, new.pattern, tuple([sizes[axis] for axis in new.axes])
        )
