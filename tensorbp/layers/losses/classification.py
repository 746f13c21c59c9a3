"""Losses of one class out of several, from logits or logarithms of probabilities.

A sample may have one label, or several in any shape. Its loss is the mean over those labels that
count: what is ignored is left out of the sum and of the number that divides it, and a sample in
which nothing counts has loss 0. Weights of classes multiply what is averaged and do not change
the number that divides, so a sample of one label has its loss times the weight.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import prod
from typing import Any

from tensorbp.expression.arithmetic import sum
from tensorbp.expression.declaration import Declaration, signature
from tensorbp.expression.einsum import einsum
from tensorbp.expression.elementwise import where
from tensorbp.expression.layer import Composite, Example, Input, Primitive, Shape, argument
from tensorbp.expression.node import Expression
from tensorbp.layers.checks import same_shape
from tensorbp.layers.losses.binary import modulated
from tensorbp.layers.losses.class_targets import (
    IGNORE_INDEX,
    LABEL_SMOOTHING,
    WEIGHT,
    ClassTargets,
    class_weights,
)
from tensorbp.layers.losses.per_sample import (
    has_classes,
    mean_of_sample,
    number_from,
    share,
    weights_of_classes,
)
from tensorbp.layers.moving.labels import one_hot, rows_with_one
from tensorbp.layers.softmax import log_softmax, logsumexp, maximum_along, softmax

__all__ = [
    "NllLoss",
    "SoftmaxCrossEntropy",
    "SoftmaxCrossEntropyOneHot",
    "SoftmaxFocalLoss",
    "nll_loss",
    "softmax_cross_entropy",
    "softmax_cross_entropy_one_hot",
    "softmax_focal_loss",
]

_LABELS = (Input("x"), Input("target", kind="integer", low=0, high=2))
_ONE_LABEL, _SEVERAL_LABELS = ((5, 4), (5,)), ((2, 3, 4), (2, 3))


@dataclass(frozen=True)
class SoftmaxCrossEntropy(Primitive):
    """Cross-entropy of softmax with labels: l = ln Σ_p exp(x_p) - x_t, mean over a sample.

    dl/dx_p = softmax(x)_p - δ_pt, over the number of labels in a sample. In general a label is a
    row of targets q_p = w_p ((1-ε) δ_pt + ε/C) among C classes, l = Σ_p q_p (ln Σ_r exp(x_r) - x_p)
    and dl/dx_p = softmax(x)_p Σ_r q_r - q_p. Source of the smoothing: Szegedy et al. 2016,
    Rethinking the Inception architecture.
    """

    name = "softmax_cross_entropy"
    formula = "l = ln Σ_p exp(x_p) - x_t"
    inputs = _LABELS

    label_smoothing: float = argument(LABEL_SMOOTHING, 0.0)
    weight: tuple[float, ...] | None = argument(WEIGHT, None)
    ignore_index: int | None = argument(IGNORE_INDEX, None)

    def __post_init__(self) -> None:
        for name in ("label_smoothing", "weight", "ignore_index"):
            object.__setattr__(self, name, getattr(self._targets, name))

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        """Return samples with one label, and with several, smoothed, weighted and ignored."""
        return (
            Example(cls(), _ONE_LABEL),
            Example(cls(), _SEVERAL_LABELS),
            Example(cls(0.1), _ONE_LABEL),
            Example(cls(0.2, weight=(1, 2, 0.5, 3), ignore_index=1), _SEVERAL_LABELS),
            Example(cls(ignore_index=2), _ONE_LABEL),
        )

    def scratch(self, shape: Shape, *shapes: Shape) -> int:
        """Return four for each logit, with rows of targets two more."""
        return (4 if self._is_plain else 6) * prod(shapes[0])

    @property
    def _targets(self) -> ClassTargets:
        return ClassTargets(self.label_smoothing, self.weight, self.ignore_index, self.name)

    @property
    def _is_plain(self) -> bool:
        return not self.label_smoothing and self.weight is None and self.ignore_index is None

    def shape(self, *shapes: Shape) -> Shape:
        """Return the shape of the batch.

        Raises:
            LayerError: there is not one label for each row of x, or one weight for each class.
        """
        return self._targets.shape(*shapes)[:1]

    def forward(self, xp: Any, *arrays: Any) -> Any:
        """Return Σ_p q_p (ln Σ_r exp(x_r - max) - (x_p - max)), summed over each sample."""
        x, target = arrays
        shifted = x - maximum_along(xp, x, -1)
        total = xp.log(xp.sum(xp.exp(shifted), axis=-1))
        axes = tuple(range(1, len(x.shape) - 1))
        if self._is_plain:
            rows = rows_with_one(xp, self.name, target, x.shape[-1])
            losses = total - xp.sum(xp.where(rows, shifted, xp.zeros_like(x)), axis=-1)
            return xp.mean(losses, axis=axes) if axes else losses
        targets = self._targets.forward(xp, x, target)
        # what no target asks for may be -inf, and 0 times that would be nan
        selected = xp.where(targets != 0, shifted, xp.zeros_like(x))
        return xp.sum(targets * (total[..., None] - selected), axis=(*axes, -1))

    def jacobian(self, y: Expression, *operands: Expression) -> dict[str, Declaration]:
        """Return softmax(x)_p Σ_r q_r - q_p, which is softmax(x) - one_hot(target) in the least."""
        x, target = operands
        if self._is_plain:
            number = Fraction(1, max(prod(x.shape[1:-1]), 1))
            error = softmax(x) - one_hot(target, x.shape[-1], self.name)
            return {"x": number * signature("b...p -> b/b...p", error)}
        targets = self._targets(x, target)
        error = softmax(x) * sum(targets, axis=-1, keepdims=True) - targets
        return {"x": signature("b...p -> b/b...p", error)}

    def flops(self, shape: Shape, *shapes: Shape) -> int:
        """Return five for each logit: maximum, difference, exp and two sums."""
        return 5 * prod(shapes[0])


@dataclass(frozen=True)
class SoftmaxCrossEntropyOneHot(Composite):
    """Cross-entropy of softmax with rows of probabilities: l = -Σ_p t_p ln softmax(x)_p.

    dl/dx_p = softmax(x)_p Σ_q t_q - t_p, where t_p stands for w_p ((1-ε) t_p + ε/C) if classes
    have weights or targets are smoothed.
    """

    name = "softmax_cross_entropy_one_hot"
    formula = "l = -Σ_p t_p ln softmax(x)_p"
    inputs = (Input("x"), Input("target", low=0.0, high=1.0))

    label_smoothing: float = argument(LABEL_SMOOTHING, 0.0)
    weight: tuple[float, ...] | None = argument(WEIGHT, None)

    def __post_init__(self) -> None:
        smoothing = share(self.name, "label_smoothing", self.label_smoothing)
        object.__setattr__(self, "label_smoothing", smoothing)
        if self.weight is not None:
            weight = weights_of_classes(self.name, "weight", self.weight)
            object.__setattr__(self, "weight", weight)

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        """Return samples with one row, and with several, smoothed and weighted."""
        one, several = ((3, 4), (3, 4)), ((2, 3, 4), (2, 3, 4))
        return (
            Example(cls(), one),
            Example(cls(), several),
            Example(cls(0.1), one),
            Example(cls(0.2, weight=(1, 2, 0.5, 3)), several),
        )

    def build(self, *operands: Expression, **parameters: Expression) -> Expression:
        """Return -Σ t ln softmax(x), averaged over each sample."""
        x, target = operands
        same_shape(self.name, x.shape, target.shape)
        has_classes(self.name, x.shape)
        if self.label_smoothing:
            spread = self.label_smoothing / x.shape[-1]
            target = (1 - self.label_smoothing) * target + spread
        if self.weight is not None:
            target = target * class_weights(self.name, x, self.weight)
        return mean_of_sample(einsum("-...p,...p->...", target, log_softmax(x)))


class OfLabels(Composite):
    """What losses of labels share that are made of others: which labels count, and how much."""

    inputs = _LABELS
    weight: tuple[float, ...] | None
    ignore_index: int | None

    def __post_init__(self) -> None:
        for name in ("weight", "ignore_index"):
            object.__setattr__(self, name, getattr(self.targets, name))

    @property
    def targets(self) -> ClassTargets:
        """The layer that turns labels into rows of targets."""
        return ClassTargets(weight=self.weight, ignore_index=self.ignore_index, loss=self.name)


@dataclass(frozen=True)
class NllLoss(OfLabels):
    """Negative log-likelihood of labels: l = -w_t x_t, x logarithms of probabilities.

    dl/dx_p = -w_t δ_pt, over the number of labels in a sample that count.
    """

    name = "nll_loss"
    formula = "l = -w_t x_t"

    weight: tuple[float, ...] | None = argument(WEIGHT, None)
    ignore_index: int | None = argument(IGNORE_INDEX, None)

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        """Return samples with one label, and with several, weighted and ignored."""
        return (
            Example(cls(), _ONE_LABEL),
            Example(cls(weight=(1, 2, 0.5, 3), ignore_index=1), _SEVERAL_LABELS),
        )

    def build(self, *operands: Expression, **parameters: Expression) -> Expression:
        """Return -Σ q x, over the labels of a sample and the classes."""
        x, target = operands
        targets = self.targets(x, target)
        # the logarithm of an impossible class is -inf, and 0 times that would be nan
        selected = where(targets, x, 0)
        return einsum("-b...p,b...p->b", targets, selected)


@dataclass(frozen=True)
class SoftmaxFocalLoss(OfLabels):
    """Focal loss of softmax with labels: l = -w_t (1 - y_t)ᵞ ln y_t, y = softmax(x).

    With z = x_t - ln Σ_p exp(x_p), p that is not t, it is l = -w_t σ(-z)ᵞ ln σ(z), and dl/dz =
    w_t σ(-z)ᵞ (γ σ(z) ln σ(z) - σ(-z)). Source: Lin et al. 2017, Focal loss for dense object
    detection, eq. 4.
    """

    name = "softmax_focal_loss"
    formula = "l = -w_t (1 - y_t)ᵞ ln y_t, y = softmax(x)"

    gamma: float = argument("γ, from 0 up; with 0 it is the cross-entropy", 2.0)
    weight: tuple[float, ...] | None = argument(WEIGHT, None)
    ignore_index: int | None = argument(IGNORE_INDEX, None)

    def __post_init__(self) -> None:
        object.__setattr__(self, "gamma", number_from(self.name, "gamma", self.gamma))
        super().__post_init__()

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        """Return samples with one label, and with several, weighted and ignored."""
        return (
            Example(cls(), _ONE_LABEL),
            Example(cls(0.5, weight=(1, 2, 0.5, 3), ignore_index=1), _SEVERAL_LABELS),
        )

    def build(self, *operands: Expression, **parameters: Expression) -> Expression:
        """Return -σ(-z)ᵞ ln σ(z), z being by how much the label's logit is ahead."""
        x, target = operands
        targets = self.targets(x, target)
        label = sum(where(targets, x, 0), axis=-1)
        # far below every logit, and finite: a label may be the only class
        others = logsumexp(where(targets, -1e30, x))
        losses = modulated(label - others, self.gamma)
        return sum(sum(targets, axis=-1) * losses, axis=tuple(range(1, losses.ndim)))


