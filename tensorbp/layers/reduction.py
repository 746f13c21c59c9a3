"""Sums and means over axes."""

from __future__ import annotations

from dataclasses import dataclass

from tensorbp.expression import arithmetic
from tensorbp.expression.layer import Composite, Example, argument
from tensorbp.expression.node import Expression
from tensorbp.layers.checks import axis_or_axes, blame

__all__ = ["Mean", "Sum"]

AXIS = "the axis, or list of axes, over which it is taken; negative ones count from the end"


@dataclass(frozen=True)
class OverAxes(Composite):
    """What sums and means share."""

    axis: int | tuple[int, ...] = argument(AXIS, -1)

    def __post_init__(self) -> None:
        object.__setattr__(self, "axis", axis_or_axes(self.name, self.axis))

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        """Return one over one axis, and over two."""
        return (Example(cls(), ((3, 4),)), Example(cls((1, 2)), ((2, 3, 4),)))


@dataclass(frozen=True)
class Sum(OverAxes):
    """Sum over axes: y = Σ x; dy/dx is one."""

    name = "sum"
    formula = "y = Σ x"

    def build(self, *operands: Expression, **parameters: Expression) -> Expression:
        """Return the sum."""
        (x,) = operands
        with blame(self.name):
            return arithmetic.sum(x, self.axis)


@dataclass(frozen=True)
class Mean(OverAxes):
    """Mean over axes, of n numbers each: y = Σ x / n; dy/dx is 1/n."""

    name = "mean"
    formula = "y = Σ x / n"

    def build(self, *operands: Expression, **parameters: Expression) -> Expression:
        """Return the mean."""
        (x,) = operands
        with blame(self.name):
            return arithmetic.mean(x, self.axis)
