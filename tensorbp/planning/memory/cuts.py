"""Cuts: the axes along which a node can be computed part by part, each part by itself.

The declared einsum signatures say which these are. An axis on both sides of a Jacobian is one
along which a part of the output is made of the same part of the operand alone; an axis that is
summed over gives parts that add up to the whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from math import gcd

from tensorbp.algebra import Axis, Dimension, Shape, Signature
from tensorbp.errors import TensorbpError
from tensorbp.expression.arithmetic import Add
from tensorbp.expression.declaration import Declaration
from tensorbp.expression.einsum import Einsum
from tensorbp.expression.layer import Primitive
from tensorbp.expression.node import Expression, Operator
from tensorbp.expression.rule import Elementwise
from tensorbp.expression.selection import Selection
from tensorbp.planning.selecting import Selected, SummedUp

__all__ = ["Cut", "cuts"]

Tensor = Sequence[Dimension]


@dataclass(frozen=True)
class Cut:
    """An axis of a node along which it can be computed in parts.

    Attributes:
        output: the dimension of the result that is cut; None where parts add up to the result.
        operands: the dimension of each operand; None where every part reads all of it.
        size: into how many pieces the axis can be cut.
        narrowed: the operator of a part, which is so many out of so many equal pieces.
    """

    output: int | None
    operands: tuple[int | None, ...]
    size: int
    narrowed: Callable[[int, int], Operator]


def cuts(node: Expression) -> list[Cut]:
    """Return the axes along which a node can be computed in parts."""
    operator = node.operator
    if isinstance(operator, Einsum):
        return list(_of_einsum(operator))
    if isinstance(operator, Selected):
        return list(_of_selected(operator))
    if isinstance(operator, SummedUp):
        return list(_of_sum(operator))
    if isinstance(operator, Add | Elementwise):
        count = len(node.operands)
        return [_unchanged(node, k, (k,) * count, n) for k, n in enumerate(node.shape)]
    if isinstance(operator, Selection):
        # the places of integers that are data are found for each of them by itself
        kept = node.operands[0].ndim if len(node.operands) == 1 else 0
        return [_unchanged(node, k, (k,), node.shape[k]) for k in range(kept)]
    if isinstance(operator, Primitive) and node.operands:
        return list(_of_layer(node, operator))
    return []


def _unchanged(node: Expression, output: int, operands: tuple[int | None, ...], size: int) -> Cut:
    """Return a cut of a node whose operator knows no sizes."""
    return Cut(output, operands, size, lambda length, pieces: node.operator)


def _places(
    axis: Axis, tensors: Sequence[Tensor], sizes: Sequence[int] | Mapping[Axis, int]
) -> list[int | None] | None:
    """Return in which dimension of each tensor an axis is, None where it is in none.

    There is no such list if a part of the axis is no part of some tensor: if it is there twice,
    or stands behind another axis in a product of axes.
    """
    places: list[int | None] = []
    for dimensions in tensors:
        found = [k for k, each in enumerate(dimensions) for other in each if other == axis]
        wide = [each for k in found for each in dimensions[k] if sizes[each] != 1]
        if len(found) > 1 or wide[:1] not in ([], [axis]):
            return None
        places.append(found[0] if found else None)
    return places


def _resized(sizes: Sequence[int], axis: Axis, length: int, pieces: int) -> tuple[int, ...]:
    """Return sizes of which one is so many out of so many pieces of what it was."""
    return tuple([n * length // pieces if k == axis else n for k, n in enumerate(sizes)])


def _of_einsum(operator: Einsum) -> Iterator[Cut]:
    for axis, size in enumerate(operator.sizes):
        places = _places(axis, (operator.output, *operator.factors), operator.sizes)
        if places is not None:
            yield Cut(
                places[0],
                tuple(places[1:]),
                size,
                lambda length, pieces, axis=axis: replace(  # type: ignore[misc]
                    operator, sizes=_resized(operator.sizes, axis, length, pieces)
                ),
            )


def _of_selected(operator: Selected) -> Iterator[Cut]:
    """Yield the axes that take no part in a selection, or only say which integers it reads."""
    for axis, size in enumerate(operator.sizes):
        places = _places(axis, (operator.output, operator.factor), operator.sizes)
        integers: list[int | None] = []
        for each in operator.selections:
            found = [k for k, dimension in enumerate(each.dimensions) if axis in dimension]
            if found and (
                not each.selection.inputs
                or axis in each.determined
                or each.dimensions[found[0]][0] != axis
                or each.dimensions[found[0]].count(axis) > 1
            ):
                places = None
            integers += [found[0] if found else None] * len(each.selection.inputs)
        if places is not None:
            yield Cut(
                places[0],
                (places[1], *integers),
                size,
                lambda length, pieces, axis=axis: replace(  # type: ignore[misc]
                    operator, sizes=_resized(operator.sizes, axis, length, pieces)
                ),
            )


def _of_sum(operator: SummedUp) -> Iterator[Cut]:
    """Yield the dimensions of a sum that can be cut in every part of it."""
    for dimension, size in enumerate(operator.size):
        operands: list[int | None] = []
        found: list[Cut | None] = []
        for part in operator.parts:
            if part is None:
                operands.append(dimension)
                found.append(None)
                continue
            fitting = [each for each in _of_selected(part) if each.output == dimension]
            if not fitting:
                break
            size = gcd(size, fitting[0].size)
            operands += fitting[0].operands
            found.append(fitting[0])
        else:
            yield Cut(dimension, tuple(operands), size, _narrowed_sum(operator, dimension, found))


def _narrowed_sum(
    operator: SummedUp, dimension: int, found: Sequence[Cut | None]
) -> Callable[[int, int], Operator]:
    def narrowed(length: int, pieces: int) -> Operator:
        parts = [each and each.narrowed(length, pieces) for each in found]
        size = _resized(operator.size, dimension, length, pieces)
        return replace(operator, parts=tuple(parts), size=size)  # type: ignore[arg-type]

    return narrowed


def _of_layer(node: Expression, operator: Primitive) -> Iterator[Cut]:
    """Yield the axes on both sides of all Jacobians that a layer declares.

    An operand without a Jacobian is cut where the layer would not take it whole.
    """
    names = operator.input_names(len(node.operands))
    declared = operator.jacobian(node, *node.operands)
    aligned = [
        _aligned(node, each, declared[name]) if name in declared else None
        for name, each in zip(names, node.operands, strict=True)
    ]
    for dimension, size in enumerate(node.shape):
        if all(each is None or each[dimension] is None for each in aligned):
            continue
        choices: list[list[int | None]] = [
            [each[dimension]]
            if each is not None
            else [None, *[k for k, n in enumerate(operand.shape) if n == size]]
            for each, operand in zip(aligned, node.operands, strict=True)
        ]
        fitting = [each for each in product(*choices) if _fits(node, operator, dimension, each)]
        if len(fitting) == 1:
            yield _unchanged(node, dimension, fitting[0], size)


def _aligned(node: Expression, operand: Expression, declared: Declaration) -> list[int | None]:
    """Return for each dimension of the output that of the operand to which every term ties it."""
    found: list[list[int | None]] = []
    for _, spec, factors in declared.terms:
        shapes = tuple([each.shape for each in factors])
        bound = Signature.parse(spec).bind(shapes, node.shape, operand.shape)
        places = []
        for dimension in bound.output:
            both = _places(dimension[0], (bound.output, bound.input), bound.sizes)
            places.append(both[1] if both and len(dimension) == 1 else None)
        found.append(places)
    return [each[0] if len(set(each)) == 1 else None for each in zip(*found, strict=True)] or [
        None
    ] * node.ndim


def _fits(
    node: Expression, operator: Primitive, dimension: int, operands: Sequence[int | None]
) -> bool:
    """Say whether the operands that are cut, and no others, change size with the output."""

    def doubled(shape: Shape, at: int | None) -> Shape:
        return tuple([2 * n if k == at else n for k, n in enumerate(shape)])

    shapes = [doubled(each.shape, k) for each, k in zip(node.operands, operands, strict=True)]
    try:
        return operator.shape(*shapes) == doubled(node.shape, dimension)
    except TensorbpError:
        return False
