"""What pools over space share: their windows, and the checks of their arguments."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from tensorbp.errors import LayerError
from tensorbp.expression.layer import Composite, argument
from tensorbp.layers.checks import whole_number
from tensorbp.layers.choices import switch
from tensorbp.layers.convolution.spatial import (
    CHANNELS_LAST,
    Padding,
    Sizes,
    Space,
    Window,
    each_axis,
    numbers,
    pairs,
    places_along,
    room_for,
)

__all__ = [
    "CEIL",
    "KERNEL",
    "OUTPUT_SIZE",
    "PADDING",
    "STRIDE",
    "Adaptive",
    "GlobalPool",
    "OutputSize",
    "Part",
    "Rule",
    "check_arguments",
    "pool_windows",
]

OutputSize = int | None | tuple[int | None, ...]
"""How many windows there are along all axes, or along each; None: as many as there are places."""

KERNEL = "the size of a window: one number, or one for each axis of space"
STRIDE = "from one window to the next: one number, or one for each axis; by default kernel_size"
PADDING = (
    "places added at both ends: one number, or for each axis of space a number or a pair (before, "
    "after); at most half a window"
)
CEIL = "whether a last window may reach beyond the end"
OUTPUT_SIZE = (
    "how many windows there are: one number, or one for each axis of space; none for as many as "
    "there are places"
)


class Rule(Protocol):
    """Says which places along an axis each window has."""

    def table(self, length: int) -> Any:
        """Return place k of each window t, an array of numpy; -1 where there is none."""


@dataclass(frozen=True)
class Part:
    """An axis in as many parts as are wanted: part t goes from ⌊t n / m⌋ to ⌈(t + 1) n / m⌉.

    Attributes:
        count: m, how many parts there are.
    """

    count: int

    def table(self, length: int) -> Any:
        """Return place k of each part t; -1 where it has fewer."""
        import numpy as np

        part = np.arange(self.count)
        start = part * length // self.count
        end = -(-(part + 1) * length // self.count)
        place = start[:, None] + np.arange(int(np.max(end - start)))
        return np.where(place < end[:, None], place, -1)


def check_arguments(layer: Any) -> None:
    """Check what a pool says of its windows, and put it in one form.

    Raises:
        LayerError: an argument is not what it must be.
    """
    name, rank = layer.name, layer.rank
    object.__setattr__(layer, "kernel_size", numbers(name, "kernel_size", layer.kernel_size, rank))
    if layer.stride is not None:
        object.__setattr__(layer, "stride", numbers(name, "stride", layer.stride, rank))
    switch(name, "ceil_mode", layer.ceil_mode)
    switch(name, "channels_last", layer.channels_last)
    if hasattr(layer, "dilation"):
        object.__setattr__(layer, "dilation", numbers(name, "dilation", layer.dilation, rank))
    if hasattr(layer, "padding"):
        object.__setattr__(layer, "padding", pairs(name, "padding", layer.padding, rank))
        _check_half(layer)


def _check_half(layer: Any) -> None:
    dilation = getattr(layer, "dilation", 1)
    for size, step, (before, after) in zip(
        each_axis(layer.kernel_size, layer.rank),
        each_axis(dilation, layer.rank),
        places_along(layer.padding, layer.rank),
        strict=True,
    ):
        extent = Window(size, dilation=step).extent
        if max(before, after) > extent // 2:
            raise LayerError(
                f"layer '{layer.name}': padding must be at most half of a window, {extent // 2} "
                f"of {extent} places, found {max(before, after)}"
            )


def pool_windows(
    layer: str,
    where: Space,
    kernel_size: Sizes,
    stride: Sizes | None,
    padding: Padding = 0,
    dilation: Sizes = 1,
    ceil_mode: bool = False,
) -> list[Window]:
    """Return the windows along each axis of space; where one reaches beyond the end, so do they.

    Raises:
        LayerError: no window fits, or one holds nothing of the input.
    """
    import numpy as np

    columns = [
        each_axis(each, where.rank)
        for each in (kernel_size, kernel_size if stride is None else stride, dilation)
    ]
    windows = []
    for (size, step, dilated), (before, after), length, axis in zip(
        zip(*columns, strict=True),
        places_along(padding, where.rank),
        where.lengths,
        where.axes,
        strict=True,
    ):
        window = Window(size, step, dilated, before, after)
        if ceil_mode:
            window = _with_last(window, length)
        room_for(layer, window, length, axis, where.shape)
        if not np.all(np.any(window.table(length) >= 0, axis=1)):
            raise LayerError(
                f"layer '{layer}': a window along axis {axis} of x of shape {where.shape} holds "
                "padding alone; take less padding"
            )
        windows.append(window)
    return windows


def _with_last(window: Window, length: int) -> Window:
    """Return windows of which the last may reach beyond the end, if it begins before it."""
    room = length + window.before + window.after - window.extent
    count = -(-room // window.stride) + 1
    if (count - 1) * window.stride >= length + window.before:
        count -= 1
    more = (count - 1) * window.stride - room
    after = window.after + (more if more > 0 else 0)
    return Window(window.size, window.stride, window.dilation, window.before, after)


@dataclass(frozen=True)
class Adaptive(Composite):
    """What pools with a given number of windows share."""

    rank: ClassVar[int]

    output_size: OutputSize = argument(OUTPUT_SIZE)
    channels_last: bool = argument(CHANNELS_LAST, False)

    def __post_init__(self) -> None:
        size = self.output_size
        if isinstance(size, list | tuple):
            numbers(self.name, "output_size", [each or 1 for each in size], self.rank)
            object.__setattr__(self, "output_size", tuple([self._checked(each) for each in size]))
        else:
            object.__setattr__(self, "output_size", self._checked(size))
        switch(self.name, "channels_last", self.channels_last)

    def _checked(self, size: Any) -> int | None:
        return None if size is None else whole_number(self.name, "output_size", size, least=1)

    def counts(self, where: Space) -> Sequence[int]:
        """Return how many windows there are along each axis of space.

        Raises:
            LayerError: there is nothing along an axis.
        """
        if 0 in where.lengths:
            raise LayerError(
                f"layer '{self.name}': there must be at least one place along each axis of space, "
                f"found x of shape {where.shape}"
            )
        sizes = each_axis(self.output_size, where.rank)
        return [
            length if size is None else size
            for size, length in zip(sizes, where.lengths, strict=True)
        ]


@dataclass(frozen=True)
class GlobalPool(Composite):
    """What pools over the whole of space share."""

    keepdims: bool = argument("whether the axes of space stay, with size one", False)
    channels_last: bool = argument(CHANNELS_LAST, False)

    def __post_init__(self) -> None:
        switch(self.name, "keepdims", self.keepdims)
        switch(self.name, "channels_last", self.channels_last)

    def space(self, shape: tuple[int, ...]) -> Space:
        """Return where the axes of space are.

        Raises:
            LayerError: there are none, or nothing along one.
        """
        where = Space.of(self.name, shape, None, self.channels_last)
        if 0 in where.lengths:
            raise LayerError(
                f"layer '{self.name}': there must be at least one place along each axis of space, "
                f"found x of shape {shape}"
            )
        return where
