"""What pools over space share: their windows, and the checks of their arguments."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from tensorbp.errors import LayerError
from tensorbp.expression.layer import Composite, Example, Shape, argument
from tensorbp.expression.node import Expression
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
    windows_along,
)

__all__ = [
    "CEIL",
    "OUTPUT_SIZE",
    "PADDING",
    "STRIDE",
    "Adaptive",
    "GlobalPool",
    "OutputSize",
    "Part",
    "Pool",
    "Rule",
    "WindowPool",
]

OutputSize = int | None | tuple[int | None, ...]
"""How many windows there are along all axes, or along each; None: as many as there are places."""

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

    name: ClassVar[str] = "part"

    count: int

    def table(self, length: int) -> Any:
        """Return place k of each part t; -1 where it has fewer."""
        import numpy as np

        part = np.arange(self.count)
        start = part * length // self.count
        end = -(-(part + 1) * length // self.count)
        place = start[:, None] + np.arange(int(np.max(end - start)))
        return np.where(place < end[:, None], place, -1)


class Pool(Composite):
    """What pools over the space of their input share, over however many axes they are."""

    rank: ClassVar[int]
    channels_last: bool

    def build(self, *operands: Expression, **parameters: Expression) -> Expression:
        """Return x, pooled.

        Raises:
            LayerError: x has another number of axes, no window fits, or there is nothing in one.
        """
        (x,) = operands
        return self.pool(x, Space.of(self.name, x.shape, self.rank, self.channels_last))

    @abstractmethod
    def pool(self, x: Expression, where: Space) -> Expression:
        """Return x pooled over its axes of space."""


class WindowPool(Pool):
    """What pools over windows of a given size share; each has its arguments in an order of its own.

    Those that a pool does not have are what they are here.
    """

    kernel_size: Sizes
    stride: Sizes | None
    padding: Padding = 0
    dilation: Sizes = 1
    ceil_mode: bool

    def __post_init__(self) -> None:
        for name in ("kernel_size", "stride", "dilation"):
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, numbers(self.name, name, value, self.rank))
        object.__setattr__(self, "padding", pairs(self.name, "padding", self.padding, self.rank))
        switch(self.name, "ceil_mode", self.ceil_mode)
        switch(self.name, "channels_last", self.channels_last)
        self._check_half()

    def _check_half(self) -> None:
        for size, step, (before, after) in zip(
            each_axis(self.kernel_size, self.rank),
            each_axis(self.dilation, self.rank),
            places_along(self.padding, self.rank),
            strict=True,
        ):
            extent = Window(size, dilation=step).extent
            if max(before, after) > extent // 2:
                raise LayerError(
                    f"layer '{self.name}': padding must be at most half of a window, "
                    f"{extent // 2} of {extent} places, found {max(before, after)}"
                )

    def windows(self, where: Space, ceil_mode: bool) -> list[Window]:
        """Return the windows along each axis of space.

        Args:
            where: where these axes are.
            ceil_mode: whether a last window may reach beyond the end.

        Raises:
            LayerError: no window fits, or one holds nothing of the input.
        """
        import numpy as np

        stride = self.kernel_size if self.stride is None else self.stride
        sizes = (self.kernel_size, stride, self.dilation)
        found = []
        for window, length, axis in zip(
            windows_along(sizes, self.padding, where.rank), where.lengths, where.axes, strict=True
        ):
            if ceil_mode:
                window = _with_last(window, length)
            room_for(self.name, window, length, axis, where.shape)
            if not np.all(np.any(window.table(length) >= 0, axis=1)):
                raise LayerError(
                    f"layer '{self.name}': a window along axis {axis} of x of shape {where.shape} "
                    "holds padding alone; take less padding"
                )
            found.append(window)
        return found


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
class Adaptive(Pool):
    """What pools with a given number of windows share."""

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

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        """Return parts that are alike, and parts that are not."""
        cases: dict[int, tuple[tuple[OutputSize, bool, Shape], ...]] = {
            1: ((2, False, (2, 3, 6)), (3, True, (2, 5, 4))),
            2: (((2, 1), False, (2, 3, 4, 5)), ((None, 3), True, (2, 4, 5, 3))),
            3: (((2, 1, 3), False, (2, 1, 3, 2, 4)),),
        }
        return tuple([Example(cls(size, last), (shape,)) for size, last, shape in cases[cls.rank]])

    def counts(self, where: Space) -> Sequence[int]:
        """Return how many windows there are along each axis of space.

        Raises:
            LayerError: there is nothing along an axis.
        """
        _require_places(self.name, where)
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

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        """Return images, and volumes with channels last."""
        return (
            Example(cls(), ((2, 3, 4, 5),)),
            Example(cls(True, True), ((2, 3, 4, 2, 1),)),
        )

    def space(self, shape: Shape) -> Space:
        """Return where the axes of space are.

        Raises:
            LayerError: there are none, or nothing along one.
        """
        where = Space.of(self.name, shape, None, self.channels_last)
        _require_places(self.name, where)
        return where


def _require_places(layer: str, where: Space) -> None:
    if 0 in where.lengths:
        raise LayerError(
            f"layer '{layer}': there must be at least one place along each axis of space, found x "
            f"of shape {where.shape}"
        )
