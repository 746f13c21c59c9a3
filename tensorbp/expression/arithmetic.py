"""Arithmetic on expressions: sums, products, broadcasting, reductions and changes of shape.

Products, reductions, transpositions, broadcasts and reshapes are all einsum nodes; the one node
of its own is the sum.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from math import prod
from typing import ClassVar

from tensorbp.algebra import Dimension, Factor, Number, Shape, Term, Unifier, simplify
from tensorbp.algebra.axes import GroupingConflict
from tensorbp.errors import ShapeError
from tensorbp.expression.einsum import (
    Einsum,
    Keeps,
    constant,
    contract,
    einsum,
    is_view,
    keeps_all,
    keeps_none,
    product,
    term_of,
)
from tensorbp.expression.node import Expression, as_expression, provides

__all__ = [
    "Add",
    "add",
    "broadcast_shape",
    "broadcast_to",
    "matmul",
    "mean",
    "multiply",
    "reshape",
    "subtract",
    "sum",
    "total",
    "transpose",
]

Axes = int | Sequence[int] | None


@dataclass(frozen=True)
class Add:
    """The operator of a sum: y = Σ_k c_k x_k, all of one shape; ∂y/∂x_k = c_k · identity.

    Attributes:
        coefficients: the number in front of each operand.
    """

    name: ClassVar[str] = "add"

    coefficients: tuple[Number, ...]

    def shape(self, *shapes: Shape) -> Shape:
        """Return the shape that all operands have."""
        return shapes[0]


def linear_combination(
    pairs: Sequence[tuple[Number, Expression]], keeps: Keeps = keeps_none
) -> Expression:
    """Return Σ c_k x_k for expressions of one shape, equal ones collected, zeros dropped.

    Args:
        pairs: the numbers and the expressions.
        keeps: which expressions stay whole, though they are views times a number.
    """
    coefficients: dict[Expression, Number] = {}
    for number, value in pairs:
        if not keeps(value):
            number, value = _unscaled(number, value, keeps)
        coefficients[value] = coefficients.get(value, 0) + number
    kept = {v: simplify(c) for v, c in coefficients.items() if c != 0 and not _is_zero(v)}
    if not kept:
        return constant(0, pairs[0][1].shape)
    if len(kept) == 1:
        ((value, number),) = kept.items()
        return value if number == 1 and not is_view(value) else scaled(number, value, keeps)
    return Expression.of(Add(tuple(kept.values())), *kept)


def _unscaled(number: Number, value: Expression, keeps: Keeps) -> tuple[Number, Expression]:
    """Move the coefficient of a scaled view in front."""
    operator = value.operator
    if is_view(value) and isinstance(operator, Einsum) and operator.coefficient not in (0, 1):
        unscaled = replace(term_of(value), coefficient=1)
        return number * operator.coefficient, contract(unscaled, keeps)
    return number, value


def _is_zero(value: Expression) -> bool:
    return isinstance(value.operator, Einsum) and value.operator.coefficient == 0


def scaled(number: Number, value: Expression, keeps: Keeps = keeps_none) -> Expression:
    """Return an expression times a number."""
    axes = tuple([(axis,) for axis in range(value.ndim)])
    sizes = dict(enumerate(value.shape))
    return contract(Term.of(number, [Factor(value, axes)], axes, (), sizes), keeps)


def total(terms: Sequence[Term[Expression]], keeps: Keeps = keeps_none) -> Expression:
    """Return the sum of tensors, given as terms without input side, as one expression."""
    return linear_combination([(1, contract(term, keeps)) for term in terms], keeps)


def broadcast_shape(*shapes: Shape) -> Shape:
    """Return the shape to which shapes broadcast, by numpy's rule: aligned at the end.

    Raises:
        ShapeError: sizes differ and neither is one.
    """
    rank = max(len(shape) for shape in shapes)
    padded = [(1,) * (rank - len(shape)) + shape for shape in shapes]
    result = []
    for sizes in zip(*padded, strict=True):
        different = {size for size in sizes if size != 1}
        if len(different) > 1:
            raise ShapeError(
                f"shapes {', '.join(map(str, shapes))} do not broadcast: sizes "
                f"{' and '.join(map(str, sorted(different)))} meet"
            )
        result.append(different.pop() if different else 1)
    return tuple(result)


def broadcast_to(x: Expression, shape: Shape) -> Expression:
    """Return the expression repeated to a shape, by numpy's rule.

    Raises:
        ShapeError: the expression does not broadcast to the shape.
    """
    if x.shape == shape:
        return x
    if isinstance(x.operator, Einsum) and not x.ndim and not x.operands:
        return constant(x.operator.coefficient, shape)
    if broadcast_shape(x.shape, shape) != shape:
        raise ShapeError(f"shape {x.shape} does not broadcast to {shape}")
    offset = len(shape) - x.ndim
    dimensions: list[Dimension] = [
        (axis + offset,) if size == shape[axis + offset] else ()
        for axis, size in enumerate(x.shape)
    ]
    output = [(axis,) for axis in range(len(shape))]
    return product(Term.of(1, [Factor(x, tuple(dimensions))], output, (), dict(enumerate(shape))))


@provides("add")
def add(*operands: Expression | Number) -> Expression:
    """Return the sum of the operands, broadcast to one shape."""
    return _combination([(1, each) for each in operands])


@provides("subtract")
def subtract(left: Expression | Number, right: Expression | Number) -> Expression:
    """Return left - right, broadcast to one shape."""
    return _combination([(1, left), (-1, right)])


def _combination(pairs: Sequence[tuple[Number, Expression | Number]]) -> Expression:
    values = [(number, as_expression(value)) for number, value in pairs]
    shape = broadcast_shape(*[value.shape for _, value in values])
    return linear_combination(
        [(number, broadcast_to(value, shape)) for number, value in values], keeps_all
    )


@provides("multiply")
def multiply(*operands: Expression | Number) -> Expression:
    """Return the elementwise product of the operands, broadcast to one shape."""
    values = [as_expression(each) for each in operands]
    shape = broadcast_shape(*[value.shape for value in values])
    axes = tuple([(axis,) for axis in range(len(shape))])
    factors = [Factor(broadcast_to(value, shape), axes) for value in values]
    return product(Term.of(1, factors, axes, (), dict(enumerate(shape))))


@provides("matmul")
def matmul(left: Expression | Number, right: Expression | Number) -> Expression:
    """Return the matrix product by numpy's rule: vectors too, leading axes broadcast.

    Raises:
        ShapeError: an operand is a scalar, or the sizes to be contracted differ.
    """
    left, right = as_expression(left), as_expression(right)
    if not left.ndim or not right.ndim:
        raise ShapeError(
            f"the matrix product needs vectors or matrices, found shapes {left.shape} and "
            f"{right.shape}; a number is multiplied with *"
        )
    if left.shape[-1] != right.shape[0 if right.ndim == 1 else -2]:
        raise ShapeError(
            f"matrix product of shapes {left.shape} and {right.shape}: the last size of the left, "
            f"{left.shape[-1]}, must be the {'first' if right.ndim == 1 else 'last but one'} of "
            f"the right, {right.shape[0 if right.ndim == 1 else -2]}"
        )
    batch = broadcast_shape(left.shape[:-2], right.shape[:-2])
    left = broadcast_to(left, (batch if left.ndim > 1 else ()) + left.shape[-2:])
    right = broadcast_to(right, (batch if right.ndim > 1 else ()) + right.shape[-2:])
    letters = "".join(chr(ord("A") + k) for k in range(len(batch)))
    spec_left = f"{letters}ij" if left.ndim > 1 else "j"
    spec_right = f"{letters}jk" if right.ndim > 1 else "j"
    rows, columns = "i" * (left.ndim > 1), "k" * (right.ndim > 1)
    return einsum(f"{spec_left},{spec_right}->{letters}{rows}{columns}", left, right)


def normalized_axes(axis: Axes, rank: int) -> tuple[int, ...]:
    """Return the axes of a reduction as sorted positions; None means all.

    Raises:
        ShapeError: an axis is out of range or named twice.
    """
    if axis is None:
        return tuple(range(rank))
    axes = (axis,) if isinstance(axis, int) else tuple(axis)
    for each in axes:
        if not rank:
            raise ShapeError(f"axis {each} is out of range: an expression of shape () has no axis")
        if not -rank <= each < rank:
            raise ShapeError(
                f"axis {each} is out of range for {rank} dimensions: it must be from {-rank} to "
                f"{rank - 1}"
            )
    positions = sorted(each % rank for each in axes)
    if len(set(positions)) < len(positions):
        raise ShapeError(f"axes {axes} name a dimension twice")
    return tuple(positions)


def sum(x: Expression, axis: Axes = None, keepdims: bool = False) -> Expression:
    """Return the sum over axes, by default over all.

    >>> import tensorbp as tb
    >>> tb.sum(tb.variable("x", 5, 7), axis=0).shape
    (7,)

    Args:
        x: the expression.
        axis: which axes to sum over; negative ones count from the end.
        keepdims: keep them as dimensions of size one.

    Raises:
        ShapeError: an axis is out of range or named twice.
    """
    return _reduction(1, x, normalized_axes(axis, x.ndim), keepdims)


def mean(x: Expression, axis: Axes = None, keepdims: bool = False) -> Expression:
    """Return the mean over axes, by default over all; of no numbers at all it is nan.

    >>> import tensorbp as tb
    >>> tb.mean(tb.variable("x", 5, 7), axis=-1).shape
    (5,)

    Args:
        x: the expression.
        axis: which axes to take the mean over; negative ones count from the end.
        keepdims: keep them as dimensions of size one.

    Raises:
        ShapeError: an axis is out of range or named twice.
    """
    axes = normalized_axes(axis, x.ndim)
    count = prod(x.shape[k] for k in axes)
    return _reduction(Fraction(1, count) if count else float("nan"), x, axes, keepdims)


def _reduction(
    coefficient: Number, x: Expression, axes: tuple[int, ...], keepdims: bool
) -> Expression:
    output: list[Dimension] = []
    for k in range(x.ndim):
        if k not in axes:
            output.append((k,))
        elif keepdims:
            output.append(())
    every = tuple([(k,) for k in range(x.ndim)])
    sizes = dict(enumerate(x.shape))
    return product(Term.of(coefficient, [Factor(x, every)], output, (), sizes))


@provides("transpose")
def transpose(x: Expression, axes: Sequence[int] | None = None) -> Expression:
    """Return the expression with its dimensions permuted, by default reversed.

    Raises:
        ShapeError: the axes are no permutation of the dimensions.
    """
    order = tuple(reversed(range(x.ndim))) if axes is None else tuple(axes)
    positions = [each % x.ndim if -x.ndim <= each < x.ndim else -1 for each in order]
    if sorted(positions) != list(range(x.ndim)):
        raise ShapeError(
            f"transpose: axes {order} are no permutation of the {x.ndim} dimensions of shape "
            f"{x.shape}"
        )
    every = tuple([(k,) for k in range(x.ndim)])
    output = [(k,) for k in positions]
    return product(Term.of(1, [Factor(x, every)], output, (), dict(enumerate(x.shape))))


def reshape(x: Expression, shape: Sequence[int]) -> Expression:
    """Return the numbers of the expression, in row-major order, in another shape.

    Args:
        x: the expression.
        shape: the new sizes; one of them may be -1, and is then what is left.

    Raises:
        ShapeError: the number of elements differs.
    """
    target = _completed(tuple(shape), x)
    sizes = dict(enumerate(x.shape + target))
    old = tuple([(k,) for k in range(x.ndim)])
    new = tuple([(k + x.ndim,) for k in range(len(target))])
    unifier = Unifier(sizes)
    try:
        unifier.equate(_joined(old), _joined(new))
    except GroupingConflict:
        return reshape(_flattened(x), target)
    return product(
        Term.of(
            1,
            [Factor(x, unifier.expand_all(old))],
            unifier.expand_all(new),
            (),
            unifier.sizes,
        )
    )


def _joined(dimensions: Sequence[Dimension]) -> Dimension:
    return tuple([axis for dimension in dimensions for axis in dimension])


def _flattened(x: Expression) -> Expression:
    old = tuple([(k,) for k in range(x.ndim)])
    sizes = dict(enumerate(x.shape))
    return product(Term.of(1, [Factor(x, old)], [_joined(old)], (), sizes))


def _completed(shape: Shape, x: Expression) -> Shape:
    """Replace a -1 in a shape by the size that is left."""
    known = prod(size for size in shape if size != -1)
    if any(size < -1 for size in shape):
        raise ShapeError(f"cannot reshape {x.shape} to {shape}: sizes are not negative, but one -1")
    if shape.count(-1) == 1 and known and x.size % known == 0:
        shape = tuple(x.size // known if size == -1 else size for size in shape)
    if -1 in shape or prod(shape) != x.size:
        raise ShapeError(
            f"cannot reshape {x.shape}, which has {x.size} elements, to {shape}, which has "
            f"{'an open size' if -1 in shape else prod(shape)}"
        )
    return shape
