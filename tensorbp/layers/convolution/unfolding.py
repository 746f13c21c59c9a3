"""Images rearranged: windows as columns and back, channels as places and back."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from tensorbp.algebra import Dimension, Factor
from tensorbp.errors import LayerError
from tensorbp.expression.layer import Composite, Example, Shape, argument
from tensorbp.expression.node import Expression
from tensorbp.layers.checks import whole_number
from tensorbp.layers.choices import switch
from tensorbp.layers.convolution.spatial import (
    CHANNELS_LAST,
    Axes,
    Padding,
    Sizes,
    Space,
    Ties,
    Window,
    each_axis,
    numbers,
    pairs,
    room_for,
    windows_along,
)

__all__ = [
    "Fold",
    "PixelShuffle",
    "PixelUnshuffle",
    "Unfold",
    "fold",
    "pixel_shuffle",
    "pixel_unshuffle",
    "unfold",
]

KERNEL = "the size of a window: one number, or one for each axis"
DILATION = "from one place of a window to the next: one number, or one for each axis"
PADDING = (
    "zeros added at both ends: one number, or for each axis a number or a pair (before, after)"
)
STRIDE = "from one window to the next: one number, or one for each axis"


@dataclass(frozen=True)
class Unfold(Composite):
    """Windows of images as columns: y[b,(c k l),(t u)] = x[b,c,s·t + d·k - p, ...].

    With S[t,k,i] = 1 where i = s·t + d·k - p, dy/dx = S S': what is left of the einsum. It is also
    called im2col.
    """

    name = "unfold"
    formula = "y[(c k l),(t u)] = x[c, stride·t + dilation·k - padding, ...]"

    kernel_size: int | tuple[int, ...] = argument(KERNEL)
    dilation: int | tuple[int, ...] = argument(DILATION, 1)
    padding: Padding = argument(PADDING, 0)
    stride: int | tuple[int, ...] = argument(STRIDE, 1)

    def __post_init__(self) -> None:
        _check_windows(self)

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        """Return windows close together, and windows apart with padding."""
        return (
            Example(cls((3, 2)), ((2, 3, 4, 5),)),
            Example(cls(2, (1, 2), 1, (2, 3)), ((2, 1, 4, 5),)),
        )

    def build(self, *operands: Expression, **parameters: Expression) -> Expression:
        """Return the windows as columns.

        Raises:
            LayerError: no window fits.
        """
        (x,) = operands
        where = Space.of(self.name, x.shape, 2)
        axes = Axes()
        batch, channels = axes.new(x.shape[0], where.channels)
        ties = Ties()
        for window, length, axis in zip(_windows(self), where.lengths, where.axes, strict=True):
            room_for(self.name, window, length, axis, x.shape)
            ties.add(axes, window, length, window.count(length))
        whole = Factor(x, (batch, channels, *ties.places))
        return axes.einsum([whole, *ties.selections], (batch, *_columns(channels, ties)))


@dataclass(frozen=True)
class Fold(Composite):
    """Columns added up to images: y[b,c,s·t + d·k - p, ...] = Σ x[b,(c k l),(t u)].

    It is `Unfold` turned round: with S[t,k,i] = 1 where i = s·t + d·k - p, dy/dx = S S', what is
    left of the einsum. It is also called col2im.
    """

    name = "fold"
    formula = "y[c, stride·t + dilation·k - padding, ...] = Σ x[(c k l),(t u)]"

    output_size: int | tuple[int, ...] = argument(
        "height and width of the images: one number, or two"
    )
    kernel_size: int | tuple[int, ...] = argument(KERNEL)
    dilation: int | tuple[int, ...] = argument(DILATION, 1)
    padding: Padding = argument(PADDING, 0)
    stride: int | tuple[int, ...] = argument(STRIDE, 1)

    def __post_init__(self) -> None:
        size = numbers(self.name, "output_size", self.output_size, 2)
        object.__setattr__(self, "output_size", size)
        _check_windows(self)

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        """Return windows close together, and windows apart with padding."""
        return (
            Example(cls((4, 5), (3, 2)), ((2, 18, 8),)),
            Example(cls((4, 5), 2, (1, 2), 1, (2, 3)), ((2, 4, 6),)),
        )

    def build(self, *operands: Expression, **parameters: Expression) -> Expression:
        """Return the images.

        Raises:
            LayerError: x does not hold the columns of such images.
        """
        (x,) = operands
        lengths = each_axis(self.output_size, 2)
        windows = _windows(self)
        counts = [max(each.count(n), 0) for each, n in zip(windows, lengths, strict=True)]
        taps = prod(each.size for each in windows)
        if x.ndim != 3 or x.shape[1] % taps or x.shape[2] != prod(counts):
            raise LayerError(
                f"layer 'fold': images of {lengths[0]} × {lengths[1]} have {counts[0]} × "
                f"{counts[1]} windows of {taps} places, so x must be (batch, {taps} · channels, "
                f"{prod(counts)}), found shape {x.shape}"
            )
        axes = Axes()
        batch, channels = axes.new(x.shape[0], x.shape[1] // taps)
        ties = Ties()
        for window, length, count in zip(windows, lengths, counts, strict=True):
            ties.add(axes, window, length, count)
        whole = Factor(x, (batch, *_columns(channels, ties)))
        return axes.einsum([whole, *ties.selections], (batch, channels, *ties.places))


def _check_windows(layer: Unfold | Fold) -> None:
    for name in ("kernel_size", "dilation", "stride"):
        object.__setattr__(layer, name, numbers(layer.name, name, getattr(layer, name), 2))
    object.__setattr__(layer, "padding", pairs(layer.name, "padding", layer.padding, 2))


def _windows(layer: Unfold | Fold) -> list[Window]:
    return windows_along((layer.kernel_size, layer.stride, layer.dilation), layer.padding, 2)


def _columns(channels: Dimension, ties: Ties) -> tuple[Dimension, Dimension]:
    """Return the axes of a matrix of windows: channels and places in a window, and windows."""
    return sum(ties.taps, channels), sum(ties.counts, ())


@dataclass(frozen=True)
class PixelShuffle(Composite):
    """Channels as places: y[b,c,(h r),(w s)] = x[b,(c r s),h,w], r × r channels to each place.

    dy/dx is the identity, its axes grouped differently on the two sides.
    Source: Shi et al. 2016, Real-time single image super-resolution with a sub-pixel CNN.
    """

    name = "pixel_shuffle"
    formula = "y[c,(h r),(w s)] = x[(c r s),h,w]"

    upscale_factor: int = argument("r, how many times as large each axis of space gets")
    channels_last: bool = argument(CHANNELS_LAST, False)

    def __post_init__(self) -> None:
        factor = whole_number(self.name, "upscale_factor", self.upscale_factor, least=1)
        object.__setattr__(self, "upscale_factor", factor)
        switch(self.name, "channels_last", self.channels_last)

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        """Return images, and channels last."""
        return (
            Example(cls(2), ((2, 12, 5, 3),)),
            Example(cls(2, channels_last=True), ((3, 2, 5, 4),)),
        )

    def build(self, *operands: Expression, **parameters: Expression) -> Expression:
        """Return the channels as places.

        Raises:
            LayerError: the channels do not come out even.
        """
        (x,) = operands
        where = Space.of(self.name, x.shape, 2, self.channels_last)
        parts = self.upscale_factor**2
        if where.channels % parts:
            raise LayerError(
                f"layer 'pixel_shuffle': upscale_factor {self.upscale_factor} needs a multiple of "
                f"{parts} channels, found {where.channels} in x of shape {x.shape}"
            )
        channels = where.channels // parts
        axes, narrow, wide = _pixels(where, channels, self.upscale_factor, where.lengths)
        return axes.einsum([Factor(x, narrow)], wide)


@dataclass(frozen=True)
class PixelUnshuffle(Composite):
    """Places as channels: y[b,(c r s),h,w] = x[b,c,(h r),(w s)], r × r places to each channel.

    dy/dx is the identity, its axes grouped differently on the two sides.
    """

    name = "pixel_unshuffle"
    formula = "y[(c r s),h,w] = x[c,(h r),(w s)]"

    downscale_factor: int = argument("r, how many times as small each axis of space gets")
    channels_last: bool = argument(CHANNELS_LAST, False)

    def __post_init__(self) -> None:
        factor = whole_number(self.name, "downscale_factor", self.downscale_factor, least=1)
        object.__setattr__(self, "downscale_factor", factor)
        switch(self.name, "channels_last", self.channels_last)

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        """Return images, and channels last."""
        return (
            Example(cls(2), ((2, 3, 4, 6),)),
            Example(cls(3, channels_last=True), ((2, 6, 3, 5),)),
        )

    def build(self, *operands: Expression, **parameters: Expression) -> Expression:
        """Return the places as channels.

        Raises:
            LayerError: the places do not come out even.
        """
        (x,) = operands
        where = Space.of(self.name, x.shape, 2, self.channels_last)
        factor = self.downscale_factor
        if any(length % factor for length in where.lengths):
            raise LayerError(
                f"layer 'pixel_unshuffle': downscale_factor {factor} must divide height and width, "
                f"found x of shape {x.shape}"
            )
        lengths = tuple([length // factor for length in where.lengths])
        axes, narrow, wide = _pixels(where, where.channels, factor, lengths)
        return axes.einsum([Factor(x, wide)], narrow)


def _pixels(
    where: Space, channels: int, factor: int, lengths: Shape
) -> tuple[Axes, tuple[Dimension, ...], tuple[Dimension, ...]]:
    """Return axes, and how images have them with more channels, and with more places.

    Args:
        where: where channels and space are.
        channels: the smaller number of channels.
        factor: how many times as large space can be.
        lengths: its smaller sizes.
    """
    axes = Axes()
    batch, channel, *small = axes.new(where.shape[0], channels, *lengths)
    parts = axes.new(*(factor,) * len(lengths))
    inner = tuple([axis for part in parts for axis in part])
    large = [place + part for place, part in zip(small, parts, strict=True)]
    narrow = where.arranged(batch, channel + inner, small)
    return axes, narrow, where.arranged(batch, channel, large)


def unfold(
    x: Expression, kernel_size: Sizes, dilation: Sizes = 1, padding: Padding = 0, stride: Sizes = 1
) -> Expression:
    """Return the windows of images as columns, of shape (batch, channels · places, windows)."""
    return Unfold(kernel_size, dilation, padding, stride)(x)


def fold(
    x: Expression,
    output_size: Sizes,
    kernel_size: Sizes,
    dilation: Sizes = 1,
    padding: Padding = 0,
    stride: Sizes = 1,
) -> Expression:
    """Return columns added up to images, where the windows that they are stand."""
    return Fold(output_size, kernel_size, dilation, padding, stride)(x)


def pixel_shuffle(x: Expression, upscale_factor: int, channels_last: bool = False) -> Expression:
    """Return images with more places and fewer channels."""
    return PixelShuffle(upscale_factor, channels_last)(x)


def pixel_unshuffle(
    x: Expression, downscale_factor: int, channels_last: bool = False
) -> Expression:
    """Return images with fewer places and more channels."""
    return PixelUnshuffle(downscale_factor, channels_last)(x)
