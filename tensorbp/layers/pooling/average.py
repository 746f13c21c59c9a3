"""Pools that keep the mean of each window: einsums with selections of windows."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from tensorbp.algebra import Dimension, Factor
from tensorbp.expression.arithmetic import mean
from tensorbp.expression.layer import Example, Shape, argument
from tensorbp.expression.node import Expression
from tensorbp.layers.checks import whole_number
from tensorbp.layers.choices import switch
from tensorbp.layers.convolution.spatial import (
    CHANNELS_LAST,
    KERNEL,
    Axes,
    Padding,
    Sizes,
    Space,
)
from tensorbp.layers.pooling.window_sums import counted, summed
from tensorbp.layers.pooling.windows import (
    CEIL,
    PADDING,
    STRIDE,
    Adaptive,
    GlobalPool,
    Part,
    WindowPool,
)
from tensorbp.layers.tables import Table

__all__ = [
    "AdaptiveAvgPool1d",
    "AdaptiveAvgPool2d",
    "AdaptiveAvgPool3d",
    "AvgPool1d",
    "AvgPool2d",
    "AvgPool3d",
    "GlobalAvgPool",
    "avg_pool",
]


@dataclass(frozen=True)
class Averaging(Table):
    """Means over the parts of an axis as a matrix: M[t,i] = 1/(number of places in t), or 0."""

    name = "averaging"
    formula = "M[t,i] = 1/(end - start) where start ≤ i < end, else 0"

    count: int = argument("how many parts there are")
    length: int = argument("how many places there are")

    def shape(self, *shapes: Shape) -> Shape:
        """Return how many parts and how many places there are."""
        return (self.count, self.length)

    def numbers(self) -> Any:
        """Return M."""
        import numpy as np

        table = Part(self.count).table(self.length)
        inside = (table[:, :, None] == np.arange(self.length)).any(axis=1)
        return inside / inside.sum(axis=1, keepdims=True)


@dataclass(frozen=True)
class AvgPool(WindowPool):
    """What pools of the mean over any number of axes share."""

    formula = "y[t] = Σ_k x[stride·t + k - padding] / n[t]"

    kernel_size: int | tuple[int, ...] = argument(KERNEL)
    stride: int | tuple[int, ...] | None = argument(STRIDE, None)
    padding: Padding = argument(PADDING, 0)
    ceil_mode: bool = argument(CEIL, False)
    count_include_pad: bool = argument("whether zeros that are added count as numbers", True)
    divisor_override: int | None = argument("n, in place of how many numbers there are", None)
    channels_last: bool = argument(CHANNELS_LAST, False)

    def __post_init__(self) -> None:
        super().__post_init__()
        switch(self.name, "count_include_pad", self.count_include_pad)
        if self.divisor_override is not None:
            whole_number(self.name, "divisor_override", self.divisor_override, least=1)

    def pool(self, x: Expression, where: Space) -> Expression:
        """Return the sum over each window, over how many numbers it has."""
        windows = self.windows(where, self.ceil_mode)
        if self.divisor_override is not None:
            return summed(x, windows, where, Fraction(1, self.divisor_override))
        padded = self.windows(where, ceil_mode=False)
        coefficient = Fraction(1)
        shares: list[list[float]] = []
        for window, plain, length in zip(windows, padded, where.lengths, strict=True):
            counts = counted(window, length, plain.after, self.count_include_pad)
            if len(set(counts)) == 1:
                coefficient /= counts[0]
                shares.append([])
            else:
                shares.append([1 / count for count in counts])
        return summed(x, windows, where, coefficient, shares)


@dataclass(frozen=True)
class AvgPool1d(AvgPool):
    """Mean of each window along an axis: y[b,c,t] = Σ_k x[b,c,s·t + k - p] / n[t].

    With S[t,k,i] = 1 where i = s·t + k - p, dy/dx = Σ_k S[t,k,i] / n[t] is left of the einsum.
    """

    name = "avg_pool1d"
    rank = 1

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        """Return strides, both ways to count, and channels last."""
        return (
            Example(cls(2), ((2, 3, 7),)),
            Example(cls(3, 2, 1, True, False), ((2, 3, 6),)),
            Example(cls(2, 1, channels_last=True), ((2, 5, 3),)),
        )


@dataclass(frozen=True)
class AvgPool2d(AvgPool):
    """Mean of each window of images: y[b,c,t,u] = Σ_kl x[b,c,s·t + k - p, ...] / n[t,u].

    With S[t,k,i] = 1 where i = s·t + k - p, dy/dx = Σ_kl S S' / n[t,u] is left of the einsum.
    """

    name = "avg_pool2d"
    rank = 2

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        """Return strides, both ways to count, and channels last."""
        return (
            Example(cls(2), ((2, 3, 4, 5),)),
            Example(cls((3, 2), (2, 1), 1, True), ((2, 3, 4, 5),)),
            Example(cls((2, 3), 2, 1, count_include_pad=False), ((2, 3, 4, 5),)),
            Example(cls(2, 1, divisor_override=3, channels_last=True), ((2, 5, 4, 3),)),
        )


@dataclass(frozen=True)
class AvgPool3d(AvgPool):
    """Mean of each window of volumes: y[b,c,t] = Σ_klm x[b,c,s·t + k - p, ...] / n[t].

    With S[t,k,i] = 1 where i = s·t + k - p, dy/dx = Σ_klm S S' S'' / n[t] is left of the einsum.
    """

    name = "avg_pool3d"
    rank = 3

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        """Return one with padding."""
        return (Example(cls((2, 1, 3), (1, 2, 2), (1, 0, 1)), ((2, 1, 3, 2, 4),)),)


@dataclass(frozen=True)
class AdaptiveAvgPool(Adaptive):
    """What pools of the mean of a given number of windows share."""

    formula = "y[t] = mean of x[i] over ⌊t n / m⌋ ≤ i < ⌈(t + 1) n / m⌉"

    def pool(self, x: Expression, where: Space) -> Expression:
        """Return the mean of each part: parts that are alike are an axis of their own."""
        axes = Axes()
        batch, channels = axes.new(x.shape[0], where.channels)
        factors: list[Factor[Expression]] = []
        places: list[Dimension] = []
        parts: list[Dimension] = []
        coefficient = Fraction(1)
        for count, length in zip(self.counts(where), where.lengths, strict=True):
            if length % count:
                part, place = axes.new(count, length)
                factors.append(Factor(Averaging(count, length)(), (part, place)))
            else:
                part, inner = axes.new(count, length // count)
                place = part + inner
                coefficient /= length // count
            parts.append(part)
            places.append(place)
        whole = Factor(x, where.arranged(batch, channels, places))
        return axes.einsum([whole, *factors], where.arranged(batch, channels, parts), coefficient)


@dataclass(frozen=True)
class AdaptiveAvgPool1d(AdaptiveAvgPool):
    """Mean of each of m parts of an axis: y[b,c,t] = Σ_i M[t,i] x[b,c,i], M a constant matrix.

    M[t,i] = 1/(number of places) for ⌊t n/m⌋ ≤ i < ⌈(t+1) n/m⌉; dy/dx = M.
    """

    name = "adaptive_avg_pool1d"
    rank = 1


@dataclass(frozen=True)
class AdaptiveAvgPool2d(AdaptiveAvgPool):
    """Mean of each of m × m' parts of images: y[b,c,t,u] = Σ_ij M[t,i] M'[u,j] x[b,c,i,j].

    M[t,i] = 1/(number of places) for ⌊t n/m⌋ ≤ i < ⌈(t+1) n/m⌉; dy/dx = M M'.
    """

    name = "adaptive_avg_pool2d"
    rank = 2


@dataclass(frozen=True)
class AdaptiveAvgPool3d(AdaptiveAvgPool):
    """Mean of each part of volumes: y[b,c,t,u,v] = Σ M[t,i] M'[u,j] M''[v,k] x[b,c,i,j,k].

    M[t,i] = 1/(number of places) for ⌊t n/m⌋ ≤ i < ⌈(t+1) n/m⌉; dy/dx = M M' M''.
    """

    name = "adaptive_avg_pool3d"
    rank = 3


@dataclass(frozen=True)
class GlobalAvgPool(GlobalPool):
    """Mean of each channel: y[b,c] = mean over all of space of x[b,c,...]; dy/dx is 1/n.

    Source: Lin et al. 2014, Network in network.
    """

    name = "global_avg_pool"
    formula = "y[b,c] = mean x[b,c,...]"

    def build(self, *operands: Expression, **parameters: Expression) -> Expression:
        """Return the mean.

        Raises:
            LayerError: there is no space, or nothing in it.
        """
        (x,) = operands
        return mean(x, self.space(x.shape).axes, self.keepdims)


def avg_pool(
    x: Expression,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Padding = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    channels_last: bool = False,
) -> Expression:
    """Return the mean of each window, over one, two or three axes of space.

    >>> import tensorbp as tb
    >>> tb.avg_pool(tb.variable("x", 32, 16, 28, 28), 2).shape
    (32, 16, 14, 14)

    Args:
        x: of shape (batch, channels, *space).
        kernel_size: the size of a window: one number, or one for each axis of space.
        stride: from one window to the next, by default the size of a window.
        padding: zeros added at both ends.
        ceil_mode: whether a last window may reach beyond the end.
        count_include_pad: whether zeros that are added count as numbers.
        channels_last: whether x is (batch, *space, channels).

    Raises:
        LayerError: an argument is not what it must be, or no window fits.
    """
    where = Space.of("avg_pool", x.shape, None, channels_last)
    layer = (AvgPool1d, AvgPool2d, AvgPool3d)[where.rank - 1]
    given = (kernel_size, stride, padding, ceil_mode, count_include_pad, None, channels_last)
    return layer(*given)(x)
