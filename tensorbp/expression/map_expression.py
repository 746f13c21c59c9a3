"""Linear maps that are not worked out yet: Jacobians, their products, sums and transposes.

A map expression is to a linear map what an expression is to an array. It says what is wanted, and
leaves to planning in which order the Jacobians between the nodes are multiplied: ``H @ v`` never
becomes the matrix H first unless that is cheapest.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, overload

from tensorbp.algebra import Block, LinearMap, MapOperations, Number, Shape, Space
from tensorbp.errors import ShapeError, SignatureError
from tensorbp.expression.interning import Interned
from tensorbp.expression.node import Expression, operation
from tensorbp.expression.selection import numbers_held

__all__ = [
    "Entries",
    "Explicit",
    "Jacobian",
    "MapExpression",
    "Product",
    "Scaled",
    "Sum",
    "Transposed",
    "linear_map",
]

Form = Literal["dense", "diagonal", "trace"]


class MapExpression(MapOperations["MapExpression"]):
    """A linear map between spaces of arrays, to be worked out when it is planned.

    ``A @ B`` composes, ``A @ x`` applies to an expression (a list of them for a direct sum),
    ``A.T`` transposes, and maps are added, subtracted and scaled. Like expressions maps are
    interned: what is built twice in the same way is one map, planned once.

    Attributes:
        output: the space of results.
        input: the space of arguments.
    """

    @classmethod
    def of(cls, *parts: object) -> MapExpression:
        """Return the map that is made of these parts, which are the fields of the class."""
        key = (cls, *[(type(each), each) for each in parts])
        known = _interned.get(key)
        return _interned.kept(key, cls(*parts)) if known is None else known

    @property
    def T(self) -> MapExpression:  # noqa: N802
        """The transposed map."""
        return Transposed.of(self)

    def compose(self, other: MapExpression) -> MapExpression:
        """Return ``self @ other``.

        Raises:
            ShapeError: the other's output space is not this map's input space.
        """
        self.check_composable(other)
        return Product.of(self, other)

    def plus(self, other: MapExpression) -> MapExpression:
        """Return the sum of two maps between the same spaces."""
        return Sum.of(self, other)

    def scaled(self, number: Number) -> MapExpression:
        """Return the map times a number."""
        return Scaled.of(self, number)

    @overload
    def __matmul__(self, other: MapExpression) -> MapExpression: ...
    @overload
    def __matmul__(self, other: Expression) -> Expression: ...
    @overload
    def __matmul__(self, other: Sequence[Expression]) -> list[Expression]: ...

    def __matmul__(
        self, other: MapExpression | Expression | Sequence[Expression]
    ) -> MapExpression | Expression | list[Expression]:
        if isinstance(other, MapExpression):
            return self.compose(other)
        element = [other] if isinstance(other, Expression) else list(other)
        column: LinearMap[Expression] = LinearMap.column(self.input, element)
        return Product.of(self, Explicit.of(column)).to_dense()

    def block(self, row: int, column: int) -> MapExpression:
        """Return one block of a map between direct sums, as a map between single spaces.

        Raises:
            ShapeError: there is no such block.
        """
        rows, columns = len(self.output.shapes), len(self.input.shapes)
        if not (0 <= row < rows and 0 <= column < columns):
            raise ShapeError(
                f"the map has {rows} x {columns} blocks, there is none at ({row}, {column})"
            )
        return self.select([row]).T.select([column]).T

    def select(self, rows: Sequence[int]) -> MapExpression:
        """Return the map to some of the summands of the output space, as single spaces."""
        shapes = tuple(self.output.shapes[k] for k in rows)
        identity: LinearMap[Expression] = LinearMap.identity(self.output)
        blocks = {(new, old): identity.blocks[old, old] for new, old in enumerate(rows)}
        space = Space(shapes, is_sum=len(rows) > 1)
        return Product.of(Explicit.of(LinearMap(space, self.output, blocks)), self)

    def diagonal(self) -> Expression | list[Expression]:
        """Return the entries in which output and input agree; a list for a direct sum.

        Raises:
            ShapeError: the map does not go from a space to itself.
        """
        self.check_square("diagonal()")
        return self._entries("diagonal", [(k, k) for k in range(len(self.output.shapes))])

    def trace(self) -> Expression:
        """Return the sum of the diagonal.

        Raises:
            ShapeError: the map does not go from a space to itself.
        """
        self.check_square("trace()")
        return Expression.of(Entries(self, "trace", (0, 0)))

    def to_dense(self) -> Expression | list[Expression]:
        """Return the map as an array of shape output + input, all deltas written out.

        A map to a direct sum from a single space gives a list, and so does the other way round.

        Raises:
            ShapeError: both spaces are direct sums; such a map is compiled and made dense then.
        """
        rows, columns = len(self.output.shapes), len(self.input.shapes)
        if self.output.is_sum and self.input.is_sum:
            raise ShapeError(
                f"a map {self.input} → {self.output} between direct sums has no single dense "
                "array: take block(i, j).to_dense(), or compile the map and make its value dense"
            )
        return self._entries("dense", [(i, j) for i in range(rows) for j in range(columns)])

    def _entries(self, form: Form, blocks: Sequence[Block]) -> Expression | list[Expression]:
        entries = [Expression.of(Entries(self, form, at)) for at in blocks]
        return entries if self.output.is_sum or self.input.is_sum else entries[0]

    @property
    def leaves(self) -> Iterator[Jacobian | Explicit]:
        """The Jacobians and explicit maps that this map is made of, left to right."""
        pending: list[MapExpression] = [self]
        while pending:
            current = pending.pop()
            if isinstance(current, Jacobian | Explicit):
                yield current
            else:
                pending.extend(reversed(current.parts))

    @property
    def dependencies(self) -> list[Expression]:
        """The expressions whose values, or derivatives, make up the map."""
        found: list[Expression] = []
        for leaf in self.leaves:
            if isinstance(leaf, Jacobian):
                found += [*leaf.targets, *leaf.sources]
            else:
                found += [value for term in leaf.map.terms for value in term.values]
        return found

    @property
    @abstractmethod
    def parts(self) -> tuple[MapExpression, ...]:
        """The maps of which this one is made."""

    def worked_out(self) -> LinearMap[Expression]:
        """Return the map with one stored tensor a block, as an explicit linear map.

        Planning works a map out in the order that is cheapest; this is the order in which the
        smaller side goes first.
        """
        result: LinearMap[Expression] = operation("worked_out")(self)
        return result

    @property
    def size(self) -> int:
        """How many numbers the map holds; deltas, ones and selections are not held."""
        terms = self.worked_out().terms
        return numbers_held(value for term in terms for value in term.values)

    def __repr__(self) -> str:
        return str(operation("map_formula")(self))


_interned: Interned[MapExpression] = Interned()


@dataclass(frozen=True, repr=False)
class Jacobian(MapExpression):
    """The derivative of the targets with respect to the sources, from y's graph alone.

    Attributes:
        targets: what is differentiated.
        sources: with respect to what.
        output: the space of the targets.
        input: the space of the sources.
    """

    targets: tuple[Expression, ...]
    sources: tuple[Expression, ...]
    output: Space
    input: Space

    def __hash__(self) -> int:
        return self._hash

    @cached_property
    def _hash(self) -> int:
        # a model has thousands of sources, and a map is looked up once for each
        return hash((self.targets, self.sources))

    @property
    def is_hessian(self) -> bool:
        """Whether the targets are the gradient with respect to the sources: a symmetric map."""
        for k, target in enumerate(self.targets):
            entries = target.operator
            if not (
                isinstance(entries, Entries)
                and entries.form == "dense"
                and entries.block == (0, k)
                and isinstance(entries.map, Jacobian)
                and entries.map.output == Space.of(())
                and entries.map.sources == self.sources
            ):
                return False
        return len(self.targets) == len(self.sources)

    @property
    def parts(self) -> tuple[MapExpression, ...]:
        """None: a Jacobian is a leaf."""
        return ()


@dataclass(frozen=True, repr=False, eq=False)
class Explicit(MapExpression):
    """A map that is given by its terms.

    Attributes:
        map: the terms.
    """

    map: LinearMap[Expression]

    def __post_init__(self) -> None:
        object.__setattr__(self, "output", self.map.output)
        object.__setattr__(self, "input", self.map.input)

    @property
    def parts(self) -> tuple[MapExpression, ...]:
        """None: an explicit map is a leaf."""
        return ()


@dataclass(frozen=True, repr=False, eq=False)
class Product(MapExpression):
    """``left @ right``: the right map is applied first."""

    left: MapExpression
    right: MapExpression

    def __post_init__(self) -> None:
        object.__setattr__(self, "output", self.left.output)
        object.__setattr__(self, "input", self.right.input)

    @property
    def parts(self) -> tuple[MapExpression, ...]:
        """The two factors."""
        return (self.left, self.right)


@dataclass(frozen=True, repr=False, eq=False)
class Sum(MapExpression):
    """``left + right``."""

    left: MapExpression
    right: MapExpression

    def __post_init__(self) -> None:
        object.__setattr__(self, "output", self.left.output)
        object.__setattr__(self, "input", self.left.input)

    @property
    def parts(self) -> tuple[MapExpression, ...]:
        """The two summands."""
        return (self.left, self.right)


@dataclass(frozen=True, repr=False, eq=False)
class Scaled(MapExpression):
    """A map times a number."""

    map: MapExpression
    number: Number

    def __post_init__(self) -> None:
        object.__setattr__(self, "output", self.map.output)
        object.__setattr__(self, "input", self.map.input)

    @property
    def parts(self) -> tuple[MapExpression, ...]:
        """The map that is scaled."""
        return (self.map,)


@dataclass(frozen=True, repr=False, eq=False)
class Transposed(MapExpression):
    """A map with its sides swapped."""

    map: MapExpression

    def __post_init__(self) -> None:
        object.__setattr__(self, "output", self.map.input)
        object.__setattr__(self, "input", self.map.output)

    @property
    def T(self) -> MapExpression:  # noqa: N802
        """The map itself."""
        return self.map

    @property
    def parts(self) -> tuple[MapExpression, ...]:
        """The map that is transposed."""
        return (self.map,)


@dataclass(frozen=True)
class Entries:
    """The operator of a node that holds entries of a map: all of a block, its diagonal, its trace.

    Attributes:
        map: the map, not yet worked out.
        form: which entries.
        block: of which block; a trace sums over all diagonal blocks.
    """

    map: MapExpression
    form: Form
    block: Block

    def shape(self, *shapes: Shape) -> Shape:
        """Return the shape of the array of entries."""
        del shapes
        output = self.map.output.shapes[self.block[0]]
        if self.form == "dense":
            return output + self.map.input.shapes[self.block[1]]
        return output if self.form == "diagonal" else ()


def linear_map(
    spec: str,
    *factors: Expression,
    output: Shape | None = None,
    input: Shape | None = None,
) -> MapExpression:
    """Return the linear map that an einsum signature describes.

    >>> import tensorbp as tb
    >>> W = tb.variable("W", 30, 7)
    >>> A = tb.linear_map("io -> bo/bi", W, output=(64, 7), input=(64, 30))
    >>> (A @ tb.variable("x", 64, 30)).shape
    (64, 7)

    Args:
        spec: the signature, ``"factors -> output/input"``; a letter on both sides is a delta.
        *factors: one expression for each comma-separated group left of ``->``.
        output: the shape of the output side, where the factors do not say it.
        input: the same of the input side.

    Raises:
        SignatureError: the signature cannot be read or does not fit the shapes.
    """
    if "/" not in spec:
        raise SignatureError(
            f"signature '{spec}' has no input side: write 'factors -> output/input', with nothing "
            "after the '/' for a map from numbers"
        )
    return Explicit.of(LinearMap.from_signature(spec, *factors, output=output, input=input))
