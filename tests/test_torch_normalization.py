"""The layers of normalisation against PyTorch's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional
from torch_oracle import Tensors, assert_equals_torch

from tensorbp.expression.layer import Shape
from tensorbp.layers.normalization.channels import (
    BatchNorm,
    BatchNormInference,
    GroupNorm,
    InstanceNorm,
)
from tensorbp.layers.normalization.lengths import LpLength, LpNormalize
from tensorbp.layers.normalization.local_response import LocalResponseNorm
from tensorbp.layers.normalization.standardization import LayerNorm, RmsNorm
from tensorbp.layers.normalization.weights import SpectralNorm, WeightNorm

SHAPES: list[Shape] = [(3, 4), (2, 3, 4), (2, 3, 4, 5), (2, 3, 2, 4, 2)]
every_shape = pytest.mark.parametrize("shape", SHAPES, ids=str)


def channels_first(x: torch.Tensor) -> torch.Tensor:
    return x.movedim(-1, 1)


@every_shape
def test_batch_norm(shape: Shape) -> None:
    def reference(given: Tensors) -> torch.Tensor:
        parameters = given["gain"], given["bias"]
        return functional.batch_norm(given["x"], None, None, *parameters, training=True, eps=0.01)

    assert_equals_torch(BatchNorm(0.01), (shape,), reference)


@every_shape
def test_batch_norm_with_channels_last(shape: Shape) -> None:
    def reference(given: Tensors) -> torch.Tensor:
        y = functional.batch_norm(channels_first(given["x"]), None, None, training=True)
        return y.movedim(1, -1)

    assert_equals_torch(BatchNorm(axis=-1, affine=False), (shape,), reference)


@every_shape
def test_batch_norm_inference(shape: Shape) -> None:
    def reference(given: Tensors) -> torch.Tensor:
        names = ("x", "mean", "variance", "gain", "bias")
        return batch_norm_by(*[given[name] for name in names])

    channels = (shape[1],)
    assert_equals_torch(BatchNormInference(0.01), (shape, channels, channels), reference)


def batch_norm_by(
    x: torch.Tensor, mean: torch.Tensor, variance: torch.Tensor, gain: Any, bias: Any
) -> torch.Tensor:
    """Write it out: torch does not derive by the mean and the variance."""
    form = (-1,) + (1,) * (x.ndim - 2)
    y = (x - mean.reshape(form)) / torch.sqrt(variance.reshape(form) + 0.01)
    return y * gain.reshape(form) + bias.reshape(form)


def test_batch_norm_written_out_is_that_of_torch() -> None:
    random = np.random.default_rng(0)
    x = torch.tensor(random.normal(size=(2, 3, 4)))
    mean, variance, gain, bias = torch.tensor(random.uniform(0.5, 2, size=(4, 3)))
    expected = functional.batch_norm(x, mean, variance, gain, bias, eps=0.01)
    torch.testing.assert_close(batch_norm_by(x, mean, variance, gain, bias), expected)


@pytest.mark.parametrize("shape", [(3, 6), (2, 6, 5), (2, 6, 2, 3)], ids=str)
@pytest.mark.parametrize("groups", [1, 2, 3])
def test_group_norm(shape: Shape, groups: int) -> None:
    def reference(given: Tensors) -> torch.Tensor:
        return functional.group_norm(given["x"], groups, given["gain"], given["bias"], eps=0.01)

    assert_equals_torch(GroupNorm(groups, 0.01), (shape,), reference)


def test_group_norm_with_channels_last() -> None:
    def reference(given: Tensors) -> torch.Tensor:
        y = functional.group_norm(channels_first(given["x"]), 2, given["gain"], given["bias"])
        return y.movedim(1, -1)

    assert_equals_torch(GroupNorm(2, axis=-1), ((3, 5, 2, 4),), reference)


@pytest.mark.parametrize("shape", SHAPES[1:], ids=str)
def test_instance_norm(shape: Shape) -> None:
    def reference(given: Tensors) -> torch.Tensor:
        return functional.instance_norm(given["x"], weight=given["gain"], bias=given["bias"])

    assert_equals_torch(InstanceNorm(affine=True), (shape,), reference)
    plain = InstanceNorm(0.01)
    assert_equals_torch(plain, (shape,), lambda g: functional.instance_norm(g["x"], eps=0.01))


@pytest.mark.parametrize("dimensions", [1, 2, 3])
def test_layer_norm(dimensions: int) -> None:
    def reference(given: Tensors) -> torch.Tensor:
        shape = given["x"].shape[-dimensions:]
        return functional.layer_norm(given["x"], shape, given["gain"], given["bias"], eps=0.01)

    assert_equals_torch(LayerNorm(0.01, dimensions), ((2, 3, 4, 5),), reference)
    assert_equals_torch(LayerNorm(0.01, dimensions), ((5, 2, 3, 2),), reference)
    plain = LayerNorm(normalized_dimensions=dimensions, affine=False)
    assert_equals_torch(
        plain, ((2, 3, 4, 5),), lambda g: functional.layer_norm(g["x"], g["x"].shape[-dimensions:])
    )


@pytest.mark.parametrize("dimensions", [1, 2, 3])
def test_rms_norm(dimensions: int) -> None:
    def reference(given: Tensors) -> torch.Tensor:
        shape = given["x"].shape[-dimensions:]
        return functional.rms_norm(given["x"], shape, given.get("gain"), eps=0.01)

    assert_equals_torch(RmsNorm(0.01, dimensions), ((5, 2, 3, 2),), reference)
    assert_equals_torch(RmsNorm(0.01, dimensions, affine=False), ((5, 2, 3, 2),), reference)


@pytest.mark.parametrize("shape", [(3, 4), (2, 3, 4)], ids=str)
def test_weight_norm(shape: Shape) -> None:
    def reference(given: Tensors) -> torch.Tensor:
        v = given["v"]
        return functional.linear(given["x"], (given["g"] * v / v.norm(dim=0)).T, given["b"])

    assert_equals_torch(WeightNorm(5), (shape,), reference)


def test_weight_norm_written_out_is_that_of_torch() -> None:
    linear = torch.nn.utils.parametrizations.weight_norm(torch.nn.Linear(4, 5))
    v = linear.parametrizations.weight.original1
    linear.parametrizations.weight.original0.data = torch.arange(1.0, 6.0)[:, None]
    expected = torch.arange(1.0, 6.0) * v.T / v.T.norm(dim=0)
    torch.testing.assert_close(linear.weight, expected.T)


def test_spectral_norm() -> None:
    def reference(given: Tensors) -> torch.Tensor:
        x, u, v, W, b = (given[name] for name in ("x", "u", "v", "W", "b"))
        sigma = torch.dot(u, torch.mv(W, v))
        return functional.linear(x, (W / sigma).T, b)

    assert_equals_torch(SpectralNorm(5), ((3, 4), (4,), (5,)), reference)


def test_spectral_norm_by_singular_vectors_is_that_of_torch() -> None:
    random = np.random.default_rng(0)
    W = random.normal(size=(4, 5))
    left, values, right = np.linalg.svd(W)
    linear = torch.nn.Linear(4, 5, dtype=torch.float64)
    linear.weight.data = torch.tensor(W.T)
    torch.nn.utils.parametrizations.spectral_norm(linear, n_power_iterations=200)
    linear.eval()
    np.testing.assert_allclose(linear.weight.detach().numpy().T, W / values[0], rtol=1e-9)

    def reference(given: Tensors) -> torch.Tensor:
        u, v = given["u"], given["v"]
        return functional.linear(given["x"], (given["W"] / (u @ given["W"] @ v)).T, given["b"])

    singular = {"u": left[:, 0], "v": right[0], "W": W}
    assert_equals_torch(SpectralNorm(5), ((3, 4), (4,), (5,)), reference, singular)


@pytest.mark.parametrize("p", [1, 1.5, 2, 3, 4])
@pytest.mark.parametrize("axis", [0, 1, -1])
def test_lp_normalize(p: float, axis: int) -> None:
    def normalized(given: Tensors) -> torch.Tensor:
        return functional.normalize(given["x"], p, dim=axis)

    def length(given: Tensors) -> torch.Tensor:
        return torch.linalg.vector_norm(given["x"], p, dim=axis)

    assert_equals_torch(LpNormalize(axis, p), ((2, 3, 4),), normalized)
    assert_equals_torch(LpLength(axis, p), ((2, 3, 4),), length)


def test_vectors_shorter_than_epsilon() -> None:
    x = np.array([[1e-5, 0.0, 0.0], [1e-3, -2e-3, 0.0], [3.0, -4.0, 0.0]])

    def reference(given: Tensors) -> torch.Tensor:
        return functional.normalize(given["x"], eps=0.1)

    assert_equals_torch(LpNormalize(epsilon=0.1), ((3, 3),), reference, {"x": x})


@pytest.mark.parametrize("shape", [(2, 4, 3), (2, 3, 4, 5)], ids=str)
@pytest.mark.parametrize("size", [1, 2, 3, 6])
def test_local_response_norm(shape: Shape, size: int) -> None:
    def reference(given: Tensors) -> torch.Tensor:
        return functional.local_response_norm(given["x"], size, 0.5, 0.6, 2.0)

    assert_equals_torch(LocalResponseNorm(size, 0.5, 0.6, 2), (shape,), reference)
