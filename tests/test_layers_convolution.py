"""Convolutions: what they cost, how they are planned, and what they refuse."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from layer_values import applied

import tensorbp as tb
from tensorbp.errors import LayerError
from tensorbp.expression.layer import Shape
from tensorbp.layers.convolution.convolution import Conv1d, Conv2d, Conv3d
from tensorbp.layers.convolution.separable import DepthwiseConv2d, SeparableConv2d
from tensorbp.layers.convolution.transposed import ConvTranspose1d, ConvTranspose2d
from tensorbp.planning import Plan

RANDOM = np.random.default_rng(0)

GEOMETRIES: dict[str, tuple[Shape, Shape, dict[str, Any]]] = {
    "strides": ((4, 6, 12, 12), (10, 6, 3, 5), {"stride": (1, 2)}),
    "padding": ((4, 6, 12, 11), (10, 6, 3, 3), {"padding": 1}),
    "dilation": ((4, 6, 12, 11), (10, 6, 3, 2), {"dilation": (2, 3)}),
    "groups": ((4, 6, 12, 11), (12, 2, 3, 2), {"groups": 3}),
    "channel by channel": ((4, 6, 12, 11), (6, 1, 3, 2), {"groups": 6}),
    "one place": ((4, 6, 12, 11), (10, 6, 1, 1), {}),
    "reflection": ((4, 6, 12, 11), (10, 6, 3, 2), {"padding": 2, "padding_mode": "reflect"}),
    "time": ((4, 6, 50), (10, 6, 7), {"padding": "causal"}),
    "volumes": ((2, 3, 7, 8, 9), (5, 3, 3, 2, 4), {"stride": 2}),
}


# places mirrored are multiplied once
CHEAPER = ("reflection",)


@pytest.mark.parametrize("name", GEOMETRIES)
def test_costs(name: str) -> None:
    """A value costs one multiplication for each weight that a place meets, a gradient twice that.

    No selection is ever written out as a tensor.
    """
    shape, weights, given = GEOMETRIES[name]
    x, W = tb.variable("x", *shape), tb.variable("W", *weights)
    y = tb.conv(x, W, **given)
    most = y.size * prod(weights[1:])
    value = tb.plan([y])
    loss = tb.sum(tb.tanh(y))
    gradient = tb.plan([loss, *tb.gradient(loss, [x, W])])
    assert gradient.order == "reverse"
    if name in CHEAPER:
        assert value.multiply_adds < most
        assert gradient.multiply_adds < 3 * most
    else:
        assert value.multiply_adds == most
        # what is pulled back channel by channel is added up as it is moved
        times = 2 if name == "channel by channel" else 3
        assert gradient.multiply_adds == times * most
    # elementwise steps, windows that are put back, and windows whose sum is no product
    elementwise = 10 * y.size
    assert gradient.flops <= 3 * value.flops + elementwise + moved(gradient)
    for plan in (value, gradient):
        assert "affine_selection" not in [step.operation for step in plan.steps]


def moved(plan: Plan) -> int:
    """Return the numbers that selections move or add."""
    return sum(step.flops for step in plan.steps if step.operation in ("select", "sum_up"))


def test_a_transposed_convolution_costs_what_the_convolution_does() -> None:
    x, W = tb.variable("x", 4, 10, 5, 6), tb.variable("W", 10, 7, 3, 2)
    y = tb.conv_transpose(x, W, stride=(2, 1), padding=1)
    plan = tb.plan([y])
    # what padding cuts off is not computed
    assert plan.multiply_adds < x.size * prod(W.shape[1:])
    whole = tb.plan([tb.conv_transpose(x, W, stride=(2, 1))])
    assert whole.multiply_adds == x.size * prod(W.shape[1:])
    assert "affine_selection" not in [step.operation for step in plan.steps]


def test_samples_stay_apart() -> None:
    """Norms of the gradients of each sample cost no gradient of each sample."""
    x, W = tb.variable("x", 40, 2, 4, 3), tb.variable("W", 30, 2, 2, 2)
    y = tb.sum(tb.tanh(tb.conv(x, W)), axis=(1, 2, 3))
    J = tb.jacobian(y, W)
    norms = tb.plan([(J @ J.T).diagonal()])
    assert max(prod(step.shape) for step in norms.steps) < 40 * W.size


def test_the_hessian_of_a_linear_layer_vanishes_by_each_operand() -> None:
    x, W = tb.variable("x", 2, 3, 5), tb.variable("W", 4, 3, 2)
    y = tb.sum(tb.conv(x, W))
    assert tb.hessian(y, x).size == tb.hessian(y, W).size == 0


def test_transposed_is_the_adjoint() -> None:
    """⟨u, W * x⟩ = ⟨Wᵀ * u, x⟩: pulling back is the transposed layer."""
    x, W = tb.variable("x", 2, 3, 5, 7), tb.variable("W", 4, 3, 3, 2)
    given: dict[str, Any] = {"stride": (2, 1), "padding": (1, 0), "dilation": (1, 2)}
    y = tb.conv(x, W, **given)
    u = tb.variable("u", *y.shape)
    pulled, transposed = tb.compile([tb.vjp(y, x, u), tb.conv_transpose(u, W, **given)])(
        u=RANDOM.normal(size=u.shape), W=RANDOM.normal(size=W.shape)
    )
    np.testing.assert_allclose(pulled, transposed, atol=1e-12)


def test_causal_convolution_sees_nothing_that_comes_later() -> None:
    x = tb.variable("x", 1, 2, 9)
    y = Conv1d(3, 3, padding="causal", dilation=2, bias=False)
    slopes = tb.jacobian(y(x, W=tb.variable("W", 3, 2, 3)), x).to_dense()
    found = tb.compile([slopes])(W=RANDOM.normal(size=(3, 2, 3)))[0]
    for t in range(9):
        reached = np.flatnonzero(found[0, :, t, 0].any(axis=(0, 1)))
        assert list(reached) == [i for i in (t - 4, t - 2, t) if i >= 0]


def test_one_place_is_a_matrix_product() -> None:
    """Where windows are places there is no selection, and the map stays diagonal in space."""
    x, W = tb.variable("x", 5, 3, 6, 7), tb.variable("W", 4, 3, 1, 1)
    y = tb.conv(x, W)
    assert tb.jacobian(y, x).size == W.size
    assert [step.operation for step in tb.plan([y]).steps] == ["einsum"]


def test_convolutions_in_a_row_keep_single_precision() -> None:
    x = tb.variable("x", 2, 3, 8, 8)
    W, V = tb.variable("W", 4, 3, 3, 3), tb.variable("V", 4, 5, 3, 3)
    y = tb.conv_transpose(tb.relu(tb.conv(x, W, stride=2)), V, stride=2)
    arrays = {v.operator.name: RANDOM.normal(size=v.shape).astype(np.float32) for v in (x, W, V)}
    found = tb.compile([y, *tb.gradient(tb.sum(y * y), [W, V])], dtype="float32")(**arrays)
    assert {each.dtype for each in found} == {np.dtype(np.float32)}


MODEL = """
tensorbp: 1
name: small
dims: {{batch: 4, channels: 3, width: 6}}
inputs: {{x: [batch, channels, 9, 8], target: {{shape: [batch], kind: integer}}}}
layers:
  - {{type: conv2d, out_channels: 2*width, kernel_size: [3, 2], padding: {padding}}}
  - {{type: relu}}
  - {{type: max_pool2d, kernel_size: 2}}
  - {{type: depthwise_conv2d, kernel_size: 2}}
  - {{type: global_avg_pool}}
  - {{name: logits, type: linear, units: 5}}
