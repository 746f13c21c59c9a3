"""Storage: the bytes that the value of a node takes, and those that making it takes for a while.

Both are upper bounds that hold for any way of carrying out a step which computes it whole: a view
takes nothing, a tensor is copied where a matrix product cannot read it as it lies, and a layer
holds as many temporaries as it declares. What is needed for a while has a place between the values,
but for what a step that is a call allocates: that comes on top, wherever there may be a gap.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache, lru_cache
from math import prod
from typing import NamedTuple

from tensorbp.algebra import Axis, Dimension, Pattern
from tensorbp.algebra.pattern import REMEMBERED
from tensorbp.expression.arithmetic import Add
from tensorbp.expression.einsum import Einsum
from tensorbp.expression.layer import Primitive
from tensorbp.expression.leaves import Variable
from tensorbp.expression.node import Expression
from tensorbp.expression.selection import Affine
from tensorbp.planning.cost import is_free
from tensorbp.planning.selecting import Selected, SummedUp

__all__ = ["INTEGER_BYTES", "ITEM_BYTES", "Storage"]

ITEM_BYTES = {"float16": 2, "bfloat16": 2, "float32": 4, "float64": 8, "complex128": 16}
"""The bytes of one number, by dtype."""

INTEGER_BYTES = 8
"""The bytes of an integer, and of a place that a selection gives."""


LARGEST_COPY = 2**18
"""Operands of more numbers are copied for a product of matrices one slice after the other."""

SMALL_RESULT = 256
"""Where matrices of a result have fewer numbers, it is made in another order, and copied."""


class Storage:
    """What the nodes of a schedule take, in bytes.

    Args:
        results: the nodes whose values leave; they share memory with nothing.
        dtype: the type of numbers.
    """

    def __init__(self, results: Iterable[Expression], dtype: str) -> None:
        self._results = frozenset(results)
        self._item_bytes = ITEM_BYTES[dtype]
        self.is_view = cache(self._is_view)
        self.bytes_of = cache(self._bytes_of)
        self.scratch_of = cache(self._scratch_of)
        self.allocated_by = cache(self._allocated_by)

    def is_result(self, node: Expression) -> bool:
        """Say whether a node's value leaves, and stays until the end."""
        return node in self._results

    def _is_view(self, node: Expression) -> bool:
        """Say whether a node's value has no memory of its own; a result always has."""
        if node in self._results:
            return False
        operator = node.operator
        if isinstance(operator, Selected):
            return operator.is_view and not operator.padded
        return is_free(node) and not self._is_written_anew(node)

    def _is_written_anew(self, node: Expression) -> bool:
        """Say whether a node that rearranges its operand cannot be a view of how that lies."""
        operator = node.operator
        assert isinstance(operator, Einsum)
        if not node.operands:
            return False
        groups = [_wide(each, operator.sizes) for each in operator.output]
        if all(len(each) < 2 for each in groups) and all(
            len(_wide(each, operator.sizes)) < 2 for each in operator.factors[0]
        ):
            return False
        axes = _axes(operator.factors[0])
        return _is_scattered(node.operands[0]) or not all(
            _are_neighbours(each, axes, operator.sizes) for each in groups
        )

    def _bytes_of(self, node: Expression) -> int:
        """Return the bytes that a node's value takes of its own."""
        operator = node.operator
        if self.is_view(node) or getattr(operator, "takes_no_memory", False):
            return 0
        if isinstance(operator, Selected) and operator.is_view and node not in self._results:
            return operator.padded * self._item_bytes
        if getattr(operator, "kind", "real") == "integer":
            return node.size * INTEGER_BYTES
        return node.size * self._item_bytes

    def arena_bytes_of(self, node: Expression) -> int:
        """Return the bytes that a node's value takes among those that are not handed over."""
        is_handed_over = isinstance(node.operator, Variable) or self.is_result(node)
        return 0 if is_handed_over else self.bytes_of(node)

    def _scratch_of(self, node: Expression) -> int:
        """Return the bytes that are needed while a node is computed, beside operands and value."""
        operator = node.operator
        if isinstance(operator, Variable):
            return 0
        if isinstance(operator, Einsum):
            numbers = 0 if is_free(node) else _einsum_scratch(node, operator, self.is_result(node))
            return numbers * self._item_bytes
        if isinstance(operator, Add):
            return _sum_temporaries(operator) * node.size * self._item_bytes
        if isinstance(operator, Selected):
            return self._selected_scratch(operator)
        if isinstance(operator, SummedUp):
            return self._sum_scratch(operator)
        if isinstance(operator, Primitive) and operator.is_recorded:
            return self._temporaries(node, operator)
        return 0

    def _allocated_by(self, node: Expression) -> int:
        """Return the bytes that a node allocates for itself while it is computed."""
        operator = node.operator
        if isinstance(operator, Selected):
            return self._moved_by_index(operator)
        if isinstance(operator, SummedUp):
            parts = [each for each in operator.parts if each is not None]
            return max(map(self._moved_by_index, parts), default=0)
        if isinstance(operator, Primitive) and not operator.is_recorded:
            # what is returned is copied to where it belongs
            return self._temporaries(node, operator) + self.bytes_of(node)
        return 0

    def _temporaries(self, node: Expression, operator: Primitive) -> int:
        """Return the bytes of what a forward rule holds beside operands and value."""
        shapes = [each.shape for each in node.operands]
        return operator.scratch(node.shape, *shapes) * self._item_bytes

    def _sum_scratch(self, operator: SummedUp) -> int:
        """Return what the largest part of a sum needs: itself before it is added."""
        whole = prod(operator.size) * self._item_bytes
        needed = 0
        for number, part in zip(operator.coefficients, operator.parts, strict=True):
            scaled = whole if number != 1 else 0
            if part is not None:
                scaled += (0 if _is_straight(part) else whole) + self._selected_scratch(part)
            needed = max(needed, scaled)
        return needed

    def _selected_scratch(self, operator: Selected) -> int:
        """Return what moving numbers needs: padding, what is to be scaled, what lies between."""
        if operator.is_view:
            return operator.padded * self._item_bytes
        scaled = prod(operator.shape()) if operator.coefficient != 1 else 0
        between = 0 if _is_straight(operator) else operator.moved
        return (scaled + between) * self._item_bytes

    def _moved_by_index(self, operator: Selected) -> int:
        """Return what numpy allocates to move numbers by index: a copy of them, and the places."""
        if operator.is_view or _is_straight(operator):
            return 0
        sizes = operator.sizes
        places = sum(prod([sizes[axis] for axis in each.free]) for each in operator.selections)
        rows = prod([sizes[axis] for axis in set(_axes(operator.factor))])
        # what is added by index is made beside where it belongs, in double precision, and copied
        sums = prod(operator.shape()) if operator.scatters else 0
        in_double = max(self._item_bytes, ITEM_BYTES["float64"])
        return rows * self._item_bytes + sums * in_double + 4 * places * INTEGER_BYTES


