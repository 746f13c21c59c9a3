"""Layers that move numbers: against numpy, what they cost, and what they refuse."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from names import named

import tensorbp as tb
from tensorbp.errors import LayerError, ShapeError
from tensorbp.expression.indexing import Concatenate
from tensorbp.expression.layer import Layer
from tensorbp.layers.moving.labelled import ScatterAdd, Take, TakeAlong
from tensorbp.layers.moving.parts import (
    Chunk,
    ExpandDims,
    Flip,
    Index,
    RepeatInterleave,
    Roll,
    Slice,
    Squeeze,
    Stack,
    Tile,
)
from tensorbp.layers.moving.triangles import CumulativeSum, Tril, Triu

Array = Any
SHAPE = (3, 5, 1, 7)


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        (Slice(start=1, stop=6, step=2), lambda x: x[..., 1:6:2]),
        (Slice(1, -2, None, -1), lambda x: x[:, -2::-1]),
        (Slice(1, 3, 100), lambda x: x[:, 3:]),
        (Slice(1, 4, 4), lambda x: x[:, 4:4]),
        (Index(-2), lambda x: x[..., -2]),
        (Index(3, axis=1), lambda x: x[:, 3]),
        (Chunk(3, 2), lambda x: x[..., 6:]),
        (Chunk(2, -1, axis=1), lambda x: x[:, 3:]),
        (Flip((1, -1)), lambda x: x[:, ::-1, :, ::-1]),
        (Roll(-9), lambda x: np.roll(x, -9, -1)),
        (Tile((1, 2, 3, 1)), lambda x: np.tile(x, (1, 2, 3, 1))),
        (RepeatInterleave(3, axis=1), lambda x: np.repeat(x, 3, 1)),
        (RepeatInterleave(0), lambda x: np.repeat(x, 0, -1)),
        (ExpandDims(), lambda x: x[..., None]),
        (ExpandDims(-3), lambda x: np.expand_dims(x, -3)),
        (Squeeze(2), lambda x: x[:, :, 0]),
        (Stack(1), lambda x: x[:, None]),
        (Tril(-2), lambda x: np.tril(x, -2)),
        (Triu(3), lambda x: np.triu(x, 3)),
        (CumulativeSum(1), lambda x: np.cumsum(x, 1)),
    ],
    ids=named,
)
def test_values(layer: Layer, expected: Callable[[Array], Array]) -> None:
    array = np.random.default_rng(0).normal(size=SHAPE)
    y = layer(tb.variable("x", *SHAPE))
    (found,) = tb.compile([y])(x=array)
    assert y.shape == expected(array).shape
    np.testing.assert_allclose(found, expected(array), rtol=0, atol=1e-15)


def test_joins() -> None:
    a, b = tb.variable("a", 2, 3), tb.variable("b", 2, 3)
    x, y = np.arange(6.0).reshape(2, 3), np.ones((2, 3))
    stacked, joined = tb.compile([Stack()(a, b), Concatenate(0)(a, b)])(a=x, b=y)
    np.testing.assert_array_equal(stacked, np.stack([x, y], -1))
    np.testing.assert_array_equal(joined, np.concatenate([x, y]))


def test_splits_and_chunks_make_up_the_whole() -> None:
    array = np.random.default_rng(0).normal(size=(4, 7))
    x = tb.variable("x", 4, 7)
    for pieces, expected in (
        (tb.split(x, (2, 0, 5), axis=1), np.split(array, [2, 2], axis=1)),
        (tb.split(x, 3, axis=-1), np.split(array, [3, 6], axis=1)),
        (tb.chunk(x, 3), np.split(array, [2])),
        (tb.chunk(x, 9, axis=1), np.split(array, range(1, 7), axis=1)),
    ):
        for found, part in zip(tb.compile(pieces)(x=array), expected, strict=True):
            np.testing.assert_array_equal(found, part)


def test_functions_are_their_layers() -> None:
    x, labels = tb.variable("x", 3, 4), tb.variable("labels", 3, 1, kind="integer")
    assert tb.cumulative_sum(x, 0) is CumulativeSum(0)(x)
    assert tb.expand_dims(x, 1) is ExpandDims(1)(x)
    assert tb.repeat_interleave(x, 2, 1) is RepeatInterleave(2)(x)
    assert tb.scatter_add(x, labels[:, 0], 5) is ScatterAdd(5)(x, labels[:, 0])
    assert tb.squeeze(labels, 1) is Squeeze()(labels)
    assert tb.take(x, labels, 1) is Take()(x, labels)
    assert tb.take_along(x, labels, 1) is TakeAlong()(x, labels)
    assert tb.tril(x, 1) is Tril(1)(x)
    assert tb.triu(x) is Triu()(x)


def test_what_is_repeated_is_not_written_out() -> None:
    x, w = tb.variable("x", 3, 4), tb.variable("w", 20, 5)
    plan = tb.plan([tb.gradient(tb.sum(tb.repeat_interleave(x, 5, 1) @ w), x)])
    assert max(np.prod(step.shape) for step in plan.steps) < 3 * 20


def test_labels_take_and_add_without_multiplying() -> None:
    table, words = tb.variable("table", 1000, 8), tb.variable("words", 6, kind="integer")
    taken = tb.plan([Take(0)(table, words)])
    added = tb.plan([tb.scatter_add(tb.variable("x", 6, 8), words, 1000)])
    assert taken.multiplications == added.multiplications == 0
    assert taken.flops <= 6 * 8
    assert added.flops <= 1000 * 8 + 6 * 8


def x(*shape: int) -> tb.Expression:
    return tb.variable("x", *shape)


def labels(*shape: int) -> tb.Expression:
    return tb.variable("labels", *shape, kind="integer")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Slice(step=0), "layer 'slice': step must not be 0"),
        (
            lambda: Slice(start="a"),  # type: ignore[arg-type]
            "layer 'slice': start must be a whole number, found 'a'",
        ),
        (
            lambda: Slice(2)(x(3, 4)),
            "layer 'slice': axis 2 is out of range for 2 dimensions: it must be from -2 to 1",
        ),
        (
            lambda: Index(4)(x(3, 4)),
            "layer 'index': index 4 is out of range for an axis of size 4 of (3, 4)",
        ),
        (
            lambda: Chunk(3, 2)(x(3, 4)),
            "layer 'chunk': which must be from -2 to 1, as axis -1 of x of shape (3, 4) makes 2 "
            "pieces, found 2",
        ),
        (lambda: Chunk(0, 0), "layer 'chunk': chunks must be a whole number from 1, found 0"),
        (
            lambda: Flip((0, 0))(x(3, 4)),
            "layer 'flip': axes (0, 0) name a dimension twice",
        ),
        (
            lambda: Roll(1.5),  # type: ignore[arg-type]
            "layer 'roll': shift must be a whole number, found 1.5",
        ),
        (
            lambda: Tile((2,))(x(3, 4)),
            "layer 'tile': tile: an expression of shape (3, 4) needs 2 numbers from 0, found (2,)",
        ),
        (
            lambda: RepeatInterleave(-1),
            "layer 'repeat_interleave': repeats must be a whole number from 0, found -1",
        ),
        (
            lambda: Squeeze()(x(3, 4)),
            "layer 'squeeze': squeeze: axis 1 of an expression of shape (3, 4) has size 4; only "
            "axes of size 1 can go",
        ),
        (
            lambda: Stack()(x(3, 4), x(3, 5)),
            "layer 'stack': inputs must have one shape, found (3, 4) and (3, 5); concatenate joins "
            "along an axis that is there",
        ),
        (
            lambda: Take(1, batch_axes=1)(x(3, 4), labels(2, 5)),
            "layer 'take': x of shape (3, 4) and labels of shape (2, 5) must have the same 1 axes "
            "in front of axis 1 of x",
        ),
        (
            lambda: Take(0, batch_axes=1)(x(3, 4), labels(3)),
            "layer 'take': x of shape (3, 4) and labels of shape (3,) must have the same 1 axes in "
            "front of axis 0 of x",
        ),
        (
            lambda: TakeAlong()(x(3, 4), labels(4, 2)),
            "layer 'take_along': take_along: labels for x of shape (3, 4) must have 2 dimensions, "
            "no larger than those of x but for axis 1, found (4, 2)",
        ),
        (
            lambda: ScatterAdd(5)(x(3, 4), labels(4)),
            "layer 'scatter_add': scatter_add: labels must have the shape of the first axes of x; "
            "x has shape (3, 4), labels (4,)",
        ),
        (
            lambda: ScatterAdd(5, batch_axes=2)(x(3, 4), labels(3)),
            "layer 'scatter_add': scatter_add: labels must have the shape of the first axes of x, "
            "at least 2 of them; x has shape (3, 4), labels (3,)",
        ),
        (
            lambda: Tril()(x(3)),
            "layer 'tril': x must have axes of rows and columns, found shape (3,)",
        ),
    ],
)
def test_what_layers_refuse(make: Callable[[], object], message: str) -> None:
    with pytest.raises(LayerError) as caught:
        make()
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: tb.split(x(3, 4), (1, 2), axis=1),
            "split: pieces of sizes (1, 2) do not make up axis 1 of an expression of shape (3, 4), "
            "which has size 4",
        ),
        (lambda: tb.split(x(3, 4), 0), "split: the size of a piece must be from 1, found 0"),
        (lambda: tb.chunk(x(3, 4), 0), "chunk: the number of pieces must be from 1, found 0"),
        (
            lambda: tb.repeat_interleave(x(3, 4), -2, 0),
            "repeat_interleave: repeats must be from 0, found -2",
        ),
    ],
)
def test_what_functions_refuse(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ShapeError) as caught:
        make()
    assert str(caught.value) == message


def test_labels_out_of_range_are_refused_when_it_runs() -> None:
    program = tb.compile([Take(axis=0)(x(3, 4), labels(2))])
    with pytest.raises(LayerError, match=r"labels must be from 0 to 2, .* found 3"):
        program(x=np.ones((3, 4)), labels=np.array([0, 3]))
