"""Triangles: parts of matrices on one side of a diagonal, and sums of all that came before."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tensorbp.errors import LayerError
from tensorbp.expression.declaration import Declaration
from tensorbp.expression.einsum import einsum
from tensorbp.expression.layer import Composite, Example, Shape, argument
from tensorbp.expression.node import Expression
from tensorbp.layers.along import AlongAxis
from tensorbp.layers.checks import whole_number
from tensorbp.layers.tables import Table

__all__ = ["CumulativeSum", "Tril", "Triu", "cumulative_sum", "tril", "triu"]

DIAGONAL = "the last diagonal that is kept: 0 the main one, 1 the one above it, -1 below"


@dataclass(frozen=True)
class Triangle(Table):
    """Ones up to a diagonal: y_ij = 1 where j ≤ i + diagonal, else 0."""

    name = "triangle"
    formula = "y_ij = 1 where j ≤ i + diagonal, else 0"

    rows: int = argument("how many rows")
    columns: int = argument("how many columns")
    diagonal: int = argument("the last diagonal with ones", 0)

    def shape(self, *shapes: Shape) -> Shape:
        """Return rows × columns."""
        return (self.rows, self.columns)

    def numbers(self) -> Any:
        """Return ones up to the diagonal."""
        import numpy as np

        return np.tri(self.rows, self.columns, self.diagonal)


@dataclass(frozen=True)
class Triangular(Composite):
    """A triangle of the matrices along the last two axes."""

    diagonal: int = argument(DIAGONAL, 0)

    def __post_init__(self) -> None:
        number = whole_number(self.name, "diagonal", self.diagonal)
        object.__setattr__(self, "diagonal", number)

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        """Return a matrix, and batches of them with other diagonals."""
        return (
            Example(cls(), ((3, 4),)),
            Example(cls(1), ((2, 3, 4),)),
            Example(cls(-1), ((2, 4, 3),)),
        )


@dataclass(frozen=True)
class Tril(Triangular):
    """Lower triangle of matrices: y_ij = x_ij where j ≤ i + diagonal, else 0; so is dy/dx."""

    name = "tril"
    formula = "y_ij = x_ij where j ≤ i + diagonal, else 0"

    def build(self, *operands: Expression, **parameters: Expression) -> Expression:
        """Return x times the triangle."""
        (x,) = operands
        return _lower(self.name, x, self.diagonal)


@dataclass(frozen=True)
class Triu(Triangular):
    """Upper triangle of matrices: y_ij = x_ij where j ≥ i + diagonal, else 0; so is dy/dx."""

    name = "triu"
    formula = "y_ij = x_ij where j ≥ i + diagonal, else 0"

    diagonal: int = argument(DIAGONAL.replace("last", "first"), 0)

    def build(self, *operands: Expression, **parameters: Expression) -> Expression:
        """Return x times the triangle."""
        (x,) = operands
        return _upper(self.name, x, self.diagonal)


@dataclass(frozen=True)
class CumulativeSum(AlongAxis):
    """Sums of all that came before along an axis: y_p = Σ_(q ≤ p) x_q; dy_p/dx_q = 1 where q ≤ p.

    The sums are run through once; a derivative is a product with a triangle of ones, and costs n²
    for an axis of n where a sum run backwards would cost n.
    """

    name = "cumulative_sum"
    formula = "y_p = Σ_(q ≤ p) x_q"
    temporaries = 1
    is_recorded = False

    def forward(self, xp: Any, *arrays: Any) -> Any:
        """Return the running sums."""
        (x,) = arrays
        return xp.cumsum(x, axis=self.axis)

    def jacobian(self, y: Expression, *operands: Expression) -> dict[str, Declaration]:
        """Return the triangle."""
        (x,) = operands
        size = x.shape[self.axis]
        return {"x": self.declare("pq -> ...p/...q", x, Triangle(size, size)())}


def tril(x: Expression, diagonal: int = 0) -> Expression:
    """Return the lower triangle of the matrices along the last two axes, zero above a diagonal.

    Raises:
        LayerError: x has fewer than two axes.
    """
    return _lower("tril", x, diagonal)


def triu(x: Expression, diagonal: int = 0) -> Expression:
    """Return the upper triangle of the matrices along the last two axes, zero below a diagonal.

    Raises:
        LayerError: x has fewer than two axes.
    """
    return _upper("triu", x, diagonal)


def cumulative_sum(x: Expression, axis: int = -1) -> Expression:
    """Return the sums of all that came before along an axis, each number itself included.

    Raises:
        LayerError: the axis is out of range.
    """
    return CumulativeSum(axis)(x)


def _lower(layer: str, x: Expression, diagonal: int) -> Expression:
    rows, columns = _matrix(layer, x)
    return einsum("...ij,ij->...ij", x, Triangle(rows, columns, diagonal)())


def _upper(layer: str, x: Expression, diagonal: int) -> Expression:
    rows, columns = _matrix(layer, x)
    # j ≥ i + d is i ≤ j - d: the lower triangle of the transpose
    return einsum("...ij,ji->...ij", x, Triangle(columns, rows, -diagonal)())


def _matrix(layer: str, x: Expression) -> tuple[int, int]:
    if x.ndim < 2:
        raise LayerError(
            f"layer '{layer}': x must have axes of rows and columns, found shape {x.shape}"
        )
    return x.shape[-2], x.shape[-1]
