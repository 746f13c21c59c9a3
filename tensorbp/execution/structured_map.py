"""Structured maps: what a program returns for a linear map, its factors being arrays.

Deltas are not stored. Applying the map, taking its diagonal or making it dense is planned and run
like any other computation.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, Literal

from tensorbp.algebra import LinearMap, MapOperations, Number, Space, Term
from tensorbp.expression.arithmetic import reshape, total
from tensorbp.expression.einsum import constant
from tensorbp.expression.indexing import concatenate
from tensorbp.expression.leaves import variable
from tensorbp.expression.node import Expression
from tensorbp.expression.selection import Selection

Compute = Callable[[tuple[Expression, ...], Mapping[str, Any]], list[Any]]
"""Computes expressions, given the arrays of their variables by name."""

Wanted = tuple[list[Term[Any]], tuple[int, ...]]
"""Terms that are added up, and the shape of their sum."""

__all__ = ["StructuredMap"]


@dataclass(frozen=True, eq=False)
class HeldSelection:
    """A factor of zeros and ones, held as its rule and, where they are data, its integers."""

    selection: Selection
    integers: tuple[Any, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape that the zeros and ones would have."""
        return self.selection.shape(*[tuple(each.shape) for each in self.integers])

    @property
    def size(self) -> int:
        """How many numbers are held."""
        return sum(prod(each.shape) for each in self.integers)

    @property
    def nbytes(self) -> int:
        """How many bytes those numbers take."""
        return sum(int(each.nbytes) for each in self.integers)


@dataclass(frozen=True, eq=False)
class _Numbers:
    """Numbers in lists, which become an array of the library that computes."""

    shape: tuple[int, ...]
    numbers: Any


