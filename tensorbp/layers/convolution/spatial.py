"""What layers over space share: arguments for each axis, windows, and where the channels are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any, ClassVar, Literal

from tensorbp.algebra import Dimension, Factor, Number, Term
from tensorbp.errors import LayerError
from tensorbp.expression.arithmetic import reshape
from tensorbp.expression.einsum import product
from tensorbp.expression.layer import Shape
from tensorbp.expression.node import Expression
from tensorbp.expression.selection import Affine, Outside
from tensorbp.layers.checks import whole_number

__all__ = [
    "CHANNELS_LAST",
    "DILATION",
    "KERNEL",
    "OUTSIDE",
    "Axes",
    "Padding",
    "PaddingMode",
    "Sizes",
    "Space",
    "Ties",
    "Window",
    "each_axis",
    "numbers",
    "pairs",
    "places_along",
    "room_for",
    "windows_along",
    "with_bias",
]

Sizes = int | tuple[int, ...]
"""One number for all axes of space, or one for each."""

Padding = int | tuple[int | tuple[int, int], ...]
"""One number for all axes of space, or for each axis a number, or what comes before and after."""

PaddingMode = Literal["zeros", "reflect", "replicate", "circular"]

OUTSIDE: Mapping[str, Outside] = {
    "zeros": "nothing",
    "reflect": "reflect",
    "replicate": "replicate",
    "circular": "circular",
}

KERNEL = "the size of a window: one number, or one for each axis of space"
DILATION = "from one place of a window to the next: one number, or one for each axis of space"
CHANNELS_LAST = (
    "whether x is (batch, *space, channels), channels last, in place of (batch, channels, *space)"
)


def numbers(layer: str, name: str, value: Any, rank: int | None, least: int = 1) -> Sizes:
    """Return an argument that is one whole number, or one for each axis of space.

    Args:
        layer: the name of the layer.
        name: the name of the argument.
        value: the argument.
        rank: how many axes of space there are, if that is known.
        least: the smallest number allowed.

    Raises:
        LayerError: it is something else.
    """
    if not isinstance(value, list | tuple):
        return whole_number(layer, name, value, least)
    _check_count(layer, name, value, rank)
    return tuple([whole_number(layer, f"each number of {name}", each, least) for each in value])


def pairs(layer: str, name: str, value: Any, rank: int | None, least: int | None = 0) -> Padding:
    """Return an argument that is a number, or for each axis a number or a pair of them.

    Raises:
        LayerError: it is something else.
    """
    if not isinstance(value, list | tuple):
        return whole_number(layer, name, value, least)
    _check_count(layer, name, value, rank)
    result: list[int | tuple[int, int]] = []
    for each in value:
        if isinstance(each, list | tuple):
            if len(each) != 2:
                raise LayerError(
                    f"layer '{layer}': {name} must have two numbers for an axis, before and "
                    f"after, found {tuple(each)}"
                )
            before, after = [
                whole_number(layer, f"each number of {name}", number, least) for number in each
            ]
            result.append((before, after))
        else:
            result.append(whole_number(layer, f"each number of {name}", each, least))
    return tuple(result)


def _check_count(layer: str, name: str, value: Sequence[Any], rank: int | None) -> None:
    if rank is not None and len(value) != rank:
        axes = "axis" if rank == 1 else "axes"
        raise LayerError(
            f"layer '{layer}': {name} must be one number, or a list of {rank} for {rank} {axes} of "
            f"space, found a list of {len(value)}: {tuple(value)}"
        )


def each_axis(value: Any, rank: int) -> tuple[Any, ...]:
    """Return an argument for each axis of space."""
    return value if isinstance(value, tuple) else (value,) * rank


def places_along(value: Padding, rank: int) -> list[tuple[int, int]]:
    """Return what comes before and after each axis of space."""
    return [each if isinstance(each, tuple) else (each, each) for each in each_axis(value, rank)]


@dataclass(frozen=True)
class Window:
    """Windows along an axis: place k of window t is i = stride · t + dilation · k - before.

    Attributes:
        size: how many places a window has.
        stride: from one window to the next.
        dilation: from one place of a window to the next.
        before: how many places are added before the axis.
        after: how many are added after it.
        outside: what the added places hold.
    """

    name: ClassVar[str] = "window"

    size: int
    stride: int = 1
    dilation: int = 1
    before: int = 0
    after: int = 0
    outside: Outside = "nothing"

    @property
    def extent(self) -> int:
        """Over how many places a window reaches."""
        return self.dilation * (self.size - 1) + 1

    @property
    def is_identity(self) -> bool:
        """Whether window t is place t, so that there is nothing to select."""
        return self.size == self.stride == 1 and not self.before and not self.after

    def count(self, length: int) -> int:
        """Return how many windows there are on an axis."""
        return (length + self.before + self.after - self.extent) // self.stride + 1

    def table(self, length: int) -> Any:
        """Return place k of each window t, an array of numpy; -1 where there is none."""
        import numpy as np

        counts, strides = (self.count(length), self.size), (self.stride, self.dilation)
        return Affine(counts, strides, -self.before, length).places(np)

    def selection(self, length: int, count: int) -> Expression:
        """Return S[t, k, i] = 1 where i is place k of window t; without k if there is but one."""
        shown = 1 if self.size == 1 else 2
        counts, strides = (count, self.size), (self.stride, self.dilation)
        rule = Affine(counts[:shown], strides[:shown], -self.before, length, self.outside)
        return rule()


def windows_along(
    sizes: Sequence[Sizes], padding: Padding, rank: int, outside: Outside = "nothing"
) -> list[Window]:
    """Return the windows along each axis of space.

    Args:
        sizes: size, stride and dilation.
        padding: what is added before and after each axis.
        rank: how many axes there are.
        outside: what the added places hold.
    """
    columns = [each_axis(each, rank) for each in sizes]
    return [
        Window(size, stride, dilation, before, after, outside)
        for size, stride, dilation, (before, after) in zip(
            *columns, places_along(padding, rank), strict=True
        )
    ]


def room_for(layer: str, window: Window, length: int, axis: int, shape: Shape) -> None:
    """Raise `LayerError` unless a window fits on an axis, and what is added can be filled."""
    room = length + window.before + window.after
    if window.extent > room:
        dilated = f" with dilation {window.dilation}" if window.dilation > 1 else ""
        raise LayerError(
            f"layer '{layer}': kernel_size {window.size}{dilated} reaches over {window.extent} "
            f"places, but axis {axis} of x of shape {shape} has only {length}"
            + (f", {room} with padding" if room > length else "")
            + "; take a smaller kernel or more padding"
        )
    most = {"reflect": length - 1, "circular": length, "replicate": room * (length > 0)}
    added = max(window.before, window.after)
    if added > most.get(window.outside, added):
        raise LayerError(
            f"layer '{layer}': padding {added} is too much for padding_mode '{window.outside}' on "
            f"axis {axis} of x of shape {shape}; it may be up to {max(most[window.outside], 0)}"
        )


@dataclass
class Axes:
    """The axes of an einsum in the making.

    Attributes:
        sizes: the size of each.
    """

    sizes: list[int] = field(default_factory=list)

    def new(self, *sizes: int) -> list[Dimension]:
        """Return a new axis of each size, as a dimension."""
        first = len(self.sizes)
        self.sizes += sizes
        return [(first + k,) for k in range(len(sizes))]

    def split(self, *sizes: int) -> list[Dimension]:
        """Return a new axis of each size, but none where that is one: parts of a dimension."""
        return [self.new(size)[0] if size != 1 else () for size in sizes]

    def einsum(
        self,
        factors: Sequence[Factor[Expression]],
        output: Sequence[Dimension],
        coefficient: Number = 1,
    ) -> Expression:
        """Return a coefficient times the einsum of factors."""
        return product(Term.of(coefficient, factors, output, (), self.sizes))


@dataclass(frozen=True)
class Space:
    """Where an input has its channels and its axes of space.

    Attributes:
        shape: the shape of the input.
        channels_last: whether channels come last, else they come after the batch.
    """

    shape: Shape
    channels_last: bool = False

    @staticmethod
    def of(
        layer: str, shape: Shape, rank: int | None, channels_last: bool = False, most: int = 3
    ) -> Space:
        """Return the space of an input.

        Raises:
            LayerError: the input has not as many axes of space as it takes.
        """
        found = len(shape) - 2
        if found == rank or (rank is None and 1 <= found <= most):
            return Space(shape, channels_last)
        names = _space_names(rank)
        order = f"{names}, channels" if channels_last else f"channels, {names}"
        count = f"{rank + 2} axes" if rank is not None else f"from 3 to {most + 2} axes"
        raise LayerError(
            f"layer '{layer}': x must have {count}, (batch, {order}), found shape {shape}"
        )

    @property
    def rank(self) -> int:
        """How many axes of space there are."""
        return len(self.shape) - 2

    @property
    def channels(self) -> int:
        """How many channels there are."""
        return self.shape[-1 if self.channels_last else 1]

    @property
    def first(self) -> int:
        """The first axis of space."""
        return 1 if self.channels_last else 2

    @property
    def axes(self) -> tuple[int, ...]:
        """The axes of space."""
        return tuple(range(self.first, self.first + self.rank))

    @property
    def lengths(self) -> Shape:
        """The sizes of the axes of space."""
        return self.shape[self.first : self.first + self.rank]

    def arranged(
        self, batch: Dimension, channels: Dimension, space: Sequence[Dimension]
    ) -> tuple[Dimension, ...]:
        """Return dimensions in the order that the input has them."""
        if self.channels_last:
            return (batch, *space, channels)
        return (batch, channels, *space)


def _space_names(rank: int | None) -> str:
    if rank is None:
        return "*space"
    return ", ".join(("depth", "height", "width")[-rank:]) if rank > 1 else "length"


@dataclass
class Ties:
    """Windows along all axes of space, as the axes of an einsum and what ties them.

    Attributes:
        places: the axis of places, for each axis of space.
        counts: the axis of windows.
        taps: the axis of places in a window; none where it has but one.
        selections: the factors that tie the three.
    """

    places: list[Dimension] = field(default_factory=list)
    counts: list[Dimension] = field(default_factory=list)
    taps: list[Dimension] = field(default_factory=list)
    selections: list[Factor[Expression]] = field(default_factory=list)

    def add(self, axes: Axes, window: Window, length: int, count: int) -> None:
        """Add windows along one more axis: its length, and how many windows there are."""
        (place,) = axes.new(length)
        self.places.append(place)
        if window.is_identity and window.count(length) == count:
            self.counts.append(place)
            self.taps.append(())
            return
        selection = window.selection(length, count)
        which, *tap = axes.new(*selection.shape[:-1])
        self.counts.append(which)
        self.taps.append(tap[0] if tap else ())
        self.selections.append(Factor(selection, (which, *tap, place)))


def with_bias(y: Expression, bias: Expression | None, channels_last: bool) -> Expression:
    """Return y with a number added to each channel."""
    if bias is None:
        return y
    size = prod(bias.shape)
    return y + (bias if channels_last else reshape(bias, (size, *(1,) * (y.ndim - 2))))
