"""Einsums of at most two tensors, as functions of arrays.

A product becomes a broadcast multiplication where nothing is summed, an inner product where
nothing else is left, and otherwise a stack of matrix products. What transposes and reshapes that
takes is worked out once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
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
    "addition",
    "as_number",
    "blocks",
    "einsum_function",
    "finishing",
    "opening",
]

Array = Any
Function = Callable[..., Array]


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
    opened = [opening(dimensions, operator.sizes, xp) for dimensions in operator.factors]
    if not opened:
        finish = finishing(operator.output, operator.sizes, operator.coefficient, [], xp)
        return lambda: finish(xp.asarray(1, dtype=dtype))
    if len(opened) == 1:
        axes, open_it = opened[0]
        summed = tuple([k for k, axis in enumerate(axes) if axis in operator.summed])
        present = [axis for axis in axes if axis not in operator.summed]
        finish = finishing(operator.output, operator.sizes, operator.coefficient, present, xp)
        if not summed:
            return lambda x: finish(open_it(x))
        return lambda x: finish(xp.sum(open_it(x), axis=summed))
    (left, open_left), (right, open_right) = opened
    output = [operator.output[k] for k in layout] or operator.output
    multiply, present = _product(operator, left, right, output, xp, times)
    finish = finishing(operator.output, operator.sizes, operator.coefficient, present, xp)
    return lambda a, b: finish(multiply(open_left(a), open_right(b)))


def as_number(number: Number) -> float | int:
    """Return an exact number as array libraries take it."""
    return number if isinstance(number, int) else float(number)


def addition(numbers: Sequence[float]) -> Function:
    """Return the sum of as many arrays as there are numbers, each times its number."""
    first, *others = numbers

    def add(*arrays: Array) -> Array:
        total = arrays[0] if first == 1 else first * arrays[0]
        for number, array in zip(others, arrays[1:], strict=True):
            if number == 1:
                total = total + array
            elif number == -1:
                total = total - array
            else:
                total = total + number * array
        return total

    return add


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
    order = tuple([present.index(axis) for axis in kept])
    is_ordered = order == tuple(range(len(order)))
    firsts = [flat.index(axis) for axis in distinct]
    open_shape = tuple(
        [sizes[a] if k in firsts and a in present else 1 for k, a in enumerate(flat)]
    )
    spread_shape = tuple([sizes[axis] for axis in flat])
    shape = shape_of(output, sizes)
    number = as_number(coefficient)
    ties = [(flat.index(axis), k) for k, axis in enumerate(flat) if k not in firsts]

    def finish(array: Array) -> Array:
        if number != 1:
            array = array * number
        if not is_ordered:
            array = xp.transpose(array, order)
        if array.shape != open_shape:
            array = array.reshape(open_shape)
        for first, second in ties:
            array = _on_diagonal(xp, array, first, second, spread_shape[first])
        if array.shape != spread_shape:
            array = xp.broadcast_to(array, spread_shape)
        return array if spread_shape == shape else array.reshape(shape)

    return finish


def blocks(
    axes: Sequence[Axis],
    wanted: Sequence[Sequence[Axis]],
    sizes: Mapping[Axis, int] | Sequence[int],
    xp: Namespace,
) -> Function:
    """Return what arranges an array with a dimension for each block of its axes."""
    order = tuple([axes.index(axis) for block in wanted for axis in block])
    shape = tuple([prod([sizes[axis] for axis in block]) for block in wanted])
    return lambda array: xp.transpose(array, order).reshape(shape)


def _same(array: Array) -> Array:
    return array


def _on_diagonal(xp: Namespace, array: Array, first: int, second: int, size: int) -> Array:
    """Return the array where two dimensions agree, the second of them new, and zeros elsewhere."""
    places = xp.arange(size)
    rank = len(array.shape)
    rows, columns = (
        places.reshape((1,) * at + (size,) + (1,) * (rank - at - 1)) for at in (first, second)
    )
    return xp.where(rows == columns, array, xp.zeros_like(array))


def _product(
    operator: Einsum,
    left: tuple[Axis, ...],
    right: tuple[Axis, ...],
    output: Sequence[Dimension],
    xp: Namespace,
    times: Function,
) -> tuple[Function, list[Axis]]:
    """Return how two arrays are multiplied, and the axes of what comes out, as they lie."""
    order = [a for d in output for a in d if a in left or a in right]
    order = list(dict.fromkeys(order))
    shared = [axis for axis in left if axis in right]
    summed = [axis for axis in shared if axis in operator.summed]
    if not summed:
        spread_left, spread_right = _spreading(left, order, xp), _spreading(right, order, xp)
        return lambda a, b: times(spread_left(a), spread_right(b)), order
    batch = [axis for axis in order if axis in shared]
    rows = [axis for axis in order if axis not in right]
    columns = [axis for axis in order if axis not in left]
    sizes = operator.sizes
    if not rows and not columns:
        return _inner(left, right, batch, summed, sizes, xp), batch
    if rows and columns and order.index(columns[0]) < order.index(rows[0]):
        left, right, rows, columns = right, left, columns, rows
        is_swapped = True
    else:
        is_swapped = False
    as_left = _as_matrices(left, batch, rows, summed, sizes, xp)
    as_right = _as_matrices(right, batch, summed, columns, sizes, xp)
    present = batch + rows + columns
    shape = tuple([sizes[axis] for axis in present])

    def multiply(a: Array, b: Array) -> Array:
        if is_swapped:
            a, b = b, a
        return xp.matmul(as_left(a), as_right(b)).reshape(shape)

    return multiply, present


def _spreading(axes: tuple[Axis, ...], order: Sequence[Axis], xp: Namespace) -> Function:
    """Return what gives an array all axes of the order, of size one where it has none."""
    permutation = tuple([axes.index(axis) for axis in order if axis in axes])
    index = tuple([slice(None) if axis in axes else None for axis in order])
    is_ordered = permutation == tuple(range(len(axes)))
    if None not in index:
        return _same if is_ordered else lambda array: xp.transpose(array, permutation)
    if is_ordered:
        return lambda array: array[index]
    return lambda array: xp.transpose(array, permutation)[index]


def _inner(
    left: tuple[Axis, ...],
    right: tuple[Axis, ...],
    batch: Sequence[Axis],
    summed: Sequence[Axis],
    sizes: Sequence[int],
    xp: Namespace,
) -> Function:
    """Return the sum of products over what is summed."""
    permutation = tuple([right.index(axis) for axis in left])
    if not batch:
        size = (prod([sizes[axis] for axis in summed]),)
        return lambda a, b: xp.matmul(a.reshape(size), xp.transpose(b, permutation).reshape(size))
    along = tuple([left.index(axis) for axis in summed])
    kept = [axis for axis in left if axis in batch]
    order = tuple([kept.index(axis) for axis in batch])
    return lambda a, b: xp.transpose(xp.sum(a * xp.transpose(b, permutation), axis=along), order)


def _as_matrices(
    axes: tuple[Axis, ...],
    batch: list[Axis],
    rows: list[Axis],
    columns: list[Axis],
    sizes: Sequence[int],
    xp: Namespace,
) -> Function:
    """Return what arranges an array as a stack of matrices."""
    permutation = tuple([axes.index(axis) for axis in batch + rows + columns])
    shape = (
        *[sizes[axis] for axis in batch],
        prod([sizes[axis] for axis in rows]),
        prod([sizes[axis] for axis in columns]),
    )
    is_ordered = permutation == tuple(range(len(axes)))
    has_shape = len(rows) == len(columns) == 1
    if is_ordered and has_shape:
        return _same
    if is_ordered:
        return lambda array: array.reshape(shape)
    if has_shape:
        return lambda array: xp.transpose(array, permutation)
    return lambda array: xp.transpose(array, permutation).reshape(shape)
