"""Feature layers against PyTorch: its own layers where it has them, else the formula in torch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from names import named
from torch.nn import functional
from torch_oracle import Tensors, assert_equals_torch

import tensorbp as tb
from tensorbp.expression.layer import Shape
from tensorbp.layers.bilinear import Bilinear, TensorProduct
from tensorbp.layers.fourier_features import FourierFeatures
from tensorbp.layers.gates import (
    GatedLinear,
    Geglu,
    Glu,
    Highway,
    Prelu,
    Reglu,
    SqueezeExcite,
    Swiglu,
)
from tensorbp.layers.graph_convolution import GraphConvolution
from tensorbp.layers.pooling.sets import SetPool
from tensorbp.layers.radial_basis import RadialBasis, SquaredDistance
from tensorbp.testing import Case

Function = Callable[[Any], torch.Tensor]


@pytest.mark.parametrize("leading", [(2,), (2, 3)], ids=str)
def test_bilinear(leading: Shape) -> None:
    def reference(given: Tensors) -> torch.Tensor:
        return functional.bilinear(*[given[name] for name in ("x1", "x2", "W", "b")])

    assert_equals_torch(Bilinear(5), ((*leading, 3), (*leading, 4)), reference)


def test_bilinear_without_bias() -> None:
    def reference(given: Tensors) -> torch.Tensor:
        return functional.bilinear(given["x1"], given["x2"], given["W"])

    assert_equals_torch(Bilinear(5, bias=False), ((2, 3), (2, 4)), reference)


def test_tensor_product() -> None:
    shapes: tuple[Shape, ...] = ((2, 3), (2, 4), (2, 5))

    def reference(given: Tensors) -> torch.Tensor:
        return torch.einsum("bi,bj,bk->bijk", *given.values())

    assert_equals_torch(TensorProduct(), shapes, reference)
    flat = TensorProduct(flatten=True)
    assert_equals_torch(flat, shapes, lambda given: reference(given).flatten(1))


@pytest.mark.parametrize("axis", [1, 2, -1])
def test_glu(axis: int) -> None:
    shape = (2, 4, 6)
    assert_equals_torch(Glu(axis), (shape,), lambda given: functional.glu(given["x"], axis))


@pytest.mark.parametrize("shape", [(3, 4), (2, 3, 4)], ids=str)
def test_fourier_features(shape: Shape) -> None:
    def reference(given: Tensors) -> torch.Tensor:
        z = 0.7 * given["x"] @ given["B"]
        return torch.cat([torch.sin(z), torch.cos(z)], dim=-1)

    assert_equals_torch(FourierFeatures(5, 0.7), (shape,), reference)


@pytest.mark.parametrize(
    ("layer", "gate"),
    [
        (GatedLinear(5), torch.sigmoid),
        (Reglu(5), torch.relu),
        (Geglu(5), functional.gelu),
        (Swiglu(5), functional.silu),
    ],
    ids=named,
)
def test_gated_linear_units(layer: GatedLinear, gate: Function) -> None:
    def reference(given: Tensors) -> torch.Tensor:
        x = given["x"]
        return gate(x @ given["W"] + given["b"]) * (x @ given["V"] + given["c"])

    assert_equals_torch(layer, ((3, 4),), reference)


@pytest.mark.parametrize(
    ("name", "activation"),
    [
        ("relu", torch.relu),
        ("gelu", functional.gelu),
        ("silu", functional.silu),
        ("tanh", torch.tanh),
    ],
)
def test_highway(name: Any, activation: Function) -> None:
    def reference(given: Tensors) -> torch.Tensor:
        x, W, b, V, c = (given[each] for each in ("x", "W", "b", "V", "c"))
        t = torch.sigmoid(x @ V + c - 1)
        return t * activation(x @ W + b) + (1 - t) * x

    assert_equals_torch(Highway(name), ((3, 4),), reference)


@pytest.mark.parametrize("shape", [(2, 6), (2, 6, 5), (2, 6, 3, 4)], ids=str)
def test_squeeze_excite(shape: Shape) -> None:
    def reference(given: Tensors) -> torch.Tensor:
        x, W, b, V, c = (given[each] for each in ("x", "W", "b", "V", "c"))
        squeezed = x.flatten(2).mean(2) if x.ndim > 2 else x
        gate = torch.sigmoid(torch.relu(squeezed @ W + b) @ V + c)
        return x * gate.reshape(*gate.shape, *(1,) * (x.ndim - 2))

    assert_equals_torch(SqueezeExcite(3), (shape,), reference)


@pytest.mark.parametrize("shape", [(3, 4), (2, 3, 4)], ids=str)
@pytest.mark.parametrize("channelwise", [False, True])
def test_prelu(shape: Shape, channelwise: bool) -> None:
    def reference(given: Tensors) -> torch.Tensor:
        return functional.prelu(given["x"], given["slope"])

    assert_equals_torch(Prelu(channelwise), (shape,), reference)


def test_prelu_at_its_bend() -> None:
    case = Case(Prelu(), ((1, 3),))
    sources = [case.operands[name] for name in ("x", "slope")]
    arrays = {"x": np.array([[0.0, -0.0, 1.0]]), "slope": np.array([0.25])}
    found = tb.compile(tb.gradient(tb.sum(case.output), sources))(**arrays)
    x, slope = (torch.tensor(each, requires_grad=True) for each in arrays.values())
    expected = torch.autograd.grad(functional.prelu(x, slope).sum(), (x, slope))
    for mine, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(mine, other.numpy())


@pytest.mark.parametrize("shape", [(3, 4), (2, 3, 4)], ids=str)
def test_squared_distance_and_radial_basis(shape: Shape) -> None:
    def reference(given: Tensors) -> torch.Tensor:
        return ((given["x"][..., None, :] - given["centers"]) ** 2).sum(-1)

    assert_equals_torch(SquaredDistance(), (shape, (5, 4)), reference)
    basis = RadialBasis(5, 0.3)
    assert_equals_torch(basis, (shape,), lambda given: torch.exp(-0.3 * reference(given)))


@pytest.mark.parametrize("shape", [(3, 4), (2, 3, 4)], ids=str)
@pytest.mark.parametrize("normalization", ["none", "symmetric", "row"])
@pytest.mark.parametrize("self_loops", [False, True])
def test_graph_convolution(shape: Shape, normalization: Any, self_loops: bool) -> None:
    def reference(given: Tensors) -> torch.Tensor:
        A = given["adjacency"]
        A = A + torch.eye(3, dtype=A.dtype) if self_loops else A
        degree = A.sum(1, keepdim=True)
        if normalization == "symmetric":
            A = A / torch.sqrt(degree * degree.T)
        elif normalization == "row":
            A = A / degree
        return A @ given["x"] @ given["W"] + given["b"]

    layer = GraphConvolution(2, normalization, self_loops)
    assert_equals_torch(layer, (shape, (3, 3)), reference)


MASK = np.array([[1.0, 0.0, 1.0, 1.0, 0.0], [0.0, 1.0, 0.0, 0.0, 1.0]])


@pytest.mark.parametrize("shape", [(2, 5), (2, 5, 3), (2, 5, 3, 4)], ids=str)
def test_pooling_of_sets(shape: Shape) -> None:
    assert_equals_torch(SetPool("sum"), (shape,), lambda given: given["x"].sum(1))
    assert_equals_torch(SetPool("mean"), (shape,), lambda given: given["x"].mean(1))
    assert_equals_torch(SetPool("max"), (shape,), lambda given: given["x"].amax(1))


@pytest.mark.parametrize("shape", [(2, 5), (2, 5, 3), (2, 5, 3, 4)], ids=str)
def test_pooling_of_sets_with_a_mask(shape: Shape) -> None:
    present = torch.tensor(MASK).reshape(2, 5, *(1,) * (len(shape) - 2))

    def total(given: Tensors) -> torch.Tensor:
        return (given["x"] * present).sum(1)

    def largest(given: Tensors) -> torch.Tensor:
        return given["x"].masked_fill(present == 0, -torch.inf).amax(1)

    for mode, reference in (
        ("sum", total),
        ("mean", lambda given: total(given) / present.sum(1)),
        ("max", largest),
    ):
        layer = SetPool(mode, mask=True)  # type: ignore[arg-type]
        assert_equals_torch(layer, (shape, (2, 5)), reference, {"mask": MASK})


def test_elements_that_tie_share_the_maximum() -> None:
    x = np.array([[1.0, 3.0, 3.0], [2.0, 2.0, 2.0]])
    assert_equals_torch(SetPool("max"), ((2, 3),), lambda given: given["x"].amax(1), {"x": x})
