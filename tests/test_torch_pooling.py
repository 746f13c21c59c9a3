"""Pools and extrema against PyTorch's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional
from torch_oracle import Tensors, assert_equals_torch

import tensorbp as tb
from tensorbp.expression.layer import Layer, Shape
from tensorbp.layers.extrema import Max, Min
from tensorbp.layers.pooling import average as average_pooling
from tensorbp.layers.pooling import lengths as lp_pooling
from tensorbp.layers.pooling import maximum as maximum_pooling

Arguments = dict[str, Any]
Case = tuple[Shape, Arguments]


def layer(module: Any, kind: str, shape: Shape, arguments: Arguments) -> Layer:
    made: Layer = getattr(module, f"{kind}{len(shape) - 2}d")(**arguments)
    return made


def compare(
    module: Any, kind: str, function: str, shape: Shape, arguments: Arguments, **more: Any
) -> None:
    """Compare a pool with torch's function, channels first and channels last."""
    named = getattr(functional, f"{function}{len(shape) - 2}d")

    def reference(given: Tensors) -> torch.Tensor:
        result: torch.Tensor = named(given["x"], **arguments, **more)
        return result

    assert_equals_torch(layer(module, kind, shape, arguments), (shape,), reference)

    def last(given: Tensors) -> torch.Tensor:
        return reference({"x": given["x"].movedim(-1, 1)}).movedim(1, -1)

    moved = (shape[0], *shape[2:], shape[1])
    assert_equals_torch(
        layer(module, kind, shape, {**arguments, "channels_last": True}), (moved,), last
    )


def named(cases: list[Case]) -> Any:
    names = [f"{shape}-{'-'.join(f'{k}={v}' for k, v in given.items())}" for shape, given in cases]
    return pytest.mark.parametrize(("shape", "arguments"), cases, ids=names)


WINDOWS: list[Case] = [
    ((2, 3, 7), {"kernel_size": 2}),
    ((2, 3, 7), {"kernel_size": 1, "stride": 2}),
    ((2, 3, 8), {"kernel_size": 3, "stride": 2, "padding": 1}),
    ((2, 3, 8), {"kernel_size": 3, "stride": 2, "padding": 1, "ceil_mode": True}),
    ((2, 3, 7), {"kernel_size": 2, "ceil_mode": True}),
    ((2, 3, 5), {"kernel_size": 2, "stride": 4, "ceil_mode": True}),
    ((2, 3, 4, 5), {"kernel_size": (3, 2), "stride": 1}),
    ((2, 3, 4, 5), {"kernel_size": 3, "stride": (2, 1), "padding": (1, 0)}),
    ((1, 2, 6, 7), {"kernel_size": (2, 3), "stride": 2, "padding": 1, "ceil_mode": True}),
    ((1, 2, 3, 4, 5), {"kernel_size": 2}),
    ((1, 2, 3, 5, 4), {"kernel_size": (2, 1, 3), "stride": 2, "padding": (1, 0, 1)}),
]


@named(
    [
        *WINDOWS,
        ((1, 2, 6, 7), {"kernel_size": 3, "stride": 1, "dilation": 2, "padding": 1}),
        ((2, 3, 6, 5), {"kernel_size": 2, "dilation": (3, 1), "stride": 2, "ceil_mode": True}),
    ]
)
def test_max_pool(shape: Shape, arguments: Arguments) -> None:
    compare(maximum_pooling, "MaxPool", "max_pool", shape, arguments)


@named(WINDOWS)
@pytest.mark.parametrize("counts", [True, False])
def test_avg_pool(shape: Shape, arguments: Arguments, counts: bool) -> None:
    given = {**arguments, "count_include_pad": counts}
    compare(average_pooling, "AvgPool", "avg_pool", shape, given)


def test_avg_pool_with_a_divisor() -> None:
    given = {"kernel_size": (2, 3), "divisor_override": 5}
    compare(average_pooling, "AvgPool", "avg_pool", (2, 3, 4, 7), given)


@pytest.mark.parametrize("p", [2, 4])
@named(
    [
        ((2, 3, 7), {"kernel_size": 3}),
        ((2, 3, 7), {"kernel_size": 2, "stride": 3, "ceil_mode": True}),
        ((2, 2, 4, 5), {"kernel_size": (3, 2), "stride": 1}),
        ((1, 2, 4, 5), {"kernel_size": 2, "ceil_mode": True}),
        ((1, 2, 3, 4, 5), {"kernel_size": (2, 1, 3), "stride": 1}),
    ]
)
def test_lp_pool(p: int, shape: Shape, arguments: Arguments) -> None:
    compare(lp_pooling, "LpPool", "lp_pool", shape, {**arguments, "norm_type": p})


