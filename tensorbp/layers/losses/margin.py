"""Losses that are content once an answer is right by a margin."""

from __future__ import annotations

from dataclasses import dataclass

from tensorbp.errors import LayerError
from tensorbp.expression.activation import relu
from tensorbp.expression.arithmetic import sum
from tensorbp.expression.layer import Composite, Example, Input, argument
from tensorbp.expression.node import Expression
from tensorbp.expression.rule import number_argument
from tensorbp.layers.checks import whole_number
from tensorbp.layers.losses.class_targets import WEIGHT, ClassTargets
from tensorbp.layers.losses.per_sample import ElementwiseLoss, weights_of_classes
from tensorbp.layers.moving.labels import one_hot

__all__ = [
    "HingeLoss",
    "MultiMarginLoss",
    "SquaredHingeLoss",
    "hinge_loss",
    "multi_margin_loss",
    "squared_hinge_loss",
]

_SIGNS = (Input("x"), Input("target", low=-1.0, high=1.0))


@dataclass(frozen=True)
class HingeLoss(ElementwiseLoss):
    """Hinge loss: l = mean(max(1 - t x, 0)), targets t = ±1; dl/dx = -t/n where t x < 1, else 0.

    Source: Cortes and Vapnik 1995, Support-vector networks.
    """

    name = "hinge_loss"
    formula = "l = mean(max(1 - t x, 0))"
    inputs = _SIGNS

    def compare(self, x: Expression, target: Expression) -> Expression:
        """Return max(1 - t x, 0)."""
        return relu(1 - target * x)


@dataclass(frozen=True)
class SquaredHingeLoss(ElementwiseLoss):
    """Squared hinge loss: l = mean(h²), h = max(1 - t x, 0), targets t = ±1; dl/dx = -2 t h/n."""

    name = "squared_hinge_loss"
    formula = "l = mean(max(1 - t x, 0)²)"
    inputs = _SIGNS

    def compare(self, x: Expression, target: Expression) -> Expression:
        """Return max(1 - t x, 0)²."""
        return relu(1 - target * x) ** 2


@dataclass(frozen=True)
class MultiMarginLoss(Composite):
    """Hinge loss of several classes: l = w_t Σ_c max(m - x_t + x_c, 0)ᵖ/C, c other than t.

    dl/dx_c = p w_t h_cᵖ⁻¹/C for c that is not t, h_c being the maximum where it is above 0, and
    dl/dx_t is minus the sum of these. C is the number of classes. A sample of several labels has
    their mean. Source: Crammer and Singer 2001, Multiclass kernel-based vector machines.
    """

    name = "multi_margin_loss"
    formula = "l = w_t Σ_c max(m - x_t + x_c, 0)ᵖ/C, c ≠ t"
    inputs = (Input("x"), Input("target", kind="integer", low=0, high=2))

    p: int = argument("the power p, 1 or 2", 1)
    margin: float = argument("m, by how much the right logit is to be the largest", 1.0)
    weight: tuple[float, ...] | None = argument(WEIGHT, None)

    def __post_init__(self) -> None:
        p = whole_number(self.name, "p", self.p)
        if p not in (1, 2):
            raise LayerError(f"layer '{self.name}': p must be 1 or 2, found {p}")
        object.__setattr__(self, "p", p)
        object.__setattr__(self, "margin", number_argument(self.name, "margin", self.margin))
        if self.weight is not None:
            weight = weights_of_classes(self.name, "weight", self.weight)
            object.__setattr__(self, "weight", weight)

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        """Return samples with one label, and with several, squares and weights."""
        return (
            Example(cls(), ((5, 4), (5,))),
            Example(cls(2, margin=0.5, weight=(1, 2, 0.5, 3)), ((2, 3, 4), (2, 3))),
        )

    def build(self, *operands: Expression, **parameters: Expression) -> Expression:
        """Return the weighted sum of hinges over the wrong classes, over all classes."""
        x, target = operands
        targets = ClassTargets(weight=self.weight, loss=self.name)(x, target)
        labels = one_hot(target, x.shape[-1], self.name)
        hinges = relu(self.margin - sum(labels * x, axis=-1, keepdims=True) + x) ** self.p
        wrong = sum(hinges * (1 - labels), axis=-1) / x.shape[-1]
        return sum(sum(targets, axis=-1) * wrong, axis=tuple(range(1, wrong.ndim)))


def hinge_loss(x: Expression, target: Expression) -> Expression:
    """Return max(1 - t x, 0) for targets ±1, the mean of each sample."""
    return HingeLoss()(x, target)


def squared_hinge_loss(x: Expression, target: Expression) -> Expression:
    """Return the square of max(1 - t x, 0) for targets ±1, the mean of each sample."""
    return SquaredHingeLoss()(x, target)


def multi_margin_loss(
    x: Expression,
    target: Expression,
    p: int = 1,
    margin: float = 1.0,
    weight: tuple[float, ...] | None = None,
) -> Expression:
    """Return by how much wrong classes come within a margin of the label, the mean of a sample."""
    return MultiMarginLoss(p, margin, weight)(x, target)
