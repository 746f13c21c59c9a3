"""Places on a straight line: which slices of a tensor selections move, and where to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from math import prod
from typing import Any

from tensorbp.algebra import Axis
from tensorbp.expression.selection import Affine
from tensorbp.planning.selecting import Applied

__all__ = [
    "is_straight",
    "looped_axes",
    "moves",
    "names_one_place",
    "overlap",
    "padding",
    "rule_of",
    "sliced_axes",
    "steps",
]


def is_straight(each: Applied) -> bool:
    """Say whether the places are on a straight line that does not turn back at the ends."""
    rule = each.selection
    return isinstance(rule, Affine) and (rule.outside == "nothing" or rule.is_inside)


def names_one_place(each: Applied) -> bool:
    """Say whether a selection on a line names a single place, which is there."""
    return not each.free and rule_of(each).is_inside


def rule_of(each: Applied) -> Affine:
    """Return the rule of a selection whose places are on a line."""
    assert isinstance(each.selection, Affine)
    return each.selection


def padding(each: Applied) -> tuple[int, int]:
    """Return by how much the windows reach beyond the ends."""
    rule = rule_of(each)
    return max(0, -rule.lowest), max(0, rule.highest - rule.size + 1)


def steps(each: Applied, sizes: Sequence[int]) -> list[int]:
    """Return by how much each free axis moves the place; a product of axes counts in rows."""
    strides = []
    for dimension, stride in zip(each.dimensions[:-1], rule_of(each).strides, strict=True):
        inner = [prod([sizes[axis] for axis in dimension[k + 1 :]]) for k in range(len(dimension))]
        strides += [stride * factor for factor in inner]
    return strides


def sliced_axes(each: Applied, output: set[Axis], sizes: Sequence[int]) -> list[Axis]:
    """Return the longest summed axis along which places differ, or nothing if there is none."""
    moved = steps(each, sizes)
    moving = [a for a, s in zip(each.free, moved, strict=True) if s and a not in output]
    return [max(moving, key=lambda axis: sizes[axis])] if moving else []


def looped_axes(each: Applied, output: set[Axis], sizes: Sequence[int]) -> list[Axis]:
    """Return the free axes but the one along which slices are taken."""
    sliced = sliced_axes(each, output, sizes)
    return [axis for axis in each.free if axis not in sliced]


def moves(
    selections: Sequence[Applied],
    loops: Sequence[Axis],
    sliced: Sequence[Sequence[Axis]],
    kept: Sequence[Axis],
    rest: int,
    sizes: Sequence[int],
) -> Iterator[tuple[tuple[Any, ...], tuple[Any, ...]]]:
    """Yield, for each place in the windows, from where to where numbers are added.

    Args:
        selections: the selections.
        loops: their free axes along which there are no slices.
        sliced: for each the axis along which there are, or nothing where it names a single place.
        kept: those loops that the target has, too.
        rest: how many other axes there are.
        sizes: the size of each axis.
    """
    strides = [dict(zip(each.free, steps(each, sizes), strict=True)) for each in selections]
    for values in product(*[range(sizes[axis]) for axis in loops]):
        at = dict(zip(loops, values, strict=True))
        sources: list[slice] = []
        targets: list[slice | int] = []
        for each, stride, axes in zip(selections, strides, sliced, strict=True):
            rule = rule_of(each)
            base = rule.offset + sum(stride[a] * at[a] for a in each.free if a in at)
            if not axes:
                targets.append(base)
            for axis in axes:
                source, target = overlap(base, stride[axis], sizes[axis], rule.size)
                sources.append(source)
                targets.append(target)
        if all(each.stop > each.start for each in sources):
            middle = (slice(None),) * rest
            yield (*values, *middle, *sources), (*[at[a] for a in kept], *middle, *targets)


def overlap(base: int, stride: int, count: int, size: int) -> tuple[slice, slice]:
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
