"""Arithmetic: shapes and values by numpy's rules, and what is said where they are broken."""

from __future__ import annotations

import operator
from fractions import Fraction
from math import prod
from typing import Any

import numpy as np
import pytest
from graph_zoo import run
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, mutually_broadcastable_shapes

import tensorbp as tb
from tensorbp.errors import ShapeError, TensorbpError
from tensorbp.expression import Expression
from tensorbp.expression.arithmetic import add, broadcast_shape, multiply

shapes = array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)
PAIRS = {
    "add": operator.add,
    "subtract": operator.sub,
    "multiply": operator.mul,
    "divide": operator.truediv,
    "maximum": None,
}


def value_of(shape: Any, seed: int = 0) -> Any:
    return np.random.default_rng(seed).uniform(0.5, 2, size=shape)


def check(expression: Expression, expected: Any, **values: Any) -> None:
    result = run(expression, values)[0]
    assert expression.shape == np.shape(expected) == np.shape(result)
    assert np.allclose(result, expected, rtol=1e-12, atol=1e-12)


@given(
    mutually_broadcastable_shapes(num_shapes=2, max_dims=3, min_side=0, max_side=4),
    st.sampled_from(sorted(PAIRS)),
)
def test_operators_broadcast_as_in_numpy(drawn: Any, name: str) -> None:
    a, b = (value_of(shape, k) for k, shape in enumerate(drawn.input_shapes))
    x, y = tb.variable("x", *a.shape), tb.variable("y", *b.shape)
    ours, theirs = PAIRS[name] or tb.maximum, PAIRS[name] or np.maximum
    check(ours(x, y), theirs(a, b), x=a, y=b)


@given(mutually_broadcastable_shapes(num_shapes=3, max_dims=3, min_side=0, max_side=3))
def test_sums_and_products_of_several(drawn: Any) -> None:
    arrays = {f"x{k}": value_of(shape, k) for k, shape in enumerate(drawn.input_shapes)}
    x = [tb.variable(name, *each.shape) for name, each in arrays.items()]
    a, b, c = arrays.values()
    check(add(*x), a + b + c, **arrays)
    check(multiply(*x), a * b * c, **arrays)
    assert broadcast_shape(*drawn.input_shapes) == drawn.result_shape


@given(shapes, st.sampled_from([2, -1, 0.5, Fraction(2, 3)]))
def test_numbers(shape: Any, number: Any) -> None:
    a, x, n = value_of(shape), tb.variable("x", *shape), float(number)
    check(x + number, a + n, x=a)
    check(number - x, n - a, x=a)
    check(number * x, n * a, x=a)
    check(x / number, a / n, x=a)
    check(number / x, n / a, x=a)
    check(-x, -a, x=a)
    check(x**number, a**n, x=a)
    check(2**x, 2**a, x=a)
    check(x**x, a**a, x=a)


@given(st.data())
def test_matrix_products_of_all_ranks(data: Any) -> None:
    m, n, k = (data.draw(st.integers(0, 4)) for _ in range(3))
    batch = data.draw(
        mutually_broadcastable_shapes(num_shapes=2, max_dims=2, min_side=0, max_side=3)
    )
    left, right = ((*batch.input_shapes[0], m, k), (*batch.input_shapes[1], k, n))
    left = data.draw(st.sampled_from([left, (k,)]))
    right = data.draw(st.sampled_from([right, (k,)]))
    a, b = value_of(left, 0), value_of(right, 1)
    check(tb.variable("x", *left) @ tb.variable("y", *right), a @ b, x=a, y=b)


@given(shapes, st.data(), st.booleans())
def test_reductions(shape: Any, data: Any, keepdims: bool) -> None:
    rank = len(shape)
    axes = st.lists(st.integers(0, rank - 1), unique=True) if rank else st.just([])
    positive = data.draw(st.none() | axes.map(tuple))
    axis: Any = positive
    if positive and data.draw(st.booleans()):
        axis = tuple(each - rank for each in positive)
    if axis and len(axis) == 1 and data.draw(st.booleans()):
        axis = axis[0]
    a, x = value_of(shape), tb.variable("x", *shape)
    check(tb.sum(x, axis, keepdims), a.sum(axis, keepdims=keepdims), x=a)
    count = prod(shape[k] for k in (range(rank) if positive is None else positive))
    if count:
        check(tb.mean(x, axis, keepdims), a.mean(axis, keepdims=keepdims), x=a)
    else:
        assert np.isnan(run(tb.mean(x, axis, keepdims), {"x": a})[0]).all()


@given(shapes, st.data())
def test_transposes(shape: Any, data: Any) -> None:
    order = data.draw(st.permutations(range(len(shape))))
    a, x = value_of(shape), tb.variable("x", *shape)
    check(tb.transpose(x, order), a.transpose(order), x=a)
    check(tb.transpose(x, [k - len(shape) for k in order]), a.transpose(order), x=a)
    check(x.T, a.T, x=a)
    check(x.T.T, a, x=a)


