"""Einsums of at most two tensors, as functions of arrays.

A product becomes a broadcast multiplication where nothing is summed, an inner product where
nothing else is left, and otherwise a stack of matrix products. What transposes and reshapes that
takes is worked out once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from operator import mul
from typing import Any

from tensorbp.algebra import Axis, Dimension, Number, shape_of
from tensorbp.execution.functional.layouts import AS_WRITTEN, Layout
from tensorbp.execution.functional.namespace import Namespace
from tensorbp.expression.einsum import Einsum

__all__ = [
    "Array",
    "Function",
    "as_number",
    "blocks",
    "chained",
    "einsum_function",
    "finishing",
    "opening",
    "product_of",
    "spreading",
]

Array = Any
Function = Callable[..., Array]

FEW = 64
"""Up to so many rows or columns, of one of two matrices, are few beside four times as many."""

LARGE = 1 << 16
"""A matrix of so many numbers takes longer to be read than a few rows that it multiplies."""


def einsum_function(
    operator: Einsum,
    xp: Namespace,
    dtype: str,
    layout: Layout = AS_WRITTEN,
    times: Function = mul,
) -> Function:
    """Return an einsum as a function of its operands.

    Args:
        operator: the einsum.
        xp: the array library.
        dtype: the type of numbers.
        layout: how the result of a product had better lie.
        times: what multiplies numbers where nothing is summed.
    """
    sizes, number = operator.sizes, operator.coefficient
    opened = [opening(dimensions, sizes, xp) for dimensions in operator.factors]
    if not opened:
        finish = finishing(operator.output, sizes, number, [], xp)
        return lambda: finish(xp.asarray(1, dtype=dtype))
    if len(opened) == 1:
        axes, open_it = opened[0]
        summed = tuple([k for k, axis in enumerate(axes) if axis in operator.summed])
        present = [axis for axis in axes if axis not in operator.summed]
        finish = finishing(operator.output, sizes, number, present, xp)
        return chained(open_it, _summing(summed, xp), finish)
    (left, open_left), (right, open_right) = opened
    output = [operator.output[k] for k in layout] or operator.output
    product = product_of(operator, left, right, output, xp, times)
    finish = chained(product.finish, finishing(operator.output, sizes, number, product.present, xp))
    as_left, as_right = chained(open_left, product.left), chained(open_right, product.right)
    multiply = product.multiply
    if product.is_swapped:
        return lambda a, b: finish(multiply(as_right(b), as_left(a)))
    return lambda a, b: finish(multiply(as_left(a), as_right(b)))


def chained(*functions: Function) -> Function:
    """Return functions of one array as one, which calls the first of them first."""
    needed = [each for each in functions if each is not _same]
    if len(needed) < 2:
        return needed[0] if needed else _same
    first, second, *others = needed
    if others:
        return chained(first, chained(second, *others))
    return lambda array: second(first(array))


def as_number(number: Number) -> float | int:
    """Return an exact number as array libraries take it."""
    return number if isinstance(number, int) else float(number)


def opening(
    dimensions: Sequence[Dimension], sizes: Sequence[int], xp: Namespace
) -> tuple[tuple[Axis, ...], Function]:
    """Return the distinct axes of an operand, and what gives its array one dimension for each."""
    axes = [axis for dimension in dimensions for axis in dimension]
    shape = tuple([sizes[axis] for axis in axes])
    ties: list[tuple[int, int]] = []
    while repeated := [axis for axis in axes if axes.count(axis) > 1]:
        first = axes.index(repeated[0])
        second = axes.index(repeated[0], first + 1)
        ties.append((first, second))
        axes = [a for k, a in enumerate(axes) if k not in (first, second)] + [repeated[0]]
    is_grouped = any(len(dimension) != 1 for dimension in dimensions)

    def opened(array: Array) -> Array:
        array = array.reshape(shape) if is_grouped else array
        for first, second in ties:
            array = xp.diagonal(array, 0, first, second)
        return array

    return tuple(axes), opened if is_grouped or ties else _same


def finishing(
    output: Sequence[Dimension],
    sizes: Sequence[int],
    coefficient: Number,
    present: Sequence[Axis],
    xp: Namespace,
) -> Function:
    """Return what turns an array with the present axes into the result of a node.

    Args:
        output: the dimensions of the result; an axis that occurs twice is a delta.
        sizes: the size of each axis.
        coefficient: the number in front.
        present: the axes of the array, in order; along the others it is repeated.
        xp: the array library.
    """
    flat = [axis for dimension in output for axis in dimension]
    distinct = list(dict.fromkeys(flat))
    kept = [axis for axis in distinct if axis in present]
    firsts = [flat.index(axis) for axis in distinct]
    open_shape = tuple(
        [sizes[a] if k in firsts and a in present else 1 for k, a in enumerate(flat)]
    )
    spread_shape = tuple([sizes[axis] for axis in flat])
    shape = shape_of(output, sizes)
    number = as_number(coefficient)
    ties = [(flat.index(axis), k) for k, axis in enumerate(flat) if k not in firsts]

    def tie(array: Array) -> Array:
        for first, second in ties:
            array = _on_diagonal(xp, array, first, second, spread_shape[first])
        return array

    found = tuple([sizes[axis] for axis in kept])
    # what is repeated along the first dimensions alone need not have them
    is_open = found == open_shape or (
        not ties and found == open_shape[len(flat) - len(kept) :] and found != spread_shape
    )
    return chained(
        _same if number == 1 else lambda array: array * number,
        _ordering([present.index(axis) for axis in kept], xp),
        _same if is_open else lambda array: array.reshape(open_shape),
        tie if ties else _same,
        _same if found == spread_shape else lambda array: xp.broadcast_to(array, spread_shape),
        _same if spread_shape == shape else lambda array: array.reshape(shape),
    )


def blocks(
    axes: Sequence[Axis],
    wanted: Sequence[Sequence[Axis]],
    sizes: Mapping[Axis, int] | Sequence[int],
    xp: Namespace,
) -> Function:
    """Return what arranges an array with a dimension for each block of its axes."""
    order = tuple([axes.index(axis) for block in wanted for axis in block])
    shape = tuple([_size(block, sizes) for block in wanted])
    return lambda array: xp.transpose(array, order).reshape(shape)


def _same(array: Array) -> Array:
    return array


def _ordering(order: Sequence[int], xp: Namespace) -> Function:
    """Return what brings the dimensions of an array into an order."""
    permutation = tuple(order)
    if permutation == tuple(range(len(order))):
        return _same
    return lambda array: xp.transpose(array, permutation)


def _summing(summed: tuple[int, ...], xp: Namespace) -> Function:
    return (lambda array: xp.sum(array, axis=summed)) if summed else _same


def _on_diagonal(xp: Namespace, array: Array, first: int, second: int, size: int) -> Array:
    """Return the array where two dimensions agree, the second of them new, and zeros elsewhere."""
    places = xp.arange(size)
    rank = len(array.shape)
    rows, columns = (
        places.reshape((1,) * at + (size,) + (1,) * (rank - at - 1)) for at in (first, second)
    )
    return xp.where(rows == columns, array, xp.zeros_like(array))


@dataclass(frozen=True)
class Product:
    """How two arrays are multiplied.

    Attributes:
        left: what arranges the first array.
        right: what arranges the second.
        multiply: what multiplies the two.
        finish: what gives the result one dimension for each axis.
        present: its axes, as they lie.
        is_swapped: whether the second array comes first.
    """

    left: Function
    right: Function
    multiply: Function
    finish: Function
    present: list[Axis]
    is_swapped: bool = False


def product_of(
    operator: Einsum,
    left: tuple[Axis, ...],
    right: tuple[Axis, ...],
    output: Sequence[Dimension],
    xp: Namespace,
    times: Function = mul,
) -> Product:
    """Return how two arrays are multiplied.

    Args:
        operator: the einsum.
        left: the axes of the first array.
        right: the axes of the second.
        output: the dimensions of the result, as they had better lie.
        xp: the array library.
        times: what multiplies numbers where nothing is summed.
    """
    order = [a for d in output for a in d if a in left or a in right]
    order = list(dict.fromkeys(order))
    shared = [axis for axis in left if axis in right]
    summed = [axis for axis in shared if axis in operator.summed]
    if not summed:
        return Product(spreading(left, order, xp), spreading(right, order, xp), times, _same, order)
    batch = [axis for axis in order if axis in shared]
    rows = [axis for axis in order if axis not in right]
    columns = [axis for axis in order if axis not in left]
    sizes, flat_output = operator.sizes, operator.pattern.output_axes
    if not rows and not columns:
        return _inner(left, right, batch, summed, sizes, xp)
    # what comes last in the result had better lie side by side
    is_swapped = bool(rows and columns) and order.index(columns[-1]) < order.index(rows[-1])
    multiply = xp.matmul
    if not batch and _has_few_rows(rows, columns, summed, sizes):
        # few rows times a large matrix are several times as fast as the matrix times few columns
        is_swapped = _size(columns, sizes) < _size(rows, sizes)
        thin, large = (right, left) if is_swapped else (left, right)
        # a transposition next to a matrix that is read across might be folded into the product
        is_transposed = flat_output[-1] in thin or thin[-1] not in summed
        is_across = large[-1] not in summed
        multiply = xp.thin_matmul if is_transposed and is_across else xp.matmul
    if is_swapped:
        rows, columns = columns, rows
    as_left = _as_matrices(
        left, batch, *((summed, columns) if is_swapped else (rows, summed)), sizes, xp
    )
    as_right = _as_matrices(
        right, batch, *((rows, summed) if is_swapped else (summed, columns)), sizes, xp
    )
    present = batch + rows + columns
    shape = tuple([sizes[axis] for axis in present])
    finish = _same if len(rows) == len(columns) == 1 else lambda array: array.reshape(shape)
    return Product(as_left, as_right, multiply, finish, present, is_swapped)


def _has_few_rows(
    rows: Sequence[Axis], columns: Sequence[Axis], summed: Sequence[Axis], sizes: Sequence[int]
) -> bool:
    """Say whether one of two matrices is large, and the other has few rows or columns.

    So much is summed that it takes no time worth mentioning to transpose the result.
    """
    few, many = sorted((_size(rows, sizes), _size(columns, sizes)))
    terms = _size(summed, sizes)
    return few <= FEW <= terms and 4 * few <= many and many * terms >= LARGE


def _size(axes: Sequence[Axis], sizes: Mapping[Axis, int] | Sequence[int]) -> int:
    return prod([sizes[axis] for axis in axes])


def spreading(axes: tuple[Axis, ...], order: Sequence[Axis], xp: Namespace) -> Function:
    """Return what gives an array all axes of the order, of size one where it has none."""
    index = tuple([slice(None) if axis in axes else None for axis in order])
    # dimensions that are missing in front are there without being named
    is_whole = None not in index[index.index(slice(None)) if axes else len(index) :]
    arrange = _ordering([axes.index(axis) for axis in order if axis in axes], xp)
    return chained(arrange, _same if is_whole else lambda array: array[index])


def _inner(
    left: tuple[Axis, ...],
    right: tuple[Axis, ...],
    batch: Sequence[Axis],
    summed: Sequence[Axis],
    sizes: Sequence[int],
    xp: Namespace,
) -> Product:
    """Return the sum of products over what is summed."""
    arrange = _ordering([right.index(axis) for axis in left], xp)
    if not batch:
        size = (_size(summed, sizes),)

        def as_row(array: Array) -> Array:
            return array.reshape(size)

        return Product(as_row, chained(arrange, as_row), xp.matmul, _same, [])
    along = tuple([left.index(axis) for axis in summed])
    kept = [axis for axis in left if axis in batch]
    return Product(_same, arrange, mul, _summing(along, xp), kept)


def _as_matrices(
    axes: tuple[Axis, ...],
    batch: list[Axis],
    rows: list[Axis],
    columns: list[Axis],
    sizes: Sequence[int],
    xp: Namespace,
) -> Function:
    """Return what arranges an array as a stack of matrices."""
    shape = (
        *[sizes[axis] for axis in batch],
        _size(rows, sizes),
        _size(columns, sizes),
    )
    arrange = _ordering([axes.index(axis) for axis in batch + rows + columns], xp)
    has_shape = len(rows) == len(columns) == 1
    return chained(arrange, _same if has_shape else lambda array: array.reshape(shape))