def _is_straight(operator: Selected) -> bool:
    """Say whether all that is moved lies on straight lines, and is moved in slices."""
    return all(isinstance(each.selection, Affine) for each in operator.selections) and (
        operator.scatters or operator.gathers
    )


def _sum_temporaries(operator: Add) -> int:
    """Return how many arrays of the size of a sum are there beside it: the sum so far, and one."""
    most, is_begun = 0, operator.coefficients[0] != 1
    for number in operator.coefficients[1:]:
        most = max(most, is_begun + (abs(number) != 1))
        is_begun = True
    return most


def _einsum_scratch(node: Expression, operator: Einsum, is_result: bool) -> int:
    """Return how many numbers a contraction copies: operands, and what is still to be scaled."""
    summed = operator.summed
    is_scaled_after = operator.coefficient != 1 and (summed or len(node.operands) > 1)
    copies = node.size if is_scaled_after else 0
    if len(node.operands) < 2 or not summed:
        return copies
    groups, sizes = _groups(operator.pattern), operator.sizes
    copied = [
        prod([sizes[axis] for axis in own])
        for value, own, side in zip(node.operands, groups.factors, groups.alone, strict=True)
        if any(groups.alone) and not _are_matrices(value, own, (side, groups.both), sizes)
    ]
    if is_result and not copies and _wide(groups.looped, sizes):
        matrices = prod([sizes[axis] for axis in groups.matrices])
        copies = node.size if matrices < SMALL_RESULT else 0
    if max(copied, default=0) > LARGEST_COPY:
        # or else a summed axis is looped over
        looped = _wide([*groups.looped, *groups.batch], sizes) or _wide(groups.both, sizes)
        slices = max(1, min([sizes[axis] for axis in looped], default=1))
        return copies + sum(copied) // slices
    return copies + sum(copied)