def factorizations(size: int, rank: int) -> list[tuple[int, ...]]:
    if rank == 0:
        return [()] if size == 1 else []
    return [
        (first, *rest)
        for first in range(1, size + 1)
        if size % first == 0
        for rest in factorizations(size // first, rank - 1)
    ]


@given(st.sampled_from([1, 4, 6, 24]), st.data())
def test_reshapes(size: int, data: Any) -> None:
    """Chains of reshapes and transposes, those with no common grouping among them."""
    options = [each for rank in range(4) for each in factorizations(size, rank)]
    shape = data.draw(st.sampled_from(options))
    a, x = value_of(shape), tb.variable("x", *shape)
    value, y = a, x
    for _ in range(data.draw(st.integers(1, 3))):
        new = data.draw(st.sampled_from(options))
        given_shape = new
        if new and data.draw(st.booleans()):
            at = data.draw(st.integers(0, len(new) - 1))
            given_shape = (*new[:at], -1, *new[at + 1 :])
        value, y = value.reshape(new), tb.reshape(y, given_shape)
        if data.draw(st.booleans()):
            value, y = value.T, y.T
    check(y, value, x=a)
    check(tb.sin(y) * y, np.sin(value) * value, x=a)


@pytest.mark.parametrize(
    ("old", "new"),
    [((0, 3), (5, 0)), ((0,), (2, 0, 3)), ((2, 0), (0, 7)), ((0, 4), (0,)), ((3, 0), (4, 0))],
)
def test_reshapes_of_no_numbers(old: Any, new: Any) -> None:
    x = tb.variable("x", *old)
    check(tb.reshape(x, new), np.zeros(new), x=np.zeros(old))


def test_broadcasting_to_a_shape() -> None:
    x = tb.variable("x", 3, 1)
    a = value_of((3, 1))
    check(tb.broadcast_to(x, (2, 3, 4)), np.broadcast_to(a, (2, 3, 4)), x=a)
    assert tb.broadcast_to(x, (3, 1)) is x


def test_what_cancels_is_gone() -> None:
    x = tb.variable("x", 3)
    assert x - x is tb.constant(0, (3,))
    assert x + x is 2 * x
    assert x + 0 is x
    assert 0 * tb.sin(x) is tb.constant(0, (3,))


@given(shapes)
def test_sums_of_views_cost_no_more_than_sums(shape: Any) -> None:
    """Transposes and multiples are read where they are needed, and are no work of their own."""
    x, y = tb.variable("x", *shape), tb.variable("y", *shape)
    assert tb.plan(x.T + y.T).flops == tb.plan(x + y).flops
    assert tb.plan((2 * x).T * y.T).flops == tb.plan(2 * (x * y)).flops
    assert tb.plan(3 * (x / 3)).flops == 0


# ----- what is refused -----


def refused(error: type[Exception], text: str, act: Any) -> None:
    with pytest.raises(error) as caught:
        act()
    assert str(caught.value) == text


def test_shapes_that_do_not_broadcast() -> None:
    x, y = tb.variable("x", 2, 3), tb.variable("y", 4)
    refused(ShapeError, "shapes (2, 3), (4,) do not broadcast: sizes 3 and 4 meet", lambda: x + y)
    refused(ShapeError, "shapes (2, 3), (4,) do not broadcast: sizes 3 and 4 meet", lambda: x * y)
    refused(
        ShapeError,
        "shape (2, 3) does not broadcast to (3,)",
        lambda: tb.broadcast_to(x, (3,)),
    )


def test_sizes_that_do_not_multiply() -> None:
    x, y, s = tb.variable("x", 2, 3), tb.variable("y", 2, 4), tb.variable("s")
    refused(
        ShapeError,
        "matrix product of shapes (2, 3) and (2, 4): the last size of the left, 3, must be the "
        "last but one of the right, 2",
        lambda: x @ y,
    )
    refused(
        ShapeError,
        "matrix product of shapes (2, 3) and (5,): the last size of the left, 3, must be the "
        "first of the right, 5",
        lambda: x @ tb.variable("z", 5),
    )
    refused(
        ShapeError,
        "the matrix product needs vectors or matrices, found shapes (2, 3) and (); a number is "
        "multiplied with *",
        lambda: x @ s,
    )
    with pytest.raises((TypeError, TensorbpError)):
        x @ 3  # type: ignore[operator]


def test_axes_that_are_not_there() -> None:
    x = tb.variable("x", 2, 3)
    message = "axis 2 is out of range for 2 dimensions: it must be from -2 to 1"
    refused(ShapeError, message, lambda: tb.sum(x, axis=2))
    refused(ShapeError, message, lambda: tb.mean(x, axis=(0, 2)))
    refused(ShapeError, "axes (0, -2) name a dimension twice", lambda: tb.sum(x, axis=(0, -2)))
    refused(
        ShapeError,
        "transpose: axes (0, 0) are no permutation of the 2 dimensions of shape (2, 3)",
        lambda: tb.transpose(x, (0, 0)),
    )
    refused(
        ShapeError,
        "transpose: axes (0,) are no permutation of the 2 dimensions of shape (2, 3)",
        lambda: tb.transpose(x, (0,)),
    )


def test_an_axis_of_a_scalar_is_refused_without_an_empty_range() -> None:
    with pytest.raises(ShapeError) as caught:
        tb.sum(tb.variable("s"), axis=0)
    assert "from 0 to -1" not in str(caught.value)


def test_reshapes_that_do_not_fit() -> None:
    x = tb.variable("x", 2, 3)
    refused(
        ShapeError,
        "cannot reshape (2, 3), which has 6 elements, to (4, 2), which has 8",
        lambda: tb.reshape(x, (4, 2)),
    )
    for shape in [(-1, -1), (-1, 4), (0, -1)]:
        refused(
            ShapeError,
            f"cannot reshape (2, 3), which has 6 elements, to {shape}, which has an open size",
            lambda shape=shape: tb.reshape(x, shape),
        )
    with pytest.raises(ShapeError):
        tb.reshape(x, (-2, -3))


def test_division_by_the_number_zero() -> None:
    refused(
        ZeroDivisionError,
        "an expression is divided by the number 0",
        lambda: tb.variable("x", 3) / 0,
    )
