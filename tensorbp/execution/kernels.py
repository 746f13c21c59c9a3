"""Kernels: each step of a plan as one call into the array library.

A contraction of two tensors becomes a broadcast multiplication where nothing is summed, an inner
product where nothing else is left, and otherwise a batched matrix product. What transposes and
reshapes that takes is worked out once, when the kernel is made.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

from tensorbp.algebra import Axis, Dimension, Number, letter, shape_of
from tensorbp.expression.arithmetic import Add
from tensorbp.expression.einsum import Einsum
from tensorbp.expression.layer import Primitive
from tensorbp.expression.node import Operator
from tensorbp.planning.selecting import Selected, SummedUp

__all__ = ["Kernel", "kernel"]

Kernel = Callable[..., Any]


def kernel(operator: Operator, xp: Any, dtype: str) -> Kernel:
    """Return the function that computes an operator's result from the arrays of its operands.

    Args:
        operator: what a step applies.
        xp: the namespace of the array library.
        dtype: the type of numbers.
    """
    if isinstance(operator, Einsum):
        makers = (_constant, _unary, _binary)
        return makers[len(operator.factors)](operator, xp, dtype)
    if isinstance(operator, Add):
        return _addition(operator)
    if isinstance(operator, Selected):
        return _selection(operator, xp)
    if isinstance(operator, SummedUp):
        return _summing_up(operator, xp, dtype)
    assert isinstance(operator, Primitive)
    forward = operator.forward

    def apply(*arrays: Any) -> Any:
        result = forward(xp, *arrays)
        # a layer that compares labels, or makes a table of numbers, knows no dtype
        knows_none = result.dtype == bool or not arrays
        return xp.asarray(result, dtype=dtype) if knows_none else result

    return apply


def _as_float(number: Number) -> float | int:
    return number if isinstance(number, int) else float(number)


def _addition(operator: Add) -> Kernel:
    numbers = [_as_float(number) for number in operator.coefficients]

    def add(*arrays: Any) -> Any:
        first = arrays[0] if numbers[0] == 1 else numbers[0] * arrays[0]
        for number, array in zip(numbers[1:], arrays[1:], strict=True):
            if number == 1:
                first = first + array
            elif number == -1:
                first = first - array
            else:
                first = first + number * array
        return first

    return add


def _selection(operator: Selected, xp: Any) -> Kernel:
    from tensorbp.execution.selecting import SelectingKernel

    axes, opened = _opened(operator.factor, operator.sizes, xp)
    select = SelectingKernel(operator, axes)
    finish = _finish(operator, xp, select.axes)
    return lambda tensor, *integers: finish(select(opened(tensor), integers))


def _summing_up(operator: SummedUp, xp: Any, dtype: str) -> Kernel:
    """Return a sum of which some parts are scattered, each added to the same array."""
    adders: list[tuple[int, int, Kernel]] = []
    start = 0
    for number, part in zip(operator.coefficients, operator.parts, strict=True):
        end = start + (1 if part is None else part.operand_count)
        adders.append((start, end, _adder(_as_float(number), part, xp, dtype)))
        start = end

    def sum_up(*arrays: Any) -> Any:
        total = xp.zeros(operator.size, dtype=dtype)
        for start, end, add in adders:
            add(total, *arrays[start:end])
        return total

    return sum_up


def _adder(number: float, part: Selected | None, xp: Any, dtype: str) -> Kernel:
    """Return what adds a number times a part to a total."""
    if part is not None:
        from tensorbp.execution.selecting import SelectingKernel

        axes, opened = _opened(part.factor, part.sizes, xp)
        select = SelectingKernel(part, axes)
        flat = [axis for dimension in part.output for axis in dimension]
        if select.adds_slices and set(flat) == set(select.axes) and len(flat) == len(select.axes):
            shape = tuple([part.sizes[axis] for axis in flat])
            order = tuple([flat.index(axis) for axis in select.axes])

            def add_slices(total: Any, tensor: Any, *integers: Any) -> None:
                scaled = tensor if number == 1 else number * tensor
                # the total is contiguous: this is a view of it
                select.add_to(total.reshape(shape).transpose(order), opened(scaled), integers)

            return add_slices
    scatter = None if part is None else kernel(part, xp, dtype)

    def add(total: Any, *arrays: Any) -> None:
        value = arrays[0] if scatter is None else scatter(*arrays)
        total += value if number == 1 else number * value

    return add


def _constant(operator: Einsum, xp: Any, dtype: str) -> Kernel:
    one = xp.asarray(1, dtype=dtype)
    finish = _finish(operator, xp, [])
    return lambda: finish(one)


def _finish(operator: Einsum | Selected, xp: Any, present: Sequence[Axis]) -> Kernel:
    """Return what turns an array with the present axes into the result of the node."""
    flat = [axis for dimension in operator.output for axis in dimension]
    shape = shape_of(operator.output, operator.sizes)
    distinct = list(dict.fromkeys(flat))
    kept = [axis for axis in distinct if axis in present]
    order = tuple([present.index(axis) for axis in kept])
    is_ordered = order == tuple(range(len(order)))
    open_shape = tuple([operator.sizes[a] if a in present else 1 for a in distinct])
    spread_shape = tuple([operator.sizes[axis] for axis in distinct])
    number = _as_float(operator.coefficient)
    writes_delta = len(distinct) < len(flat)

    def finish(array: Any) -> Any:
        if number != 1:
            array = array * number
        if not is_ordered:
            array = xp.transpose(array, order)
        if array.shape != open_shape:
            array = array.reshape(open_shape)
        if open_shape != spread_shape:
            array = xp.broadcast_to(array, spread_shape)
        if writes_delta:
            array = _written_delta(xp, array, flat, distinct, operator.sizes)
        return array if array.shape == shape else array.reshape(shape)

    return finish


def _written_delta(
    xp: Any, array: Any, flat: Sequence[Axis], distinct: Sequence[Axis], sizes: Sequence[int]
) -> Any:
    """Return zeros with the array on the diagonal that repeated axes make."""
    result = xp.zeros(tuple([sizes[axis] for axis in flat]), dtype=array.dtype)
    letters = {axis: letter(k) for k, axis in enumerate(distinct)}
    spec = f"{''.join(letters[a] for a in flat)}->{''.join(letters[a] for a in distinct)}"
    xp.einsum(spec, result)[...] = array
    return result


def _opened(
    dimensions: Sequence[Dimension], sizes: Sequence[int], xp: Any
) -> tuple[tuple[Axis, ...], Kernel]:
    """Return the distinct axes of an operand, and what gives its array one dimension for each."""
    flat = [axis for dimension in dimensions for axis in dimension]
    shape = tuple([sizes[axis] for axis in flat])
    is_grouped = any(len(dimension) != 1 for dimension in dimensions)
    distinct = tuple(dict.fromkeys(flat))
    if len(distinct) < len(flat):
        letters = {axis: letter(k) for k, axis in enumerate(distinct)}
        spec = f"{''.join(letters[a] for a in flat)}->{''.join(letters.values())}"
        return distinct, lambda array: xp.einsum(spec, array.reshape(shape))
    if is_grouped:
        return distinct, lambda array: array.reshape(shape)
    return distinct, lambda array: array


def _unary(operator: Einsum, xp: Any, dtype: str) -> Kernel:
    del dtype
    axes, opened = _opened(operator.factors[0], operator.sizes, xp)
    summed = tuple([k for k, axis in enumerate(axes) if axis in operator.summed])
    finish = _finish(operator, xp, [axis for axis in axes if axis not in operator.summed])
    if not summed:
        return lambda array: finish(opened(array))
    return lambda array: finish(xp.sum(opened(array), axis=summed))


def _binary(operator: Einsum, xp: Any, dtype: str) -> Kernel:
    del dtype
    left_axes, open_left = _opened(operator.factors[0], operator.sizes, xp)
    right_axes, open_right = _opened(operator.factors[1], operator.sizes, xp)
    multiply, present = _product(operator, left_axes, right_axes, xp)
    finish = _finish(operator, xp, present)
    return lambda left, right: finish(multiply(open_left(left), open_right(right)))


def _product(
    operator: Einsum, left: tuple[Axis, ...], right: tuple[Axis, ...], xp: Any
) -> tuple[Kernel, list[Axis]]:
    """Return how two arrays are multiplied, and the axes of what comes out."""
    order = [a for d in operator.output for a in d if a in left or a in right]
    order = list(dict.fromkeys(order))
    shared = [axis for axis in left if axis in right]
    summed = [axis for axis in shared if axis in operator.summed]
    if not summed:
        return _elementwise(left, right, order, xp), order
    batch = [axis for axis in order if axis in shared]
    rows = [axis for axis in order if axis not in right]
    columns = [axis for axis in order if axis not in left]
    if not rows and not columns:
        return _inner(left, right, batch, xp), batch
    if rows and columns and order.index(columns[0]) < order.index(rows[0]):
        swapped, present = _matrix_product(operator, right, left, batch, summed, columns, rows, xp)
        return lambda a, b: swapped(b, a), present
    return _matrix_product(operator, left, right, batch, summed, rows, columns, xp)


def _elementwise(
    left: tuple[Axis, ...], right: tuple[Axis, ...], order: list[Axis], xp: Any
) -> Kernel:
    spread_left, spread_right = _spread(left, order, xp), _spread(right, order, xp)
    return lambda a, b: spread_left(a) * spread_right(b)


def _spread(axes: tuple[Axis, ...], order: list[Axis], xp: Any) -> Kernel:
    """Return what gives an array all axes of the order, of size one where it has none."""
    permutation = tuple([axes.index(axis) for axis in order if axis in axes])
    index = tuple([slice(None) if axis in axes else None for axis in order])
    is_ordered = permutation == tuple(range(len(axes)))
    is_whole = None not in index
    if is_ordered and is_whole:
        return lambda array: array
    if is_whole:
        return lambda array: xp.transpose(array, permutation)
    return lambda array: xp.transpose(array, permutation)[index]


def _inner(left: tuple[Axis, ...], right: tuple[Axis, ...], batch: list[Axis], xp: Any) -> Kernel:
    letters = {axis: letter(k) for k, axis in enumerate(left)}
    spec = (
        f"{''.join(letters[a] for a in left)},{''.join(letters[a] for a in right)}->"
        f"{''.join(letters[a] for a in batch)}"
    )
    return lambda a, b: xp.einsum(spec, a, b)


def _matrix_product(
    operator: Einsum,
    left: tuple[Axis, ...],
    right: tuple[Axis, ...],
    batch: list[Axis],
    summed: list[Axis],
    rows: list[Axis],
    columns: list[Axis],
    xp: Any,
) -> tuple[Kernel, list[Axis]]:
    """Return a batched matrix product, rows and columns being products of axes."""
    sizes = operator.sizes
    as_left = _as_matrices(left, batch, rows, summed, sizes, xp)
    as_right = _as_matrices(right, batch, summed, columns, sizes, xp)
    present = batch + rows + columns
    shape = tuple([sizes[axis] for axis in present])

    def multiply(a: Any, b: Any) -> Any:
        return xp.matmul(as_left(a), as_right(b)).reshape(shape)

    return multiply, present


def _as_matrices(
    axes: tuple[Axis, ...],
    batch: list[Axis],
    rows: list[Axis],
    columns: list[Axis],
    sizes: Sequence[int],
    xp: Any,
) -> Kernel:
    """Return what arranges an array as a batch of matrices."""
    permutation = tuple([axes.index(axis) for axis in batch + rows + columns])
    shape = (
        *[sizes[axis] for axis in batch],
        prod([sizes[axis] for axis in rows]),
        prod([sizes[axis] for axis in columns]),
    )
    is_ordered = permutation == tuple(range(len(axes)))
    has_shape = len(rows) == len(columns) == 1
    if is_ordered and has_shape:
        return lambda array: array
    if has_shape:
        return lambda array: xp.transpose(array, permutation)
    return lambda array: xp.transpose(array, permutation).reshape(shape)
