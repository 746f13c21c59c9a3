"""Parts that integers among the data name: taken from an array, or added to one."""

from __future__ import annotations

from dataclasses import dataclass

from tensorbp.algebra import Dimension, Factor, Term
from tensorbp.errors import ShapeError
from tensorbp.expression.arithmetic import normalized_axes
from tensorbp.expression.einsum import product
from tensorbp.expression.layer import Composite, Example, Input, argument
from tensorbp.expression.node import Expression
from tensorbp.layers.checks import blame, whole_number
from tensorbp.layers.moving.labels import one_hot

__all__ = ["ScatterAdd", "Take", "TakeAlong", "scatter_add", "take_along", "take_batched"]

AXIS = "the axis of x; the batch is 0, negative ones count from the end"
BATCH_AXES = "how many axes in front x and labels share, such as 1 for labels of each sample"
LABELS = Input("labels", kind="integer", low=0, high=2)


@dataclass(frozen=True)
class Take(Composite):
    """Parts along an axis that integers name: y[..., l, ...] = x[..., label_l, ...].

    The axes of the labels take the place of the axis; those in front that x has too are shared:
    y[b, l, ...] = x[b, label_bl, ...] takes from each sample its own parts. dy/dx is a selection:
    gradients are added where the labels say.
    """

    name = "take"
    formula = "y[..., l, ...] = x[..., label_l, ...]"
    inputs = (Input("x"), LABELS)

    axis: int = argument(AXIS, -1)
    batch_axes: int = argument(BATCH_AXES, 0)

    def __post_init__(self) -> None:
        object.__setattr__(self, "axis", whole_number(self.name, "axis", self.axis))
        _check_batch_axes(self)

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        """Return the same features of all samples, and of each sample its own parts."""
        return (
            Example(cls(), ((4, 3), (5,))),
            Example(cls(axis=0), ((3, 4), (2, 5))),
            Example(cls(axis=1, batch_axes=1), ((2, 3, 4), (2, 5))),
            Example(cls(batch_axes=1), ((5, 3), (5,))),
        )

    def build(self, *operands: Expression, **parameters: Expression) -> Expression:
        """Return the parts."""
        x, labels = operands
        with blame(self.name):
            return take_batched(x, labels, self.axis, self.batch_axes)


@dataclass(frozen=True)
class TakeAlong(Composite):
    """For each place of the output its own choice along an axis: y_ij = x_(label_ij)j.

    Here for axis 0; dy/dx is a selection. The labels have the shape of the output; along the other
    axes they may be shorter than x.
    """

    name = "take_along"
    formula = "y_ij = x_(label_ij)j, for any axis"
    inputs = (Input("x"), LABELS)

    axis: int = argument(AXIS, -1)

    def __post_init__(self) -> None:
        object.__setattr__(self, "axis", whole_number(self.name, "axis", self.axis))

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        """Return a choice of features, of samples, and one for fewer places than there are."""
        return (
            Example(cls(), ((2, 3), (2, 4))),
            Example(cls(axis=0), ((3, 4), (2, 4))),
            Example(cls(axis=1), ((2, 3, 5), (2, 1, 4))),
        )

    def build(self, *operands: Expression, **parameters: Expression) -> Expression:
        """Return what the labels choose."""
        x, labels = operands
        with blame(self.name):
            return take_along(x, labels, self.axis)


@dataclass(frozen=True)
class ScatterAdd(Composite):
    """Parts added up where integers say: y[i, ...] = Σ x[l, ...] over all l with label_l = i.

    The labels have the first axes of x, which give way to one of the given size; some in front may
    stay: y[b, i, ...] = Σ x[b, l, ...] over label_bl = i. dy/dx is a selection: gradients are taken
    where the labels say.
    """

    name = "scatter_add"
    formula = "y[i, ...] = Σ x[l, ...] over label_l = i"
    inputs = (Input("x"), LABELS)

    size: int = argument("how many places there are; labels are from 0 to size - 1")
    batch_axes: int = argument(BATCH_AXES, 0)

    def __post_init__(self) -> None:
        object.__setattr__(self, "size", whole_number(self.name, "size", self.size, least=1))
        _check_batch_axes(self)

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        """Return sums over samples, over words in sentences, and within each sample."""
        return (
            Example(cls(3), ((4, 2), (4,))),
            Example(cls(5), ((2, 3, 4), (2, 3))),
            Example(cls(4, batch_axes=1), ((2, 5, 3), (2, 5))),
        )

    def build(self, *operands: Expression, **parameters: Expression) -> Expression:
        """Return the sums."""
        x, labels = operands
        with blame(self.name):
            return scatter_add(x, labels, self.size, self.batch_axes)


