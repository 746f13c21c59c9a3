"""Linear maps: sums of terms, in blocks over direct sums of spaces.

``jacobian(y, [w, b])`` maps the direct sum of the spaces of w and b, all parameters as ONE
object, to the space of y. The algebra never looks into a factor: it needs its shape only.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import prod
from types import MappingProxyType
from typing import Any, Generic, TypeVar

from tensorbp.algebra.axes import GroupingConflict, Shape
from tensorbp.algebra.merging import Total, collect, compose, dense, merge
from tensorbp.algebra.term import Factor, Number, Tensor, Term, Value, reciprocal
from tensorbp.errors import ShapeError

__all__ = ["Block", "LinearMap", "MapOperations", "Space"]

Other = TypeVar("Other", bound=Tensor)

Map = TypeVar("Map", bound="MapOperations[Any]")

Block = tuple[int, int]
"""The position of a block: which summand of the output space, which of the input space."""


@dataclass(frozen=True)
class Space:
    """The space of arrays of one shape, or a direct sum of such spaces.

    Attributes:
        shapes: the shape of each summand.
        is_sum: whether it is a direct sum, be it of one summand.
    """

    shapes: tuple[Shape, ...]
    is_sum: bool = False

    @staticmethod
    def of(shape: Shape) -> Space:
        """Return the space of arrays of this shape."""
        return Space((shape,))

    @property
    def size(self) -> int:
        """The dimension of the space: how many numbers an element has."""
        return sum(prod(shape) for shape in self.shapes)

    def __str__(self) -> str:
        return " ⊕ ".join(str(shape) for shape in self.shapes)


class MapOperations(ABC, Generic[Map]):
    """The operators that every kind of linear map has, in terms of four of its own."""

    output: Space
    input: Space

    # numpy must leave ``array * map`` and ``map * array`` to this class, which refuses them
    __array_ufunc__ = None

    @property
    @abstractmethod
    def T(self) -> Map:  # noqa: N802 - the transpose is written so everywhere
        """The transposed map."""

    @abstractmethod
    def compose(self, other: Map) -> Map:
        """Return the map that applies ``other`` first, then this one."""

    @abstractmethod
    def plus(self, other: Map) -> Map:
        """Return the sum of two maps between the same spaces."""

    @abstractmethod
    def scaled(self, number: Number) -> Map:
        """Return the map times a number."""

    def __add__(self, other: Map) -> Map:
        if not isinstance(other, MapOperations):
            return NotImplemented
        if (self.output, self.input) != (other.output, other.input):
            raise ShapeError(
                f"cannot add a map {self.input} → {self.output} and a map "
                f"{other.input} → {other.output}"
            )
        return self.plus(other)

    def __neg__(self) -> Map:
        return self.scaled(-1)

    def __sub__(self, other: Map) -> Map:
        if not isinstance(other, MapOperations):
            return NotImplemented
        negated: Map = other.scaled(-1)
        return self + negated

    def __mul__(self, number: Number) -> Map:
        return self.scaled(number) if isinstance(number, int | float | Fraction) else NotImplemented

    __rmul__ = __mul__

    def __truediv__(self, number: Number) -> Map:
        return self.scaled(reciprocal(number))

    def check_composable(self, other: MapOperations[Any]) -> None:
        """Raise `ShapeError` unless the other's output space is this map's input space."""
        if self.input.shapes != other.output.shapes:
            raise ShapeError(
                f"cannot compose: the left map takes {self.input}, the right one gives "
                f"{other.output}"
            )

    def check_square(self, what: str) -> None:
        """Raise `ShapeError` unless the map goes from a space to itself."""
        if self.output.shapes != self.input.shapes:
            raise ShapeError(
                f"{what} needs a map from a space to itself, this one goes {self.input} → "
                f"{self.output}"
            )


@dataclass(frozen=True, eq=False)
class LinearMap(MapOperations["LinearMap[Value]"], Generic[Value]):
    """An explicit linear map: for each block a sum of terms; a block left out is zero.

    Attributes:
        output: the space of results.
        input: the space of arguments.
        blocks: the terms, by position.
    """

    output: Space
    input: Space
    blocks: Mapping[Block, tuple[Term[Value], ...]]

    def __post_init__(self) -> None:
        kept = {at: collected for at, terms in self.blocks.items() if (collected := collect(terms))}
        object.__setattr__(self, "blocks", MappingProxyType(kept))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, LinearMap) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)

    @property
    def _key(self) -> tuple[object, ...]:
        return (self.output, self.input, tuple(sorted(self.blocks.items(), key=lambda at: at[0])))

    @staticmethod
    def of_terms(terms: Sequence[Term[Value]]) -> LinearMap[Value]:
        """Return the sum of at least one term, between the spaces that the first one says."""
        first = terms[0]
        return LinearMap(
            Space.of(first.output_shape), Space.of(first.input_shape), {(0, 0): tuple(terms)}
        )

    @staticmethod
    def from_signature(
        spec: str,
        *factors: Value,
        output: Shape | None = None,
        input: Shape | None = None,
    ) -> LinearMap[Value]:
        """Return the map that a signature describes.

        Args:
            spec: for example ``"io -> bo/bi"``.
            *factors: the tensors left of ``->``.
            output: the shape of the output side, where the factors do not say it.
            input: the same of the input side.

        Raises:
            SignatureError: the signature does not fit the shapes.
        """
        return LinearMap.of_terms([Term.from_signature(spec, factors, output, input)])

    @staticmethod
    def identity(space: Space) -> LinearMap[Value]:
        """Return the map that changes nothing: deltas alone, no factor."""
        blocks: dict[Block, tuple[Term[Value], ...]] = {}
        for k, shape in enumerate(space.shapes):
            axes = tuple([(axis,) for axis in range(len(shape))])
            blocks[k, k] = (Term.of(1, (), axes, axes, dict(enumerate(shape))),)
        return LinearMap(space, space, blocks)

    @staticmethod
    def column(space: Space, tensors: Sequence[Value]) -> LinearMap[Value]:
        """Return the map from numbers to the space, one times the given element.

        Args:
            space: the space of the element.
            tensors: the element, one tensor for each summand.

        Raises:
            ShapeError: number or shapes of the tensors do not fit the space.
        """
        shapes = tuple(each.shape for each in tensors)
        if shapes != space.shapes:
            found = " ⊕ ".join(map(str, shapes))
            raise ShapeError(f"expected an element of {space}, found one of {found}")
        blocks: dict[Block, tuple[Term[Value], ...]] = {}
        for k, tensor in enumerate(tensors):
            axes = tuple([(axis,) for axis in range(len(tensor.shape))])
            factor = Factor(tensor, axes)
            blocks[k, 0] = (Term.of(1, [factor], axes, (), dict(enumerate(tensor.shape))),)
        return LinearMap(space, Space.of(()), blocks)

    @property
    def terms(self) -> tuple[Term[Value], ...]:
        """All terms of all blocks."""
        return tuple(term for terms in self.blocks.values() for term in terms)

    @property
    def size(self) -> int:
        """How many numbers the factors hold; deltas, ones and zero blocks hold none."""
        values = {id(value): value for term in self.terms for value in term.values}
        return sum(prod(value.shape) for value in values.values())

    def block(self, row: int, column: int) -> LinearMap[Value]:
        """Return one block as a map between single spaces."""
        return LinearMap(
            Space.of(self.output.shapes[row]),
            Space.of(self.input.shapes[column]),
            {(0, 0): self.blocks.get((row, column), ())},
        )

    @property
    def T(self) -> LinearMap[Value]:  # noqa: N802
        """The transposed map: sides swapped in every term."""
        return LinearMap(
            self.input,
            self.output,
            {(j, i): tuple([t.T for t in terms]) for (i, j), terms in self.blocks.items()},
        )

    def compose(
        self, other: LinearMap[Value], total: Total[Value] | None = None
    ) -> LinearMap[Value]:
        """Return ``self @ other``; nothing is computed, every product of terms is written down.

        Args:
            other: the map that is applied first.
            total: writes a term out that groups axes without a common refinement with another's.

        Raises:
            ShapeError: the spaces do not fit.
            GroupingConflict: there is such a term, and no ``total``.
        """
        self.check_composable(other)
        blocks: dict[Block, tuple[Term[Value], ...]] = {}
        for (i, j), left in self.blocks.items():
            for (k, m), right in other.blocks.items():
                if j == k:
                    product = tuple([compose(a, b, total) for a in left for b in right])
                    blocks[i, m] = blocks.get((i, m), ()) + product
        return LinearMap(self.output, other.input, blocks)

    def __matmul__(self, other: LinearMap[Value]) -> LinearMap[Value]:
        return self.compose(other) if isinstance(other, LinearMap) else NotImplemented

    def __call__(self, *tensors: Value) -> LinearMap[Value]:
        """Apply the map to an element of its input space; a tensor comes back as terms."""
        return self @ LinearMap.column(self.input, tensors)

    def plus(self, other: LinearMap[Value]) -> LinearMap[Value]:
        """Return the sum: terms side by side."""
        blocks = dict(self.blocks)
        for at, terms in other.blocks.items():
            blocks[at] = blocks.get(at, ()) + terms
        return LinearMap(self.output, self.input, blocks)

    def scaled(self, number: Number) -> LinearMap[Value]:
        """Return the map times a number."""
        return self._each(lambda term: term.scaled(number))

    def diagonal(self, total: Total[Value] | None = None) -> LinearMap[Value]:
        """Return the diagonal as a column: entries in which both sides agree.

        Args:
            total: writes a term out whose two sides group axes without a common refinement.

        Raises:
            ShapeError: the map does not go from a space to itself.
            GroupingConflict: there is such a term, and no ``total``.
        """
        self.check_square("diagonal()")
        blocks = {
            (i, 0): tuple([_agreeing(term, Term.diagonal, total) for term in terms])
            for (i, j), terms in self.blocks.items()
            if i == j
        }
        return LinearMap(self.output, Space.of(()), blocks)

    def trace(self, total: Total[Value] | None = None) -> LinearMap[Value]:
        """Return the sum of the diagonal, as a map from numbers to numbers.

        Args:
            total: writes a term out whose two sides group axes without a common refinement.

        Raises:
            ShapeError: the map does not go from a space to itself.
            GroupingConflict: there is such a term, and no ``total``.
        """
        self.check_square("trace()")
        terms = [
            _agreeing(term, Term.trace, total)
            for (i, j), terms in self.blocks.items()
            for term in terms
            if i == j
        ]
        return LinearMap(Space.of(()), Space.of(()), {(0, 0): tuple(terms)})

    def merged(self, total: Total[Value]) -> LinearMap[Value]:
        """Return an equal map with one term a block and at most one factor a term."""
        return LinearMap(
            self.output,
            self.input,
            {at: (merge(terms, total),) for at, terms in self.blocks.items()},
        )

    def with_values(self, change: Callable[[Value], Other]) -> LinearMap[Other]:
        """Return the map with every factor's value replaced."""
        return LinearMap(
            self.output,
            self.input,
            {
                at: tuple(
                    [
                        Term(
                            term.coefficient,
                            tuple([change(value) for value in term.values]),
                            term.pattern,
                            term.sizes,
                        )
                        for term in terms
                    ]
                )
                for at, terms in self.blocks.items()
            },
        )

    def _each(self, change: Callable[[Term[Value]], Term[Value]]) -> LinearMap[Value]:
        return LinearMap(
            self.output,
            self.input,
            {at: tuple([change(term) for term in terms]) for at, terms in self.blocks.items()},
        )


def _agreeing(
    term: Term[Value],
    take: Callable[[Term[Value]], Term[Value]],
    total: Total[Value] | None,
) -> Term[Value]:
    """Take the entries of a term in which both sides agree, written out first if it must be."""
    try:
        return take(term)
    except GroupingConflict:
        if total is None:
            raise
        return take(dense(term, total))
