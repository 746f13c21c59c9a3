"""Views: how a stored array is read, worked out before there is an array.

A value is stored without gaps. Whatever transposes, splits, merges, repeats, slices or takes the
diagonal of it is a view: a shape, and for each dimension by how many numbers one step moves. So
it is known beforehand what is free and what takes a copy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import prod

__all__ = ["Shape", "View", "collapsed", "row_major"]

Shape = tuple[int, ...]


def row_major(shape: Sequence[int]) -> Shape:
    """Return the strides, in numbers, of an array that is stored row after row."""
    strides = []
    stride = 1
    for size in reversed(shape):
        strides.append(stride)
        stride *= size
    return tuple(reversed(strides))


@dataclass(frozen=True, slots=True)
class View:
    """A view of a stored value.

    Attributes:
        value: the number of the value.
        shape: the size of each dimension.
        strides: by how many numbers one step along each dimension moves; 0 repeats.
        offset: at which number of the value it begins.
    """

    value: int
    shape: Shape
    strides: Shape
    offset: int = 0

    @staticmethod
    def whole(value: int, shape: Sequence[int]) -> View:
        """Return a stored value as it is."""
        return View(value, tuple(shape), row_major(shape))

    @property
    def size(self) -> int:
        """How many numbers are seen; repeated ones count each time."""
        return prod(self.shape)

    @property
    def is_contiguous(self) -> bool:
        """Whether the numbers are seen in the order in which they are stored, without gaps."""
        pairs = zip(self.shape, self.strides, row_major(self.shape), strict=True)
        return not self.size or all(size == 1 or has == should for size, has, should in pairs)

    @property
    def order(self) -> tuple[int, ...]:
        """The dimensions from the one with the longest strides to the one with the shortest."""
        return tuple(sorted(range(len(self.shape)), key=lambda k: -abs(self.strides[k])))

    @property
    def is_dense(self) -> bool:
        """Whether it shows numbers without gaps or repetition, its dimensions in some order."""
        return self.transposed(self.order).is_contiguous

    @property
    def narrow(self) -> View:
        """The view without repetition: numpy repeats what is smaller than the result."""
        pairs = list(zip(self.shape, self.strides, strict=True))
        if not any(size != 1 and not stride for size, stride in pairs):
            return self
        shape = tuple([size if stride else 1 for size, stride in pairs])
        first = next((k for k, size in enumerate(shape) if size != 1), len(shape))
        return View(self.value, shape[first:], self.strides[first:], self.offset)

    def transposed(self, order: Sequence[int]) -> View:
        """Return the view with its dimensions in an order."""
        shape, strides = self.shape, self.strides
        return View(
            self.value,
            tuple([shape[k] for k in order]),
            tuple([strides[k] for k in order]),
            self.offset,
        )

    def split(self, shapes: Sequence[Sequence[int]]) -> View:
        """Return the view with each dimension split into several, of given sizes."""
        shape: list[int] = []
        strides: list[int] = []
        for sizes, stride in zip(shapes, self.strides, strict=True):
            shape += sizes
            strides += [stride * inner for inner in row_major(sizes)]
        return View(self.value, tuple(shape), tuple(strides), self.offset)

    def merged(self, groups: Sequence[Sequence[int]]) -> View | None:
        """Return the view with dimensions merged, or None where that takes a copy.

        Args:
            groups: for each dimension of the result those that make it up; none for a size of 1.
        """
        shape, strides = [], []
        for group in groups:
            kept = [k for k in group if self.shape[k] != 1]
            for outer, inner in pairwise(kept):
                if self.size and self.strides[outer] != self.shape[inner] * self.strides[inner]:
                    return None
            shape.append(prod([self.shape[k] for k in group]))
            strides.append(self.strides[kept[-1]] if kept else 0)
        return View(self.value, tuple(shape), tuple(strides), self.offset)

    def diagonal(self, axes: Sequence[int]) -> tuple[View, list[int]]:
        """Return the view with dimensions of one axis tied to each other, and the distinct axes.

        Args:
            axes: the axis of each dimension; those that are equal are tied.
        """
        distinct = list(dict.fromkeys(axes))
        first = [axes.index(axis) for axis in distinct]
        strides = [
            sum([s for s, other in zip(self.strides, axes, strict=True) if other == axis])
            for axis in distinct
        ]
        shape = tuple([self.shape[k] for k in first])
        return View(self.value, shape, tuple(strides), self.offset), distinct

    def spread(self, shape: Sequence[int]) -> View:
        """Return the view repeated to a shape, by numpy's rule."""
        missing = len(shape) - len(self.shape)
        strides = (0,) * missing + tuple(
            [
                0 if size == 1 else stride
                for size, stride in zip(self.shape, self.strides, strict=True)
            ]
        )
        return View(self.value, tuple(shape), strides, self.offset)

    def part(self, key: Sequence[int | slice | None]) -> View:
        """Return the part that integers and slices name; None is a new dimension of size one.

        Dimensions behind those that are named stay whole.
        """
        shape: list[int] = []
        strides: list[int] = []
        offset = self.offset
        dimensions = iter(zip(self.shape, self.strides, strict=True))
        for each in key:
            if each is None:
                shape.append(1)
                strides.append(0)
                continue
            size, stride = next(dimensions)
            places = range(size)[each]
            if isinstance(places, int):
                offset += stride * places
                continue
            shape.append(len(places))
            strides.append(stride * places.step)
            offset += stride * places.start if len(places) else 0
        for size, stride in dimensions:
            shape.append(size)
            strides.append(stride)
        return View(self.value, tuple(shape), tuple(strides), offset)

    def reshaped(self, shape: Sequence[int]) -> View | None:
        """Return the view in another shape of as many numbers, or None where that takes a copy."""
        if not self.size:
            return View(self.value, tuple(shape), row_major(shape), self.offset)
        dense, strides = collapsed([self])[0], []
        sizes, steps = list(dense.shape), list(dense.strides)
        for size in reversed(shape):
            if size == 1:
                strides.append(0)
                continue
            while sizes and sizes[-1] == 1:
                del sizes[-1], steps[-1]
            if not sizes or sizes[-1] % size:
                return None
            strides.append(steps[-1])
            sizes[-1] //= size
            steps[-1] *= size
        return View(self.value, tuple(shape), tuple(reversed(strides)), self.offset)


def collapsed(views: Sequence[View]) -> list[View]:
    """Return views of one shape with as few dimensions as all of them allow, in the same order."""
    shape = views[0].shape
    groups: list[list[int]] = []
    for k, size in enumerate(shape):
        if size == 1:
            continue
        if groups and all(each.strides[groups[-1][-1]] == size * each.strides[k] for each in views):
            groups[-1].append(k)
        else:
            groups.append([k])
    merged = [each.merged(groups) for each in views]
    return [each for each in merged if each is not None]