class StructuredMap(MapOperations["StructuredMap"]):
    """A linear map of arrays, with the methods that maps have.

    ``A @ B`` composes, ``A @ x`` applies to an array (to a list of them for a direct sum), ``A.T``
    transposes; maps are added, subtracted and scaled.

    Attributes:
        map: the terms, with arrays as factors.
    """

    def __init__(self, map: LinearMap[Any], compute: Compute) -> None:
        self.map = map
        self._compute = compute

    @property
    def output(self) -> Space:  # type: ignore[override]
        """The space of results."""
        return self.map.output

    @property
    def input(self) -> Space:  # type: ignore[override]
        """The space of arguments."""
        return self.map.input

    @property
    def size(self) -> int:
        """How many numbers the map holds; deltas and ones are not held, nor are selections."""
        return sum(
            each.size if isinstance(each, HeldSelection) else prod(each.shape)
            for each in self._held
        )

    @property
    def nbytes(self) -> int:
        """How many bytes those numbers take."""
        return sum(int(each.nbytes) for each in self._held)

    @property
    def _held(self) -> list[Any]:
        """The arrays and selections that are its factors, each once."""
        factors = [factor for term in self.map.terms for factor in term.factors]
        return list({id(each.value): each.value for each in factors}.values())

    @property
    def T(self) -> StructuredMap:  # noqa: N802
        """The transposed map."""
        return self._of(self.map.T)

    def compose(self, other: StructuredMap) -> StructuredMap:
        """Return the map that applies ``other`` first, then this one; nothing is computed."""
        return self._of(self.map.compose(other.map, self._total))

    def plus(self, other: StructuredMap) -> StructuredMap:
        """Return the sum of two maps between the same spaces; nothing is computed."""
        return self._of(self.map.plus(other.map))

    def scaled(self, number: Number) -> StructuredMap:
        """Return the map times a number; nothing is computed."""
        return self._of(self.map.scaled(number))

    def block(self, row: int, column: int) -> StructuredMap:
        """Return one block of a map between direct sums."""
        return self._of(self.map.block(row, column))

    def __matmul__(self, other: Any) -> Any:
        if isinstance(other, StructuredMap):
            return self.compose(other)
        element = other if self.input.is_sum else [other]
        return self._tensors(self.map(*[_as_array(each) for each in element]))

    def diagonal(self) -> Any:
        """Return the entries in which output and input agree; a list for a direct sum."""
        return self._tensors(self.map.diagonal(self._total))

    def trace(self) -> Any:
        """Return the sum of the diagonal."""
        return self._tensors(self.map.trace(self._total))

    def to_dense(self) -> Any:
        """Return the map as one array of shape output + input, all deltas written out.

        A direct sum is one dimension: the numbers of its summands, flattened, one after the other.
        """
        rows, columns = len(self.output.shapes), len(self.input.shapes)
        places = [(i, j) for i in range(rows) for j in range(columns)]
        wanted = []
        for i, j in places:
            shape = self.output.shapes[i] + self.input.shapes[j]
            tensors = [
                Term.of(t.coefficient, t.factors, t.sides, (), t.sizes)
                for t in self.map.blocks.get((i, j), ())
            ]
            wanted.append((tensors, shape))
        expressions, given = self._expressions(wanted)
        blocks = dict(zip(places, expressions, strict=True))
        return self._compute((_assembled(blocks, self.output, self.input),), given)[0]

    def __repr__(self) -> str:
        return f"<StructuredMap {self.input} → {self.output}, {self.size} numbers>"

    def _of(self, map: LinearMap[Any]) -> StructuredMap:
        return StructuredMap(map, self._compute)

    def _tensors(self, column: LinearMap[Any]) -> Any:
        """Return a column of terms as an array, or a list of arrays for a direct sum."""
        wanted = [
            (list(column.blocks.get((k, 0), ())), shape)
            for k, shape in enumerate(column.output.shapes)
        ]
        arrays = self._run(wanted)
        return arrays if column.output.is_sum else arrays[0]

    def _total(self, terms: Sequence[Term[Any]]) -> Any:
        return self._run([(list(terms), terms[0].output_shape)])[0]

    def _run(self, wanted: Sequence[Wanted]) -> list[Any]:
        """Compute sums of terms."""
        expressions, given = self._expressions(wanted)
        return self._compute(tuple(expressions), given)

    def _expressions(self, wanted: Sequence[Wanted]) -> tuple[list[Expression], dict[str, Any]]:
        """Return sums of terms as expressions, and the arrays of their variables by name."""
        arrays: dict[int, Any] = {}
        names: dict[int, str] = {}

        def named(array: Any, kind: Literal["real", "integer"] = "real") -> Expression:
            if isinstance(array, HeldSelection):
                return array.selection(*[named(each, "integer") for each in array.integers])
            name = names.setdefault(id(array), f"array{len(names)}")
            arrays[id(array)] = array
            return variable(name, *array.shape, kind=kind)

        expressions = []
        for tensors, shape in wanted:
            if not tensors:
                expressions.append(constant(0, shape))
                continue
            column = LinearMap.of_terms(tensors).with_values(named)
            expressions.append(total(column.terms) if column.terms else constant(0, shape))
        given = {
            names[key]: array.numbers if isinstance(array, _Numbers) else array
            for key, array in arrays.items()
        }
        return expressions, given


def _as_array(value: Any) -> Any:
    """Return an array of any library as it is, and lists of numbers with their shape."""
    if hasattr(value, "shape"):
        return value
    import numpy

    return _Numbers(numpy.shape(value), value)


def _assembled(
    blocks: dict[tuple[int, int], Expression], output: Space, input: Space
) -> Expression:
    """Join blocks into one in which a direct sum is one dimension."""
    rows = []
    for i, out in enumerate(output.shapes):
        row = []
        for j, inside in enumerate(input.shapes):
            shape = ((prod(out),) if output.is_sum else out) + (
                (prod(inside),) if input.is_sum else inside
            )
            row.append(reshape(blocks[i, j], shape))
        rows.append(concatenate(row, axis=-1) if input.is_sum else row[0])
    return concatenate(rows, axis=0) if output.is_sum else rows[0]
