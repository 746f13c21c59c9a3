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
from math import prod
from typing import Generic, Protocol, TypeVar

from tensorbp.algebra.axes import Axis, Dimension, Shape, Unifier, shape_of

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


_SINGLE: list[Dimension] = [(axis,) for axis in range(64)]


def _dimension(axis: Axis) -> Dimension:
    """Return a dimension of one axis; small ones are made once, for there are very many."""
    return _SINGLE[axis] if axis < len(_SINGLE) else (axis,)


def simplify(number: Number) -> Number:
    """Return an equal number, as an integer where a fraction is one."""
    if isinstance(number, Fraction) and number.denominator == 1:
        return number.numerator
    return number


@dataclass(frozen=True, slots=True)
class Factor(Generic[Value]):
    """A tensor in a product, with the dimensions by which it takes part."""

    value: Value
    dimensions: tuple[Dimension, ...]

    @property
    def axes(self) -> tuple[Axis, ...]:
        """The axes of all dimensions, in order."""
        return tuple([axis for dimension in self.dimensions for axis in dimension])


@dataclass(frozen=True, slots=True)
class Term(Generic[Value]):
    """A product of factors read as a linear map; build it with `Term.of`.

    Axes are numbered 0, 1, 2... in the order in which they first occur in output, input and
    factors, so that equal terms compare equal.

    Attributes:
        coefficient: the number in front.
        factors: the tensors with their dimensions.
        output: the dimensions of the output side.
        input: the dimensions of the input side; empty for a tensor.
        sizes: the size of axis k at position k.
    """

    coefficient: Number
    factors: tuple[Factor[Value], ...]
    output: tuple[Dimension, ...]
    input: tuple[Dimension, ...]
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
        number: dict[Axis, Axis] = {}

        def renumber(dimensions: Sequence[Dimension]) -> tuple[Dimension, ...]:
            new: list[Dimension] = []
            for dimension in dimensions:
                for axis in dimension:
                    if axis not in number:
                        number[axis] = len(number)
                new.append(
                    _dimension(number[dimension[0]])
                    if len(dimension) == 1
                    else tuple([number[axis] for axis in dimension])
                )
            return tuple(new)

        new_output, new_input = renumber(output), renumber(input)
        new_factors = tuple(
            [Factor(factor.value, renumber(factor.dimensions)) for factor in factors]
        )
        fallen_out = prod([sizes[axis] for axis in set(unused).difference(number)])
        return Term(
            simplify(coefficient * fallen_out),
            new_factors,
            new_output,
            new_input,
            tuple([sizes[axis] for axis in number]),
        )

    @property
    def output_shape(self) -> Shape:
        """The shape of the output side."""
        return shape_of(self.output, self.sizes)

    @property
    def input_shape(self) -> Shape:
        """The shape of the input side."""
        return shape_of(self.input, self.sizes)

    @property
    def sides(self) -> tuple[Dimension, ...]:
        """The dimensions of both sides, output first."""
        return self.output + self.input

    @property
    def factor_axes(self) -> frozenset[Axis]:
        """The axes that occur in some factor."""
        return frozenset([axis for factor in self.factors for axis in factor.axes])

    @property
    def T(self) -> Term[Value]:  # noqa: N802 - the transpose is written so everywhere
        """The transposed map: the sides swapped."""
        return Term.of(self.coefficient, self.factors, self.input, self.output, self.sizes)

    def scaled(self, number: Number) -> Term[Value]:
        """Return the term times a number."""
        return replace(self, coefficient=simplify(self.coefficient * number))

    def compose(self, other: Term[Value]) -> Term[Value]:
        """Return ``self @ other``: unify my input axes with the other's output axes.

        Raises:
            ShapeError: the two shapes differ.
            GroupingConflict: they group axes in ways that have no common refinement.
        """
        offset = len(self.sizes)
        sizes = dict(enumerate(self.sizes + other.sizes))
        unifier = Unifier(sizes)
        moved = other.shifted(offset)
        unifier.equate_all(self.input, moved.output)
        return self._rebuilt(
            unifier,
            self.factors + moved.factors,
            self.output,
            moved.input,
            self.coefficient * other.coefficient,
        )

    def diagonal(self) -> Term[Value]:
        """Return the tensor of the entries in which output and input axes agree.

        Raises:
            ShapeError: the two sides differ in shape.
        """
        unifier = Unifier(dict(enumerate(self.sizes)))
        unifier.equate_all(self.output, self.input)
        return self._rebuilt(unifier, self.factors, self.output, (), self.coefficient)

    def trace(self) -> Term[Value]:
        """Return the sum of the diagonal, a tensor without dimensions."""
        unifier = Unifier(dict(enumerate(self.sizes)))
        unifier.equate_all(self.output, self.input)
        return self._rebuilt(unifier, self.factors, (), (), self.coefficient)

    def shifted(self, offset: int) -> Term[Value]:
        """Return the term with all axes moved up, apart from those of another product.

        Such a term has no sizes of its own, and is only a part of something larger.
        """

        def shift(dimensions: tuple[Dimension, ...]) -> tuple[Dimension, ...]:
            return tuple([tuple([axis + offset for axis in each]) for each in dimensions])

        return Term(
            self.coefficient,
            tuple([Factor(each.value, shift(each.dimensions)) for each in self.factors]),
            shift(self.output),
            shift(self.input),
            self.sizes,
        )

    def refined(self, unifier: Unifier) -> Term[Value]:
        """Return the term after the unifications that an `Unifier` holds."""
        return self._rebuilt(unifier, self.factors, self.output, self.input, self.coefficient)

    def _rebuilt(
        self,
        unifier: Unifier,
        factors: tuple[Factor[Value], ...],
        output: tuple[Dimension, ...],
        input: tuple[Dimension, ...],
        coefficient: Number,
    ) -> Term[Value]:
        everything = unifier.expand(tuple(unifier.sizes))
        return Term.of(
            coefficient,
            [Factor(each.value, unifier.expand_all(each.dimensions)) for each in factors],
            unifier.expand_all(output),
            unifier.expand_all(input),
            unifier.sizes,
            unused=everything,
        )

    def without(self, position: int, dimension: Dimension) -> Term[Value]:
        """Return the term without a factor, the last dimension of which is made equal to another.

        Args:
            position: which factor.
            dimension: what its last dimension becomes.

        Raises:
            GroupingConflict: the two group axes without a common refinement.
        """
        unifier = Unifier(dict(enumerate(self.sizes)))
        unifier.equate(dimension, self.factors[position].dimensions[-1])
        factors = self.factors[:position] + self.factors[position + 1 :]
        return self._rebuilt(unifier, factors, self.output, self.input, self.coefficient)

    def inlined(self, position: int, inner: Term[Value]) -> Term[Value]:
        """Return the term in which the factor at a position is replaced by the product it equals.

        Args:
            position: which factor.
            inner: a tensor (a term without input side) equal to that factor's value.

        Raises:
            GroupingConflict: the two group the factor's axes without a common refinement.
        """
        offset = len(self.sizes)
        unifier = Unifier(dict(enumerate(self.sizes + inner.sizes)))
        moved = inner.shifted(offset)
        unifier.equate_all(self.factors[position].dimensions, moved.output)
        factors = self.factors[:position] + moved.factors + self.factors[position + 1 :]
        return self._rebuilt(
            unifier, factors, self.output, self.input, self.coefficient * inner.coefficient
        )