class _Groups(NamedTuple):
    """The axes of a product of two tensors, as a product of matrices knows them.

    Attributes:
        factors: the axes of each factor.
        both: those that are summed over.
        alone: for each factor those that it has and the other has not, in the order of the output.
        looped: of the output those that are looped over for products of matrices.
        batch: of the output those that both factors have.
        matrices: of the output those that are rows and columns.
    """

    factors: Sequence[Sequence[Axis]]
    both: Sequence[Axis]
    alone: Sequence[Sequence[Axis]]
    looped: Sequence[Axis]
    batch: Sequence[Axis]
    matrices: Sequence[Axis]


@lru_cache(maxsize=REMEMBERED)
def _groups(pattern: Pattern) -> _Groups:
    """Return the axes of a product of two tensors in groups; the layers of a model repeat few."""
    factors = [_axes(each) for each in pattern.factors]
    output = _axes(pattern.output)
    both = [axis for axis in factors[0] if axis in pattern.summed]
    alone = [
        [axis for axis in output if axis in own and axis not in other]
        for own, other in (factors, factors[::-1])
    ]
    looped, batch = _looped_over(output, alone)
    matrices = [axis for axis in output if axis not in (*looped, *batch)]
    return _Groups(factors, both, alone, looped, batch, matrices)


def _looped_over(
    output: Sequence[Axis], alone: Sequence[Sequence[Axis]]
) -> tuple[list[Axis], list[Axis]]:
    """Return which axes of an output are looped over for products of matrices, and a batch.

    Matrices are written where the last axes of the output stand: columns, before them rows.
    """
    shared = [axis for axis in output if axis not in alone[0] and axis not in alone[1]]
    last = next((axis for axis in reversed(output) if axis not in shared), None)
    columns, rows = (alone[0], alone[1]) if last in alone[0] else (alone[1], alone[0])
    rest = list(output)
    for group in (columns, shared, rows):
        while rest and rest[-1] in group:
            rest.pop()
    return [axis for axis in rest if axis not in shared], shared


def _are_matrices(
    value: Expression,
    axes: Sequence[Axis],
    groups: Sequence[Sequence[Axis]],
    sizes: Sequence[int],
) -> bool:
    """Say whether a tensor can be read as matrices, each side a group of axes, as it lies."""
    sides = [_wide(each, sizes) for each in groups]
    innermost = _wide(axes, sizes)[-1:]
    if all(sides) and not any(innermost[0] in each for each in sides):
        # numbers of one matrix lie apart, and those of a batch beside each other
        return False
    if all(len(each) < 2 for each in sides):
        return True
    return not _is_scattered(value) and all(_are_neighbours(each, axes, sizes) for each in sides)


def _is_scattered(value: Expression) -> bool:
    """Say whether a value may lie in memory in another order than that of its dimensions."""
    operator = value.operator
    if isinstance(operator, Selected):
        return not _is_leading_slice(operator)
    if not isinstance(operator, Einsum):
        return False
    if is_free(value):
        flat = [_axes(operator.output), [a for f in operator.factors for a in _axes(f)]]
        return flat[0] != flat[1]
    return False


def _is_leading_slice(operator: Selected) -> bool:
    """Say whether a selection takes some of the first rows, which lie one after the other."""
    if len(operator.selections) != 1 or not isinstance(operator.selections[0].selection, Affine):
        return False
    (applied,) = operator.selections
    slice_of_first = (applied.dimensions[0], *operator.factor[1:])
    return (
        applied.selection.strides == (1,)  # type: ignore[attr-defined]
        and applied.determined == operator.factor[0]
        and operator.output == slice_of_first
    )


def _axes(dimensions: Iterable[Dimension]) -> list[Axis]:
    return list(dict.fromkeys(axis for dimension in dimensions for axis in dimension))


def _wide(axes: Iterable[Axis], sizes: Sequence[int]) -> Dimension:
    """Return the axes that are longer than one."""
    return tuple([axis for axis in axes if sizes[axis] != 1])


def _are_neighbours(group: Dimension, axes: Sequence[Axis], sizes: Sequence[int]) -> bool:
    """Say whether the axes of a group follow each other among all, in order."""
    wide = _wide(axes, sizes)
    if not set(group) <= set(wide):
        # an axis along which numbers are repeated is one with nothing beside it
        return len(group) < 2
    places = [wide.index(axis) for axis in group]
    return places == list(range(places[0], places[0] + len(places))) if places else True
