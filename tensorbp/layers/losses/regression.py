"""Losses of numbers that a model predicts: from squares to what outliers cannot dominate."""

from __future__ import annotations

from dataclasses import dataclass
from math import log
from typing import Any

from tensorbp.errors import LayerError
from tensorbp.expression import stable
from tensorbp.expression.activation import relu, tanh
from tensorbp.expression.elementwise import abs, maximum, minimum
from tensorbp.expression.layer import Example, argument
from tensorbp.expression.node import Expression
from tensorbp.expression.rule import Function, elementwise, function, number_argument
from tensorbp.layers.losses.per_sample import ElementwiseLoss, number_above, number_from

__all__ = [
    "HuberLoss",
    "L1Loss",
    "LogCosh",
    "LogCoshLoss",
    "MeanSquaredError",
    "QuantileLoss",
    "SmoothL1Loss",
    "huber_loss",
    "l1_loss",
    "log_cosh",
    "log_cosh_loss",
    "mean_squared_error",
    "quantile_loss",
    "smooth_l1_loss",
]


def _log_cosh(xp: Any, x: Any) -> Any:
    """Return ln cosh(x): near 0 as ln(1 + 2 sinh²(x/2)), else as |x| + ln(1 + exp(-2|x|)) - ln 2.

    The first keeps the digits of x²/2, the second does not overflow.
    """
    size = stable.absolute(xp, x)
    near = xp.minimum(size, xp.ones_like(size))
    square = xp.sinh(near / 2) ** 2
    far = size + xp.log1p(xp.exp(-2 * size)) - log(2)
    return xp.where(xp.real(size) < 1, xp.log1p(2 * square), far)


LogCosh = elementwise(
    "log_cosh",
    "y = ln cosh(x)",
    "dy/dx = tanh(x)",
    _log_cosh,
    lambda y, x: tanh(x),
    temporaries=6,
)
log_cosh: Function = function(LogCosh)


@dataclass(frozen=True)
class MeanSquaredError(ElementwiseLoss):
    """Mean squared error of each sample: l = mean((x - t)²); dl/dx = 2(x - t)/n."""

    name = "mean_squared_error"
    formula = "l = mean((x - t)²)"

    def compare(self, x: Expression, target: Expression) -> Expression:
        """Return (x - t)²."""
        return (x - target) ** 2


@dataclass(frozen=True)
class L1Loss(ElementwiseLoss):
    """Mean absolute error of each sample: l = mean(|x - t|); dl/dx = sign(x - t)/n, 0 at 0."""

    name = "l1_loss"
    formula = "l = mean(|x - t|)"

    def compare(self, x: Expression, target: Expression) -> Expression:
        """Return |x - t|."""
        return abs(x - target)


@dataclass(frozen=True)
class HuberLoss(ElementwiseLoss):
    """Huber loss: l = mean(r²/2 where |r| < δ, else δ(|r| - δ/2)), r = x - t.

    dl/dx = c/n, where c is r limited to -δ and δ. Source: Huber 1964, Robust estimation of a
    location parameter.
    """

    name = "huber_loss"
    formula = "l = mean(r²/2 where |r| < δ, else δ(|r| - δ/2)), r = x - t"

    delta: float = argument("δ, the size of the error from which the loss is linear", 1.0)

    def __post_init__(self) -> None:
        object.__setattr__(self, "delta", number_above(self.name, "delta", self.delta))

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        """Return one error in which both branches occur, and others."""
        return (Example(cls(), ((3, 4), (3, 4))), Example(cls(0.3), ((2, 3, 4), (2, 3, 4))))

    def compare(self, x: Expression, target: Expression) -> Expression:
        """Return c(r - c/2), which is both branches at once."""
        return _huber(x - target, self.delta)


