"""Parts, windows, padding and joins against numpy, and their derivatives against dense ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.lib.stride_tricks import sliding_window_view

import tensorbp as tb
from tensorbp.errors import LayerError, ShapeError
from tensorbp.expression import Expression

Array = Any
SHAPE = (3, 5, 7)
MODES = {"reflect": "reflect", "replicate": "edge", "circular": "wrap", "nothing": "constant"}


def arrange(shape: tuple[int, ...]) -> Array:
    return np.random.default_rng(0).normal(size=shape)


def assert_moves(
    move: Callable[[Expression], Expression], expected: Callable[[Array], Array]
) -> None:
    """A linear map of x that numpy knows: its value, and its Jacobian both ways."""
    x = tb.variable("x", *SHAPE)
    y = move(x)
    array = arrange(SHAPE)
    reference = expected(array)
    assert y.shape == reference.shape
    u = tb.variable("u", *y.shape)
    weights = arrange(y.shape)
    found, pulled, dense = tb.compile([y, tb.vjp(y, x, u), tb.jacobian(y, x).to_dense()])(
        x=array, u=weights
    )
    np.testing.assert_array_equal(found, reference)
    unit = np.eye(array.size).reshape(array.size, *SHAPE)
    columns = np.stack([expected(each) for each in unit], axis=-1)
    np.testing.assert_array_equal(dense, columns.reshape(*y.shape, *SHAPE))
    np.testing.assert_allclose(pulled, np.tensordot(weights, dense, y.ndim), atol=1e-12)


PLACES = st.integers(-5, 4)
SLICES = st.builds(
    slice, st.none() | PLACES, st.none() | PLACES, st.sampled_from([None, 1, 2, 3, -1, -2])
)


@settings(max_examples=40, deadline=None)
@given(middle=SLICES | PLACES | st.none(), last=SLICES | st.integers(-7, 6))
def test_parts(middle: Any, last: Any) -> None:
    key = (Ellipsis, middle, last) if middle is None else (slice(None), middle, last)
    assert_moves(lambda x: x[key], lambda array: array[key])


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_windows(data: Any) -> None:
    axis = data.draw(st.integers(0, 2))
    before, after = data.draw(st.tuples(st.integers(0, 3), st.integers(0, 3)))
    size = data.draw(st.integers(1, 3))
    room = SHAPE[axis] + before + after
    dilation = data.draw(st.integers(1, 3 if size == 1 else max((room - 1) // (size - 1), 1)))
    stride = data.draw(st.integers(1, 4))
    extent = dilation * (size - 1) + 1
    if extent > room:
        return

    def expected(array: Array) -> Array:
        widths = [(0, 0)] * 3
        widths[axis] = (before, after)
        shown = sliding_window_view(np.pad(array, widths), extent, axis)
        shown = np.moveaxis(shown[..., ::dilation], -1, axis + 1)
        return shown[(slice(None),) * axis + (slice(None, None, stride),)]

    assert_moves(lambda x: tb.windows(x, axis, size, stride, dilation, (before, after)), expected)


@settings(max_examples=40, deadline=None)
@given(
    mode=st.sampled_from(sorted(MODES)),
    one=st.tuples(st.integers(0, 4), st.integers(0, 4)),
    other=st.tuples(st.integers(0, 6), st.integers(0, 6)),
)
def test_padding(mode: Any, one: tuple[int, int], other: tuple[int, int]) -> None:
    assert_moves(
        lambda x: tb.pad(x, {1: one, -1: other}, mode),
        lambda array: np.pad(array, [(0, 0), one, other], mode=MODES[mode]),  # type: ignore[call-overload]
    )


def test_negative_padding_cuts() -> None:
    assert_moves(
        lambda x: tb.pad(x, {1: (-1, 2)}), lambda a: np.pad(a[:, 1:], [(0, 0), (0, 2), (0, 0)])
    )


@pytest.mark.parametrize("axis", [0, 1, (0, 2)])
def test_flip(axis: Any) -> None:
    assert_moves(lambda x: tb.flip(x, axis), lambda array: np.flip(array, axis))


@pytest.mark.parametrize("shift", [0, 2, -3, 11])
def test_roll(shift: int) -> None:
    assert_moves(lambda x: tb.roll(x, shift, 1), lambda array: np.roll(array, shift, 1))


def test_tile() -> None:
    assert_moves(lambda x: tb.tile(x, (2, 1, 3)), lambda array: np.tile(array, (2, 1, 3)))


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_concatenate_and_stack(axis: int) -> None:
    assert_moves(
        lambda x: tb.concatenate([x, 2 * x, x], axis),
        lambda a: np.concatenate([a, 2 * a, a], axis),
    )
    assert_moves(lambda x: tb.stack([x, 3 * x], axis), lambda a: np.stack([a, 3 * a], axis))


def test_the_sum_over_parts_grows_linearly() -> None:
    """The cotangent of what is taken apart step by step is put together in one array."""

    def cost(steps: int) -> int:
        x = tb.variable("x", 4, steps, 6)
        parts = [tb.sin(x[:, k]) for k in range(steps)]
        return tb.plan(tb.gradient(tb.sum(sum(parts[1:], parts[0])), x)).flops

    assert cost(24) - cost(16) == cost(16) - cost(8)


ERRORS: dict[str, tuple[Callable[[Expression], Expression], str]] = {
    "too many indices": (lambda x: x[0, 0, 0, 0], "more indices than dimensions"),
    "a place that is not there": (
        lambda x: x[:, 5],
        "index 5 is out of range for an axis of size 5",
    ),
    "a list": (lambda x: x[[0, 1]], "takes integers, slices, None and an ellipsis, found list"),
    "a long window": (lambda x: tb.windows(x, 1, 6), "reach over 6 places, but there are only 5"),
    "no stride": (lambda x: tb.windows(x, 1, 2, stride=0), "stride must be from 1, found 0"),
    "a far reflection": (
        lambda x: tb.pad(x, {1: (5, 0)}, "reflect"),
        "(5, 0) does not fit an axis of size 5 with 'reflect'; it may be up to 4",
    ),
    "an axis": (
        lambda x: tb.flip(x, 3),
        "axis 3 is out of range for an expression of shape (3, 5, 7)",
    ),
    "a slice without a step": (lambda x: x[::0], "slice step cannot be zero"),
    "a slice of halves": (lambda x: x[0:2.5], "slice indices must be integers"),
    "an array": (lambda x: x[np.array([0, 1])], "an ellipsis, found ndarray"),
    "a truth value": (lambda x: x[True], "an ellipsis, found bool"),
    "an unknown mode": (
        lambda x: tb.pad(x, {1: (1, 1)}, "wrap"),  # type: ignore[arg-type]
        "outside must be one of nothing, reflect, replicate, circular; found 'wrap'",
    ),
    "one width": (lambda x: tb.pad(x, {1: 1}), "two whole numbers, before and after; found 1"),  # type: ignore[dict-item]
    "an axis twice": (lambda x: tb.pad(x, {1: (1, 1), -2: (2, 2)}), "pad: axis 1 is named twice"),
    "a flip twice": (lambda x: tb.flip(x, (0, -3)), "flip: axis 0 is named twice"),
    "half a shift": (lambda x: tb.roll(x, 1.5, 0), "roll: shift must be a whole number, found 1.5"),  # type: ignore[arg-type]
    "half a window": (
        lambda x: tb.windows(x, 1, 1.5),  # type: ignore[arg-type]
        "windows: size must be a whole number, found 1.5",
    ),
    "tiles of a number": (lambda x: tb.tile(x, 2), "repetitions must be a list, found 2"),  # type: ignore[arg-type]
    "real labels": (
        lambda x: tb.take(x, tb.variable("w", 4)),
        "variable 'w' holds real numbers, but labels must be integers",
    ),
    "a join": (
        lambda x: tb.concatenate([x, tb.variable("z", 3, 4, 7)], 0),
        "shapes must agree but for that axis, found (3, 5, 7) and (3, 4, 7)",
    ),
}


@pytest.mark.parametrize("fault", ERRORS)
def test_faults(fault: str) -> None:
    act, text = ERRORS[fault]
    with pytest.raises((ShapeError, LayerError)) as caught:
        act(tb.variable("x", *SHAPE))
    assert text in str(caught.value)


def test_an_expression_is_no_sequence() -> None:
    with pytest.raises(TypeError):
        iter(tb.variable("x", 3))  # type: ignore[call-overload]
