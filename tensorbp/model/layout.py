"""Which part of a vector of parameters belongs to which name."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import prod

Shape = tuple[int, ...]

__all__ = ["Layout", "Shape"]


@dataclass(frozen=True)
class Layout:
    """Which part of the vector belongs to which name.

    Attributes:
        shapes: the names and their shapes, in order.
    """

    shapes: tuple[tuple[str, Shape], ...]

    @cached_property
    def slices(self) -> dict[str, tuple[slice, Shape]]:
        """The place of each array in the vector, and its shape."""
        places = {}
        start = 0
        for name, shape in self.shapes:
            stop = start + prod(shape)
            places[name] = (slice(start, stop), shape)
            start = stop
        return places

    @cached_property
    def size(self) -> int:
        """The number of numbers in the vector."""
        return sum(prod(shape) for _, shape in self.shapes)

    def difference(self, other: Layout) -> str:
        """Return the first respect in which another layout differs from this one."""
        ours, theirs = dict(self.shapes), dict(other.shapes)
        for name, shape in ours.items():
            if name not in theirs:
                return f"'{name}' is only on the left"
            if theirs[name] != shape:
                return f"'{name}' has shape {shape} on the left, {theirs[name]} on the right"
        for name in theirs:
            if name not in ours:
                return f"'{name}' is only on the right"
        return "their arrays are in a different order"
