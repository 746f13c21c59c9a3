"""Losses of answers yes or no, from logits; the targets are probabilities."""

from __future__ import annotations

from dataclasses import dataclass

from tensorbp.expression.activation import log_sigmoid, softplus
from tensorbp.expression.elementwise import exp
from tensorbp.expression.layer import Example, Input, argument
from tensorbp.expression.node import Expression
from tensorbp.layers.losses.class_targets import class_weights
from tensorbp.layers.losses.per_sample import (
    ElementwiseLoss,
    number_from,
    share,
    weights_of_classes,
)

__all__ = [
    "BinaryCrossEntropy",
    "FocalLoss",
    "LogisticLoss",
    "binary_cross_entropy",
    "focal_loss",
    "logistic_loss",
    "modulated",
]


@dataclass(frozen=True)
class BinaryCrossEntropy(ElementwiseLoss):
    """Binary cross-entropy with logits: l = mean(ln(1 + exp(x)) - t x), targets t from 0 to 1.

    dl/dx = (σ(x) - t)/n. The logarithm is a softplus, so no logit is too large. With a weight w of
    what is positive it is l = mean((1 - t) x + (1 + (w - 1) t) ln(1 + exp(-x))).
    """

    name = "binary_cross_entropy"
    formula = "l = mean(ln(1 + exp(x)) - t x)"
    inputs = (Input("x"), Input("target", low=0.0, high=1.0))

    pos_weight: float | tuple[float, ...] = argument(
        "w, how much a positive target counts; one number, or one for each class", 1.0
    )
    label_smoothing: float = argument(
        "ε, from 0 to 1: the target is (1 - ε) t + ε/2 in place of t", 0.0
    )

    def __post_init__(self) -> None:
        if isinstance(self.pos_weight, tuple | list):
            weight: object = weights_of_classes(self.name, "pos_weight", self.pos_weight)
        else:
            weight = number_from(self.name, "pos_weight", self.pos_weight)
        object.__setattr__(self, "pos_weight", weight)
        smoothing = share(self.name, "label_smoothing", self.label_smoothing)
        object.__setattr__(self, "label_smoothing", smoothing)

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        """Return samples with several targets, and with one, weights and smoothing."""
        return (
            Example(cls(), ((3, 4), (3, 4))),
            Example(cls(), ((3,), (3,))),
            Example(cls(2.5, label_smoothing=0.1), ((3,), (3,))),
            Example(cls((1, 2, 0.5, 3)), ((2, 3, 4), (2, 3, 4))),
        )

    def compare(self, x: Expression, target: Expression) -> Expression:
        """Return softplus(x) - t x, or its form with weights."""
        if self.label_smoothing:
            target = (1 - self.label_smoothing) * target + self.label_smoothing / 2
        if self.pos_weight == 1:
            return softplus(x) - target * x
        weight: Expression | float = (
            class_weights(self.name, x, self.pos_weight, "pos_weight")
            if isinstance(self.pos_weight, tuple)
            else self.pos_weight
        )
        return (1 - target) * x + (1 + (weight - 1) * target) * softplus(-x)


@dataclass(frozen=True)
class LogisticLoss(ElementwiseLoss):
    """Logistic loss: l = mean(ln(1 + exp(-t x))), targets t = ±1; dl/dx = -t σ(-t x)/n."""

    name = "logistic_loss"
    formula = "l = mean(ln(1 + exp(-t x)))"
    inputs = (Input("x"), Input("target", low=-1.0, high=1.0))

    def compare(self, x: Expression, target: Expression) -> Expression:
        """Return softplus(-t x)."""
        return softplus(-target * x)


@dataclass(frozen=True)
class FocalLoss(ElementwiseLoss):
    """Focal loss with logits: l = mean(α t f(x) + (1 - α)(1 - t) f(-x)), f(x) = -σ(-x)ᵞ ln σ(x).

    f'(x) = σ(-x)ᵞ (γ σ(x) ln σ(x) - σ(-x)): what is certain already counts little. Targets are 0
    or 1; what is between is the expectation. Source: Lin et al. 2017, Focal loss for dense object
    detection, eq. 5.
    """

    name = "focal_loss"
    formula = "l = mean(α t f(x) + (1 - α)(1 - t) f(-x)), f(x) = -σ(-x)ᵞ ln σ(x)"
    inputs = (Input("x"), Input("target", low=0.0, high=1.0))

    gamma: float = argument("γ, from 0 up; with 0 it is the cross-entropy", 2.0)
    alpha: float | None = argument(
        "α, how much positive targets count, from 0 to 1; none is that both count fully", 0.25
    )

    def __post_init__(self) -> None:
        object.__setattr__(self, "gamma", number_from(self.name, "gamma", self.gamma))
        if self.alpha is not None:
            object.__setattr__(self, "alpha", share(self.name, "alpha", self.alpha))

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        """Return the arguments of the source, fractional ones, and none."""
        return (
            Example(cls(), ((3, 4), (3, 4))),
            Example(cls(0.5, alpha=None), ((3,), (3,))),
            Example(cls(0.0, alpha=0.7), ((2, 3, 4), (2, 3, 4))),
        )

    def compare(self, x: Expression, target: Expression) -> Expression:
        """Return α t f(x) + (1 - α)(1 - t) f(-x)."""
        positive, negative = (1, 1) if self.alpha is None else (self.alpha, 1 - self.alpha)
        return positive * target * modulated(x, self.gamma) + negative * (1 - target) * modulated(
            -x, self.gamma
        )


def modulated(x: Expression, gamma: float) -> Expression:
    """Return -σ(-x)ᵞ ln σ(x).

    The power is exp(γ ln σ(-x)), which has derivatives also where σ(-x) is 0 to all digits.
    """
    if not gamma:
        return softplus(-x)
    return exp(gamma * log_sigmoid(-x)) * softplus(-x)


def binary_cross_entropy(
    x: Expression,
    target: Expression,
    pos_weight: float | tuple[float, ...] = 1.0,
    label_smoothing: float = 0.0,
) -> Expression:
    """Return the cross-entropy of logits with targets from 0 to 1, the mean of each sample."""
    return BinaryCrossEntropy(pos_weight, label_smoothing)(x, target)


def logistic_loss(x: Expression, target: Expression) -> Expression:
    """Return ln(1 + exp(-t x)) for targets ±1, the mean of each sample."""
    return LogisticLoss()(x, target)


def focal_loss(
    x: Expression, target: Expression, gamma: float = 2.0, alpha: float | None = 0.25
) -> Expression:
    """Return the cross-entropy of logits, less where it is small, the mean of each sample."""
    return FocalLoss(gamma, alpha)(x, target)
