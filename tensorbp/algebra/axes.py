"""Axes, and the unification that makes dimensions equal.

An axis is an integer label with a size. A dimension of an array is a product of axes, written as
a tuple in row-major order: ``(c, h, w)`` is a flattened image, ``()`` has size one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from string import ascii_letters

from tensorbp.errors import ShapeError

Axis = int
Dimension = tuple[Axis, ...]
Shape = tuple[int, ...]

__all__ = [
    "Axis",
    "Dimension",
    "GroupingConflict",
    "Shape",
    "Unifier",
    "check_meeting",
    "extent",
    "letter",
    "shape_of",
    "written",
]


class GroupingConflict(ShapeError):  # noqa: N818 - a fact of the algebra, met and mended inside
    """Two products of axes that have no common refinement, such as 4 x 6 and 6 x 4."""


def extent(dimension: Dimension, sizes: Mapping[Axis, int] | Sequence[int]) -> int:
    """Return the size of a dimension: the product of the sizes of its axes."""
    if len(dimension) == 1:
        return sizes[dimension[0]]
    return prod([sizes[axis] for axis in dimension])


def letter(axis: Axis) -> str:
    """Return the letter by which an axis is written: a-z, A-Z, then letters of other alphabets.

    >>> letter(0) + letter(26)
    'aA'
    """
    if axis < len(ascii_letters):
        return ascii_letters[axis]
    return chr(axis + 0x100)


def written(dimensions: Sequence[Dimension]) -> str:
    """Return dimensions as they stand in a signature, products of axes in parentheses.

    >>> written([(0,), (1, 2)])
    'a(bc)'
    """
    words = ["".join([letter(axis) for axis in dimension]) for dimension in dimensions]
    return "".join([word if len(word) == 1 else f"({word})" for word in words])


def shape_of(dimensions: Sequence[Dimension], sizes: Mapping[Axis, int] | Sequence[int]) -> Shape:
    """Return the sizes of several dimensions."""
    return tuple([extent(dimension, sizes) for dimension in dimensions])


def check_meeting(one: Shape, other: Shape) -> None:
    """Raise `ShapeError` unless two shapes that are to be unified are the same."""
    if one != other:
        for a, b in zip(one, other, strict=True):
            if a != b:
                raise ShapeError(f"a dimension of size {a} meets one of size {b}")


class Unifier:
    """Union-find over axes, in which an axis may also be split into a product of axes.

    Attributes:
        sizes: the size of every axis, those born by splitting included.
    """

    def __init__(self, sizes: Mapping[Axis, int]) -> None:
        self.sizes = dict(sizes)
        self._replacement: dict[Axis, Dimension] = {}
        self._next = max(self.sizes, default=-1) + 1

    def fresh(self, size: int) -> Axis:
        """Return a new axis of this size."""
        axis = self._next
        self._next += 1
        self.sizes[axis] = size
        return axis

    def extended(self, sizes: Sequence[int]) -> Axis:
        """Return the first of new axes of these sizes, which are numbered one after the other."""
        first = self._next
        for size in sizes:
            self.fresh(size)
        return first

    def expand(self, dimension: Dimension) -> Dimension:
        """Return the dimension in terms of the axes that stand after all unifications."""
        if not any(axis in self._replacement for axis in dimension):
            return dimension
        pending = list(reversed(dimension))
        result: list[Axis] = []
        passed: list[Axis] = []
        while pending:
            axis = pending.pop()
            replacement = self._replacement.get(axis)
            if replacement is None:
                result.append(axis)
            else:
                passed.append(axis)
                pending.extend(reversed(replacement))
        if len(dimension) == 1:
            # chains of replacements grow as long as chains of factors: shorten those walked
            for axis in passed if len(result) == 1 else dimension:
                self._replacement[axis] = tuple(result)
        return tuple(result)

    def expand_all(self, dimensions: Sequence[Dimension]) -> tuple[Dimension, ...]:
        """Return each of the dimensions expanded."""
        return tuple([self.expand(dimension) for dimension in dimensions])

    def equate_all(self, left: Sequence[Dimension], right: Sequence[Dimension]) -> None:
        """Make two lists of dimensions equal, one by one."""
        for one, other in zip(left, right, strict=True):
            self.equate(one, other)

    def equate(self, left: Dimension, right: Dimension) -> None:
        """Make two dimensions equal, splitting axes where the two group them differently.

        Raises:
            ShapeError: the sizes differ.
            GroupingConflict: the sizes agree but no refinement is common to both.
        """
        check_meeting((extent(left, self.sizes),), (extent(right, self.sizes),))
        while True:
            one, other = self.expand(left), self.expand(right)
            while one and other and one[0] == other[0]:
                one, other = one[1:], other[1:]
            if not self._step(one, other):
                return
            left, right = one, other

    def _step(self, left: Dimension, right: Dimension) -> bool:
        """Make one identification; return whether anything may be left to do."""
        if not left and not right:
            return False
        sizes_agree = extent(left, self.sizes) == extent(right, self.sizes)
        for one, other in ((left, right), (right, left)):
            # a size of one in a product says nothing; kept, it would come and go for ever
            idle = [axis for axis in one if self.sizes[axis] == 1]
            if idle and (len(one) > 1 or len(other) != 1):
                self._replacement[idle[0]] = ()
                return True
        for one, other in ((left, right), (right, left)):
            if len(one) == 1 and sizes_agree and one[0] not in other:
                self._replacement[one[0]] = other
                return False
        if left and right:
            a, b = left[0], right[0]
            size_a, size_b = self.sizes[a], self.sizes[b]
            if size_a == size_b:
                self._replacement[a] = (b,)
                return True
            large, small = (a, b) if size_a > size_b else (b, a)
            if self.sizes[small] and self.sizes[large] % self.sizes[small] == 0:
                rest = self.fresh(self.sizes[large] // self.sizes[small])
                self._replacement[large] = (small, rest)
                return True
        raise GroupingConflict(
            f"dimensions grouped as {shape_of([(a,) for a in left], self.sizes)} and "
            f"{shape_of([(a,) for a in right], self.sizes)} have no common refinement"
        )
