"""Other sizes of space, padding and rearrangements against PyTorch's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.nn import functional
from torch_oracle import Tensors, assert_equals_torch

from tensorbp.expression.layer import Layer, Shape
from tensorbp.layers.convolution.padding import Pad
from tensorbp.layers.convolution.unfolding import Fold, PixelShuffle, PixelUnshuffle, Unfold
from tensorbp.layers.convolution.upsampling import Upsample

Function = Callable[[torch.Tensor], torch.Tensor]

WORDS = {
    "linear": {1: "linear", 2: "bilinear", 3: "trilinear"},
    "nearest": dict.fromkeys((1, 2, 3), "nearest"),
    "cubic": {2: "bicubic"},
}


def compare(layer: Layer, shape: Shape, function: Function) -> None:
    def reference(given: Tensors) -> torch.Tensor:
        return function(given["x"])

    assert_equals_torch(layer, (shape,), reference)


def compare_last(layer: Layer, shape: Shape, function: Function) -> None:
    """Compare a layer with its channels last, given the shape that torch has."""
    moved = (shape[0], *shape[2:], shape[1])
    compare(layer, moved, lambda x: function(x.movedim(-1, 1)).movedim(1, -1))


SIZES: list[tuple[Shape, dict[str, Any]]] = [
    ((2, 3, 5), {"scale_factor": 2}),
    ((2, 3, 5), {"scale_factor": 1.7}),
    ((2, 3, 5), {"scale_factor": 0.6}),
    ((2, 3, 5), {"size": 5}),
    ((2, 3, 5), {"size": 8}),
    ((2, 3, 7), {"size": 3}),
    ((2, 3, 4), {"size": 1}),
    ((2, 3, 3, 4), {"size": (6, 5)}),
    ((1, 2, 3, 4), {"scale_factor": (3, 1.5)}),
    ((1, 2, 4, 5), {"size": (2, 7)}),
    ((1, 2, 1, 4), {"size": (3, 8)}),
    ((1, 2, 3, 4, 2), {"scale_factor": (2, 1, 1.5)}),
    ((1, 2, 3, 4, 2), {"size": (2, 5, 3)}),
]


@pytest.mark.parametrize(("shape", "given"), SIZES, ids=str)
@pytest.mark.parametrize(
    ("mode", "corners"),
    [
        ("nearest", {}),
        *[
            (mode, {"align_corners": each})
            for mode in ("linear", "cubic")
            for each in (True, False)
        ],
    ],
)
def test_upsample(mode: Any, corners: dict[str, bool], shape: Shape, given: dict[str, Any]) -> None:
    word = WORDS[mode].get(len(shape) - 2)
    if word is None:
        shape, word = (*shape[:3], 4), "bicubic"
        given = {k: v if isinstance(v, int | float) else v[:2] for k, v in given.items()}

    def reference(x: torch.Tensor) -> torch.Tensor:
        return functional.interpolate(x, **given, mode=word, **corners)

    compare(Upsample(**given, mode=mode, **corners), shape, reference)


@pytest.mark.parametrize("mode", ["nearest", "linear"])
def test_upsample_with_channels_last(mode: Any) -> None:
    def reference(x: torch.Tensor) -> torch.Tensor:
        return functional.interpolate(x, (6, 7), mode=WORDS[mode][2])

    compare_last(Upsample((6, 7), mode=mode, channels_last=True), (2, 5, 3, 4), reference)


@pytest.mark.parametrize("mode", ["constant", "reflect", "replicate", "circular"])
@pytest.mark.parametrize(
    ("shape", "padding"),
    [
        ((2, 3, 5), 2),
        ((2, 3, 5), ((0, 4),)),
        ((2, 3, 4, 5), ((2, 1), (0, 3))),
        ((1, 2, 3, 4, 5), (1, (2, 0), (3, 1))),
    ],
    ids=str,
)
def test_pad(mode: Any, shape: Shape, padding: Any) -> None:
    each = padding if isinstance(padding, tuple) else (padding,) * (len(shape) - 2)
    widths = [w if isinstance(w, tuple) else (w, w) for w in each]
    # torch names the last axis first
    flat = [number for pair in reversed(widths) for number in pair]
    value = {"value": -2.5} if mode == "constant" else {}

    def reference(x: torch.Tensor) -> torch.Tensor:
        return functional.pad(x, flat, mode, **value)

    compare(Pad(padding, mode, **value), shape, reference)
    compare_last(Pad(padding, mode, **value, channels_last=True), shape, reference)


def test_pad_that_cuts() -> None:
    def reference(x: torch.Tensor) -> torch.Tensor:
        return functional.pad(x, (1, -2, -1, 0), value=3.0)

    compare(Pad(((-1, 0), (1, -2)), value=3), (2, 3, 4, 5), reference)


def test_pixel_shuffle() -> None:
    compare(PixelShuffle(2), (2, 12, 3, 5), lambda x: functional.pixel_shuffle(x, 2))
    compare(PixelUnshuffle(3), (2, 2, 6, 3), lambda x: functional.pixel_unshuffle(x, 3))
    compare_last(
        PixelShuffle(2, channels_last=True), (2, 8, 3, 5), lambda x: functional.pixel_shuffle(x, 2)
    )
    compare_last(
        PixelUnshuffle(2, channels_last=True),
        (2, 3, 4, 6),
        lambda x: functional.pixel_unshuffle(x, 2),
    )


WINDOWS: list[dict[str, Any]] = [
    {"kernel_size": (3, 2)},
    {"kernel_size": 2, "stride": (1, 2)},
    {"kernel_size": (1, 3), "padding": (0, 2), "stride": 2},
    {"kernel_size": 2, "dilation": (2, 3), "padding": 1},
]


@pytest.mark.parametrize("given", WINDOWS, ids=str)
def test_unfold_and_fold(given: dict[str, Any]) -> None:
    shape = (2, 3, 4, 5)
    compare(Unfold(**given), shape, lambda x: functional.unfold(x, **given))
    columns = functional.unfold(torch.zeros(shape), **given).shape
    compare(Fold((4, 5), **given), tuple(columns), lambda x: functional.fold(x, (4, 5), **given))
