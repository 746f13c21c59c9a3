"""Patterns: what an einsum says of axes, without sizes and without tensors.

The layers of a model repeat few patterns with many sizes. What follows from patterns alone, such
as how the axes of a product are tied and numbered, is worked out once and remembered.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

from tensorbp.algebra.axes import Axis, Dimension, Shape, Unifier

__all__ = [
    "REMEMBERED",
    "Dimensions",
    "Pattern",
    "Rewritten",
    "composed",
    "inlined",
    "refined",
    "rewritten",
]

Dimensions = tuple[Dimension, ...]

REMEMBERED = 4096
"""How many results of each operation on patterns are remembered."""

_SINGLE: list[Dimension] = [(axis,) for axis in range(64)]


def _dimension(axis: Axis) -> Dimension:
    """Return a dimension of one axis; small ones are made once, for there are very many."""
    return _SINGLE[axis] if axis < len(_SINGLE) else (axis,)


@dataclass(frozen=True)
class Pattern:
    """The dimensions of the factors of a product, and of its two sides.

    Attributes:
        factors: the dimensions of each factor.
        output: the dimensions of the output side.
        input: the dimensions of the input side; empty for a tensor.
    """

    factors: tuple[Dimensions, ...]
    output: Dimensions
    input: Dimensions = ()

    def __hash__(self) -> int:
        return self._hash

    @cached_property
    def _hash(self) -> int:
        # a pattern is looked up far more often than it is made
        return hash((self.factors, self.output, self.input))

    @cached_property
    def count(self) -> int:
        """How many axes there are, numbered from 0."""
        return len({*self.output_axes, *_flat(self.input), *self.factor_axes})

    @cached_property
    def has_plain_sides(self) -> bool:
        """Whether every dimension of the sides is one axis."""
        return all(len(dimension) == 1 for dimension in self.sides)

    @cached_property
    def is_plain(self) -> bool:
        """Whether every dimension is one axis; then no unification depends on sizes."""
        inside = [dimension for dimensions in self.factors for dimension in dimensions]
        return self.has_plain_sides and all(len(dimension) == 1 for dimension in inside)

    @property
    def sides(self) -> Dimensions:
        """The dimensions of both sides, output first."""
        return self.output + self.input

    @cached_property
    def axes(self) -> tuple[tuple[Axis, ...], ...]:
        """The axes of each factor, in order."""
        return tuple([_flat(dimensions) for dimensions in self.factors])

    @cached_property
    def axis_sets(self) -> tuple[frozenset[Axis], ...]:
        """The axes of each factor as a set."""
        return tuple(map(frozenset, self.axes))

    @cached_property
    def side_axes(self) -> frozenset[Axis]:
        """The axes of the two sides."""
        return frozenset(_flat(self.sides))

    @cached_property
    def output_axes(self) -> tuple[Axis, ...]:
        """The axes of the output side, in order."""
        return _flat(self.output)

    @cached_property
    def factor_axes(self) -> frozenset[Axis]:
        """The axes that occur in some factor."""
        return frozenset().union(*self.axes)

    @cached_property
    def uses(self) -> tuple[int, ...]:
        """For each axis in how many factors it is; being in a side counts as one more."""
        uses = [0] * self.count
        for holder in ((*self.output_axes, *_flat(self.input)), *self.axes):
            for axis in set(holder):
                uses[axis] += 1
        return tuple(uses)

    @cached_property
    def summed(self) -> frozenset[Axis]:
        """The axes that occur in factors alone."""
        return self.factor_axes.difference(self.output_axes, _flat(self.input))

    @cached_property
    def has_delta(self) -> bool:
        """Whether an axis stands twice in the output."""
        return len(set(self.output_axes)) < len(self.output_axes)

    @cached_property
    def is_view(self) -> bool:
        """Whether at most one factor is rearranged and repeated, and nothing is summed."""
        return len(self.factors) < 2 and not self.summed

    @cached_property
    def is_pair(self) -> bool:
        """Whether it is two factors of which neither has an axis that nothing else has.

        The output, a tensor, is all that is left of them, one axis a dimension.
        """
        is_plain = self.has_plain_sides and not self.has_delta and not self.input
        return len(self.factors) == 2 and is_plain and 1 not in self.uses

    @cached_property
    def is_identity(self) -> bool:
        """Whether the output is the one factor that there is."""
        return self.factors == (self.output,) and not self.has_delta

    def shifted(self, offset: int) -> Pattern:
        """Return the pattern with all axes moved up, apart from those of another."""

        def shift(dimensions: Dimensions) -> Dimensions:
            return tuple([tuple([axis + offset for axis in each]) for each in dimensions])

        return Pattern(
            tuple([shift(each) for each in self.factors]), shift(self.output), shift(self.input)
        )


def _flat(dimensions: Dimensions) -> tuple[Axis, ...]:
    return tuple([axis for dimension in dimensions for axis in dimension])


@dataclass(frozen=True)
class Rewritten:
    """A pattern that is made of others, and where its axes come from.

    Attributes:
        pattern: the pattern, its axes numbered in the order in which they first occur in output,
            input and factors.
        axes: for each axis the one that it was before.
        lost: the axes that fell out of every factor and side.
        born: the sizes of axes that were born by splitting, which are numbered after the others.
    """

    pattern: Pattern
    axes: tuple[Axis, ...]
    lost: tuple[Axis, ...] = ()
    born: Shape = ()


@lru_cache(maxsize=REMEMBERED)
def rewritten(factors: tuple[Dimensions, ...], output: Dimensions, input: Dimensions) -> Rewritten:
    """Return a pattern with its axes numbered anew."""
    number: dict[Axis, Axis] = {}

    def renumber(dimensions: Dimensions) -> Dimensions:
        new: list[Dimension] = []
        for dimension in dimensions:
            numbers = [number.setdefault(axis, len(number)) for axis in dimension]
            new.append(_dimension(numbers[0]) if len(numbers) == 1 else tuple(numbers))
        return tuple(new)

    sides = renumber(output), renumber(input)
    pattern = Pattern(tuple([renumber(each) for each in factors]), *sides)
    return Rewritten(pattern, tuple(number))


def refined(pattern: Pattern, unifier: Unifier, count: int) -> Rewritten:
    """Return a pattern after the unifications that a `Unifier` holds.

    Args:
        pattern: what is rewritten.
        unifier: the unifications.
        count: how many axes there were before.
    """
    new = rewritten(
        tuple([unifier.expand_all(each) for each in pattern.factors]),
        unifier.expand_all(pattern.output),
        unifier.expand_all(pattern.input),
    )
    sizes = tuple(unifier.sizes.values())
    lost = set(unifier.expand(tuple(unifier.sizes))).difference(new.axes)
    return Rewritten(new.pattern, new.axes, tuple(lost), sizes[count:])


@lru_cache(maxsize=REMEMBERED)
def composed(left: Pattern, right: Pattern, sizes: Shape) -> Rewritten:
    """Return the pattern of a product of two maps, of which the right one is applied first.

    Args:
        left: the pattern whose input axes are unified.
        right: the pattern whose output axes are; its axes are numbered after those of the left.
        sizes: the sizes of the axes of both.

    Raises:
        ShapeError: the sizes differ where the two meet.
        GroupingConflict: they group axes in ways that have no common refinement.
    """
    moved, unifier = right.shifted(left.count), Unifier(dict(enumerate(sizes)))
    unifier.equate_all(left.input, moved.output)
    product = Pattern(left.factors + moved.factors, left.output, moved.input)
    return refined(product, unifier, len(sizes))


@lru_cache(maxsize=REMEMBERED)
def inlined(outer: Pattern, position: int, inner: Pattern, sizes: Shape) -> Rewritten:
    """Return the pattern in which a factor is replaced by the factors of a tensor that it equals.

    Args:
        outer: the pattern that has the factor.
        position: which factor.
        inner: the pattern of the tensor; its axes are numbered after those of the outer one.
        sizes: the sizes of the axes of both.

    Raises:
        ShapeError: the sizes differ where the two meet.
        GroupingConflict: they group axes in ways that have no common refinement.
    """
    moved, unifier = inner.shifted(outer.count), Unifier(dict(enumerate(sizes)))
    unifier.equate_all(outer.factors[position], moved.output)
    factors = outer.factors[:position] + moved.factors + outer.factors[position + 1 :]
    return refined(Pattern(factors, outer.output, outer.input), unifier, len(sizes))