loss: {{type: softmax_cross_entropy, inputs: [logits, target]}}
"""


@pytest.mark.parametrize("padding", ["same", "1", "[0, 1]", "[[2, 0], 1]"])
def test_models(padding: str, tmp_path: Path) -> None:
    file = tmp_path / "small.yaml"
    file.write_text(MODEL.format(padding=padding))
    model = tb.load(file)
    theta = model.initialize(seed=0)
    given = {"x": RANDOM.normal(size=(4, 3, 9, 8)), "target": np.array([0, 4, 2, 2])}
    values = []
    for _ in range(3):
        value, gradient = model.value_and_gradient(theta, **given)
        values.append(value)
        theta = theta - 0.1 * gradient
    assert all(after < before for before, after in pairwise(values))


REFUSED: dict[str, tuple[Callable[[], object], str]] = {
    "a kernel larger than the input": (
        lambda: applied(Conv2d(4, (3, 6)), (2, 3, 4, 5)),
        "layer 'conv2d': kernel_size 6 reaches over 6 places, but axis 3 of x of shape "
        "(2, 3, 4, 5) has only 5; take a smaller kernel or more padding",
    ),
    "a dilated kernel larger than the padded input": (
        lambda: applied(Conv1d(4, 3, padding=1, dilation=4), (2, 3, 5)),
        "kernel_size 3 with dilation 4 reaches over 9 places, but axis 2 of x of shape (2, 3, 5) "
        "has only 5, 7 with padding",
    ),
    "groups of the input": (
        lambda: applied(Conv2d(4, 2, groups=2), (2, 3, 4, 5)),
        "layer 'conv2d': groups must divide the channels of x, found 2 groups of 3 channels",
    ),
    "groups of the output": (
        lambda: Conv2d(5, 2, groups=2),
        "layer 'conv2d': groups must divide out_channels, found 2 groups of 5 channels",
    ),
    "no stride": (
        lambda: Conv2d(4, 2, stride=0),
        "layer 'conv2d': stride must be a whole number from 1, found 0",
    ),
    "too many numbers": (
        lambda: Conv1d(4, (2, 3)),
        "layer 'conv1d': kernel_size must be one number, or a list of 1 for 1 axis of space, found "
        "a list of 2: (2, 3)",
    ),
    "a pair of three": (
        lambda: Conv1d(4, 2, padding=((1, 2, 3),)),
        "layer 'conv1d': padding must have two numbers for an axis, before and after, found "
        "(1, 2, 3)",
    ),
    "negative padding": (
        lambda: Conv2d(4, 2, padding=(0, -1)),
        "layer 'conv2d': each number of padding must be a whole number from 0, found -1",
    ),
    "the rank": (
        lambda: applied(Conv2d(4, 2), (2, 3, 4)),
        "layer 'conv2d': x must have 4 axes, (batch, channels, height, width), found shape "
        "(2, 3, 4)",
    ),
    "the rank with channels last": (
        lambda: applied(Conv3d(4, 2, channels_last=True), (2, 3, 4, 5)),
        "x must have 5 axes, (batch, depth, height, width, channels), found shape (2, 3, 4, 5)",
    ),
    "same with a stride": (
        lambda: Conv2d(4, 2, (1, 2), "same"),
        "layer 'conv2d': padding 'same' needs stride 1, found (1, 2); give numbers",
    ),
    "causal images": (
        lambda: Conv2d(4, 2, padding="causal"),
        "layer 'conv2d': padding 'causal' is for one axis of space, that of time",
    ),
    "a misspelt padding": (
        lambda: Conv2d(4, 2, padding="sane"),  # type: ignore[arg-type]
        "padding must be numbers, or one of valid, same, causal, found 'sane'; did you mean "
        "'same'?",
    ),
    "a misspelt mode": (
        lambda: Conv2d(4, 2, padding_mode="zero"),  # type: ignore[arg-type]
        "padding_mode must be one of zeros, reflect, replicate, circular, found 'zero'",
    ),
    "too much to reflect": (
        lambda: applied(Conv1d(4, 2, padding=5, padding_mode="reflect"), (2, 3, 5)),
        "layer 'conv1d': padding 5 is too much for padding_mode 'reflect' on axis 2 of x of shape "
        "(2, 3, 5); it may be up to 4",
    ),
    "too much to repeat": (
        lambda: applied(Conv1d(4, 2, padding=6, padding_mode="circular"), (2, 3, 5)),
        "padding 6 is too much for padding_mode 'circular' on axis 2 of x of shape (2, 3, 5); it "
        "may be up to 5",
    ),
    "an initializer": (
        lambda: Conv2d(4, 2, initializer="ones_"),  # type: ignore[arg-type]
        "layer 'conv2d': initializer must be one of glorot_uniform, he_normal, zeros, ones, found "
        "'ones_'; did you mean 'ones'?",
    ),
    "a bias": (
        lambda: Conv2d(4, 2, bias="no"),  # type: ignore[arg-type]
        "layer 'conv2d': bias must be true or false, found 'no'",
    ),
    "more padding than stride": (
        lambda: ConvTranspose2d(4, 2, (2, 1), output_padding=(1, 1)),
        "layer 'conv_transpose2d': output_padding must be smaller than stride or dilation, found 1 "
        "with stride 1 and dilation 1",
    ),
    "nothing left": (
        lambda: applied(ConvTranspose1d(4, 2, padding=3), (2, 3, 5)),
        "layer 'conv_transpose1d': padding 6 leaves nothing of axis 2 of y, which has 6 places for "
        "x of shape (2, 3, 5)",
    ),
    "groups of a transposed input": (
        lambda: applied(ConvTranspose1d(4, 2, groups=2), (2, 3, 5)),
        "layer 'conv_transpose1d': groups must divide the channels of x, found 2 groups of 3",
    ),
    "groups of a transposed output": (
        lambda: ConvTranspose1d(5, 2, groups=2),
        "layer 'conv_transpose1d': groups must divide out_channels, found 2 groups of 5 channels",
    ),
    "the name of a part": (
        lambda: DepthwiseConv2d(2, stride=0),
        "layer 'depthwise_conv2d': stride must be a whole number from 1, found 0",
    ),
    "the name of a part of a whole": (
        lambda: applied(SeparableConv2d(4, (6, 2)), (2, 3, 4, 5)),
        "layer 'separable_conv2d': kernel_size 6 reaches over 6 places, but axis 2",
    ),
    "the output of a separable one": (
        lambda: SeparableConv2d(0, 2),
        "layer 'separable_conv2d': out_channels must be a whole number from 1, found 0",
    ),
    "a multiplier": (
        lambda: DepthwiseConv2d(2, multiplier=0),
        "layer 'depthwise_conv2d': multiplier must be a whole number from 1, found 0",
    ),
    "weights of another rank": (
        lambda: tb.conv(tb.variable("x", 2, 3, 5), tb.variable("W", 4, 3)),
        "layer 'conv': W must be (out_channels, channels / groups, *kernel_size), 3 axes for x of "
        "shape (2, 3, 5), found shape (4, 3)",
    ),
    "weights of other channels": (
        lambda: tb.conv(tb.variable("x", 2, 3, 5), tb.variable("W", 4, 2, 2)),
        "layer 'conv1d': parameter 'W' has shape (4, 2, 2), expected (4, 3, 2)",
    ),
    "transposed weights of another rank": (
        lambda: tb.conv_transpose(tb.variable("x", 2, 3, 5), tb.variable("W", 3, 4)),
        "layer 'conv_transpose': W must be (channels, out_channels / groups, *kernel_size), 3 axes",
    ),
    "no space": (
        lambda: tb.conv(tb.variable("x", 2, 3), tb.variable("W", 4, 3)),
        "layer 'conv': x must have from 3 to 5 axes, (batch, channels, *space), found shape (2, 3)",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused(name: str) -> None:
    make, message = REFUSED[name]
    with pytest.raises(LayerError) as caught:
        make()
    assert message in str(caught.value)


def test_lists_are_as_good_as_tuples() -> None:
    assert Conv2d(4, [3, 2], padding=[[1, 2], 0]) == Conv2d(4, (3, 2), padding=((1, 2), 0))  # type: ignore[arg-type, list-item]
