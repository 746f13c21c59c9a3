"""Convolutions, plain, transposed and separable, against PyTorch's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.nn import functional
from torch_oracle import Tensors, assert_equals_torch

from tensorbp.expression.layer import Shape
from tensorbp.layers.convolution.convolution import Conv1d, Conv2d, Conv3d
from tensorbp.layers.convolution.separable import DepthwiseConv2d, SeparableConv2d
from tensorbp.layers.convolution.transposed import (
    ConvTranspose1d,
    ConvTranspose2d,
    ConvTranspose3d,
)

Arguments = dict[str, Any]
Case = tuple[Shape, Arguments]

CONV = {1: Conv1d, 2: Conv2d, 3: Conv3d}
# of torch, which has to copy what it pads by different widths
pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same'")

TRANSPOSED = {1: ConvTranspose1d, 2: ConvTranspose2d, 3: ConvTranspose3d}


def module(kind: str, rank: int, channels: int, arguments: Arguments) -> torch.nn.Module:
    """Return torch's layer; its weights are given when it is called."""
    made: torch.nn.Module = getattr(torch.nn, f"{kind}{rank}d")(channels, **arguments).double()
    return made


def called(made: torch.nn.Module) -> Callable[[Tensors], torch.Tensor]:
    def reference(given: Tensors) -> torch.Tensor:
        parameters = {"weight": given["W"]} | ({"bias": given["b"]} if "b" in given else {})
        result: torch.Tensor = torch.func.functional_call(made, parameters, (given["x"],))
        return result

    return reference


CONVOLUTIONS: list[Case] = [
    ((2, 3, 7), {"out_channels": 4, "kernel_size": 3}),
    ((2, 3, 7), {"out_channels": 4, "kernel_size": 1}),
    ((2, 3, 7), {"out_channels": 4, "kernel_size": 1, "stride": 3, "padding": 1}),
    ((2, 3, 8), {"out_channels": 2, "kernel_size": 4, "stride": 2, "padding": 3}),
    ((2, 3, 9), {"out_channels": 4, "kernel_size": 3, "dilation": 3, "bias": False}),
    ((2, 6, 5), {"out_channels": 4, "kernel_size": 2, "groups": 2}),
    ((2, 3, 5), {"out_channels": 6, "kernel_size": 2, "groups": 3, "padding": "same"}),
    ((2, 3, 5), {"out_channels": 2, "kernel_size": 4, "padding": "same", "dilation": 2}),
    ((2, 3, 5), {"out_channels": 2, "kernel_size": 4, "padding": "valid"}),
    ((2, 3, 4, 5), {"out_channels": 4, "kernel_size": (3, 2)}),
    ((2, 3, 6, 5), {"out_channels": 2, "kernel_size": (2, 3), "stride": (2, 1), "padding": (1, 2)}),
    ((2, 4, 6, 7), {"out_channels": 6, "kernel_size": 2, "dilation": (1, 3), "groups": 2}),
    ((1, 2, 4, 5), {"out_channels": 3, "kernel_size": (1, 4), "padding": "same"}),
    ((2, 3, 4, 5), {"out_channels": 5, "kernel_size": 1, "bias": False}),
    ((2, 2, 3, 4, 5), {"out_channels": 3, "kernel_size": (2, 3, 1), "padding": (1, 0, 1)}),
    ((1, 4, 4, 3, 5), {"out_channels": 2, "kernel_size": 2, "stride": (2, 1, 3), "groups": 2}),
    *[
        (shape, {"out_channels": 2, "kernel_size": 3, "padding": padding, "padding_mode": mode})
        for mode in ("reflect", "replicate", "circular")
        for shape, padding in [
            ((2, 3, 4), 2),
            ((2, 2, 3, 5), (1, 2)),
            ((1, 2, 4, 3), "same"),
            ((1, 2, 3, 4, 2), 1),
        ]
    ],
]


def named(cases: list[Case]) -> Any:
    names = [f"{shape}-{'-'.join(f'{k}={v}' for k, v in given.items())}" for shape, given in cases]
    return pytest.mark.parametrize(("shape", "arguments"), cases, ids=names)


@named(CONVOLUTIONS)
def test_conv(shape: Shape, arguments: Arguments) -> None:
    rank = len(shape) - 2
    reference = called(module("Conv", rank, shape[1], arguments))
    assert_equals_torch(CONV[rank](**arguments), (shape,), reference)


@named(CONVOLUTIONS[::3])
def test_conv_with_channels_last(shape: Shape, arguments: Arguments) -> None:
    batch, channels, *space = shape
    made = called(module("Conv", len(space), channels, arguments))

    def reference(given: Tensors) -> torch.Tensor:
        return made({**given, "x": given["x"].movedim(-1, 1)}).movedim(1, -1)

    layer = CONV[len(space)](**arguments, channels_last=True)
    assert_equals_torch(layer, ((batch, *space, channels),), reference)