def softmax_cross_entropy(
    x: Expression,
    target: Expression,
    label_smoothing: float = 0.0,
    weight: tuple[float, ...] | None = None,
    ignore_index: int | None = None,
) -> Expression:
    """Return the cross-entropy of logits with integer labels, the mean of each sample."""
    return SoftmaxCrossEntropy(label_smoothing, weight, ignore_index)(x, target)


def softmax_cross_entropy_one_hot(
    x: Expression,
    target: Expression,
    label_smoothing: float = 0.0,
    weight: tuple[float, ...] | None = None,
) -> Expression:
    """Return the cross-entropy of logits with rows of probabilities, the mean of each sample."""
    return SoftmaxCrossEntropyOneHot(label_smoothing, weight)(x, target)


def nll_loss(
    x: Expression,
    target: Expression,
    weight: tuple[float, ...] | None = None,
    ignore_index: int | None = None,
) -> Expression:
    """Return minus the log-probability of integer labels, the mean of each sample."""
    return NllLoss(weight, ignore_index)(x, target)


def softmax_focal_loss(
    x: Expression,
    target: Expression,
    gamma: float = 2.0,
    weight: tuple[float, ...] | None = None,
    ignore_index: int | None = None,
) -> Expression:
    """Return the cross-entropy of logits with labels, less where it is small."""
    return SoftmaxFocalLoss(gamma, weight, ignore_index)(x, target)
