"""Losses that are negative log-likelihoods, and the divergence of two distributions."""

from __future__ import annotations

from dataclasses import dataclass
from math import lgamma, log, pi
from typing import Any

from tensorbp.errors import LayerError
from tensorbp.expression.arithmetic import broadcast_to, sum
from tensorbp.expression.elementwise import exp, log1p, maximum
from tensorbp.expression.elementwise import log as logarithm
from tensorbp.expression.layer import Composite, Example, Input, Shape, argument
from tensorbp.expression.node import Expression
from tensorbp.expression.rule import Function, elementwise, function
from tensorbp.layers.checks import same_shape
from tensorbp.layers.losses.per_sample import (
    ElementwiseLoss,
    has_classes,
    mean_of_sample,
    number_above,
    number_from,
    truth,
)

__all__ = [
    "GaussianNllLoss",
    "KlDivergence",
    "PoissonNllLoss",
    "StudentTNllLoss",
    "XLogX",
    "gaussian_nll_loss",
    "kl_divergence",
    "poisson_nll_loss",
    "student_t_nll_loss",
    "x_log_x",
]

FULL = "whether what depends on no input is added, which makes it the likelihood itself"


def _x_log_x(xp: Any, x: Any) -> Any:
    is_zero = x == 0
    return x * xp.log(xp.where(is_zero, xp.ones_like(x), x))


XLogX = elementwise(
    "x_log_x",
    "y = x ln x, 0 at 0",
    "dy/dx = 1 + ln x",
    _x_log_x,
    lambda y, x: 1 + logarithm(x),
    inputs=(Input("x", low=0.1),),
)
x_log_x: Function = function(XLogX)


@dataclass(frozen=True)
class PoissonNllLoss(ElementwiseLoss):
    """Negative log-likelihood of counts t: l = mean(exp(x) - t x), x the logarithm of their mean.

    dl/dx = (exp(x) - t)/n. Where x is the mean itself it is l = mean(x - t ln(x + ε)). The term
    ln t!, which depends on no prediction, is left out.
    """

    name = "poisson_nll_loss"
    formula = "l = mean(exp(x) - t x)"
    inputs = (Input("x", low=0.5), Input("target", low=0.0))

    log_input: bool = argument("whether x is the logarithm of the mean", True)
    epsilon: float = argument("ε, what keeps the logarithm of a mean finite", 1e-8)

    def __post_init__(self) -> None:
        object.__setattr__(self, "log_input", truth(self.name, "log_input", self.log_input))
        object.__setattr__(self, "epsilon", number_from(self.name, "epsilon", self.epsilon))

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        """Return logarithms of means, and means."""
        return (
            Example(cls(), ((3, 4), (3, 4))),
            Example(cls(log_input=False, epsilon=0.1), ((2, 3, 4), (2, 3, 4))),
        )

    def compare(self, x: Expression, target: Expression) -> Expression:
        """Return exp(x) - t x, or x - t ln(x + ε)."""
        if self.log_input:
            return exp(x) - target * x
        return x - target * logarithm(x + self.epsilon)


@dataclass(frozen=True)
class GaussianNllLoss(Composite):
    """Negative log-likelihood of a normal distribution: l = mean(ln v + (x - t)²/v)/2.

    v is the variance, but at least ε. dl/dx = (x - t)/(v n), dl/dv = (1/v - (x - t)²/v²)/(2n), and
    0 where the variance is below ε. There may be one variance for each number of x, or one for all
    along the last axis, of size one then. Source: Nix and Weigend 1994, Estimating the mean and
    variance of the target probability distribution.
    """

    name = "gaussian_nll_loss"
    formula = "l = mean(ln v + (x - t)²/v)/2, v = max(var, ε)"
    inputs = (Input("x"), Input("target"), Input("var", low=0.5))

    full: bool = argument(FULL, False)
    epsilon: float = argument("ε, the smallest variance, above 0", 1e-6)

    def __post_init__(self) -> None:
        object.__setattr__(self, "full", truth(self.name, "full", self.full))
        object.__setattr__(self, "epsilon", number_above(self.name, "epsilon", self.epsilon))

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        """Return a variance for each number, and one for all of a row; some below the smallest."""
        return (
            Example(cls(), ((3, 4), (3, 4), (3, 4))),
            Example(cls(full=True, epsilon=1.0), ((2, 3, 4), (2, 3, 4), (2, 3, 1))),
            Example(cls(), ((3,), (3,), (3,))),
        )

    def build(self, *operands: Expression, **parameters: Expression) -> Expression:
        """Return half the mean of ln v + (x - t)²/v."""
        x, target, var = operands
        same_shape(self.name, x.shape, target.shape)
        _fits(self.name, "var", x.shape, var.shape)
        variance = maximum(var, self.epsilon)
        deviation = (x - target) ** 2 / broadcast_to(variance, x.shape)
        loss = (broadcast_to(logarithm(variance), x.shape) + deviation) / 2
        return mean_of_sample(loss + log(2 * pi) / 2 if self.full else loss)


