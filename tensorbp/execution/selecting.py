"""Kernels of selections: views of windows, takes, and scatter-adds; never a dense selection.

A product of a tensor with selections is worked through in three stages: what selections determine
is taken from the tensor, what is not needed any more is summed over, and what is left is put where
selections say. Places on a straight line are views and slices; others are index arrays.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import product
from math import prod
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided
from scipy.sparse import csr_array

from tensorbp.algebra import Axis
from tensorbp.expression.selection import Affine
from tensorbp.planning.selecting import Applied, Selected

Array = Any
Stage = Callable[[Array, Sequence[Array]], Array]
"""Takes the tensor and the integers of the selections, returns the changed tensor."""

MOST_SLICES = 1024
"""Scattered windows are added slice by slice up to this number of slices, else by index."""

__all__ = ["SelectingKernel"]


class SelectingKernel:
    """What carries out a product with selections, up to the order of the axes.

    Attributes:
        axes: the axes of the result, in order.
        adds_slices: whether the last that it does is adding slices to zeros, so that they may be
            added to something else as well.
    """

    def __init__(self, operator: Selected, axes: Sequence[Axis]) -> None:
        """Lower a product.

        Args:
            operator: the product.
            axes: the distinct axes of the tensor, in order.
        """
        self.sizes = operator.sizes
        self.axes = list(axes)
        self.adds_slices = False
        self._slices: Callable[[Array, Array], None] | None = None
        self._stages: list[Stage] = []
        output = {axis for dimension in operator.output for axis in dimension}
        taking = [each for each in operator.selections if set(each.determined) <= set(axes)]
        placing = [each for each in operator.selections if output.intersection(each.determined)]
        integers = _integer_slices(operator.selections)
        self._take(taking, integers)
        for each in operator.selections:
            if each not in taking and each not in placing:
                self._mask(each, integers[each])
        needed = output.union(*(each.free for each in placing))
        self._sum(needed)
        self._put(placing, integers, output)
        self._sum(output)

    def __call__(self, tensor: Array, integers: Sequence[Array]) -> Array:
        """Return the product, its axes as `axes` says."""
        for stage in self._stages:
            tensor = stage(tensor, integers)
        return tensor

    def add_to(self, total: Array, tensor: Array, integers: Sequence[Array]) -> None:
        """Add the product to an array that has the axes of the result, in order."""
        assert self._slices is not None, "nothing is added slice by slice"
        for stage in self._stages[:-1]:
            tensor = stage(tensor, integers)
        self._slices(total, tensor)

    def _sum(self, needed: set[Axis]) -> None:
        summed = tuple([k for k, axis in enumerate(self.axes) if axis not in needed])
        if summed:
            self.adds_slices = False
            self.axes = [axis for axis in self.axes if axis in needed]
            self._stages.append(lambda tensor, integers: np.sum(tensor, axis=summed))

    def _ordered(self, order: Sequence[Axis]) -> None:
        """Bring the axes into an order."""
        permutation = tuple([self.axes.index(axis) for axis in order])
        self.axes = list(order)
        if permutation != tuple(range(len(order))):
            self._stages.append(lambda tensor, integers: tensor.transpose(permutation))

    def _spread(self, axes: Sequence[Axis]) -> None:
        """Repeat the tensor along axes that it does not have, without copying it."""
        missing = [axis for axis in axes if axis not in self.axes]
        if missing:
            shape = tuple([self.sizes[axis] for axis in missing])
            self.axes = missing + self.axes
            self._stages.append(
                lambda tensor, integers: np.broadcast_to(tensor, shape + tensor.shape)
            )

    def _group(self, axes: Sequence[Axis]) -> Axis:
        """Make a product of axes one axis, the first of them, whose size is then all theirs."""
        if len(axes) == 1:
            return axes[0]
        rest = [axis for axis in self.axes if axis not in axes]
        self._ordered([*rest, *axes])
        shape = tuple([self.sizes[axis] for axis in rest])
        size = prod([self.sizes[axis] for axis in axes])
        marker = axes[0] if axes else max(self.axes, default=-1) + len(self.sizes) + 1
        self.axes = [*rest, marker]
        self._stages.append(lambda tensor, integers: tensor.reshape(*shape, size))
        return marker

    def _take(self, taking: Sequence[Applied], integers: dict[Applied, slice]) -> None:
        straight = [each for each in taking if _is_straight(each) and self._is_apart(each)]
        self._view(straight)
        for each in taking:
            if each not in straight:
                self._take_by_index(each, integers[each])

    def _is_apart(self, each: Applied) -> bool:
        return not set(each.free) & set(self.axes)

    def _view(self, selections: Sequence[Applied]) -> None:
        """Show windows of the tensor, which is padded first where they reach beyond its ends."""
        if not selections:
            return
        rules = {}
        for each in selections:
            rules[self._group(each.determined)] = each
        pads = [_padding(rules[axis]) if axis in rules else (0, 0) for axis in self.axes]
        starts = []
        for axis, (low, _) in zip(self.axes, pads, strict=True):
            starts.append(_rule(rules[axis]).offset + low if axis in rules else 0)
        axes: list[Axis] = []
        shape: list[int] = []
        moves: list[tuple[int, int]] = []
        for k, axis in enumerate(self.axes):
            if axis in rules:
                free = rules[axis].dimensions[:-1]
                axes += [a for dimension in free for a in dimension]
                moves += [(k, stride) for stride in _strides(rules[axis], self.sizes)]
                shape += [self.sizes[a] for dimension in free for a in dimension]
            else:
                axes.append(axis)
                moves.append((k, 1))
                shape.append(self.sizes[axis])
        self.axes = axes
        is_padded = any(low or high for low, high in pads)
        begin = tuple([slice(start, None) for start in starts])
        inside = [(low, low) for low, _ in pads]
        is_empty = 0 in shape

        def view(tensor: Array, integers: Sequence[Array]) -> Array:
            if is_empty:
                return np.zeros(shape, tensor.dtype)
            if is_padded:
                padded = np.zeros(
                    [n + low + high for n, (low, high) in zip(tensor.shape, pads, strict=True)],
                    tensor.dtype,
                )
                padded[
                    tuple(
                        [
                            slice(low, low + n)
                            for n, (low, _) in zip(tensor.shape, inside, strict=True)
                        ]
                    )
                ] = tensor
                tensor = padded
            strides = [tensor.strides[k] * stride for k, stride in moves]
            return as_strided(tensor[begin], shape, strides, writeable=False)

        self._stages.append(view)

    def _take_by_index(self, each: Applied, integers: slice) -> None:
        """Take from one axis what an index array says, at each place of the axes they share."""
        axis = self._group(each.determined)
        free = list(each.free)
        common = [a for a in free if a in self.axes]
        new = [a for a in free if a not in self.axes]
        rest = [a for a in self.axes if a not in common and a != axis]
        self._ordered([*common, axis, *rest])
        places = _places(each, [*common, *new], self.sizes)
        grids = _grids([self.sizes[a] for a in common], len(free))
        spread = (Ellipsis,) + (None,) * len(rest)
        self.axes = [*common, *new, *rest]

        def take(tensor: Array, given: Sequence[Array]) -> Array:
            place = places(given[integers])
            if not tensor.shape[len(common)]:
                return np.zeros(place.shape + tensor.shape[len(common) + 1 :], tensor.dtype)
            taken = tensor[(*grids, place)]
            is_missing = place < 0
            if is_missing.any():
                taken = np.where(is_missing[spread], np.zeros((), tensor.dtype), taken)
            return taken

        self._stages.append(take)

    def _mask(self, each: Applied, integers: slice) -> None:
        """Keep the places that select something, where what they select is summed over."""
        rule = each.selection
        free = list(each.free)
        self._spread(free)
        if isinstance(rule, Affine) and (rule.outside != "nothing" or rule.is_inside):
            return
        self._ordered([a for a in self.axes if a not in free] + free)
        places = _places(each, free, self.sizes)
        self._stages.append(
            lambda tensor, given: np.where(
                places(given[integers]) >= 0, tensor, np.zeros((), tensor.dtype)
            )
        )

    def _put(
        self, placing: Sequence[Applied], integers: dict[Applied, slice], output: set[Axis]
    ) -> None:
        for each in placing:
            self._spread(each.free)
        straight = [each for each in placing if _is_straight(each) and _sliced(each, output, self)]
        slices = prod([self.sizes[a] for e in straight for a in _looped(e, output, self)])
        if straight and slices <= MOST_SLICES:
            self._add_slices(straight, output)
        else:
            straight = []
        for each in placing:
            if each not in straight:
                self._put_by_index(each, integers[each], output)
                self.adds_slices = False

    def _add_slices(self, selections: Sequence[Applied], output: set[Axis]) -> None:
        """Add windows to where they belong: all that one place of each window holds at a time."""
        loops = [axis for each in selections for axis in _looped(each, output, self)]
        sliced = [_sliced(each, output, self)[0] for each in selections]
        kept_loops = [axis for axis in loops if axis in output]
        rest = [axis for axis in self.axes if axis not in loops and axis not in sliced]
        self._ordered([*loops, *rest, *sliced])
        shape = [self.sizes[axis] for axis in [*kept_loops, *rest]]
        shape += [_rule(each).size for each in selections]
        moves = list(_moves(selections, loops, sliced, kept_loops, len(rest), self.sizes))
        self.axes = [*kept_loops, *rest]
        opened = tuple([self.sizes[axis] for axis in self.axes])
        for each in selections:
            opened += tuple([self.sizes[axis] for axis in each.determined])
            self.axes += each.determined

        def add(total: Array, tensor: Array) -> None:
            for source, target in moves:
                total[target] += tensor[source]

        def put(tensor: Array, integers: Sequence[Array]) -> Array:
            result = np.zeros(shape, tensor.dtype)
            add(result, tensor)
            return result.reshape(opened)

        self._stages.append(put)
        self._slices = add
        self.adds_slices = len(opened) == len(shape)

    def _put_by_index(self, each: Applied, integers: slice, output: set[Axis]) -> None:
        """Add each number to the place that an index array says."""
        free = list(each.free)
        kept = [axis for axis in free if axis in output]
        summed = [axis for axis in free if axis not in output]
        rest = [axis for axis in self.axes if axis not in free]
        self._ordered([*kept, *summed, *rest])
        places = _places(each, [*kept, *summed], self.sizes)
        size = prod([self.sizes[a] for a in each.determined])
        kept_shape = tuple([self.sizes[a] for a in kept])
        opened = kept_shape + tuple([self.sizes[a] for a in each.determined])
        self.axes = [*kept, *each.determined, *rest]
        kept_size = prod(kept_shape)
        summed_size = prod([self.sizes[a] for a in summed])

        def put(tensor: Array, given: Sequence[Array]) -> Array:
            place = places(given[integers]).reshape(kept_size, summed_size)
            # the places of all kept axes, one after the other, are the places of one long axis
            begins = size * np.arange(kept_size)[:, None]
            flat = np.where(place < 0, -1, place + begins).ravel()
            rows = tensor.reshape(flat.size, *tensor.shape[len(free) :])
            return _added_up(rows, flat, kept_size * size).reshape(
                *opened, *tensor.shape[len(free) :]
            )

        self._stages.append(put)


def _added_up(rows: Array, places: Array, size: int) -> Array:
    """Return as many rows as the size says, to which rows are added where they belong."""
    found = places >= 0
    columns = np.flatnonzero(found)
    shape = rows.shape[1:]
    flat = rows.reshape(places.size, prod(shape))
    ones = np.ones(columns.size, rows.dtype)
    matrix = csr_array((ones, (places[found], columns)), shape=(size, places.size))
    return np.asarray(matrix @ flat, rows.dtype).reshape(size, *shape)


def _integer_slices(selections: Sequence[Applied]) -> dict[Applied, slice]:
    """Return which of the integer operands belong to each selection."""
    slices, start = {}, 0
    for each in selections:
        end = start + len(each.selection.inputs)
        slices[each] = slice(start, end)
        start = end
    return slices


def _places(
    each: Applied, order: Sequence[Axis], sizes: Sequence[int]
) -> Callable[[Sequence[Array]], Array]:
    """Return what gives the places as an array with the free axes in an order."""
    free = list(each.free)
    shape = tuple([sizes[axis] for axis in free])
    permutation = tuple([free.index(axis) for axis in order])
    rule = each.selection

    def arranged(integers: Sequence[Array]) -> Array:
        return np.asarray(rule.places(np, *integers)).reshape(shape).transpose(permutation)

    if rule.inputs:
        return arranged
    known = arranged(())
    return lambda integers: known


def _grids(sizes: Sequence[int], rank: int) -> list[Array]:
    """Return an index array for each of the first axes, to be broadcast with arrays of a rank."""
    return [
        np.arange(size).reshape((1,) * k + (size,) + (1,) * (rank - k - 1))
        for k, size in enumerate(sizes)
    ]


def _is_straight(each: Applied) -> bool:
    rule = each.selection
    return isinstance(rule, Affine) and (rule.outside == "nothing" or rule.is_inside)


def _rule(each: Applied) -> Affine:
    assert isinstance(each.selection, Affine)
    return each.selection


def _padding(each: Applied) -> tuple[int, int]:
    """Return by how much the windows reach beyond the ends."""
    rule = _rule(each)
    return max(0, -rule.lowest), max(0, rule.highest - rule.size + 1)


def _strides(each: Applied, sizes: Sequence[int]) -> list[int]:
    """Return by how much each free axis moves the place; a product of axes counts in rows."""
    strides = []
    for dimension, stride in zip(each.dimensions[:-1], _rule(each).strides, strict=True):
        inner = [prod([sizes[axis] for axis in dimension[k + 1 :]]) for k in range(len(dimension))]
        strides += [stride * factor for factor in inner]
    return strides


def _sliced(each: Applied, output: set[Axis], kernel: SelectingKernel) -> list[Axis]:
    """Return the longest summed axis along which places differ, or nothing if there is none."""
    strides = _strides(each, kernel.sizes)
    moving = [a for a, s in zip(each.free, strides, strict=True) if s and a not in output]
    return [max(moving, key=lambda axis: kernel.sizes[axis])] if moving else []


def _looped(each: Applied, output: set[Axis], kernel: SelectingKernel) -> list[Axis]:
    sliced = _sliced(each, output, kernel)
    return [axis for axis in each.free if axis not in sliced]


def _moves(
    selections: Sequence[Applied],
    loops: Sequence[Axis],
    sliced: Sequence[Axis],
    kept: Sequence[Axis],
    rest: int,
    sizes: Sequence[int],
) -> Iterator[tuple[tuple[Any, ...], tuple[Any, ...]]]:
    """Yield, for each place in the windows, from where to where numbers are added."""
    strides = [dict(zip(each.free, _strides(each, sizes), strict=True)) for each in selections]
    for values in product(*[range(sizes[axis]) for axis in loops]):
        at = dict(zip(loops, values, strict=True))
        sources, targets = [], []
        for each, stride, axis in zip(selections, strides, sliced, strict=True):
            rule = _rule(each)
            base = rule.offset + sum(stride[a] * at[a] for a in each.free if a in at)
            source, target = _overlap(base, stride[axis], sizes[axis], rule.size)
            sources.append(source)
            targets.append(target)
        if all(each.stop > each.start for each in sources):
            middle = (slice(None),) * rest
            yield (*values, *middle, *sources), (*[at[a] for a in kept], *middle, *targets)


def _overlap(base: int, stride: int, count: int, size: int) -> tuple[slice, slice]:
    """Return which of the places base + stride · t are from 0 to size - 1: t, and the places."""
    if stride > 0:
        first, last = -(base // stride), (size - 1 - base) // stride
    else:
        first, last = -((size - 1 - base) // -stride), base // -stride
    first, last = max(first, 0), min(last, count - 1)
    if last < first:
        return slice(0, 0), slice(0, 0)
    start, end = base + stride * first, base + stride * last
    stop = end + (1 if stride > 0 else -1)
    return slice(first, last + 1), slice(start, stop if stop >= 0 else None, stride)
