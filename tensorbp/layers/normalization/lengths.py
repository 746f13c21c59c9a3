"""Vectors over their length, in any p-norm."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

from tensorbp.errors import LayerError
from tensorbp.expression import stable
from tensorbp.expression.arithmetic import normalized_axes, reshape
from tensorbp.expression.declaration import Declaration
from tensorbp.expression.einsum import einsum
from tensorbp.expression.elementwise import abs, heaviside, power, reciprocal, sign
from tensorbp.expression.layer import Composite, Example, Shape, argument
from tensorbp.expression.node import Expression
from tensorbp.expression.rule import number_argument
from tensorbp.layers.along import AXIS, AxisReduction, along
from tensorbp.layers.checks import blame, whole_number

__all__ = ["LpLength", "LpNormalize", "lp_normalize"]

ORDER = "p of the norm, from 1: 2 is the Euclidean length"
EPSILON = "ε, what a length is at least, above 0"


@dataclass(frozen=True)
class LpLength(AxisReduction):
    """Length of vectors in the p-norm, at least ε: l = max((Σ |x|ᵖ)^(1/p), ε).

    dl/dx_q = sign(x_q) (|x_q|/l)ᵖ⁻¹ where l > ε, else 0; for p = 2 that is x_q/l. The largest
    number is divided out first, so no power overflows.
    """

    name = "lp_length"
    formula = "l = max((Σ |x|ᵖ)^(1/p), ε)"
    temporaries = 5

    p: float = argument(ORDER, 2)
    epsilon: float = argument(EPSILON, 1e-12)

    def __post_init__(self) -> None:
        super().__post_init__()
        _check(self)

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        """Return several norms, and several axes."""
        return (
            Example(cls(), ((3, 4),)),
            Example(cls(axis=1, p=1), ((2, 3, 4),)),
            Example(cls(axis=0, p=3.5), ((5, 2),)),
            Example(cls(p=4), ((2, 3),)),
        )

    def forward(self, xp: Any, *arrays: Any) -> Any:
        """Return m (Σ (|x|/m)ᵖ)^(1/p), m the largest |x|, and at least ε."""
        (x,) = arrays
        size = stable.absolute(xp, x)
        largest = xp.amax(xp.real(size), axis=self.axis, keepdims=True)
        largest = xp.maximum(largest, xp.full_like(largest, self.epsilon))
        power_sum = xp.sum(_power(xp, size / largest, self.p), axis=self.axis)
        length = xp.squeeze(largest, self.axis) * power_sum ** (1 / self.p)
        return xp.maximum(length, xp.full_like(length, self.epsilon))

    def jacobian(self, y: Expression, *operands: Expression) -> dict[str, Declaration]:
        """Return sign(x_q) (|x_q|/l)ᵖ⁻¹ where l > ε, else 0."""
        (x,) = operands
        longer = heaviside(y - self.epsilon)
        if self.p == 1:
            return {"x": self.declare("...,...q -> .../...q", x, longer, sign(x))}
        if self.p == 2:
            inverse = reciprocal(y)
            return {"x": self.declare("...,...,...q -> .../...q", x, longer, inverse, x)}
        spec = along("...q,...->...q", x.ndim, self.axis % x.ndim)
        share = einsum(spec, abs(x), reciprocal(y))
        slope = power(share, self.p - 1)
        return {"x": self.declare("...,...q,...q -> .../...q", x, longer, sign(x), slope)}

    def flops(self, shape: Shape, *shapes: Shape) -> int:
        """Return five for each number of the input: size, maximum, quotient, power, sum."""
        return 5 * prod(shapes[0])


@dataclass(frozen=True)
class LpNormalize(Composite):
    """Vectors of length one along an axis: y = x/l, l = max((Σ |x|ᵖ)^(1/p), ε).

    For p = 2 dy_p/dx_q = (δ_pq - y_p y_q)/l: the part along x is taken away. Vectors shorter than
    ε are divided by ε.
    """

    name = "lp_normalize"
    formula = "y = x/max((Σ |x|ᵖ)^(1/p), ε)"

    axis: int = argument(AXIS, -1)
    p: float = argument(ORDER, 2)
    epsilon: float = argument(EPSILON, 1e-12)

    def __post_init__(self) -> None:
        object.__setattr__(self, "axis", whole_number(self.name, "axis", self.axis))
        _check(self)

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        """Return several norms, and several axes."""
        return (
            Example(cls(), ((3, 4),)),
            Example(cls(axis=1, p=1), ((2, 3, 4),)),
            Example(cls(axis=0, p=3.5), ((5, 2),)),
        )

    def build(self, *operands: Expression, **parameters: Expression) -> Expression:
        """Return x/l."""
        (x,) = operands
        with blame(self.name):
            (axis,) = normalized_axes(self.axis, x.ndim)
        length = LpLength(self.axis, self.p, self.epsilon)(x)
        return x * reciprocal(reshape(length, (*x.shape[:axis], 1, *x.shape[axis + 1 :])))


def lp_normalize(x: Expression, p: float = 2, axis: int = -1, epsilon: float = 1e-12) -> Expression:
    """Return vectors along an axis over their length in the p-norm, or over ε if it is shorter."""
    return LpNormalize(axis, p, epsilon)(x)


def _power(xp: Any, x: Any, exponent: float) -> Any:
    return stable.integer_power(xp, x, exponent) if isinstance(exponent, int) else x**exponent


def _check(layer: LpLength | LpNormalize) -> None:
    p = number_argument(layer.name, "p", layer.p)
    if p < 1:
        raise LayerError(f"layer '{layer.name}': p must be from 1, found {p}")
    epsilon = number_argument(layer.name, "epsilon", layer.epsilon)
    if epsilon <= 0:
        raise LayerError(f"layer '{layer.name}': epsilon must be above 0, found {epsilon}")
    object.__setattr__(layer, "p", p)
    object.__setattr__(layer, "epsilon", epsilon)
