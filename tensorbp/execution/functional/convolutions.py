"""Convolutions among the steps of a plan: two steps, carried out by the library's own routine.

In a plan a convolution is a view of windows that is multiplied, its gradient with respect to the
kernel likewise, and its gradient with respect to the input is a product that is scattered.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod

from tensorbp.algebra import Axis, Dimension
from tensorbp.execution.functional.call import OnLibrary
from tensorbp.execution.functional.einsums import Array, Function, blocks, finishing, opening
from tensorbp.execution.functional.geometry import Geometry
from tensorbp.execution.functional.namespace import Namespace
from tensorbp.execution.straight import is_straight, rule_of, steps
from tensorbp.expression.einsum import Einsum
from tensorbp.planning.selecting import Selected

_Value = tuple[Sequence[Dimension], Sequence[int]]

__all__ = ["convolution", "transposed_convolution"]

MOST_SPATIAL_AXES = 3
"""Libraries have convolutions along so many axes."""


@dataclass(frozen=True)
class _Line:
    """Places i = offset + step · k + stride · t, k along the kernel and t from window to window."""

    place: Axis
    kernel: Axis
    window: Axis
    step: int
    stride: int
    offset: int


@dataclass(frozen=True)
class _Roles:
    """What axes are: of the first tensor and the result, of all, summed over, of the second."""

    batch: list[Axis]
    groups: list[Axis]
    features: list[Axis]
    outputs: list[Axis]


def convolution(product: Einsum, at: int, windows: Selected) -> OnLibrary | None:
    """Return a product with windows of a tensor, as a function of that tensor and the other.

    Args:
        product: the product.
        at: which of its operands is made of windows.
        windows: what shows them.

    Returns:
        What makes the convolution; None if it is none.
    """
    other = _distinct(product.factors[1 - at])
    names = _same_axes((windows.output, windows.sizes), (product.factors[at], product.sizes))
    tensor = _distinct(windows.factor)
    if other is None or names is None or tensor is None:
        return None
    if windows.coefficient != 1 or not windows.gathers:
        return None
    sizes = dict(enumerate(product.sizes))
    for each in windows.selections:
        for axis in each.determined:
            # places are no axes of the product; they get numbers of their own
            names[axis] = len(sizes)
            sizes[len(sizes)] = windows.sizes[axis]
    first = [names[axis] for axis in tensor]
    result = {axis for dimension in product.output for axis in dimension}
    lines = _lines(windows, names, set(other))
    # libraries copy what lies in another order than theirs
    lines.sort(key=lambda line: first.index(line.place))
    if not lines or not all(sizes.values()):
        return None
    inside, outside = {line.kernel for line in lines}, {line.window for line in lines}
    if inside & result or not outside <= result - set(other):
        return None
    places = [line.place for line in lines]
    roles = _roles(set(first) - set(places), set(other) - inside, result - outside)
    if roles is None:
        return None
    space, kernel = [[place] for place in places], [[line.kernel] for line in lines]
    x_blocks = [roles.batch, roles.groups + roles.features, *space]
    w_blocks = [roles.groups + roles.outputs, roles.features, *kernel]
    present = [*roles.batch, *roles.groups, *roles.outputs, *(line.window for line in lines)]
    shape = tuple([sizes[axis] for axis in present])
    geometry = _geometry(lines, [line.window for line in lines], roles, sizes)

    def on(xp: Namespace) -> Function:
        _, open_x = opening(windows.factor, windows.sizes, xp)
        _, open_w = opening(product.factors[1 - at], product.sizes, xp)
        as_x, as_w = blocks(first, x_blocks, sizes, xp), blocks(other, w_blocks, sizes, xp)
        finish = finishing(product.output, product.sizes, product.coefficient, present, xp)

        def convolve(x: Array, w: Array) -> Array:
            y = xp.convolution(as_x(open_x(x)), as_w(open_w(w)), geometry)
            return finish(y.reshape(shape))

        return convolve

    return on


def transposed_convolution(
    product: Einsum, scatter: Selected, before: tuple[int, Selected] | None = None
) -> OnLibrary | None:
    """Return a product that is scattered, as a function of the two tensors of the product.

    Args:
        product: the product.
        scatter: what puts it where it belongs, and adds.
        before: which of the operands was put where it belongs, along other axes, before it was
            multiplied, and what put it; the function then takes the tensor that was put.

    Returns:
        What makes the transposed convolution; None if it is none.
    """
    names = _same_axes((product.output, product.sizes), (scatter.factor, scatter.sizes))
    if names is None or not scatter.scatters:
        return None
    sizes = dict(enumerate(scatter.sizes))
    _named_anew(names, product.sizes, sizes)
    values: list[_Value] = [(dimensions, product.sizes) for dimensions in product.factors]
    operands = [_named(dimensions, names) for dimensions, _ in values]
    more: list[_Line] = []
    if before is not None:
        at, put = before
        inner = _put_before(put, values[at], names, sizes)
        more = _lines(put, inner, set(operands[1 - at] or ())) if inner else []
        if inner is None or not more:
            return None
        values[at], operands[at] = (put.factor, put.sizes), _named(put.factor, inner)
    if None in operands or not all(sizes.values()):
        return None
    one, two = (axes or [] for axes in operands)
    same = {axis: axis for axis in sizes}
    candidates = [(_lines(scatter, same, set(w)), x, w) for x, w in ((one, two), (two, one))]
    if before is not None:
        # what is put somewhere is no kernel
        candidates = [candidates[before[0]]]
    found = [each for each in candidates if each[0]]
    if not found:
        return None
    # of two ways to read it, the one with the smaller kernel
    lines, x_axes, w_axes = min(found, key=lambda each: prod(sizes[e.kernel] for e in each[0]))
    lines = [*lines, *more]
    inside, outside = {line.kernel for line in lines}, {line.window for line in lines}
    lines.sort(key=lambda line: x_axes.index(line.window) if line.window in x_axes else -1)
    result = {axis for dimension in scatter.output for axis in dimension}
    places = [line.place for line in lines]
    if (inside | outside) & result or not outside <= set(x_axes) - set(w_axes):
        return None
    if inside & set(x_axes) or len(lines) > MOST_SPATIAL_AXES or not set(places) <= result:
        return None
    roles = _roles(set(x_axes) - outside, set(w_axes) - inside, result - set(places))
    if roles is None:
        return None
    space, kernel = [[line.window] for line in lines], [[line.kernel] for line in lines]
    x_blocks = [roles.batch, roles.groups + roles.features, *space]
    w_blocks = [roles.groups + roles.outputs, roles.features, *kernel]
    present = [*roles.batch, *roles.groups, *roles.outputs, *places]
    shape = tuple([sizes[axis] for axis in present])
    number = product.coefficient * scatter.coefficient
    geometry = _geometry(lines, places, roles, sizes)
    is_swapped = x_axes is two

    def on(xp: Namespace) -> Function:
        opened = [opening(*value, xp)[1] for value in values]
        as_x, as_w = blocks(x_axes, x_blocks, sizes, xp), blocks(w_axes, w_blocks, sizes, xp)
        finish = finishing(scatter.output, scatter.sizes, number, present, xp)

        def convolve(a: Array, b: Array) -> Array:
            a, b = opened[0](a), opened[1](b)
            x, w = (as_x(b), as_w(a)) if is_swapped else (as_x(a), as_w(b))
            y = xp.convolution_transposed(x, w, geometry)
            return finish(y.reshape(shape))

        return convolve

    return on


def _put_before(
    put: Selected, value: _Value, names: Mapping[Axis, Axis], sizes: dict[Axis, int]
) -> dict[Axis, Axis] | None:
    """Return the names of the axes of a tensor that a selection puts somewhere; else None.

    Args:
        put: the selection.
        value: how what it makes is read.
        names: the names of the axes there.
        sizes: by names, to which those of the tensor alone are added.
    """
    read = _same_axes((put.output, put.sizes), value)
    if read is None or put.coefficient != 1 or not put.scatters:
        return None
    inner = {axis: names[outer] for axis, outer in read.items()}
    _named_anew(inner, put.sizes, sizes)
    return inner


def _named_anew(names: dict[Axis, Axis], own_sizes: Sequence[int], sizes: dict[Axis, int]) -> None:
    """Give names of their own to the axes that have none."""
    for axis, size in enumerate(own_sizes):
        if axis not in names:
            names[axis] = len(sizes)
            sizes[len(sizes)] = size


def _named(dimensions: Sequence[Dimension], names: Mapping[Axis, Axis]) -> list[Axis] | None:
    """Return the axes of dimensions by other names; None if one occurs twice."""
    axes = _distinct(dimensions)
    return None if axes is None else [names[axis] for axis in axes]


def _distinct(dimensions: Sequence[Dimension]) -> list[Axis] | None:
    """Return the axes of dimensions; None if one occurs twice."""
    axes = [axis for dimension in dimensions for axis in dimension]
    return axes if len(set(axes)) == len(axes) else None


def _same_axes(made: _Value, read: _Value) -> dict[Axis, Axis] | None:
    """Return what axes of a value are called where it is read; None if they are not one to one."""
    (made_as, made_sizes), (read_as, read_sizes) = made, read
    here, there = _distinct(made_as), _distinct(read_as)
    if here is None or there is None or [*map(len, made_as)] != [*map(len, read_as)]:
        return None
    if [made_sizes[axis] for axis in here] != [read_sizes[axis] for axis in there]:
        return None
    return dict(zip(here, there, strict=True))


def _lines(selected: Selected, names: Mapping[Axis, Axis], kernel: set[Axis]) -> list[_Line]:
    """Return the selections as lines; none at all unless each is one, with one axis in a kernel."""
    lines = []
    for each in selected.selections:
        free = [names.get(axis, -1) for axis in each.free]
        if not is_straight(each) or len(free) != 2 or len(each.determined) != 1:
            return []
        moves = dict(zip(free, steps(each, selected.sizes), strict=True))
        within = [axis for axis in free if axis in kernel]
        if len(within) != 1 or len(moves) != 2 or min(moves.values()) < 1:
            return []
        (k,), (t,) = within, [axis for axis in free if axis not in kernel]
        place = names[each.determined[0]]
        lines.append(_Line(place, k, t, moves[k], moves[t], rule_of(each).offset))
    return lines if len(lines) <= MOST_SPATIAL_AXES else []


def _roles(first: set[Axis], second: set[Axis], result: set[Axis]) -> _Roles | None:
    """Return what axes are; None if one is summed over within one tensor, or repeated."""
    if (first ^ second) - result or result - first - second:
        return None
    return _Roles(
        sorted(first - second),
        sorted(first & second & result),
        sorted((first & second) - result),
        sorted(second - first),
    )


def _geometry(
    lines: Sequence[_Line], result: Sequence[Axis], roles: _Roles, sizes: Mapping[Axis, int]
) -> Geometry:
    """Return where windows lie, and how long the result is along its axes of space."""
    return Geometry(
        [line.stride for line in lines],
        [line.step for line in lines],
        [line.offset for line in lines],
        [sizes[axis] for axis in result],
        prod([sizes[axis] for axis in roles.groups]),
    )
