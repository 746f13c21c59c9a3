"""Losses: one number for each sample, the mean over whatever axes a sample has."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import prod
from typing import Any

from tensorbp.errors import LayerError
from tensorbp.expression.activation import softplus
from tensorbp.expression.arithmetic import mean
from tensorbp.expression.declaration import Declaration, signature
from tensorbp.expression.einsum import einsum
from tensorbp.expression.layer import Composite, Example, Input, Primitive, Shape
from tensorbp.expression.node import Expression
from tensorbp.layers.checks import same_shape
from tensorbp.layers.labels import one_hot, rows_with_one
from tensorbp.layers.softmax import log_softmax, maximum_along, softmax

__all__ = [
    "BinaryCrossEntropy",
    "LogisticLoss",
    "MeanSquaredError",
    "SoftmaxCrossEntropy",
    "SoftmaxCrossEntropyOneHot",
    "binary_cross_entropy",
    "logistic_loss",
    "mean_squared_error",
    "softmax_cross_entropy",
    "softmax_cross_entropy_one_hot",
]


@dataclass(frozen=True)
class MeanSquaredError(Composite):
    """Mean squared error of each sample: l = mean((x - t)²); dl/dx = 2(x - t)/n."""

    name = "mean_squared_error"
    formula = "l = mean((x - t)²)"
    inputs = (Input("x"), Input("target"))

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        """Return samples that are vectors, matrices and numbers."""
        return tuple(Example(cls(), (shape, shape)) for shape in ((3, 4), (2, 3, 4), (3,)))

    def build(self, *operands: Expression, **parameters: Expression) -> Expression:
        """Return the mean of squares."""
        x, target = operands
        same_shape(self.name, x.shape, target.shape)
        return _mean_of_sample((x - target) ** 2)


@dataclass(frozen=True)
class BinaryCrossEntropy(Composite):
    """Binary cross-entropy with logits: l = mean(ln(1 + exp(x)) - t x), targets t from 0 to 1.

    dl/dx = (σ(x) - t)/n. The logarithm is a softplus, so no logit is too large.
    """

    name = "binary_cross_entropy"
    formula = "l = mean(ln(1 + exp(x)) - t x)"
    inputs = (Input("x"), Input("target", low=0.0, high=1.0))

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        """Return samples with several targets, and with one."""
        return (Example(cls(), ((3, 4), (3, 4))), Example(cls(), ((3,), (3,))))

    def build(self, *operands: Expression, **parameters: Expression) -> Expression:
        """Return the mean of softplus(x) - t x."""
        x, target = operands
        same_shape(self.name, x.shape, target.shape)
        return _mean_of_sample(softplus(x) - target * x)


@dataclass(frozen=True)
class LogisticLoss(Composite):
    """Logistic loss: l = mean(ln(1 + exp(-t x))), targets t = ±1; dl/dx = -t σ(-t x)/n."""

    name = "logistic_loss"
    formula = "l = mean(ln(1 + exp(-t x)))"
    inputs = (Input("x"), Input("target", low=-1.0, high=1.0))

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        """Return samples with one target, and with several."""
        return (Example(cls(), ((3,), (3,))), Example(cls(), ((3, 4), (3, 4))))

    def build(self, *operands: Expression, **parameters: Expression) -> Expression:
        """Return the mean of softplus(-t x)."""
        x, target = operands
        same_shape(self.name, x.shape, target.shape)
        return _mean_of_sample(softplus(-target * x))


@dataclass(frozen=True)
class SoftmaxCrossEntropy(Primitive):
    """Cross-entropy of softmax with labels: l = ln Σ_p exp(x_p) - x_t, mean over a sample.

    dl/dx_p = softmax(x)_p - δ_pt, over the number of labels in a sample.
    """

    name = "softmax_cross_entropy"
    formula = "l = ln Σ_p exp(x_p) - x_t"
    inputs = (Input("x"), Input("target", kind="integer", low=0, high=2))

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        """Return samples with one label, and with several."""
        return (Example(cls(), ((5, 4), (5,))), Example(cls(), ((2, 3, 4), (2, 3))))

    def shape(self, *shapes: Shape) -> Shape:
        """Return the shape of the batch.

        Raises:
            LayerError: there is not one label for each row of x.
        """
        x, target = shapes
        if len(x) < 2:
            raise LayerError(
                f"layer '{self.name}': x must have a batch axis and an axis of classes, found "
                f"shape {x}"
            )
        if target != x[:-1]:
            raise LayerError(
                f"layer '{self.name}': x of shape {x} needs integer targets of shape {x[:-1]}, "
                f"found {target}"
                + (
                    "; rows of probabilities are for softmax_cross_entropy_one_hot"
                    if target == x
                    else ""
                )
            )
        return x[:1]

    def forward(self, xp: Any, *arrays: Any) -> Any:
        """Return ln Σ exp(x - max) - (x_t - max), averaged over each sample."""
        x, target = arrays
        shifted = x - maximum_along(xp, x, -1)
        selected = xp.where(rows_with_one(xp, self.name, target, x.shape[-1]), shifted, 0 * shifted)
        losses = xp.log(xp.sum(xp.exp(shifted), axis=-1)) - xp.sum(selected, axis=-1)
        axes = tuple(range(1, len(losses.shape)))
        return xp.mean(losses, axis=axes) if axes else losses

    def jacobian(self, y: Expression, *operands: Expression) -> dict[str, Declaration]:
        """Return softmax(x) - one_hot(target), over the number of labels in a sample."""
        x, target = operands
        share = Fraction(1, max(prod(x.shape[1:-1]), 1))
        error = softmax(x) - one_hot(target, x.shape[-1])
        return {"x": share * signature("b...p -> b/b...p", error)}

    def flops(self, shape: Shape, *shapes: Shape) -> int:
        """Return five for each logit: maximum, difference, exp and two sums."""
        return 5 * prod(shapes[0])


@dataclass(frozen=True)
class SoftmaxCrossEntropyOneHot(Composite):
    """Cross-entropy of softmax with rows of probabilities: l = -Σ_p t_p ln softmax(x)_p.

    dl/dx_p = softmax(x)_p Σ_q t_q - t_p.
    """

    name = "softmax_cross_entropy_one_hot"
    formula = "l = -Σ_p t_p ln softmax(x)_p"
    inputs = (Input("x"), Input("target", low=0.0, high=1.0))

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        """Return samples with one row, and with several."""
        return tuple(Example(cls(), (shape, shape)) for shape in ((3, 4), (2, 3, 4)))

    def build(self, *operands: Expression, **parameters: Expression) -> Expression:
        """Return -Σ t ln softmax(x), averaged over each sample."""
        x, target = operands
        same_shape(self.name, x.shape, target.shape)
        if x.ndim < 2:
            raise LayerError(
                f"layer '{self.name}': x must have a batch axis and an axis of classes, found "
                f"shape {x.shape}"
            )
        return _mean_of_sample(einsum("-...p,...p->...", target, log_softmax(x)))


def _mean_of_sample(x: Expression) -> Expression:
    """Return the mean over all axes but the first."""
    return mean(x, axis=tuple(range(1, x.ndim))) if x.ndim > 1 else x


def mean_squared_error(x: Expression, target: Expression) -> Expression:
    """Return the mean of squared differences of each sample."""
    return MeanSquaredError()(x, target)


def binary_cross_entropy(x: Expression, target: Expression) -> Expression:
    """Return the cross-entropy of logits with targets from 0 to 1, the mean of each sample."""
    return BinaryCrossEntropy()(x, target)


def logistic_loss(x: Expression, target: Expression) -> Expression:
    """Return ln(1 + exp(-t x)) for targets ±1, the mean of each sample."""
    return LogisticLoss()(x, target)


def softmax_cross_entropy(x: Expression, target: Expression) -> Expression:
    """Return the cross-entropy of logits with integer labels, the mean of each sample."""
    return SoftmaxCrossEntropy()(x, target)


def softmax_cross_entropy_one_hot(x: Expression, target: Expression) -> Expression:
    """Return the cross-entropy of logits with rows of probabilities, the mean of each sample."""
    return SoftmaxCrossEntropyOneHot()(x, target)
