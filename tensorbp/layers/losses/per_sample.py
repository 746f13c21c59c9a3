"""What losses have in common: one number for each sample, and the checks of their arguments."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable
from typing import ClassVar

from tensorbp.errors import LayerError
from tensorbp.expression.arithmetic import mean
from tensorbp.expression.layer import Composite, Example, Input, Shape
from tensorbp.expression.node import Expression
from tensorbp.expression.rule import number_argument
from tensorbp.layers.checks import same_shape

__all__ = [
    "ElementwiseLoss",
    "has_classes",
    "mean_of_sample",
    "number_above",
    "number_from",
    "share",
    "truth",
    "weights_of_classes",
]


class ElementwiseLoss(Composite):
    """A loss of each number of x and its target, of which a sample has the mean."""

    inputs: ClassVar[tuple[Input, ...]] = (Input("x"), Input("target"))

    @abstractmethod
    def compare(self, x: Expression, target: Expression) -> Expression:
        """Return the loss of each number of x."""

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        """Return samples with several targets, with one, and with a matrix of them."""
        return tuple(Example(cls(), (shape, shape)) for shape in ((3, 4), (3,), (2, 3, 4)))

    def build(self, *operands: Expression, **parameters: Expression) -> Expression:
        """Return the mean, over each sample, of what `compare` gives."""
        x, target = operands
        same_shape(self.name, x.shape, target.shape)
        return mean_of_sample(self.compare(x, target))


def mean_of_sample(x: Expression) -> Expression:
    """Return the mean over all axes but the first."""
    return mean(x, axis=tuple(range(1, x.ndim))) if x.ndim > 1 else x


def has_classes(layer: str, shape: Shape) -> None:
    """Raise `LayerError` unless a shape has a batch axis and one of classes, which is not empty."""
    if len(shape) < 2 or not shape[-1]:
        raise LayerError(
            f"layer '{layer}': x must have a batch axis and an axis of classes, found shape {shape}"
        )


def number_above(layer: str, name: str, value: object, least: float = 0) -> float:
    """Return an argument that must be a number above another.

    Raises:
        LayerError: it is not.
    """
    number = number_argument(layer, name, value)
    if not number > least:
        raise LayerError(f"layer '{layer}': {name} must be above {least}, found {number}")
    return number


def number_from(layer: str, name: str, value: object, least: float = 0) -> float:
    """Return an argument that must be a number from another one up.

    Raises:
        LayerError: it is not.
    """
    number = number_argument(layer, name, value)
    if not number >= least:
        raise LayerError(f"layer '{layer}': {name} must be from {least} up, found {number}")
    return number


def share(layer: str, name: str, value: object) -> float:
    """Return an argument that must be a number from 0 to 1.

    Raises:
        LayerError: it is not.
    """
    number = number_argument(layer, name, value)
    if not 0 <= number <= 1:
        raise LayerError(f"layer '{layer}': {name} must be from 0 to 1, found {number}")
    return number


def truth(layer: str, name: str, value: object) -> bool:
    """Return an argument that must be true or false.

    Raises:
        LayerError: it is not.
    """
    if not isinstance(value, bool):
        raise LayerError(f"layer '{layer}': {name} must be true or false, found {value!r}")
    return value


def weights_of_classes(layer: str, name: str, value: object) -> tuple[float, ...]:
    """Return an argument that must be a list of numbers from 0 up, one for each class.

    Raises:
        LayerError: it is not.
    """
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise LayerError(f"layer '{layer}': {name} must be a list of numbers, found {value!r}")
    return tuple(number_from(layer, f"each number of {name}", each) for each in value)