def test_conv_with_unequal_padding() -> None:
    def reference(given: Tensors) -> torch.Tensor:
        padded = functional.pad(given["x"], (2, 0, 0, 3))
        return functional.conv2d(padded, given["W"], given["b"])

    assert_equals_torch(Conv2d(4, (3, 2), padding=((0, 3), (2, 0))), ((2, 3, 4, 5),), reference)


@pytest.mark.parametrize("mode", ["zeros", "replicate"])
def test_causal_conv(mode: Any) -> None:
    def reference(given: Tensors) -> torch.Tensor:
        padded = functional.pad(
            given["x"], (4, 0), mode="constant" if mode == "zeros" else "replicate"
        )
        return functional.conv1d(padded, given["W"], given["b"], dilation=2)

    layer = Conv1d(4, 3, padding="causal", dilation=2, padding_mode=mode)
    assert_equals_torch(layer, ((2, 3, 5),), reference)


TRANSPOSES: list[Case] = [
    ((2, 3, 5), {"out_channels": 4, "kernel_size": 3}),
    ((2, 3, 5), {"out_channels": 4, "kernel_size": 1}),
    ((2, 3, 4), {"out_channels": 2, "kernel_size": 3, "stride": 2, "padding": 1}),
    ((2, 3, 4), {"out_channels": 2, "kernel_size": 3, "stride": 3, "output_padding": 2}),
    ((2, 3, 4), {"out_channels": 2, "kernel_size": 1, "dilation": 2, "output_padding": 1}),
    ((2, 6, 4), {"out_channels": 4, "kernel_size": 2, "dilation": 3, "groups": 2}),
    ((2, 3, 4), {"out_channels": 2, "kernel_size": 2, "stride": 3, "bias": False}),
    ((2, 3, 2, 4), {"out_channels": 4, "kernel_size": (3, 2)}),
    (
        (2, 4, 3, 2),
        {
            "out_channels": 6,
            "kernel_size": (2, 3),
            "stride": (1, 3),
            "padding": (0, 2),
            "output_padding": (0, 1),
            "groups": 2,
        },
    ),
    ((1, 2, 3, 4), {"out_channels": 2, "kernel_size": 3, "stride": 2, "dilation": (2, 1)}),
    ((2, 2, 3, 2, 4), {"out_channels": 3, "kernel_size": (2, 1, 3), "stride": (2, 1, 1)}),
    (
        (1, 4, 2, 3, 2),
        {"out_channels": 2, "kernel_size": 2, "stride": 2, "output_padding": 1, "groups": 2},
    ),
]


@named(TRANSPOSES)
def test_conv_transpose(shape: Shape, arguments: Arguments) -> None:
    rank = len(shape) - 2
    reference = called(module("ConvTranspose", rank, shape[1], arguments))
    assert_equals_torch(TRANSPOSED[rank](**arguments), (shape,), reference)


@named(TRANSPOSES[::2])
def test_conv_transpose_with_channels_last(shape: Shape, arguments: Arguments) -> None:
    batch, channels, *space = shape
    made = called(module("ConvTranspose", len(space), channels, arguments))

    def reference(given: Tensors) -> torch.Tensor:
        return made({**given, "x": given["x"].movedim(-1, 1)}).movedim(1, -1)

    layer = TRANSPOSED[len(space)](**arguments, channels_last=True)
    assert_equals_torch(layer, ((batch, *space, channels),), reference)


def test_conv_transpose_with_unequal_padding() -> None:
    def reference(given: Tensors) -> torch.Tensor:
        whole = functional.conv_transpose1d(given["x"], given["W"], given["b"], stride=2)
        return whole[..., 1:-3]

    assert_equals_torch(ConvTranspose1d(4, 4, 2, padding=((1, 3),)), ((2, 3, 5),), reference)


@pytest.mark.parametrize("multiplier", [1, 3])
@pytest.mark.parametrize("stride", [1, (2, 1)])
def test_depthwise_conv2d(multiplier: int, stride: Any) -> None:
    def reference(given: Tensors) -> torch.Tensor:
        return functional.conv2d(
            given["x"], given["W"], given["b"], stride, padding=1, dilation=(1, 2), groups=2
        )

    layer = DepthwiseConv2d((3, 2), stride, 1, (1, 2), multiplier)
    assert_equals_torch(layer, ((2, 2, 4, 5),), reference)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("multiplier", [1, 2])
def test_separable_conv2d(multiplier: int, bias: bool) -> None:
    def reference(given: Tensors) -> torch.Tensor:
        each = functional.conv2d(given["x"], given["D"], stride=(1, 2), padding=1, groups=3)
        return functional.conv2d(each, given["P"], given.get("b"))

    layer = SeparableConv2d(4, (3, 2), (1, 2), 1, multiplier=multiplier, bias=bias)
    assert_equals_torch(layer, ((1, 3, 4, 5),), reference)
