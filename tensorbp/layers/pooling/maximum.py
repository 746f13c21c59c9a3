"""Pools that keep the largest number of each window."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, ClassVar

from tensorbp.algebra import Factor
from tensorbp.expression.declaration import Declaration
from tensorbp.expression.layer import Example, Primitive, Shape, argument
from tensorbp.expression.node import Expression
from tensorbp.layers.convolution.spatial import (
    CHANNELS_LAST,
    DILATION,
    KERNEL,
    Axes,
    Padding,
    Sizes,
    Space,
)
from tensorbp.layers.extrema import Argmax, Found, taken
from tensorbp.layers.pooling.windows import (
    CEIL,
    PADDING,
    STRIDE,
    Adaptive,
    GlobalPool,
    Part,
    Rule,
    WindowPool,
)

__all__ = [
    "AdaptiveMaxPool1d",
    "AdaptiveMaxPool2d",
    "AdaptiveMaxPool3d",
    "GlobalMaxPool",
    "MaxPool1d",
    "MaxPool2d",
    "MaxPool3d",
    "PlacesOfLargest",
    "max_pool",
]


@dataclass(frozen=True)
class PlacesOfLargest(Primitive):
    """Where the largest number of each window stands, counted over all of space, row by row.

    It is the first if there are several; the places are integers and have no derivative.
    """

    name = "places_of_largest"
    formula = "y[t...] = argmax_i x[i...] over the places i of window t"
    kind: ClassVar[str] = "integer"

    rules: tuple[Rule, ...] = argument("which places the windows have, for each axis of space")
    channels_last: bool = argument(CHANNELS_LAST, False)

    def shape(self, *shapes: Shape) -> Shape:
        """Return the shape with as many places along the axes of space as there are windows."""
        sizes = list(shapes[0])
        for axis, table in zip(self._where(shapes[0]).axes, self._tables(shapes[0]), strict=True):
            sizes[axis] = len(table)
        return tuple(sizes)

    def forward(self, xp: Any, *arrays: Any) -> Any:
        """Return the places, found along one axis after the other: the last first."""
        values = xp.real(arrays[0])
        where = self._where(tuple(values.shape))
        form = tuple([n if k in where.axes else 1 for k, n in enumerate(values.shape)])
        places = xp.broadcast_to(xp.arange(prod(where.lengths)).reshape(form), values.shape)
        steps = list(zip(where.axes, self._tables(tuple(values.shape)), strict=True))
        are_there = True
        for axis, table in reversed(steps):
            are_there = are_there and bool((table >= 0).all())
            values, places = _largest(xp, values, places, axis, table, are_there)
        return places

    def jacobian(self, y: Expression, *operands: Expression) -> dict[str, Declaration]:
        """Return nothing: places do not change with x, but where they jump."""
        return {}

    def flops(self, shape: Shape, *shapes: Shape) -> int:
        """Return one for each number that is compared, along one axis after the other."""
        sizes = list(shapes[0])
        steps = list(zip(self._where(shapes[0]).axes, self._tables(shapes[0]), strict=True))
        count = 0
        for axis, table in reversed(steps):
            sizes[axis] = len(table)
            count += prod(sizes) * table.shape[1]
        return count

    def _where(self, shape: Shape) -> Space:
        return Space(shape, self.channels_last)

    def _tables(self, shape: Shape) -> list[Any]:
        lengths = self._where(shape).lengths
        return [rule.table(length) for rule, length in zip(self.rules, lengths, strict=True)]


def _largest(
    xp: Any, values: Any, places: Any, axis: int, table: Any, are_there: bool
) -> tuple[Any, Any]:
    """Return the largest number of each window along an axis, and its place.

    Args:
        xp: the namespace of the array library.
        values: the numbers.
        places: the place of each; -1 where there is none.
        axis: the axis.
        table: for each window, where its numbers are along the axis; -1 where there is none.
        are_there: whether there is one everywhere.
    """
    best, found = _column(xp, values, places, axis, table[:, 0])
    for k in range(1, table.shape[1]):
        value, place = _column(xp, values, places, axis, table[:, k])
        # nan is larger than any number, so that it is seen
        is_better = ~(value <= best) & (best == best)
        if are_there:
            # to add a difference or nothing is several times as fast as to choose
            best, found = xp.maximum(best, value), found + is_better * (place - found)
        else:
            is_better = (place >= 0) & (is_better | (found < 0))
            best, found = xp.where(is_better, value, best), xp.where(is_better, place, found)
    return best, found


def _column(xp: Any, values: Any, places: Any, axis: int, at: Any) -> tuple[Any, Any]:
    """Return the numbers at places along an axis, and where they come from."""
    import numpy as np

    steps = np.unique(np.diff(at))
    if at[0] >= 0 and len(steps) == 1 and steps[0] > 0:
        # a slice is a view, and faster than a take
        here = (slice(None),) * axis + (slice(int(at[0]), int(at[-1]) + 1, int(steps[0])),)
        return values[here], places[here]
    index = np.maximum(at, 0)
    form = tuple([len(at) if k == axis else 1 for k in range(values.ndim)])
    place = xp.take(places, index, axis=axis)
    return xp.take(values, index, axis=axis), xp.where((at >= 0).reshape(form), place, -1)


def _pooled(x: Expression, rules: Sequence[Rule], where: Space) -> Expression:
    """Return the largest number of each window: y[t...] = x[place of the largest]."""
    places = PlacesOfLargest(tuple(rules), where.channels_last)(x)
    axes = Axes()
    batch, channels, *space = axes.new(x.shape[0], where.channels, *where.lengths)
    first = where.first
    windows = axes.new(*places.shape[first : first + where.rank])
    output = where.arranged(batch, channels, windows)
    whole = tuple([axis for dimension in space for axis in dimension])
    selection = Found(prod(where.lengths))(places)
    factors = [
        Factor(x, where.arranged(batch, channels, space)),
        Factor(selection, (*output, whole)),
    ]
    return axes.einsum(factors, output)


@dataclass(frozen=True)
class MaxPool(WindowPool):
    """What pools of the largest number over any number of axes share."""

    formula = "y[t] = max_k x[stride·t + dilation·k - padding]"

    kernel_size: int | tuple[int, ...] = argument(KERNEL)
    stride: int | tuple[int, ...] | None = argument(STRIDE, None)
    padding: Padding = argument(PADDING, 0)
    dilation: int | tuple[int, ...] = argument(DILATION, 1)
    ceil_mode: bool = argument(CEIL, False)
    channels_last: bool = argument(CHANNELS_LAST, False)

    def pool(self, x: Expression, where: Space) -> Expression:
        """Return the numbers at the places of the largest."""
        return _pooled(x, self.windows(where, self.ceil_mode), where)


@dataclass(frozen=True)
class MaxPool1d(MaxPool):
    """Largest number of each window along an axis: y[b,c,t] = max_k x[b,c,s·t + d·k - p].

    dy/dx is a selection, 1 at the place of the largest, the first of them if there are several.
    """

    name = "max_pool1d"
    rank = 1

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        """Return strides, padding, dilation, and channels last."""
        return (
            Example(cls(2), ((2, 3, 7),)),
            Example(cls(3, 2, 1, ceil_mode=True), ((2, 3, 6),)),
            Example(cls(2, 1, dilation=2, channels_last=True), ((2, 5, 3),)),
        )


@dataclass(frozen=True)
class MaxPool2d(MaxPool):
    """Largest number of each window of images: y[b,c,t,u] = max_kl x[b,c,s·t + d·k - p, ...].

    dy/dx is ONE selection, 1 at the place of the largest, the first of them if there are several.
    """

    name = "max_pool2d"
    rank = 2

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        """Return strides, padding, dilation, and channels last."""
        return (
            Example(cls(2), ((2, 3, 4, 5),)),
            Example(cls((3, 2), (2, 1), (1, 0), ceil_mode=True), ((2, 3, 4, 5),)),
            Example(cls(2, 1, dilation=(1, 2), channels_last=True), ((2, 3, 5, 4),)),
        )


@dataclass(frozen=True)
class MaxPool3d(MaxPool):
    """Largest number of each window of volumes: y[b,c,t] = max_klm x[b,c,s·t + d·k - p, ...].

    dy/dx is ONE selection, 1 at the place of the largest, the first of them if there are several.
    """

    name = "max_pool3d"
    rank = 3

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        """Return one with padding, and one with channels last."""
        return (
            Example(cls((2, 1, 3), 2, (1, 0, 1)), ((2, 1, 3, 2, 4),)),
            Example(cls(2, channels_last=True), ((2, 4, 2, 3, 1),)),
        )


@dataclass(frozen=True)
class AdaptiveMaxPool(Adaptive):
    """What pools of the largest number of a given number of windows share."""

    formula = "y[t] = max x[i] over ⌊t n / m⌋ ≤ i < ⌈(t + 1) n / m⌉"

    def pool(self, x: Expression, where: Space) -> Expression:
        """Return the numbers at the places of the largest."""
        return _pooled(x, [Part(count) for count in self.counts(where)], where)


@dataclass(frozen=True)
class AdaptiveMaxPool1d(AdaptiveMaxPool):
    """Largest number of each of m parts of an axis: y[t] = max x[i], ⌊t n/m⌋ ≤ i < ⌈(t+1) n/m⌉.

    dy/dx is a selection, 1 at the place of the largest, the first of them if there are several.
    """

    name = "adaptive_max_pool1d"
    rank = 1


@dataclass(frozen=True)
class AdaptiveMaxPool2d(AdaptiveMaxPool):
    """Largest number of each of m × m' parts of images: y[t] = max x[i], ⌊t n/m⌋ ≤ i < ⌈(t+1) n/m⌉.

    dy/dx is ONE selection, 1 at the place of the largest, the first of them if there are several.
    """

    name = "adaptive_max_pool2d"
    rank = 2


@dataclass(frozen=True)
class AdaptiveMaxPool3d(AdaptiveMaxPool):
    """Largest number of each part of volumes: y[t] = max x[i], ⌊t n/m⌋ ≤ i < ⌈(t+1) n/m⌉.

    dy/dx is ONE selection, 1 at the place of the largest, the first of them if there are several.
    """

    name = "adaptive_max_pool3d"
    rank = 3


@dataclass(frozen=True)
class GlobalMaxPool(GlobalPool):
    """Largest number of each channel: y[b,c] = max over all of space of x[b,c,...].

    dy/dx is a selection, 1 at the place of the largest, the first of them if there are several.
    """

    name = "global_max_pool"
    formula = "y[b,c] = max x[b,c,...]"

    def build(self, *operands: Expression, **parameters: Expression) -> Expression:
        """Return the numbers at the places of the largest.

        Raises:
            LayerError: there is no space, or nothing in it.
        """
        (x,) = operands
        return taken(self.name, Argmax(), x, self.space(x.shape).axes, self.keepdims)


def max_pool(
    x: Expression,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Padding = 0,
    dilation: Sizes = 1,
    ceil_mode: bool = False,
    channels_last: bool = False,
) -> Expression:
    """Return the largest number of each window, over one, two or three axes of space.

    >>> import tensorbp as tb
    >>> tb.max_pool(tb.variable("x", 32, 16, 28, 28), 2).shape
    (32, 16, 14, 14)

    Args:
        x: of shape (batch, channels, *space).
        kernel_size: the size of a window: one number, or one for each axis of space.
        stride: from one window to the next, by default the size of a window.
        padding: places added at both ends, which are never the largest.
        dilation: from one place of a window to the next.
        ceil_mode: whether a last window may reach beyond the end.
        channels_last: whether x is (batch, *space, channels).

    Raises:
        LayerError: an argument is not what it must be, or no window fits.
    """
    where = Space.of("max_pool", x.shape, None, channels_last)
    layer = (MaxPool1d, MaxPool2d, MaxPool3d)[where.rank - 1]
    return layer(kernel_size, stride, padding, dilation, ceil_mode, channels_last)(x)
