"""Largest and smallest numbers along axes, and the places where they stand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, ClassVar

from tensorbp.algebra import Dimension, Factor, Term
from tensorbp.errors import LayerError
from tensorbp.expression.arithmetic import normalized_axes, reshape, transpose
from tensorbp.expression.declaration import Declaration
from tensorbp.expression.einsum import product
from tensorbp.expression.layer import Composite, Example, Input, Shape, argument
from tensorbp.expression.node import Expression
from tensorbp.expression.selection import Selection
from tensorbp.layers.along import AxisReduction
from tensorbp.layers.checks import axis_or_axes, blame
from tensorbp.layers.choices import switch

__all__ = ["Argmax", "Argmin", "Found", "Max", "Min", "argmax", "argmin", "max", "min"]

AXIS = "the axis, or list of axes, along which it is found; negative ones count from the end"
KEEPDIMS = "whether the axes stay, with size one"


@dataclass(frozen=True)
class Found(Selection):
    """Places that are found among the data: S[d..., i] = 1 where i = place[d...]."""

    name = "found"
    formula = "S[d..., i] = 1 where i = place[d...], else 0"
    inputs = (Input("places", kind="integer"),)

    size: int = argument("the size of the axis that is selected from")

    def shape(self, *shapes: Shape) -> Shape:
        """Return the shape of the places, with the axis that is selected from at the end."""
        return (*shapes[0], self.size)

    def places(self, xp: Any, *arrays: Any) -> Any:
        """Return the places."""
        return arrays[0]


@dataclass(frozen=True)
class Place(AxisReduction):
    """Where along an axis something is found: integers, which have no derivative."""

    kind: ClassVar[str] = "integer"
    temporaries = 1
    is_recorded = False

    def jacobian(self, y: Expression, *operands: Expression) -> dict[str, Declaration]:
        """Return nothing: integers do not change with x, but where they jump."""
        return {}

    def flops(self, shape: Shape, *shapes: Shape) -> int:
        """Return one for each number of the input."""
        return prod(shapes[0])


@dataclass(frozen=True)
class Argmax(Place):
    """Place of the largest number along an axis, the first if there are several: argmax_p x_p.

    The places are integers: dy/dx is zero.
    """

    name = "argmax"
    formula = "y = argmax_p x_p"

    def forward(self, xp: Any, *arrays: Any) -> Any:
        """Return the first of the largest."""
        return xp.argmax(xp.real(arrays[0]), axis=self.axis)


@dataclass(frozen=True)
class Argmin(Place):
    """Place of the smallest number along an axis, the first if there are several: argmin_p x_p.

    The places are integers: dy/dx is zero.
    """

    name = "argmin"
    formula = "y = argmin_p x_p"

    def forward(self, xp: Any, *arrays: Any) -> Any:
        """Return the first of the smallest."""
        return xp.argmin(xp.real(arrays[0]), axis=self.axis)


@dataclass(frozen=True)
class Extreme(Composite):
    """What the largest and the smallest number share: both are taken from where they are found."""

    finder: ClassVar[type[Place]]

    axis: int | tuple[int, ...] = argument(AXIS, -1)
    keepdims: bool = argument(KEEPDIMS, False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "axis", axis_or_axes(self.name, self.axis))
        switch(self.name, "keepdims", self.keepdims)

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        """Return one axis, and several."""
        return (
            Example(cls(), ((3, 4),)),
            Example(cls(1, True), ((2, 5, 3),)),
            Example(cls((1, 3)), ((2, 3, 5, 4),)),
        )

    def build(self, *operands: Expression, **parameters: Expression) -> Expression:
        """Return the numbers at the places that are found.

        Raises:
            LayerError: there is no such axis, or nothing along it.
        """
        (x,) = operands
        with blame(self.name):
            axes = normalized_axes(self.axis, x.ndim)
        return taken(self.name, self.finder(), x, axes, self.keepdims)


@dataclass(frozen=True)
class Max(Extreme):
    """Largest number along axes: y = x_p for p = argmax x.

    dy/dx is the selection of p: 1 at the largest number, the first of them if there are several.
    """

    name = "max"
    formula = "y = max_p x_p"
    finder = Argmax


@dataclass(frozen=True)
class Min(Extreme):
    """Smallest number along axes: y = x_p for p = argmin x.

    dy/dx is the selection of p: 1 at the smallest number, the first of them if there are several.
    """

    name = "min"
    formula = "y = min_p x_p"
    finder = Argmin


def taken(
    layer: str, finder: Place, x: Expression, axes: Sequence[int], keepdims: bool
) -> Expression:
    """Return the numbers of x at the places that are found along axes.

    Args:
        layer: the name of the layer.
        finder: finds places along the last axis.
        x: the expression.
        axes: along which axes, taken as one.
        keepdims: whether they stay, with size one.

    Raises:
        LayerError: there is nothing along the axes.
    """
    kept = [k for k in range(x.ndim) if k not in axes]
    size = prod(x.shape[k] for k in axes)
    if not size:
        raise LayerError(
            f"layer '{layer}': there must be at least one number along the axes {tuple(axes)}, "
            f"found an input of shape {x.shape}"
        )
    rows = reshape(transpose(x, (*kept, *axes)), (*[x.shape[k] for k in kept], size))
    selection = Found(size)(finder(rows))
    output: list[Dimension] = [
        (k,) if k in kept else () for k in range(x.ndim) if keepdims or k in kept
    ]
    factors = [
        Factor(x, tuple([(k,) for k in range(x.ndim)])),
        Factor(selection, (*[(k,) for k in kept], tuple(axes))),
    ]
    return product(Term.of(1, factors, output, (), x.shape))


def max(
    x: Expression, axis: int | Sequence[int] | None = None, keepdims: bool = False
) -> Expression:
    """Return the largest number along axes, by default of all.

    >>> import tensorbp as tb
    >>> tb.max(tb.variable("x", 5, 7), axis=0).shape
    (7,)

    Args:
        x: the expression.
        axis: along which axes; negative ones count from the end.
        keepdims: keep them as dimensions of size one.

    Raises:
        LayerError: there is no such axis, or nothing along it.
    """
    return Max(tuple(range(x.ndim)) if axis is None else axis, keepdims)(x)  # type: ignore[arg-type]


def min(
    x: Expression, axis: int | Sequence[int] | None = None, keepdims: bool = False
) -> Expression:
    """Return the smallest number along axes, by default of all.

    Args:
        x: the expression.
        axis: along which axes; negative ones count from the end.
        keepdims: keep them as dimensions of size one.

    Raises:
        LayerError: there is no such axis, or nothing along it.
    """
    return Min(tuple(range(x.ndim)) if axis is None else axis, keepdims)(x)  # type: ignore[arg-type]


def argmax(x: Expression, axis: int = -1) -> Expression:
    """Return the place of the largest number along an axis, the first if there are several."""
    return Argmax(axis)(x)


def argmin(x: Expression, axis: int = -1) -> Expression:
    """Return the place of the smallest number along an axis, the first if there are several."""
    return Argmin(axis)(x)
