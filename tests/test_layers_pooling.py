"""Pools, other sizes, padding and unfolding: extremes, structure, costs, and what they refuse."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from layer_values import applied

import tensorbp as tb
from tensorbp.errors import LayerError
from tensorbp.expression.layer import Layer, Shape
from tensorbp.layers.convolution.padding import Pad
from tensorbp.layers.convolution.unfolding import Fold, PixelShuffle, PixelUnshuffle, Unfold
from tensorbp.layers.convolution.upsampling import Upsample
from tensorbp.layers.extrema import Max, Min
from tensorbp.layers.pooling.average import (
    AdaptiveAvgPool2d,
    AvgPool1d,
    AvgPool2d,
    GlobalAvgPool,
)
from tensorbp.layers.pooling.lengths import LpPool1d
from tensorbp.layers.pooling.maximum import (
    AdaptiveMaxPool1d,
    AdaptiveMaxPool2d,
    GlobalMaxPool,
    MaxPool1d,
    MaxPool2d,
)

RANDOM = np.random.default_rng(0)
LOWEST = np.finfo(float).min


def evaluate(layer: Layer, x: Any) -> Any:
    array = np.asarray(x, float)
    return tb.compile([layer(tb.variable("x", *array.shape))])(x=array)[0]


@pytest.mark.parametrize("low", [-np.inf, LOWEST, -1e308, -3.0])
def test_padding_is_never_the_largest(low: float) -> None:
    found = evaluate(MaxPool1d(3, 1, 1), [[[low, low, low, low]]])
    np.testing.assert_array_equal(found, [[[low] * 4]])


def test_nan_is_seen() -> None:
    found = evaluate(MaxPool1d(2, 1), [[[1, np.nan, 3, 4, np.inf]]])
    np.testing.assert_array_equal(found, [[[np.nan, np.nan, 4, np.inf]]])
    np.testing.assert_array_equal(evaluate(Max(), [[1, np.nan, 3], [1, 2, 0]]), [np.nan, 2])


def test_infinity_stays_where_it_is() -> None:
    """Nothing else of an image is touched by it: it is not multiplied with zeros."""
    x = [[[1, 2, np.inf, 4, 5, 6]]]
    np.testing.assert_array_equal(evaluate(AvgPool1d(2), x), [[[1.5, np.inf, 5.5]]])
    np.testing.assert_array_equal(evaluate(Pad(1), x)[0, 0], [0, 1, 2, np.inf, 4, 5, 6, 0])
    np.testing.assert_array_equal(
        evaluate(Upsample(scale_factor=2), x)[0, 0], np.repeat(x[0][0], 2)
    )


def test_the_gradient_of_a_window_that_ties_goes_to_the_first() -> None:
    x = tb.variable("x", 1, 1, 2, 3)
    y = tb.max_pool(x, (2, 2), 1)
    (slope,) = tb.compile([tb.gradient(tb.sum(y), x)])(x=np.ones((1, 1, 2, 3)))
    np.testing.assert_array_equal(slope, [[[[1, 1, 0], [0, 0, 0]]]])


def test_lengths_of_zero_and_of_huge_numbers() -> None:
    x = tb.variable("x", 1, 1, 4)
    y = LpPool1d(2, 2)(x)
    value, slope = tb.compile([y, tb.gradient(tb.sum(y), x)])(x=np.array([[[0, 0, 3e200, 4e200]]]))
    np.testing.assert_allclose(value, [[[1e-12, 5e200]]])
    np.testing.assert_allclose(slope, [[[0, 0, 0.6, 0.8]]])


POOLS: dict[str, Callable[[tb.Expression], tb.Expression]] = {
    "max_pool": lambda x: tb.max_pool(x, 3, 2, 1),
    "adaptive_max_pool": AdaptiveMaxPool2d((4, 5)),
    "avg_pool": lambda x: tb.avg_pool(x, (3, 2), 1),
    "lp_pool": lambda x: LpPool1d(2, 3, 1)(x[:, :, 0]),
    "global_max_pool": GlobalMaxPool(),
    "max": lambda x: tb.max(x, axis=(0, 2)),
    "pad": lambda x: tb.pad(x, {2: (2, 1), 3: (0, 1)}, "reflect"),
    "upsample": lambda x: tb.upsample(x, (20, 7), mode="linear"),
    "cubic": lambda x: tb.upsample(x, (20, 7), mode="cubic"),
    "unfold": lambda x: tb.unfold(x, 3),
    "fold": lambda x: tb.fold(x[:, :, 0], (5, 3), 2),
}


@pytest.mark.parametrize("name", POOLS)
def test_no_selection_is_written_out(name: str) -> None:
    """A value and its gradient cost a multiple of what is moved, and no dense selection is made."""
    x = tb.variable("x", 3, 8, 11, 8)
    y = POOLS[name](x)
    loss = tb.sum(y * tb.variable("u", *y.shape))
    plan = tb.plan([y, tb.gradient(loss, x)])
    selections = {"affine_selection", "found", "neighbours", "one_hot"}
    assert not selections & {step.operation for step in plan.steps}
    assert plan.flops < 40 * max(x.size, y.size)


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (AdaptiveAvgPool2d((2, 4)), (3, 5, 6, 8)),
        (GlobalAvgPool(), (3, 5, 6, 8)),
        (Upsample(scale_factor=(2, 3)), (3, 5, 6, 8)),
        (PixelShuffle(2), (3, 8, 5, 6)),
        (PixelUnshuffle(2), (3, 5, 8, 6)),
    ],
)
def test_what_comes_out_even_has_no_factor(layer: Layer, shape: Shape) -> None:
    """Parts that are alike, repetitions and rearrangements are groups of axes alone."""
    x = tb.variable("x", *shape)
    assert tb.jacobian(layer(x), x).size == 0


def test_channels_and_samples_stay_apart() -> None:
    x = tb.variable("x", 3, 4, 7, 6)
    for y in (tb.max_pool(x, 2), tb.avg_pool(x, 2), tb.upsample(x, (9, 8), mode="linear")):
        assert tb.jacobian(y, x).size < y.shape[2] * y.shape[3] * 3 * 4 + 100


def test_second_derivatives_pass_through_the_largest() -> None:
    """The Hessian of what follows is put where the largest stand."""
    x = tb.variable("x", 1, 1, 6)
    y = tb.max_pool(x, 2)
    array = np.array([[[1.0, 4, 3, 2, 7, 9]]])
    found = tb.compile([tb.hessian(tb.sum(y**3), x)])(x=array)[0].to_dense()
    expected = np.zeros((6, 6))
    expected[1, 1], expected[2, 2], expected[5, 5] = 24, 18, 54
    np.testing.assert_allclose(np.reshape(found, (6, 6)), expected)


def test_places_are_labels() -> None:
    """What argmax finds can be taken with, and has no derivative."""
    x, table = tb.variable("x", 4, 3), tb.variable("table", 3, 5)
    places = tb.argmax(x)
    y = tb.take(table, places)
    assert tb.jacobian(y, x).size == 0
    X, T = RANDOM.normal(size=(4, 3)), RANDOM.normal(size=(3, 5))
    np.testing.assert_array_equal(tb.compile([y])(x=X, table=T)[0], T[X.argmax(1)])
    np.testing.assert_array_equal(tb.compile([tb.argmin(x, 0)])(x=X)[0], X.argmin(0))


def test_extrema_of_everything() -> None:
    X = RANDOM.normal(size=(4, 3, 2))
    x = tb.variable("x", *X.shape)
    largest, smallest, kept = tb.compile([tb.max(x), tb.min(x), tb.max(x, (0, 2), keepdims=True)])(
        x=X
    )
    assert (largest, smallest) == (X.max(), X.min())
    np.testing.assert_array_equal(kept, X.max((0, 2), keepdims=True))


def test_single_precision_is_kept() -> None:
    x = tb.variable("x", 2, 3, 6, 5)
    outputs = [layer(x) for layer in (MaxPool2d(2), AvgPool2d(2, 1, 1, count_include_pad=False))]
    outputs += [Upsample((4, 9), mode="cubic")(x), AdaptiveAvgPool2d(4)(x), Pad(1, value=2.5)(x)]
    found = tb.compile(outputs, dtype="float32")(x=RANDOM.normal(size=x.shape).astype(np.float32))
    assert {each.dtype for each in found} == {np.dtype(np.float32)}


REFUSED: dict[str, tuple[Callable[[], object], str]] = {
    "a kernel larger than the input": (
        lambda: applied(MaxPool2d(5), (2, 3, 4, 6)),
        "layer 'max_pool2d': kernel_size 5 reaches over 5 places, but axis 2 of x of shape "
        "(2, 3, 4, 6) has only 4",
    ),
    "padding of more than half": (
        lambda: MaxPool2d((4, 3), padding=2),
        "layer 'max_pool2d': padding must be at most half of a window, 1 of 3 places, found 2",
    ),
    "padding of more than half in an average": (
        lambda: AvgPool1d(2, padding=((0, 2),)),
        "layer 'avg_pool1d': padding must be at most half of a window, 1 of 2 places, found 2",
    ),
    "a window of padding": (
        lambda: applied(MaxPool1d(2, padding=2, dilation=3), (2, 3, 1)),
        "layer 'max_pool1d': a window along axis 2 of x of shape (2, 3, 1) holds padding alone; "
        "take less padding",
    ),
    "no stride": (
        lambda: MaxPool2d(2, 0),
        "layer 'max_pool2d': stride must be a whole number from 1, found 0",
    ),
    "a mode of rounding": (
        lambda: AvgPool2d(2, ceil_mode=1),  # type: ignore[arg-type]
        "layer 'avg_pool2d': ceil_mode must be true or false, found 1",
    ),
    "the rank": (
        lambda: applied(AvgPool2d(2), (2, 3, 4)),
        "layer 'avg_pool2d': x must have 4 axes, (batch, channels, height, width), found shape "
        "(2, 3, 4)",
    ),
    "a divisor": (
        lambda: AvgPool2d(2, divisor_override=0),
        "layer 'avg_pool2d': divisor_override must be a whole number from 1, found 0",
    ),
    "a norm": (
        lambda: LpPool1d(0.5, 2),
        "layer 'lp_pool1d': norm_type must be from 1, found 0.5",
    ),
    "no parts": (
        lambda: AdaptiveMaxPool1d(0),
        "layer 'adaptive_max_pool1d': output_size must be a whole number from 1, found 0",
    ),
    "too many sizes": (
        lambda: AdaptiveAvgPool2d((2, 3, None)),
        "layer 'adaptive_avg_pool2d': output_size must be one number, or a list of 2 for 2 axes of "
        "space, found a list of 3",
    ),
    "nothing to pool": (
        lambda: applied(AdaptiveAvgPool2d(2), (2, 3, 0, 4)),
        "layer 'adaptive_avg_pool2d': there must be at least one place along each axis of space, "
        "found x of shape (2, 3, 0, 4)",
    ),
    "nothing at all": (
        lambda: applied(GlobalMaxPool(), (2, 3, 4, 0)),
        "layer 'global_max_pool': there must be at least one place along each axis of space",
    ),
    "no space": (
        lambda: applied(GlobalAvgPool(), (2, 3)),
        "layer 'global_avg_pool': x must have from 3 to 5 axes, (batch, channels, *space), found "
        "shape (2, 3)",
    ),
    "the largest of nothing": (
        lambda: applied(Max(1), (2, 0)),
        "layer 'max': there must be at least one number along the axes (1,), found an input of "
        "shape (2, 0)",
    ),
    "the smallest along no axis": (
        lambda: applied(Min(2), (2, 3)),
        "layer 'min': axis 2 is out of range for 2 dimensions: it must be from -2 to 1",
    ),
    "two sizes": (
        lambda: Upsample(4, 2),
        "layer 'upsample': one of size and scale_factor must be given, found both",
    ),
    "no size": (
        lambda: Upsample(),
        "layer 'upsample': one of size and scale_factor must be given, found neither",
    ),
    "a negative factor": (
        lambda: Upsample(scale_factor=(2, -1)),
        "layer 'upsample': scale_factor must be above 0, found -1",
    ),
    "a word of another library": (
        lambda: Upsample(4, mode="bilinear"),  # type: ignore[arg-type]
        "layer 'upsample': mode must be one of nearest, linear, cubic, found 'bilinear'; did you "
        "mean 'linear'?",
    ),
    "corners of the nearest": (
        lambda: Upsample(4, align_corners=True),
        "layer 'upsample': align_corners is for mode linear or cubic, found mode 'nearest'",
    ),
    "a size for each of other axes": (
        lambda: applied(Upsample((4, 5)), (2, 3, 6)),
        "layer 'upsample': size must be one number, or one for each axis of space, found 2 for 1 "
        "axes of x of shape (2, 3, 6)",
    ),
    "a size of nothing": (
        lambda: applied(Upsample(scale_factor=0.2), (2, 3, 4)),
        "layer 'upsample': axis 2 of x of shape (2, 3, 4) would get size 0; there must be at least "
        "one place, before and after",
    ),
    "padding for other axes": (
        lambda: applied(Pad((1, 2)), (2, 3, 4)),
        "layer 'pad': padding must be one number, or a list of 1 for 1 axis of space, found a list "
        "of 2",
    ),
    "too much to reflect": (
        lambda: applied(Pad(4, "reflect"), (2, 3, 4)),
        "layer 'pad': pad: (4, 4) does not fit an axis of size 4 with 'reflect'; it may be up to 3",
    ),
    "a value": (
        lambda: Pad(1, value=float("inf")),
        "layer 'pad': value must be a finite number, found inf",
    ),
    "channels that do not come out even": (
        lambda: applied(PixelShuffle(2), (2, 6, 3, 4)),
        "layer 'pixel_shuffle': upscale_factor 2 needs a multiple of 4 channels, found 6 in x of "
        "shape (2, 6, 3, 4)",
    ),
    "places that do not come out even": (
        lambda: applied(PixelUnshuffle(2), (2, 6, 3, 4)),
        "layer 'pixel_unshuffle': downscale_factor 2 must divide height and width, found x of "
        "shape (2, 6, 3, 4)",
    ),
    "columns of other images": (
        lambda: applied(Fold((4, 5), (3, 2)), (2, 18, 7)),
        "layer 'fold': images of 4 × 5 have 2 × 4 windows of 6 places, so x must be (batch, 6 · "
        "channels, 8), found shape (2, 18, 7)",
    ),
    "windows larger than the images": (
        lambda: applied(Unfold((3, 6)), (2, 3, 4, 5)),
        "layer 'unfold': kernel_size 6 reaches over 6 places, but axis 3 of x of shape "
        "(2, 3, 4, 5) has only 5",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused(name: str) -> None:
    make, message = REFUSED[name]
    with pytest.raises(LayerError) as caught:
        make()
    assert message in str(caught.value)
