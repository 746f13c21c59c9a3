"""Parts of an array, windows, padding and joins: einsums with a selection for each axis they move.

y[..., d..., ...] = Σ_i S[d..., i] x[..., i, ...]: the axis i gives way to those that determine it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import index as as_integer
from string import ascii_letters
from typing import Any, get_args

from tensorbp.algebra import Dimension, Factor, Term
from tensorbp.errors import LayerError, ShapeError
from tensorbp.expression.arithmetic import reshape
from tensorbp.expression.declaration import Declaration, signature
from tensorbp.expression.einsum import product
from tensorbp.expression.layer import Example, Input, Primitive, Shape, argument
from tensorbp.expression.node import Expression, provides
from tensorbp.expression.selection import Affine, Outside

__all__ = [
    "Concatenate",
    "concatenate",
    "flip",
    "pad",
    "put",
    "roll",
    "select",
    "stack",
    "tile",
    "windows",
]

Widths = tuple[int, int]


def select(x: Expression, selections: Mapping[int, Expression]) -> Expression:
    """Return x with selections applied to its axes: each axis gives way to the free axes of one.

    Args:
        x: the expression.
        selections: by axis a selection, whose last axis has the size of that axis.
    """
    sizes: list[int] = []

    def new(shape: Sequence[int]) -> list[Dimension]:
        sizes.extend(shape)
        return [(axis,) for axis in range(len(sizes) - len(shape), len(sizes))]

    dimensions = new(x.shape)
    factors = [Factor(x, tuple(dimensions))]
    output: list[Dimension] = []
    for axis, dimension in enumerate(dimensions):
        if axis in selections:
            free = new(selections[axis].shape[:-1])
            factors.append(Factor(selections[axis], (*free, dimension)))
            output += free
        else:
            output.append(dimension)
    return product(Term.of(1, factors, output, (), sizes))


def put(x: Expression, axis: int, selection: Expression) -> Expression:
    """Return zeros to which x is added where a selection says: `select` turned round.

    Args:
        x: the expression.
        axis: the first of the axes that determine the places.
        selection: a selection, whose free axes have the sizes of those axes of x.
    """
    count = selection.ndim - 1
    dimensions = tuple([(k,) for k in range(x.ndim)])
    place = (x.ndim,)
    output = [*dimensions[:axis], place, *dimensions[axis + count :]]
    factors = [
        Factor(x, dimensions),
        Factor(selection, (*dimensions[axis : axis + count], place)),
    ]
    return product(Term.of(1, factors, output, (), (*x.shape, selection.shape[-1])))


def windows(
    x: Expression,
    axis: int,
    size: int,
    stride: int = 1,
    dilation: int = 1,
    padding: Widths = (0, 0),
) -> Expression:
    """Return x with an axis replaced by two: which window, and which place in it.

    >>> import tensorbp as tb
    >>> tb.windows(tb.variable("x", 5, 10), axis=1, size=3, stride=2).shape
    (5, 4, 3)

    Args:
        x: the expression.
        axis: which axis.
        size: how many places a window has.
        stride: from one window to the next.
        dilation: from one place of a window to the next.
        padding: how many zeros stand before and after.

    Raises:
        ShapeError: the axis is out of range, a number is too small, or no window fits.
    """
    at = _axis(x, axis)
    rule = window(x.shape[at], size, stride, dilation, padding)
    return select(x, {at: rule()})


def window(
    length: int, size: int, stride: int = 1, dilation: int = 1, padding: Widths = (0, 0)
) -> Affine:
    """Return the selection of windows of an axis: i = stride · t + dilation · k - padding.

    Raises:
        ShapeError: a number is too small, or no window fits.
    """
    for name, value in (("size", size), ("stride", stride), ("dilation", dilation)):
        if _whole(f"windows: {name}", value) < 1:
            raise ShapeError(f"windows: {name} must be from 1, found {value}")
    extent = dilation * (size - 1) + 1
    room = length + sum(padding)
    if min(padding) < 0 or extent > room:
        raise ShapeError(
            f"windows of size {size} with dilation {dilation} reach over {extent} places, but "
            f"there are only {room}: an axis of {length} with padding {padding}"
        )
    count = (room - extent) // stride + 1
    return Affine((count, size), (stride, dilation), -padding[0], length)


def pad(x: Expression, widths: Mapping[int, Widths], outside: Outside = "nothing") -> Expression:
    """Return x with more places before and after the axes.

    Args:
        x: the expression.
        widths: by axis, how many places come before and after; negative ones cut off.
        outside: what they hold: zeros (``"nothing"``), the axis mirrored without its ends
            (``"reflect"``), its ends (``"replicate"``), or the axis repeated (``"circular"``).

    Raises:
        ShapeError: an axis is out of range, cut to less than nothing, or reflected too far.
    """
    if outside not in get_args(Outside):
        raise ShapeError(
            f"pad: outside must be one of {', '.join(get_args(Outside))}; found {outside!r}"
        )
    rules: dict[int, Expression] = {}
    named: set[int] = set()
    for axis, given in widths.items():
        at = _axis(x, axis)
        if at in named:
            raise ShapeError(f"pad: axis {at} is named twice")
        named.add(at)
        before, after = _widths(given)
        length = x.shape[at]
        count = length + before + after
        most = {"reflect": length - 1, "circular": length}.get(outside)
        if (
            count < 0
            or (most is not None and max(before, after) > max(most, 0))
            or (outside == "replicate" and not length and count)
        ):
            raise ShapeError(
                f"pad: ({before}, {after}) does not fit an axis of size {length}"
                + (f" with '{outside}'" if outside != "nothing" else "")
                + (f"; it may be up to {max(most, 0)}" if most is not None else "")
            )
        if before or after:
            rules[at] = Affine((count,), (1,), -before, length, outside)()
    return select(x, rules) if rules else x


def _widths(given: Any) -> Widths:
    """Return how many places come before and after, as integers."""
    try:
        before, after = given
        return as_integer(before), as_integer(after)
    except (TypeError, ValueError):
        raise ShapeError(
            "pad: the widths of an axis must be two whole numbers, before and after; found "
            f"{given!r}"
        ) from None


def _whole(what: str, value: Any) -> int:
    """Return a number as an integer, or raise `ShapeError`."""
    try:
        return as_integer(value)
    except TypeError:
        raise ShapeError(f"{what} must be a whole number, found {value!r}") from None


def flip(x: Expression, axis: int | Sequence[int]) -> Expression:
    """Return x with the order along axes reversed.

    Raises:
        ShapeError: an axis is out of range.
    """
    rules: dict[int, Expression] = {}
    for each in (axis,) if isinstance(axis, int) else axis:
        at = _axis(x, each)
        if at in rules:
            raise ShapeError(f"flip: axis {at} is named twice")
        rules[at] = Affine((x.shape[at],), (-1,), x.shape[at] - 1, x.shape[at])()
    return select(x, rules)


def roll(x: Expression, shift: int, axis: int) -> Expression:
    """Return x moved along an axis; what leaves it at one end comes in at the other.

    Raises:
        ShapeError: the axis is out of range.
    """
    at = _axis(x, axis)
    shift = _whole("roll: shift", shift)
    length = x.shape[at]
    if not length or not shift % length:
        return x
    return select(x, {at: Affine((length,), (1,), -shift % length, length, "circular")()})


def tile(x: Expression, repetitions: Sequence[int]) -> Expression:
    """Return x repeated as a whole, so many times along each axis.

    Raises:
        ShapeError: there is not one number for each axis, or one is negative.
    """
    if not isinstance(repetitions, Sequence):
        raise ShapeError(f"tile: repetitions must be a list, found {repetitions!r}")
    repetitions = [_whole("tile: each number of repetitions", each) for each in repetitions]
    if len(repetitions) != x.ndim or min(repetitions, default=0) < 0:
        raise ShapeError(
            f"tile: an expression of shape {x.shape} needs {x.ndim} numbers from 0, found "
            f"{tuple(repetitions)}"
        )
    dimensions = [(k,) for k in range(x.ndim)]
    output = [(x.ndim + k, k) for k in range(x.ndim)]
    sizes = (*x.shape, *repetitions)
    return product(Term.of(1, [Factor(x, tuple(dimensions))], output, (), sizes))


@dataclass(frozen=True)
class Concatenate(Primitive):
    """Arrays joined along an axis: y = [x, x2, ...].

    dy/dx is the selection S[p, q] = 1 where q = p + offset, the offset being where x begins.
    """

    name = "concatenate"
    formula = "y = [x, x2, ...]"
    temporaries = 0
    inputs = (Input("x"),)
    variadic = True

    axis: int = argument(
        "the axis along which they are joined; negative ones count from the end", -1
    )

    def __post_init__(self) -> None:
        try:
            object.__setattr__(self, "axis", as_integer(self.axis))
        except TypeError:
            raise LayerError(
                f"layer 'concatenate': axis must be a whole number, found {self.axis!r}"
            ) from None

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        """Return two matrices, three arrays of rank three, and one alone."""
        return (
            Example(cls(), ((3, 4), (3, 2))),
            Example(cls(1), ((2, 3, 5), (2, 1, 5), (2, 4, 5))),
            Example(cls(0), ((3, 4),)),
        )

    def shape(self, *shapes: Shape) -> Shape:
        """Return the shape with the sizes along the axis added up.

        Raises:
            LayerError: there is no such axis, or other sizes differ.
        """
        rank = len(shapes[0])
        if not -rank <= self.axis < rank:
            raise LayerError(
                f"layer 'concatenate': axis {self.axis} is out of range for an input of shape "
                f"{shapes[0]}"
            )
        at = self.axis % rank
        others = {shape[:at] + shape[at + 1 :] for shape in shapes}
        if len(others) > 1 or len({len(shape) for shape in shapes}) > 1:
            raise LayerError(
                f"layer 'concatenate': along axis {self.axis} shapes must agree but for that axis, "
                f"found {' and '.join(map(str, shapes))}"
            )
        return (*shapes[0][:at], sum(shape[at] for shape in shapes), *shapes[0][at + 1 :])

    def forward(self, xp: Any, *arrays: Any) -> Any:
        """Return the arrays joined."""
        return xp.concatenate(arrays, axis=self.axis)

    def jacobian(self, y: Expression, *operands: Expression) -> dict[str, Declaration]:
        """Return for each operand the selection of its part of y."""
        at = self.axis % y.ndim
        letters = ascii_letters[2 : y.ndim + 1]
        before, after = letters[:at], letters[at:]
        spec = f"ab -> {before}b{after}/{before}a{after}"
        declared, offset = {}, 0
        for name, x in zip(self.input_names(len(operands)), operands, strict=True):
            part = Affine((x.shape[at],), (1,), offset, y.shape[at])()
            declared[name] = signature(spec, part)
            offset += x.shape[at]
        return declared


def concatenate(operands: Sequence[Expression], axis: int = 0) -> Expression:
    """Return expressions joined along an axis.

    Raises:
        LayerError: there are none, or their shapes do not fit.
    """
    return operands[0] if len(operands) == 1 else Concatenate(axis)(*operands)


def stack(operands: Sequence[Expression], axis: int = 0) -> Expression:
    """Return expressions of one shape joined along a new axis.

    Raises:
        LayerError: there are none, or their shapes differ.
    """
    if not operands:
        raise LayerError("stack: there is nothing to join")
    rank = operands[0].ndim
    if not -rank - 1 <= axis <= rank:
        raise ShapeError(f"stack: axis {axis} is out of range for expressions of {rank} dimensions")
    at = axis % (rank + 1)
    opened = [reshape(each, (*each.shape[:at], 1, *each.shape[at:])) for each in operands]
    return concatenate(opened, at)


@provides("part")
def part(x: Expression, key: Any) -> Expression:
    """Return the part of x that integers, slices, None and an ellipsis name, as in numpy.

    Raises:
        ShapeError: the key names something else, or a place that is not there.
    """
    keys = list(key) if isinstance(key, tuple) else [key]
    named = len([each for each in keys if each is not None and each is not Ellipsis])
    spread = [k for k, each in enumerate(keys) if each is Ellipsis]
    if len(spread) > 1 or named > x.ndim:
        raise ShapeError(f"x[...] of shape {x.shape}: there are more indices than dimensions")
    if not spread:
        spread = [len(keys)]
        keys.append(Ellipsis)
    (at,) = spread
    keys[at : at + 1] = [slice(None)] * (x.ndim - named)
    rules: dict[int, Expression] = {}
    shape: list[int] = []
    axis = 0
    for each in keys:
        if each is None:
            shape.append(1)
            continue
        length = x.shape[axis]
        if isinstance(each, slice):
            places = _places(each, length)
            if places != range(length):
                rules[axis] = Affine((len(places),), (places.step,), places.start, length)()
            shape.append(len(places))
        else:
            rules[axis] = Affine((), (), _place(each, length, x.shape), length)()
        axis += 1
    chosen = select(x, rules) if rules else x
    return chosen if chosen.shape == tuple(shape) else reshape(chosen, shape)


def _places(key: slice, length: int) -> range:
    try:
        return range(*key.indices(length))
    except (TypeError, ValueError) as error:
        raise ShapeError(f"x[...] with {key}: {error}") from None


def _place(key: Any, length: int, shape: Shape) -> int:
    try:
        if isinstance(key, bool):
            raise TypeError  # an integer to Python, but no place
        place = as_integer(key)
    except TypeError:
        raise ShapeError(
            f"x[...] takes integers, slices, None and an ellipsis, found {type(key).__name__}; "
            "integers that are data are for take"
        ) from None
    if not -length <= place < length:
        raise ShapeError(f"index {place} is out of range for an axis of size {length} of {shape}")
    return place % length


def _axis(x: Expression, axis: int) -> int:
    if not -x.ndim <= axis < x.ndim:
        raise ShapeError(f"axis {axis} is out of range for an expression of shape {x.shape}")
    return axis % x.ndim
