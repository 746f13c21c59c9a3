"""Labels: as rows with a single one, and as what names parts of an array."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tensorbp.errors import LayerError, ShapeError
from tensorbp.expression.arithmetic import normalized_axes
from tensorbp.expression.indexing import select
from tensorbp.expression.layer import Example, Input, Shape, argument
from tensorbp.expression.leaves import Variable
from tensorbp.expression.node import Expression
from tensorbp.expression.selection import Selection
from tensorbp.layers.checks import check_values, whole_number

__all__ = ["OneHot", "check_labels", "one_hot", "rows_with_one", "take"]


def rows_with_one(xp: Any, layer: str, labels: Any, classes: int) -> Any:
    """Return, for each label, a row that is true at the label and false elsewhere.

    Raises:
        LayerError: a label is not from 0 to classes - 1. Inside of ``jax.jit``, where arrays have
            no values yet, such a label gives a row without a one instead.
    """
    check_labels(xp, layer, labels, classes)
    return labels[..., None] == xp.arange(classes)


def check_labels(xp: Any, layer: str, labels: Any, classes: int) -> None:
    """Raise `LayerError` unless all labels are from 0 to classes - 1."""
    check_values(xp, labels, _LabelCheck(layer, classes))


@dataclass(frozen=True)
class _LabelCheck:
    """Raises an error for labels that are none of the classes; equal checks are made once."""

    layer: str
    classes: int

    def __call__(self, labels: Any) -> None:
        # read without a sign, what is below 0 is larger than any number of classes
        is_numpy = getattr(labels, "dtype", None) == "int64"
        if is_numpy and labels.view("uint64").max(initial=0) < self.classes:
            return
        found = (labels >= 0) & (labels < self.classes)
        if not bool(found.all()):
            wrong = labels[~found].ravel()[0] if labels.shape else labels
            raise LayerError(
                f"layer '{self.layer}': labels must be from 0 to {self.classes - 1}, one for each "
                f"of {self.classes} classes; found {wrong}"
            )


@dataclass(frozen=True)
class OneHot(Selection):
    """Labels as rows of zeros with a one: y_bc = 1 where label_b = c; it has no derivative.

    It is a selection: in a product it takes rows or adds to them, and no row of zeros is made.
    """

    name = "one_hot"
    temporaries = 1
    formula = "y_bc = 1 where label_b = c, else 0"
    inputs = (Input("labels", kind="integer", low=0, high=2),)

    classes: int = argument("how many classes there are; labels are from 0 to classes - 1")
    layer: str = argument("the layer that errors name", "one_hot")

    def __post_init__(self) -> None:
        classes = whole_number(self.layer, "classes", self.classes, least=1)
        object.__setattr__(self, "classes", classes)

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        """Return labels of samples, and of words in sentences."""
        return (Example(cls(5), ((3,),)), Example(cls(5), ((2, 3),)))

    def shape(self, *shapes: Shape) -> Shape:
        """Return the shape of the labels, with an axis of classes at the end."""
        return (*shapes[0], self.classes)

    def places(self, xp: Any, *arrays: Any) -> Any:
        """Return the labels.

        Raises:
            LayerError: a label is not from 0 to classes - 1.
        """
        (labels,) = arrays
        check_labels(xp, self.layer, labels, self.classes)
        return labels


def one_hot(labels: Expression, classes: int, layer: str = "one_hot") -> Expression:
    """Return rows of zeros with a one at each label.

    Args:
        labels: the labels.
        classes: how many classes there are.
        layer: the layer that errors name.

    Raises:
        ShapeError: the labels are a variable of real numbers.
    """
    if isinstance(labels.operator, Variable) and labels.operator.kind != "integer":
        name = labels.operator.name
        raise ShapeError(
            f"variable '{name}' holds real numbers, but labels must be integers; write "
            f'variable("{name}", ..., kind="integer")'
        )
    return OneHot(classes, layer)(labels)


def take(x: Expression, labels: Expression, axis: int = 0) -> Expression:
    """Return the parts of x along an axis that integers name: y[..., b, ...] = x[..., l_b, ...].

    >>> import tensorbp as tb
    >>> table, words = tb.variable("table", 50, 8), tb.variable("words", 4, 6, kind="integer")
    >>> tb.take(table, words).shape
    (4, 6, 8)

    Args:
        x: the expression.
        labels: integers, such as a variable of ``kind="integer"``; their axes take the place of
            the axis.
        axis: the axis along which parts are taken.

    Raises:
        ShapeError: the axis is out of range.
    """
    (at,) = normalized_axes(axis, x.ndim)
    return select(x, {at: one_hot(labels, x.shape[at])})
