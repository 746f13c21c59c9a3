"""Views: whatever is said of one holds of the array that numpy makes of it."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.lib.stride_tricks import as_strided

from tensorbp.execution.numpy.view import View, collapsed

SHAPES = st.lists(st.integers(0, 4), max_size=4).map(tuple)


def seen(view: View) -> Any:
    """Return what a view shows of the numbers 0, 1, 2..."""
    numbers = np.arange(
        1 + view.offset + sum(n * abs(s) for n, s in zip(view.shape, view.strides, strict=True))
    )
    strides = [8 * stride for stride in view.strides]
    return as_strided(numbers[view.offset :], view.shape, strides)


@st.composite
def views(draw: Any) -> View:
    """Draw a view: transposed, sliced, and spread."""
    shape = draw(SHAPES)
    view = View.whole(0, shape).transposed(draw(st.permutations(range(len(shape)))))
    key = [
        slice(draw(st.integers(0, 2)), None, draw(st.integers(1, 2)))
        if draw(st.booleans())
        else slice(None)
        for _ in shape
    ]
    view = view.part(key)
    return view.spread((draw(st.integers(1, 3)), *view.shape)) if draw(st.booleans()) else view


@given(views(), st.data())
def test_transposed_and_parts(view: View, data: Any) -> None:
    order = data.draw(st.permutations(range(len(view.shape))))
    assert np.array_equal(seen(view.transposed(order)), seen(view).transpose(order))
    key: list[Any] = []
    for size in view.shape[: data.draw(st.integers(0, len(view.shape)))]:
        ends = data.draw(st.tuples(st.integers(-3, 3), st.integers(-3, 3)))
        step = data.draw(st.sampled_from([1, 2, -1]))
        key.append(
            data.draw(st.integers(0, size - 1)) if size and step == 2 else slice(*ends, step)
        )
        if step == -1:
            key[-1] = slice(None, None, 1)
            key.insert(len(key) - 1, None)
    assert np.array_equal(seen(view.part(key)), seen(view)[tuple(key)])


@given(views(), SHAPES)
def test_a_reshape_is_the_one_of_numpy_or_takes_a_copy(view: View, shape: tuple[int, ...]) -> None:
    target = (*shape, 1, view.size // max(int(np.prod(shape)), 1))
    if int(np.prod(target)) != view.size:
        target = (view.size,)
    reshaped = view.reshaped(target)
    if reshaped is None:
        assert not view.is_contiguous
    else:
        assert np.array_equal(seen(reshaped), seen(view).reshape(target))


@given(views(), st.data())
def test_merged_dimensions_show_the_same_numbers(view: View, data: Any) -> None:
    cuts = sorted(data.draw(st.sets(st.integers(0, len(view.shape)))) | {0, len(view.shape)})
    groups = [range(a, b) for a, b in pairwise(cuts)]
    merged = view.merged(groups)
    shape = tuple([int(np.prod([view.shape[k] for k in group])) for group in groups])
    if merged is None:
        assert not view.is_contiguous
    else:
        assert np.array_equal(seen(merged), seen(view).reshape(shape))


@given(st.lists(st.integers(1, 4), min_size=1, max_size=4), st.data())
def test_splitting_and_merging_cancel(shape: list[int], data: Any) -> None:
    view = View.whole(0, [2 * size for size in shape])
    split = view.split([(2, size) for size in shape])
    assert split.merged([(2 * k, 2 * k + 1) for k in range(len(shape))]) == view
    axes = data.draw(st.lists(st.integers(0, 1), min_size=len(shape), max_size=len(shape)))
    square = View.whole(0, [3] * len(shape))
    tied, distinct = square.diagonal(axes)
    letters = "".join("ab"[axis] for axis in axes)
    spec = f"{letters}->{''.join('ab'[axis] for axis in distinct)}"
    assert np.array_equal(seen(tied), np.einsum(spec, seen(square)))


@given(views())
def test_contiguous_and_dense(view: View) -> None:
    numbers = seen(view)
    if view.is_contiguous:
        assert numbers.flags.c_contiguous
    if view.is_dense and view.size:
        flat = np.sort(numbers, axis=None)
        assert np.array_equal(flat, np.arange(flat[0], flat[0] + view.size))


@given(views())
def test_collapsed_views_show_the_same_numbers_in_the_same_order(view: View) -> None:
    other = View.whole(1, view.shape)
    for one, same in zip(collapsed([view, other]), (view, other), strict=True):
        assert np.array_equal(seen(one).ravel(), seen(same).ravel())
        assert len(one.shape) <= len(same.shape)