@pytest.mark.parametrize("p", [1, 3.5])
def test_lp_pool_of_odd_norms(p: float) -> None:
    """The p-norm is of |x|; torch takes powers of x itself, so it is given |x|."""

    def reference(given: Tensors) -> torch.Tensor:
        return functional.lp_pool1d(given["x"].abs(), p, 3, 2)

    assert_equals_torch(lp_pooling.LpPool1d(p, 3, 2), ((2, 3, 7),), reference)


ADAPTIVE: list[Case] = [
    ((2, 3, 6), {"output_size": 3}),
    ((2, 3, 7), {"output_size": 3}),
    ((2, 3, 4), {"output_size": 7}),
    ((2, 3, 4, 5), {"output_size": (2, 3)}),
    ((2, 3, 4, 5), {"output_size": (None, 2)}),
    ((2, 3, 4, 5), {"output_size": 1}),
    ((1, 2, 3, 4, 5), {"output_size": (2, 4, 3)}),
]


@named(ADAPTIVE)
def test_adaptive_avg_pool(shape: Shape, arguments: Arguments) -> None:
    compare(average_pooling, "AdaptiveAvgPool", "adaptive_avg_pool", shape, arguments)


@named(ADAPTIVE)
def test_adaptive_max_pool(shape: Shape, arguments: Arguments) -> None:
    compare(maximum_pooling, "AdaptiveMaxPool", "adaptive_max_pool", shape, arguments)


@pytest.mark.parametrize("keepdims", [True, False])
@pytest.mark.parametrize("shape", [(2, 3, 5), (2, 3, 4, 5), (2, 3, 2, 4, 5)], ids=str)
def test_global_pools(shape: Shape, keepdims: bool) -> None:
    axes = tuple(range(2, len(shape)))

    def average(given: Tensors) -> torch.Tensor:
        return given["x"].mean(axes, keepdim=keepdims)

    def largest(given: Tensors) -> torch.Tensor:
        return given["x"].amax(axes, keepdim=keepdims)

    assert_equals_torch(average_pooling.GlobalAvgPool(keepdims), (shape,), average)
    assert_equals_torch(maximum_pooling.GlobalMaxPool(keepdims), (shape,), largest)


def test_global_pools_with_channels_last() -> None:
    def average(given: Tensors) -> torch.Tensor:
        return given["x"].mean((1, 2), keepdim=True)

    def largest(given: Tensors) -> torch.Tensor:
        return given["x"].amax((1, 2))

    shape = (2, 4, 5, 3)
    pool = average_pooling.GlobalAvgPool(keepdims=True, channels_last=True)
    assert_equals_torch(pool, (shape,), average)
    assert_equals_torch(maximum_pooling.GlobalMaxPool(channels_last=True), (shape,), largest)


@pytest.mark.parametrize("keepdims", [True, False])
@pytest.mark.parametrize("axis", [0, 1, -1])
def test_extrema(axis: int, keepdims: bool) -> None:
    def largest(given: Tensors) -> torch.Tensor:
        return torch.max(given["x"], axis, keepdim=keepdims).values

    def smallest(given: Tensors) -> torch.Tensor:
        return torch.min(given["x"], axis, keepdim=keepdims).values

    assert_equals_torch(Max(axis, keepdims), ((2, 3, 5),), largest)
    assert_equals_torch(Min(axis, keepdims), ((2, 3, 5),), smallest)


def test_extrema_along_several_axes() -> None:
    def largest(given: Tensors) -> torch.Tensor:
        return given["x"].amax((0, 2))

    assert_equals_torch(Max((0, -1)), ((2, 3, 5),), largest)


@pytest.mark.parametrize("pool", ["max_pool2d", "max", "min"])
def test_ties_go_to_the_first(pool: str) -> None:
    """Small whole numbers tie often; torch gives the whole cotangent to one of them."""
    x = np.random.default_rng(0).integers(0, 3, (2, 3, 4, 6)).astype(float)

    def reference(given: Tensors) -> torch.Tensor:
        if pool == "max_pool2d":
            return functional.max_pool2d(given["x"], (3, 2), 1, (1, 0))
        found: torch.Tensor = getattr(torch, pool)(given["x"], 2).values
        return found

    made = {"max": Max(2), "min": Min(2)}.get(pool) or maximum_pooling.MaxPool2d((3, 2), 1, (1, 0))
    assert_equals_torch(made, (x.shape,), reference, {"x": x})


def test_argmax_and_argmin() -> None:
    x = np.random.default_rng(0).integers(0, 3, (4, 3, 6)).astype(float)
    v = tb.variable("x", *x.shape)
    for axis in (0, 1, -1):
        found = tb.compile([tb.argmax(v, axis), tb.argmin(v, axis)])(x=x)
        np.testing.assert_array_equal(found[0], np.argmax(x, axis))
        np.testing.assert_array_equal(found[1], np.argmin(x, axis))
        largest = tb.compile([tb.max(v, axis)])(x=x)[0]
        np.testing.assert_array_equal(largest, torch.tensor(x).max(axis).values)
