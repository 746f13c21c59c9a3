"""The activations that bend at given places: clipped, shrunk and hard ones, one rule each.

At a bend the derivative is that of the flat side.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tensorbp.errors import LayerError
from tensorbp.expression import stable
from tensorbp.expression.elementwise import abs, heaviside
from tensorbp.expression.layer import Example, Input, argument
from tensorbp.expression.node import Expression
from tensorbp.expression.rule import (
    Derivatives,
    Elementwise,
    Function,
    apply,
    elementwise,
    function,
    number_argument,
)

_PAST_BOTH_ENDS = (Input("x", low=-9.0, high=9.0),)

Relu6 = elementwise(
    "relu6",
    "y = min(max(x, 0), 6)",
    "dy/dx = 1 where 0 < x < 6, else 0",
    lambda xp, x: stable.clipped(xp, x, 0.0, 6.0),
    lambda y, x: _inside(x, 0, 6),
    inputs=_PAST_BOTH_ENDS,
    source="Krizhevsky 2010, Convolutional deep belief networks on CIFAR-10",
)
HardSigmoid = elementwise(
    "hard_sigmoid",
    "y = min(max(x + 3, 0), 6)/6",
    "dy/dx = 1/6 where -3 < x < 3, else 0",
    lambda xp, x: stable.clipped(xp, x + 3, 0.0, 6.0) / 6,
    lambda y, x: _inside(x, -3, 3) / 6,
    inputs=_PAST_BOTH_ENDS,
    source="Courbariaux, Bengio and David 2015, BinaryConnect",
)
HardSwish = elementwise(
    "hard_swish",
    "y = x min(max(x + 3, 0), 6)/6",
    "dy/dx = x/3 + ½ where -3 < x < 3, 1 above, 0 below",
    lambda xp, x: x * (stable.clipped(xp, x + 3, 0.0, 6.0) / 6),
    lambda y, x: hard_sigmoid(x) + x * _inside(x, -3, 3) / 6,
    inputs=_PAST_BOTH_ENDS,
    source="Howard et al. 2019, Searching for MobileNetV3, eq. 4",
)


@dataclass(frozen=True)
class HardTanh(Elementwise):
    """Elementwise y = min(max(x, low), high); dy/dx = 1 where low < x < high, else 0.

    Source: Collobert 2004, Large scale machine learning.
    """

    name = "hard_tanh"
    formula = "y = min(max(x, low), high)"
    inputs = _PAST_BOTH_ENDS

    low: float = argument("the smallest value", -1.0)
    high: float = argument("the largest value", 1.0)

    def __post_init__(self) -> None:
        low = number_argument(self.name, "low", self.low)
        high = number_argument(self.name, "high", self.high)
        if low >= high:
            raise LayerError(f"layer 'hard_tanh': low must be below high, found {low} and {high}")
        object.__setattr__(self, "low", low)
        object.__setattr__(self, "high", high)

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        """Return the symmetric one, and one that is not."""
        return (Example(cls(), ((3, 4),)), Example(cls(-0.5, 3), ((3, 4),)))

    def forward(self, xp: Any, *arrays: Any) -> Any:
        """Return min(max(x, low), high)."""
        (x,) = arrays
        return stable.clipped(xp, x, self.low, self.high)

    def derivatives(self, y: Expression, *x: Expression) -> Derivatives:
        """Return 1 between the two values, else 0."""
        return (_inside(x[0], self.low, self.high),)


@dataclass(frozen=True)
class Softshrink(Elementwise):
    """Elementwise y = sign(x) max(|x| - threshold, 0); dy/dx = 1 where |x| > threshold, else 0.

    Source: Donoho 1995, De-noising by soft-thresholding.
    """

    name = "softshrink"
    formula = "y = sign(x) max(|x| - threshold, 0)"

    threshold: float = argument("up to where y is 0, from 0", 0.5)

    def __post_init__(self) -> None:
        object.__setattr__(self, "threshold", _not_negative(self.name, self.threshold))

    def forward(self, xp: Any, *arrays: Any) -> Any:
        """Return max(x - threshold, 0) + min(x + threshold, 0)."""
        (x,) = arrays
        above = stable.positive_part(xp, x - self.threshold)
        return above + stable.negative_part(xp, x + self.threshold)

    def derivatives(self, y: Expression, *x: Expression) -> Derivatives:
        """Return 1 where |x| > threshold, else 0."""
        return (_outside(x[0], self.threshold),)


@dataclass(frozen=True)
class Hardshrink(Elementwise):
    """Elementwise y = x where |x| > threshold, else 0; dy/dx = 1 where |x| > threshold, else 0.

    Source: Donoho and Johnstone 1994, Ideal spatial adaptation by wavelet shrinkage.
    """

    name = "hardshrink"
    formula = "y = x where |x| > threshold, else 0"

    threshold: float = argument("up to where y is 0, from 0", 0.5)

    def __post_init__(self) -> None:
        object.__setattr__(self, "threshold", _not_negative(self.name, self.threshold))

    def forward(self, xp: Any, *arrays: Any) -> Any:
        """Return x, or 0 where |x| is no larger than the threshold."""
        (x,) = arrays
        size = stable.absolute(xp, xp.real(x))
        return xp.where(size > self.threshold, x, xp.zeros_like(x))

    def derivatives(self, y: Expression, *x: Expression) -> Derivatives:
        """Return 1 where |x| > threshold, else 0."""
        return (_outside(x[0], self.threshold),)


def _inside(x: Expression, low: float, high: float) -> Expression:
    return heaviside(x - low) * heaviside(high - x)


def _outside(x: Expression, threshold: float) -> Expression:
    return heaviside(abs(x) - threshold)


def _not_negative(layer: str, threshold: object) -> int | float:
    number = number_argument(layer, "threshold", threshold)
    if number < 0:
        raise LayerError(f"layer '{layer}': threshold must not be negative, found {number}")
    return number


hard_sigmoid: Function = function(HardSigmoid)
hard_swish: Function = function(HardSwish)
relu6: Function = function(Relu6)


def hard_tanh(x: Expression, low: float = -1.0, high: float = 1.0) -> Expression:
    """Return min(max(x, low), high)."""
    return apply(HardTanh(low, high), x)


def hardshrink(x: Expression, threshold: float = 0.5) -> Expression:
    """Return x where |x| > threshold, else 0."""
    return apply(Hardshrink(threshold), x)


def softshrink(x: Expression, threshold: float = 0.5) -> Expression:
    """Return sign(x) max(|x| - threshold, 0)."""
    return apply(Softshrink(threshold), x)
