"""Softmax and its logarithms, along any axis.

All three subtract the maximum first, which changes no result and keeps exp from overflowing.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

from tensorbp.expression.declaration import Declaration
from tensorbp.expression.elementwise import exp
from tensorbp.expression.layer import Shape
from tensorbp.expression.node import Expression
from tensorbp.layers.along import AlongAxis, AxisReduction

__all__ = [
    "LogSoftmax",
    "LogSumExp",
    "Softmax",
    "log_softmax",
    "logsumexp",
    "maximum_along",
    "softmax",
]


def maximum_along(xp: Any, x: Any, axis: int) -> Any:
    """Return the maximum of the real parts along an axis, which is kept with size one."""
    return xp.amax(xp.real(x), axis=axis, keepdims=True)


@dataclass(frozen=True)
class Softmax(AlongAxis):
    """Softmax: y_p = exp(x_p) / Σ_q exp(x_q).

    dy_p/dx_q = y_p δ_pq - y_p y_q: two terms, of which the first keeps the delta.
    Source: Bridle 1990, Probabilistic interpretation of feedforward classification outputs.
    """

    name = "softmax"
    formula = "y_p = exp(x_p) / Σ_q exp(x_q)"

    def forward(self, xp: Any, *arrays: Any) -> Any:
        """Return exp(x - max) over its sum."""
        (x,) = arrays
        e = xp.exp(x - maximum_along(xp, x, self.axis))
        return e / xp.sum(e, axis=self.axis, keepdims=True)

    def jacobian(self, y: Expression, *operands: Expression) -> dict[str, Declaration]:
        """Return y_p δ_pq - y_p y_q."""
        (x,) = operands
        scaling = self.declare("...p -> ...p/...p", x, y)
        return {"x": scaling - self.declare("...p,...q -> ...p/...q", x, y, y)}

    def flops(self, shape: Shape, *shapes: Shape) -> int:
        """Return five for each number: maximum, difference, exp, sum, quotient."""
        return 5 * prod(shape)

    def scratch(self, shape: Shape, *shapes: Shape) -> int:
        """Return the exponentials, and for each row its maximum and its sum."""
        return prod(shape) + 2 * prod(shape) // max(shape[self.axis], 1)


@dataclass(frozen=True)
class LogSoftmax(AlongAxis):
    """Logarithm of softmax: y_p = x_p - ln Σ_q exp(x_q).

    dy_p/dx_q = δ_pq - exp(y_q): the first term is the identity, and has no factor.
    """

    name = "log_softmax"
    formula = "y_p = x_p - ln Σ_q exp(x_q)"
    temporaries = 2

    def forward(self, xp: Any, *arrays: Any) -> Any:
        """Return x - max - ln Σ exp(x - max)."""
        (x,) = arrays
        shifted = x - maximum_along(xp, x, self.axis)
        return shifted - xp.log(xp.sum(xp.exp(shifted), axis=self.axis, keepdims=True))

    def jacobian(self, y: Expression, *operands: Expression) -> dict[str, Declaration]:
        """Return δ_pq - exp(y_q)."""
        (x,) = operands
        identity = self.declare("-> ...p/...p", x)
        return {"x": identity - self.declare("...q -> ...p/...q", x, exp(y))}

    def flops(self, shape: Shape, *shapes: Shape) -> int:
        """Return five for each number: maximum, two differences, exp, sum."""
        return 5 * prod(shape)


@dataclass(frozen=True)
class LogSumExp(AxisReduction):
    """Logarithm of a sum of exponentials: y = ln Σ_p exp(x_p); dy/dx_p = softmax(x)_p."""

    name = "logsumexp"
    formula = "y = ln Σ_p exp(x_p)"

    def forward(self, xp: Any, *arrays: Any) -> Any:
        """Return max + ln Σ exp(x - max)."""
        (x,) = arrays
        largest = maximum_along(xp, x, self.axis)
        total = xp.sum(xp.exp(x - largest), axis=self.axis)
        return xp.squeeze(largest, self.axis) + xp.log(total)

    def jacobian(self, y: Expression, *operands: Expression) -> dict[str, Declaration]:
        """Return softmax(x)."""
        (x,) = operands
        return {"x": self.declare("...p -> .../...p", x, softmax(x, self.axis))}

    def flops(self, shape: Shape, *shapes: Shape) -> int:
        """Return four for each number of the input: maximum, difference, exp, sum."""
        return 4 * prod(shapes[0])


def softmax(x: Expression, axis: int = -1) -> Expression:
    """Return exp(x) over its sum along an axis."""
    return Softmax(axis)(x)


def log_softmax(x: Expression, axis: int = -1) -> Expression:
    """Return the logarithm of softmax along an axis."""
    return LogSoftmax(axis)(x)


def logsumexp(x: Expression, axis: int = -1) -> Expression:
    """Return ln Σ exp(x) along an axis, which falls away."""
    return LogSumExp(axis)(x)
