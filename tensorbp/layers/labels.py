"""Labels as rows with a single one."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Any

from tensorbp.errors import LayerError
from tensorbp.expression.declaration import Declaration
from tensorbp.expression.layer import Example, Input, Primitive, Shape, argument
from tensorbp.expression.node import Expression
from tensorbp.layers.checks import whole_number

__all__ = ["OneHot", "one_hot", "rows_with_one"]


def rows_with_one(xp: Any, layer: str, labels: Any, classes: int) -> Any:
    """Return, for each label, a row that is true at the label and false elsewhere.

    Raises:
        LayerError: a label is not from 0 to classes - 1. Inside of ``jax.jit``, where arrays have
            no values yet, such a label gives a row without a one instead.
    """
    rows = labels[..., None] == xp.arange(classes)
    if _has_values(xp, labels):
        found = xp.any(rows, axis=-1)
        if not bool(xp.all(found)):
            wrong = labels[~found].ravel()[0] if labels.shape else labels
            raise LayerError(
                f"layer '{layer}': labels must be from 0 to {classes - 1}, one for each of "
                f"{classes} classes; found {wrong}"
            )
    return rows


def _has_values(xp: Any, x: Any) -> bool:
    return xp.__name__ != "jax.numpy" or not isinstance(x, import_module("jax").core.Tracer)


@dataclass(frozen=True)
class OneHot(Primitive):
    """Labels as rows of zeros with a one: y_bc = 1 where label_b = c; it has no derivative."""

    name = "one_hot"
    formula = "y_bc = 1 where label_b = c, else 0"
    inputs = (Input("labels", kind="integer", low=0, high=2),)

    classes: int = argument("how many classes there are; labels are from 0 to classes - 1")

    def __post_init__(self) -> None:
        classes = whole_number(self.name, "classes", self.classes, least=1)
        object.__setattr__(self, "classes", classes)

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        """Return labels of samples, and of words in sentences."""
        return (Example(cls(5), ((3,),)), Example(cls(5), ((2, 3),)))

    def shape(self, *shapes: Shape) -> Shape:
        """Return the shape of the labels, with an axis of classes at the end."""
        return (*shapes[0], self.classes)

    def forward(self, xp: Any, *arrays: Any) -> Any:
        """Return where label and class are equal."""
        (labels,) = arrays
        return rows_with_one(xp, self.name, labels, self.classes)

    def jacobian(self, y: Expression, *operands: Expression) -> dict[str, Declaration]:
        """Return nothing: labels are not differentiated."""
        return {}


def one_hot(labels: Expression, classes: int) -> Expression:
    """Return rows of zeros with a one at each label."""
    return OneHot(classes)(labels)
