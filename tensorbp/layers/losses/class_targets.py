"""What integer labels ask of a row of classes, and numbers that belong to the classes."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

from tensorbp.errors import LayerError
from tensorbp.expression.declaration import Declaration
from tensorbp.expression.layer import Example, Input, Primitive, Shape, argument
from tensorbp.expression.node import Expression
from tensorbp.layers.checks import whole_number
from tensorbp.layers.losses.per_sample import has_classes, share, weights_of_classes
from tensorbp.layers.moving.labels import rows_with_one

__all__ = [
    "IGNORE_INDEX",
    "LABEL_SMOOTHING",
    "WEIGHT",
    "ClassTargets",
    "ClassWeights",
    "class_weights",
]

WEIGHT = "w, a number for each class, from 0 up; none is 1 for all"
IGNORE_INDEX = "the label that does not count, whatever stands there; none is that all count"
LABEL_SMOOTHING = "ε, the share of a label that is spread over all classes, from 0 to 1"

_OF_PROBABILITIES = {
    "softmax_cross_entropy": "softmax_cross_entropy_one_hot",
    "nll_loss": "kl_divergence",
}
"""The loss that takes rows of probabilities where this one takes labels."""


@dataclass(frozen=True)
class ClassTargets(Primitive):
    """Labels as rows of targets: y_kc = w_c ((1-ε) δ(c, label_k) + ε/C)/n; it has no derivative.

    C is the number of classes, and n how many labels of the sample count. The row of a label that
    is ignored is 0. Only the shape and the type of the logits x are read.
    """

    name = "class_targets"
    formula = "y_kc = w_c ((1-ε) δ(c, label_k) + ε/C)/n, 0 where the label is ignored"
    inputs = (Input("x"), Input("target", kind="integer", low=0, high=2))
    temporaries = 4

    label_smoothing: float = argument(LABEL_SMOOTHING, 0.0)
    weight: tuple[float, ...] | None = argument(WEIGHT, None)
    ignore_index: int | None = argument(IGNORE_INDEX, None)
    loss: str = argument("the layer that errors name", "class_targets")

    def __post_init__(self) -> None:
        smoothing = share(self.loss, "label_smoothing", self.label_smoothing)
        object.__setattr__(self, "label_smoothing", smoothing)
        if self.weight is not None:
            weight = weights_of_classes(self.loss, "weight", self.weight)
            object.__setattr__(self, "weight", weight)
        if self.ignore_index is not None:
            ignored = whole_number(self.loss, "ignore_index", self.ignore_index)
            object.__setattr__(self, "ignore_index", ignored)

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        """Return plain labels, and those with each of the arguments."""
        several = ((2, 3, 4), (2, 3))
        return (
            Example(cls(), ((5, 4), (5,))),
            Example(cls(0.1, weight=(1, 2, 0.5, 3)), several),
            Example(cls(ignore_index=1), several),
        )

    def shape(self, *shapes: Shape) -> Shape:
        """Return the shape of the logits.

        Raises:
            LayerError: there is not one label for each row of x, or one weight for each class.
        """
        x, target = shapes
        has_classes(self.loss, x)
        if target != x[:-1]:
            other = _OF_PROBABILITIES.get(self.loss) if target == x else None
            raise LayerError(
                f"layer '{self.loss}': x of shape {x} needs integer targets of shape {x[:-1]}, "
                f"found {target}" + (f"; rows of probabilities are for {other}" if other else "")
            )
        if self.weight is not None:
            _one_for_each_class(self.loss, "weight", self.weight, x[-1])
        return x

    def forward(self, xp: Any, *arrays: Any) -> Any:
        """Return the rows."""
        x, target = arrays
        if self.ignore_index is None:
            return self._rows(xp, x, target) / max(prod(target.shape[1:]), 1)
        counts = (target != self.ignore_index)[..., None]
        known = xp.where(counts[..., 0], target, xp.zeros_like(target))
        rows = self._rows(xp, x, known)
        return xp.where(counts, rows, xp.zeros_like(rows)) / _number_in_sample(xp, counts, rows)

    def _rows(self, xp: Any, x: Any, target: Any) -> Any:
        """Return w ((1-ε) δ + ε/C), in the type of x."""
        spread = self.label_smoothing / x.shape[-1]
        zeros = xp.zeros_like(x)
        is_label = rows_with_one(xp, self.loss, target, x.shape[-1])
        rows = xp.where(is_label, zeros + (1 - self.label_smoothing + spread), zeros + spread)
        return rows if self.weight is None else rows * xp.asarray(self.weight, dtype=x.dtype)

    def jacobian(self, y: Expression, *operands: Expression) -> dict[str, Declaration]:
        """Return nothing: labels are not differentiated, and of x no value is read."""
        return {}

    def flops(self, shape: Shape, *shapes: Shape) -> int:
        """Return three for each number: comparison, weight and quotient."""
        return 3 * prod(shape)


@dataclass(frozen=True)
class ClassWeights(Primitive):
    """Numbers that belong to the classes, along the last axis of x: y_c = w_c; no derivative.

    Of x only the type is read.
    """

    name = "class_weights"
    formula = "y_c = w_c"

    weight: tuple[float, ...] = argument("w, a number for each class")
    argument_name: str = argument("how errors call the numbers", "weight")
    loss: str = argument("the layer that errors name", "class_weights")

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        """Return four classes."""
        return (Example(cls((1, 2, 0.5, 3)), ((3, 4),)),)

    def shape(self, *shapes: Shape) -> Shape:
        """Return the size of the last axis of x.

        Raises:
            LayerError: it is not the number of weights.
        """
        has_classes(self.loss, shapes[0])
        _one_for_each_class(self.loss, self.argument_name, self.weight, shapes[0][-1])
        return shapes[0][-1:]

    def forward(self, xp: Any, *arrays: Any) -> Any:
        """Return the numbers."""
        return xp.asarray(self.weight, dtype=arrays[0].dtype)

    def jacobian(self, y: Expression, *operands: Expression) -> dict[str, Declaration]:
        """Return nothing: of x no value is read."""
        return {}


def class_weights(
    layer: str, x: Expression, weight: tuple[float, ...], name: str = "weight"
) -> Expression:
    """Return the weights of the classes, which are the last axis of x, as a vector.

    Args:
        layer: the layer that errors name.
        x: an array of the type that the weights are to have.
        weight: the numbers.
        name: how errors call them.
    """
    return ClassWeights(weight, name, layer)(x)


def _one_for_each_class(layer: str, name: str, weight: tuple[float, ...], classes: int) -> None:
    if len(weight) != classes:
        raise LayerError(
            f"layer '{layer}': {name} must have one number for each of {classes} classes, "
            f"found {len(weight)}"
        )


def _number_in_sample(xp: Any, counts: Any, rows: Any) -> Any:
    """Return how many labels of each sample count, at least one, ready to divide the rows by."""
    zeros = xp.zeros_like(rows[..., :1])
    axes = tuple(range(1, len(rows.shape)))
    number = xp.sum(xp.where(counts, zeros + 1, zeros), axis=axes, keepdims=True)
    return xp.maximum(number, xp.ones_like(number))
