"""Layers that move numbers: parts, joins, repetitions and other orders along an axis."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tensorbp.algebra import Dimension, Factor, Term
from tensorbp.errors import LayerError, ShapeError
from tensorbp.expression import indexing
from tensorbp.expression.arithmetic import normalized_axes, reshape
from tensorbp.expression.einsum import product
from tensorbp.expression.layer import Composite, Example, argument
from tensorbp.expression.node import Expression
from tensorbp.layers.checks import axis_or_axes, blame, whole_number, whole_numbers
from tensorbp.layers.moving.splitting import chunk

__all__ = [
    "Chunk",
    "ExpandDims",
    "Flip",
    "Index",
    "RepeatInterleave",
    "Roll",
    "Slice",
    "Squeeze",
    "Stack",
    "Tile",
    "expand_dims",
    "repeat_interleave",
    "squeeze",
]

AXIS = "the axis; the batch is 0, negative ones count from the end"
AXES = "the axis, or list of axes; the batch is 0, negative ones count from the end"


@dataclass(frozen=True)
class Stack(Composite):
    """Arrays of one shape joined along a new axis: y[..., k, ...] = x_k; dy/dx_k is a selection."""

    name = "stack"
    formula = "y[..., k, ...] = x_k[..., ...]"
    variadic = True

    axis: int = argument("where the new axis stands; negative ones count from the end", -1)

    def __post_init__(self) -> None:
        _whole(self, "axis")

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        """Return two, three and a single array."""
        return (
            Example(cls(), ((3, 4), (3, 4))),
            Example(cls(1), ((2, 5), (2, 5), (2, 5))),
            Example(cls(0), ((3,),)),
        )

    def build(self, *operands: Expression, **parameters: Expression) -> Expression:
        """Return the inputs joined."""
        with blame(self.name):
            if len({each.shape for each in operands}) > 1:
                shapes = " and ".join(str(each.shape) for each in operands)
                raise ShapeError(
                    f"inputs must have one shape, found {shapes}; concatenate joins along an axis "
                    "that is there"
                )
            return indexing.stack(operands, self.axis)


@dataclass(frozen=True)
class Slice(Composite):
    """Places from start to stop along an axis: y_k = x_(start + k step); dy/dx is a selection.

    As in Python, stop itself is not taken, negative places count from the end, and what lies beyond
    the ends is left out.
    """

    name = "slice"
    formula = "y_k = x_(start + k step)"

    axis: int = argument(AXIS, -1)
    start: int | None = argument("the first place, by default where the axis begins", None)
    stop: int | None = argument("the place before which it ends, by default all are taken", None)
    step: int = argument("from one place to the next; negative ones go backwards", 1)

    def __post_init__(self) -> None:
        _whole(self, "axis", "step")
        for name in ("start", "stop"):
            if getattr(self, name) is not None:
                _whole(self, name)
        if not self.step:
            raise LayerError("layer 'slice': step must not be 0")

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        """Return parts of the last axis and of others, with steps, and backwards."""
        return (
            Example(cls(start=1, stop=3), ((3, 4),)),
            Example(cls(1, step=2), ((2, 5, 3),)),
            Example(cls(1, -2, None, -2), ((2, 6),)),
            Example(cls(stop=-1), ((3, 4),)),
        )

    def build(self, *operands: Expression, **parameters: Expression) -> Expression:
        """Return the part."""
        (x,) = operands
        with blame(self.name):
            (at,) = normalized_axes(self.axis, x.ndim)
            return x[(*(slice(None),) * at, slice(self.start, self.stop, self.step))]


@dataclass(frozen=True)
class Index(Composite):
    """One place along an axis, which goes: y[..., ...] = x[..., position, ...].

    dy/dx is a selection of a single place.
    """

    name = "index"
    formula = "y[..., ...] = x[..., position, ...]"

    position: int = argument("the place; negative ones count from the end")
    axis: int = argument(AXIS, -1)

    def __post_init__(self) -> None:
        _whole(self, "position", "axis")

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        """Return a feature, and the last of a sequence."""
        return (Example(cls(1), ((3, 4),)), Example(cls(-1, axis=1), ((2, 5, 3),)))

    def build(self, *operands: Expression, **parameters: Expression) -> Expression:
        """Return what stands at the place."""
        (x,) = operands
        with blame(self.name):
            (at,) = normalized_axes(self.axis, x.ndim)
            return x[(*(slice(None),) * at, self.position)]


@dataclass(frozen=True)
class Chunk(Composite):
    """One of several pieces of an axis, all of one size but the last: y_k = x_(k + which · size).

    size is the size of the axis over the number of pieces, rounded up. dy/dx is a selection.
    """

    name = "chunk"
    formula = "y_k = x_(k + which · size), size = ⌈n / chunks⌉"

    chunks: int = argument("how many pieces there are")
    which: int = argument("the piece that is taken, counted from 0; negative from the end")
    axis: int = argument(AXIS, -1)

    def __post_init__(self) -> None:
        object.__setattr__(self, "chunks", whole_number("chunk", "chunks", self.chunks, least=1))
        _whole(self, "which", "axis")

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        """Return one of two, and the last of three, which is smaller."""
        return (Example(cls(2, 1), ((3, 4),)), Example(cls(3, -1, axis=1), ((2, 5, 3),)))

    def build(self, *operands: Expression, **parameters: Expression) -> Expression:
        """Return the piece.

        Raises:
            LayerError: there is no such piece.
        """
        (x,) = operands
        with blame(self.name):
            pieces = chunk(x, self.chunks, self.axis)
        if not -len(pieces) <= self.which < len(pieces):
            raise LayerError(
                f"layer 'chunk': which must be from {-len(pieces)} to {len(pieces) - 1}, as axis "
                f"{self.axis} of x of shape {x.shape} makes {len(pieces)} pieces, found "
                f"{self.which}"
            )
        return pieces[self.which]


@dataclass(frozen=True)
class Flip(Composite):
    """The order along axes reversed: y_k = x_(n - 1 - k); dy/dx is a selection."""

    name = "flip"
    formula = "y_k = x_(n - 1 - k)"

    axis: int | tuple[int, ...] = argument(AXES, -1)

    def __post_init__(self) -> None:
        object.__setattr__(self, "axis", axis_or_axes(self.name, self.axis))

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        """Return one axis, and two."""
        return (Example(cls(), ((3, 4),)), Example(cls((1, 2)), ((2, 3, 4),)))

    def build(self, *operands: Expression, **parameters: Expression) -> Expression:
        """Return x with axes reversed."""
        (x,) = operands
        with blame(self.name):
            return indexing.flip(x, normalized_axes(self.axis, x.ndim))


@dataclass(frozen=True)
class Roll(Composite):
    """All moved along an axis, in a circle: y_k = x_(k - shift mod n); dy/dx is a selection."""

    name = "roll"
    formula = "y_k = x_(k - shift mod n)"

    shift: int = argument("how many places it is moved; negative ones towards the beginning")
    axis: int = argument(AXIS, -1)

    def __post_init__(self) -> None:
        _whole(self, "shift", "axis")

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        """Return forwards, and backwards along another axis."""
        return (Example(cls(1), ((3, 4),)), Example(cls(-2, axis=1), ((2, 5, 3),)))

    def build(self, *operands: Expression, **parameters: Expression) -> Expression:
        """Return x moved."""
        (x,) = operands
        with blame(self.name):
            return indexing.roll(x, self.shift, self.axis)


@dataclass(frozen=True)
class Tile(Composite):
    """The whole repeated along each axis: y_(n j + k) = x_k; dy/dx has no factor, only deltas."""

    name = "tile"
    formula = "y_(n j + k) = x_k"

    repetitions: tuple[int, ...] = argument("how often, along each axis; the batch is the first")

    def __post_init__(self) -> None:
        numbers = whole_numbers(self.name, "repetitions", self.repetitions)
        object.__setattr__(self, "repetitions", numbers)

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        """Return one axis repeated, and two."""
        return (Example(cls((1, 3)), ((2, 4),)), Example(cls((1, 2, 3)), ((2, 3, 4),)))

    def build(self, *operands: Expression, **parameters: Expression) -> Expression:
        """Return x repeated."""
        (x,) = operands
        with blame(self.name):
            return indexing.tile(x, self.repetitions)


@dataclass(frozen=True)
class RepeatInterleave(Composite):
    """Each place of an axis repeated: y_(r k + j) = x_k, r the repeats; dy/dx has only deltas.

    It is free: what is repeated is never written out, where nobody asks for it.
    """

    name = "repeat_interleave"
    formula = "y_(r k + j) = x_k"

    repeats: int = argument("how often each place is repeated")
    axis: int = argument(AXIS, -1)

    def __post_init__(self) -> None:
        repeats = whole_number(self.name, "repeats", self.repeats, least=0)
        object.__setattr__(self, "repeats", repeats)
        _whole(self, "axis")

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        """Return features, and tokens."""
        return (Example(cls(3), ((2, 4),)), Example(cls(2, axis=1), ((2, 3, 4),)))

    def build(self, *operands: Expression, **parameters: Expression) -> Expression:
        """Return x with its places repeated."""
        (x,) = operands
        with blame(self.name):
            return repeat_interleave(x, self.repeats, self.axis)


@dataclass(frozen=True)
class ExpandDims(Composite):
    """A new axis of size one: y[..., 0, ...] = x[..., ...]; dy/dx is the identity."""

    name = "expand_dims"
    formula = "y[..., 0, ...] = x[..., ...]"

    axis: int = argument("where the new axis stands; negative ones count from the end", -1)

    def __post_init__(self) -> None:
        _whole(self, "axis")

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        """Return it last, and behind the batch."""
        return (Example(cls(), ((3, 4),)), Example(cls(1), ((2, 3),)))

    def build(self, *operands: Expression, **parameters: Expression) -> Expression:
        """Return x with one axis more."""
        (x,) = operands
        with blame(self.name):
            return expand_dims(x, self.axis)


@dataclass(frozen=True)
class Squeeze(Composite):
    """Axes of size one taken away: y[..., ...] = x[..., 0, ...]; dy/dx is the identity."""

    name = "squeeze"
    formula = "y[..., ...] = x[..., 0, ...]"

    axis: int | tuple[int, ...] = argument(AXES, -1)

    def __post_init__(self) -> None:
        object.__setattr__(self, "axis", axis_or_axes(self.name, self.axis))

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        """Return one axis, and two."""
        return (Example(cls(), ((3, 4, 1),)), Example(cls((1, -1)), ((2, 1, 3, 1),)))

    def build(self, *operands: Expression, **parameters: Expression) -> Expression:
        """Return x without the axes."""
        (x,) = operands
        with blame(self.name):
            return squeeze(x, self.axis)


def repeat_interleave(x: Expression, repeats: int, axis: int) -> Expression:
    """Return x with each place of an axis repeated, the copies side by side.

    >>> import tensorbp as tb
    >>> tb.repeat_interleave(tb.variable("x", 4, 3), 2, axis=1).shape
    (4, 6)

    Args:
        x: the expression.
        repeats: how often.
        axis: the axis.

    Raises:
        ShapeError: the axis is out of range, or the number is negative.
    """
    if repeats < 0:
        raise ShapeError(f"repeat_interleave: repeats must be from 0, found {repeats}")
    (at,) = normalized_axes(axis, x.ndim)
    copies = x.ndim
    dimensions = tuple([(k,) for k in range(x.ndim)])
    output: list[Dimension] = [(k, copies) if k == at else (k,) for k in range(x.ndim)]
    return product(Term.of(1, [Factor(x, dimensions)], output, (), (*x.shape, repeats)))


def expand_dims(x: Expression, axis: int) -> Expression:
    """Return x with a new axis of size one.

    Raises:
        ShapeError: the axis is out of range of the output.
    """
    (at,) = normalized_axes(axis, x.ndim + 1)
    return reshape(x, (*x.shape[:at], 1, *x.shape[at:]))


def squeeze(x: Expression, axis: int | tuple[int, ...]) -> Expression:
    """Return x without axes of size one.

    Raises:
        ShapeError: an axis is out of range, or has another size.
    """
    axes = normalized_axes(axis, x.ndim)
    for each in axes:
        if x.shape[each] != 1:
            raise ShapeError(
                f"squeeze: axis {each} of an expression of shape {x.shape} has size "
                f"{x.shape[each]}; only axes of size 1 can go"
            )
    return reshape(x, [size for k, size in enumerate(x.shape) if k not in axes])


def _whole(layer: Any, *names: str) -> None:
    for name in names:
        number = whole_number(layer.name, name, getattr(layer, name))
        object.__setattr__(layer, name, number)