def take_batched(x: Expression, labels: Expression, axis: int, batch_axes: int) -> Expression:
    """Return parts of x along an axis, those in front being shared with the labels.

    Raises:
        ShapeError: the axis is out of range or shared, or the sizes in front differ.
    """
    (at,) = normalized_axes(axis, x.ndim)
    if batch_axes > min(at, labels.ndim) or x.shape[:batch_axes] != labels.shape[:batch_axes]:
        raise ShapeError(
            f"x of shape {x.shape} and labels of shape {labels.shape} must have the same "
            f"{batch_axes} axes in front of axis {at} of x"
        )
    count = x.ndim
    every = [(k,) for k in range(count)]
    own = [(count + k,) for k in range(labels.ndim - batch_axes)]
    selection = one_hot(labels, x.shape[at])
    factors = [
        Factor(x, tuple(every)),
        Factor(selection, (*every[:batch_axes], *own, (at,))),
    ]
    output = [*every[:at], *own, *every[at + 1 :]]
    return product(Term.of(1, factors, output, (), (*x.shape, *labels.shape[batch_axes:])))


def take_along(x: Expression, labels: Expression, axis: int) -> Expression:
    """Return for each place of the labels the number of x that they choose along an axis.

    >>> import tensorbp as tb
    >>> x, best = tb.variable("x", 4, 9), tb.variable("best", 4, 2, kind="integer")
    >>> tb.take_along(x, best, axis=1).shape
    (4, 2)

    Args:
        x: the expression.
        labels: integers; they have the dimensions of x, and along the others at most its sizes.
        axis: the axis along which they choose.

    Raises:
        ShapeError: the axis is out of range, or the labels have other dimensions.
    """
    (at,) = normalized_axes(axis, x.ndim)
    pairs = zip(x.shape, labels.shape, strict=False)
    if x.ndim != labels.ndim or any(b > a for k, (a, b) in enumerate(pairs) if k != at):
        raise ShapeError(
            f"take_along: labels for x of shape {x.shape} must have {x.ndim} dimensions, no larger "
            f"than those of x but for axis {at}, found {labels.shape}"
        )
    parts = [slice(size if k != at else None) for k, size in enumerate(labels.shape)]
    every = [(k,) for k in range(x.ndim)]
    chosen: list[Dimension] = [(x.ndim,) if k == at else (k,) for k in range(x.ndim)]
    factors = [
        Factor(x[tuple(parts)], tuple(every)),
        Factor(one_hot(labels, x.shape[at]), (*chosen, (at,))),
    ]
    sizes = [x.shape[at] if k == at else size for k, size in enumerate(labels.shape)]
    return product(Term.of(1, factors, chosen, (), (*sizes, labels.shape[at])))


def scatter_add(x: Expression, labels: Expression, size: int, batch_axes: int = 0) -> Expression:
    """Return the parts of x added up where integers say: y[i, ...] = Σ x[l, ...], label_l = i.

    >>> import tensorbp as tb
    >>> edges, ends = tb.variable("edges", 30, 8), tb.variable("ends", 30, kind="integer")
    >>> tb.scatter_add(edges, ends, size=12).shape
    (12, 8)

    Args:
        x: the expression.
        labels: integers, of the shape of the first axes of x.
        size: how many places there are.
        batch_axes: how many axes in front stay.

    Raises:
        ShapeError: the labels do not have the shape of the first axes of x.
    """
    if x.shape[: labels.ndim] != labels.shape or batch_axes > labels.ndim:
        more = f", at least {batch_axes} of them" if batch_axes else ""
        raise ShapeError(
            f"scatter_add: labels must have the shape of the first axes of x{more}; x has shape "
            f"{x.shape}, labels {labels.shape}"
        )
    every = [(k,) for k in range(x.ndim)]
    place = (x.ndim,)
    factors = [
        Factor(x, tuple(every)),
        Factor(one_hot(labels, size), (*every[: labels.ndim], place)),
    ]
    output = [*every[:batch_axes], place, *every[labels.ndim :]]
    return product(Term.of(1, factors, output, (), (*x.shape, size)))


def _check_batch_axes(layer: Take | ScatterAdd) -> None:
    number = whole_number(layer.name, "batch_axes", layer.batch_axes, least=0)
    object.__setattr__(layer, "batch_axes", number)