@dataclass(frozen=True)
class StudentTNllLoss(Composite):
    """Negative log-likelihood of Student's t: l = mean(ln s + (ν+1)/2 ln(1 + z²/ν)), z = (t - x)/s.

    x is the location and s the scale, above 0. dl/dx = -(ν+1) z/(s (ν + z²) n): a target that is
    far away pulls less and less. Source: Lange, Little and Taylor 1989, Robust statistical
    modeling using the t distribution.
    """

    name = "student_t_nll_loss"
    formula = "l = mean(ln s + (ν+1)/2 ln(1 + z²/ν)), z = (t - x)/s"
    inputs = (Input("x"), Input("target"), Input("scale", low=0.5))

    degrees_of_freedom: float = argument("ν, above 0; the larger, the closer to normal")
    full: bool = argument(FULL, False)

    def __post_init__(self) -> None:
        freedom = number_above(self.name, "degrees_of_freedom", self.degrees_of_freedom)
        object.__setattr__(self, "degrees_of_freedom", freedom)
        object.__setattr__(self, "full", truth(self.name, "full", self.full))

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        """Return a scale for each number, and one for all of a row."""
        return (
            Example(cls(4), ((3, 4), (3, 4), (3, 4))),
            Example(cls(1.5, full=True), ((2, 3, 4), (2, 3, 4), (2, 3, 1))),
        )

    def build(self, *operands: Expression, **parameters: Expression) -> Expression:
        """Return the mean of ln s + (ν+1)/2 ln(1 + z²/ν)."""
        x, target, scale = operands
        same_shape(self.name, x.shape, target.shape)
        _fits(self.name, "scale", x.shape, scale.shape)
        freedom = self.degrees_of_freedom
        z = (target - x) / broadcast_to(scale, x.shape)
        loss = broadcast_to(logarithm(scale), x.shape) + (freedom + 1) / 2 * log1p(z * z / freedom)
        return mean_of_sample(loss + self._constant if self.full else loss)

    @property
    def _constant(self) -> float:
        half = self.degrees_of_freedom / 2
        return lgamma(half) - lgamma(half + 0.5) + log(pi * self.degrees_of_freedom) / 2


@dataclass(frozen=True)
class KlDivergence(Composite):
    """Divergence of Kullback and Leibler: l = Σ_p t_p (ln t_p - x_p), x logarithms.

    The sum is over the last axis, which has the probabilities t and the logarithms x of what is
    predicted; other axes of a sample are averaged. dl/dx_p = -t_p, dl/dt_p = 1 + ln t_p - x_p.
    Source: Kullback and Leibler 1951, On information and sufficiency.
    """

    name = "kl_divergence"
    formula = "l = Σ_p t_p (ln t_p - x_p)"
    inputs = (Input("x"), Input("target", low=0.1, high=1.0))

    log_target: bool = argument("whether the targets are logarithms of probabilities too", False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "log_target", truth(self.name, "log_target", self.log_target))

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        """Return probabilities and their logarithms."""
        return (
            Example(cls(), ((3, 4), (3, 4))),
            Example(cls(log_target=True), ((2, 3, 4), (2, 3, 4))),
        )

    def build(self, *operands: Expression, **parameters: Expression) -> Expression:
        """Return Σ t (ln t - x), averaged over each sample."""
        x, target = operands
        same_shape(self.name, x.shape, target.shape)
        has_classes(self.name, x.shape)
        if self.log_target:
            return mean_of_sample(sum(exp(target) * (target - x), axis=-1))
        return mean_of_sample(sum(x_log_x(target) - target * x, axis=-1))


def _fits(layer: str, name: str, shape: Shape, found: Shape) -> None:
    if found not in (shape, (*shape[:-1], 1)):
        raise LayerError(
            f"layer '{layer}': {name} must have the shape of x, {shape}, or size one along its "
            f"last axis, found {found}"
        )


def poisson_nll_loss(
    x: Expression, target: Expression, log_input: bool = True, epsilon: float = 1e-8
) -> Expression:
    """Return how unlikely counts are, given the logarithm of their mean; the mean of a sample."""
    return PoissonNllLoss(log_input, epsilon)(x, target)


def gaussian_nll_loss(
    x: Expression,
    target: Expression,
    var: Expression,
    full: bool = False,
    epsilon: float = 1e-6,
) -> Expression:
    """Return how unlikely targets are under normal distributions, the mean of each sample."""
    return GaussianNllLoss(full, epsilon)(x, target, var)


def student_t_nll_loss(
    x: Expression,
    target: Expression,
    scale: Expression,
    degrees_of_freedom: float,
    full: bool = False,
) -> Expression:
    """Return how unlikely targets are under Student's t, the mean of each sample."""
    return StudentTNllLoss(degrees_of_freedom, full)(x, target, scale)


def kl_divergence(x: Expression, target: Expression, log_target: bool = False) -> Expression:
    """Return the divergence of targets from log-probabilities x along the last axis."""
    return KlDivergence(log_target)(x, target)