@dataclass(frozen=True)
class SmoothL1Loss(ElementwiseLoss):
    """Smooth absolute error: l = mean(r²/(2β) where |r| < β, else |r| - β/2), r = x - t.

    dl/dx = c/(β n), where c is r limited to -β and β; for β = 0 it is the absolute error. Source:
    Girshick 2015, Fast R-CNN, eq. 3.
    """

    name = "smooth_l1_loss"
    formula = "l = mean(r²/(2β) where |r| < β, else |r| - β/2), r = x - t"

    beta: float = argument("β, the size of the error from which the loss is linear", 1.0)

    def __post_init__(self) -> None:
        object.__setattr__(self, "beta", number_from(self.name, "beta", self.beta))

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        """Return a wide and a narrow rounding, and none."""
        return (
            Example(cls(), ((3, 4), (3, 4))),
            Example(cls(0.3), ((2, 3, 4), (2, 3, 4))),
            Example(cls(0.0), ((3,), (3,))),
        )

    def compare(self, x: Expression, target: Expression) -> Expression:
        """Return the Huber loss over β."""
        if not self.beta:
            return abs(x - target)
        return _huber(x - target, self.beta) / self.beta


@dataclass(frozen=True)
class LogCoshLoss(ElementwiseLoss):
    """Logarithm of the hyperbolic cosine: l = mean(ln cosh(x - t)); dl/dx = tanh(x - t)/n.

    It is r²/2 for small errors r and |r| - ln 2 for large ones, and smooth everywhere.
    """

    name = "log_cosh_loss"
    formula = "l = mean(ln cosh(x - t))"

    def compare(self, x: Expression, target: Expression) -> Expression:
        """Return ln cosh(x - t)."""
        return log_cosh(x - target)


@dataclass(frozen=True)
class QuantileLoss(ElementwiseLoss):
    """Quantile or pinball loss: l = mean(q max(t - x, 0) + (1 - q) max(x - t, 0)).

    dl/dx = -q/n where x < t, (1 - q)/n where x > t, 0 where they are equal. Its minimum is the
    q-quantile. Source: Koenker and Bassett 1978, Regression quantiles.
    """

    name = "quantile_loss"
    formula = "l = mean(q max(t - x, 0) + (1 - q) max(x - t, 0))"

    quantile: float = argument("q, the quantile that is predicted, above 0 and below 1", 0.5)

    def __post_init__(self) -> None:
        quantile = number_argument(self.name, "quantile", self.quantile)
        if not 0 < quantile < 1:
            raise LayerError(
                f"layer '{self.name}': quantile must be above 0 and below 1, found {quantile}"
            )
        object.__setattr__(self, "quantile", quantile)

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        """Return the median and a high quantile."""
        return (Example(cls(), ((3, 4), (3, 4))), Example(cls(0.9), ((2, 3, 4), (2, 3, 4))))

    def compare(self, x: Expression, target: Expression) -> Expression:
        """Return q max(t - x, 0) + (1 - q) max(x - t, 0)."""
        return self.quantile * relu(target - x) + (1 - self.quantile) * relu(x - target)


def _huber(error: Expression, delta: float) -> Expression:
    limited = minimum(maximum(error, -delta), delta)
    return limited * (error - limited / 2)


def mean_squared_error(x: Expression, target: Expression) -> Expression:
    """Return the mean of squared differences of each sample."""
    return MeanSquaredError()(x, target)


def l1_loss(x: Expression, target: Expression) -> Expression:
    """Return the mean of absolute differences of each sample."""
    return L1Loss()(x, target)


def huber_loss(x: Expression, target: Expression, delta: float = 1.0) -> Expression:
    """Return half the squared error where it is smaller than delta, else what is linear."""
    return HuberLoss(delta)(x, target)


def smooth_l1_loss(x: Expression, target: Expression, beta: float = 1.0) -> Expression:
    """Return the absolute error, rounded where it is smaller than beta, the mean of each sample."""
    return SmoothL1Loss(beta)(x, target)


def log_cosh_loss(x: Expression, target: Expression) -> Expression:
    """Return ln cosh of the differences, the mean of each sample."""
    return LogCoshLoss()(x, target)


def quantile_loss(x: Expression, target: Expression, quantile: float = 0.5) -> Expression:
    """Return the loss of which the quantile is the minimum, the mean of each sample."""
    return QuantileLoss(quantile)(x, target)
