"""What everything is made of against PyTorch: functions of numbers, sums, products, shapes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
import torch
from names import named
from torch.nn import functional
from torch_oracle import assert_equals_torch

from tensorbp.expression import activation, elementwise
from tensorbp.expression.indexing import Concatenate
from tensorbp.expression.layer import Layer
from tensorbp.layers.arithmetic import Add, Multiply, Scale
from tensorbp.layers.dropout import Dropout
from tensorbp.layers.einsum import Einsum
from tensorbp.layers.extrema import Argmax, Argmin
from tensorbp.layers.linear import Bias, Linear
from tensorbp.layers.moving.labelled import ScatterAdd, Take, TakeAlong
from tensorbp.layers.moving.labels import OneHot
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
from tensorbp.layers.moving.shape import Flatten, Reshape, Transpose
from tensorbp.layers.moving.triangles import CumulativeSum, Tril, Triu
from tensorbp.layers.reduction import Mean, Sum
from tensorbp.layers.softmax import LogSoftmax, LogSumExp, Softmax

Tensors = Mapping[str, torch.Tensor]
Case = tuple[Layer, tuple[tuple[int, ...], ...], Callable[..., torch.Tensor]]

MATRIX = ((3, 4),)
CUBE = ((2, 3, 4),)

FUNCTIONS: list[tuple[Layer, Callable[[torch.Tensor], torch.Tensor]]] = [
    (elementwise.Abs(), torch.abs),
    (elementwise.Cos(), torch.cos),
    (elementwise.Erf(), torch.erf),
    (elementwise.Exp(), torch.exp),
    (elementwise.Expm1(), torch.expm1),
    (elementwise.Log(), torch.log),
    (elementwise.Log1P(), torch.log1p),
    (elementwise.NormalCdf(), torch.special.ndtr),
    (elementwise.Power(3), lambda x: x**3),
    (elementwise.Reciprocal(), torch.reciprocal),
    (elementwise.Sign(), torch.sign),
    (elementwise.Sin(), torch.sin),
    (elementwise.Sqrt(), torch.sqrt),
    (elementwise.Tan(), torch.tan),
    (activation.LogSigmoid(), functional.logsigmoid),
    (activation.Relu(), torch.relu),
    (activation.Sigmoid(), torch.sigmoid),
    (activation.Silu(), functional.silu),
    (activation.Softplus(), functional.softplus),
    (activation.Tanh(), torch.tanh),
]


@pytest.mark.parametrize(("layer", "function"), FUNCTIONS, ids=named)
def test_functions_of_numbers(
    layer: Layer, function: Callable[[torch.Tensor], torch.Tensor]
) -> None:
    assert_equals_torch(layer, MATRIX, lambda t: function(t["x"]))


PAIRS: list[tuple[Layer, Callable[..., torch.Tensor]]] = [
    (elementwise.Maximum(), torch.maximum),
    (elementwise.Minimum(), torch.minimum),
    (Add(), torch.add),
    (Multiply(), torch.mul),
    (Concatenate(1), lambda x, y: torch.cat([x, y], 1)),
    (Stack(1), lambda x, y: torch.stack([x, y], 1)),
]


@pytest.mark.parametrize(("layer", "function"), PAIRS, ids=named)
def test_functions_of_pairs(layer: Layer, function: Callable[..., torch.Tensor]) -> None:
    names = layer.input_names(2)
    assert_equals_torch(layer, MATRIX * 2, lambda t: function(*[t[name] for name in names]))


ONE_INPUT: list[Case] = [
    (Softmax(), CUBE, lambda x: torch.softmax(x, -1)),
    (Softmax(1), CUBE, lambda x: torch.softmax(x, 1)),
    (LogSoftmax(), CUBE, lambda x: torch.log_softmax(x, -1)),
    (LogSumExp(1), CUBE, lambda x: torch.logsumexp(x, 1)),
    (Scale(-2.5), MATRIX, lambda x: -2.5 * x),
    (Sum((1, 2)), CUBE, lambda x: x.sum((1, 2))),
    (Mean(1), CUBE, lambda x: x.mean(1)),
    (Flatten(), CUBE, lambda x: torch.flatten(x, 1)),
    (Reshape((6, 2)), CUBE, lambda x: x.reshape(-1, 6, 2)),
    (Transpose((0, 2, 1)), CUBE, lambda x: x.permute(0, 2, 1)),
    (Flip(1), CUBE, lambda x: torch.flip(x, [1])),
    (Roll(2, -1), CUBE, lambda x: torch.roll(x, 2, -1)),
    (Tile((1, 2, 3)), CUBE, lambda x: torch.tile(x, (1, 2, 3))),
    (RepeatInterleave(3, 1), CUBE, lambda x: torch.repeat_interleave(x, 3, 1)),
    (Squeeze(1), ((2, 1, 4),), lambda x: torch.squeeze(x, 1)),
    (ExpandDims(1), MATRIX, lambda x: torch.unsqueeze(x, 1)),
    (Tril(), CUBE, torch.tril),
    (Triu(1), CUBE, lambda x: torch.triu(x, 1)),
    (CumulativeSum(1), CUBE, lambda x: torch.cumsum(x, 1)),
    (Einsum("bij->bji"), CUBE, lambda x: torch.einsum("bij->bji", x)),
]


@pytest.mark.parametrize(("layer", "shapes", "function"), ONE_INPUT, ids=named)
def test_layers_of_one_input(
    layer: Layer,
    shapes: tuple[tuple[int, ...], ...],
    function: Callable[..., torch.Tensor],
) -> None:
    assert_equals_torch(layer, shapes, lambda t: function(t["x"]))


@pytest.mark.parametrize("bias", [True, False])
def test_linear(bias: bool) -> None:
    def reference(t: Tensors) -> torch.Tensor:
        return functional.linear(t["x"], t["W"].T, t["b"] if bias else None)

    assert_equals_torch(Linear(5, bias=bias), CUBE, reference)


def test_bias() -> None:
    assert_equals_torch(Bias(), MATRIX, lambda t: t["x"] + t["b"])


def test_parts() -> None:
    assert_equals_torch(
        Slice(start=0, stop=3, step=2, axis=1), ((2, 5),), lambda t: t["x"][:, 0:3:2]
    )
    assert_equals_torch(Index(position=-1, axis=1), CUBE, lambda t: t["x"][:, -1])
    assert_equals_torch(
        Chunk(chunks=2, which=1, axis=1), ((2, 5),), lambda t: torch.chunk(t["x"], 2, 1)[1]
    )


def test_where() -> None:
    """Nothing is derived by the condition, here or there."""
    mask = torch.tensor([[1.0, 0.0, 1.0, 1.0], [0.0, 0.0, 1.0, 0.0], [1.0, 1.0, 0.0, 1.0]])

    def reference(t: Tensors) -> torch.Tensor:
        names = list(t)
        return torch.where(t[names[0]] != 0, t[names[1]], t[names[2]])

    layer = elementwise.Where()
    name = layer.input_names(3)[0]
    assert_equals_torch(layer, MATRIX * 3, reference, {name: mask.long().numpy()})


def test_dropout() -> None:
    """With the mask given, it is a product."""

    def reference(t: Any) -> torch.Tensor:
        return t["x"] * t["mask"] / 0.75

    assert_equals_torch(Dropout(0.25), MATRIX * 2, reference)


def test_einsum_of_two() -> None:
    layer = Einsum("bqd,bkd->bqk")
    assert_equals_torch(
        layer, ((2, 3, 4), (2, 5, 4)), lambda t: torch.einsum("bqd,bkd->bqk", t["x"], t["x2"])
    )


def test_one_hot() -> None:
    assert_equals_torch(OneHot(5), ((2, 3),), lambda t: functional.one_hot(t["labels"], 5).double())


LABELS = np.array([[2, 0], [1, 1], [2, 1]])


def test_take() -> None:
    """Parts of the second axis, in any order and twice."""
    assert_equals_torch(
        Take(axis=1),
        ((3, 4), (2,)),
        lambda t: torch.index_select(t["x"], 1, t["labels"]),
        {"labels": np.array([3, 3])},
    )


def test_take_along() -> None:
    assert_equals_torch(
        TakeAlong(axis=1),
        ((3, 4), (3, 2)),
        lambda t: torch.gather(t["x"], 1, t["labels"]),
        {"labels": LABELS},
    )


def test_scatter_add() -> None:
    """Rows are added to where labels say, several to one place."""

    def reference(t: Any) -> torch.Tensor:
        return torch.zeros(5, 4, dtype=torch.double).index_add(0, t["labels"], t["x"])

    assert_equals_torch(ScatterAdd(5), ((3, 4), (3,)), reference, {"labels": np.array([4, 0, 4])})


@pytest.mark.parametrize("layer", [Argmax(1), Argmin(1)], ids=str)
def test_places(layer: Layer) -> None:
    """Integers, by which torch derives nothing: a product with zeros lets it try."""
    function = torch.argmax if layer.name == "argmax" else torch.argmin
    assert_equals_torch(layer, CUBE, lambda t: function(t["x"], 1) + 0 * t["x"].sum())
