"""Leaves of the graph: variables, to which a call gives arrays."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral
from typing import Literal

from tensorbp.algebra import Shape
from tensorbp.errors import ShapeError
from tensorbp.expression.node import Expression

__all__ = ["Variable", "variable"]

Kind = Literal["real", "integer"]


@dataclass(frozen=True)
class Variable:
    """An array that is given when a program is called.

    Attributes:
        name: the keyword by which it is given.
        sizes: its shape.
        kind: ``"real"`` or ``"integer"``; nothing is derived with respect to integers.
    """

    name: str
    sizes: Shape
    kind: Kind = "real"

    def shape(self, *shapes: Shape) -> Shape:
        """Return the shape of the array."""
        del shapes
        return self.sizes


def variable(name: str, *shape: int, kind: Kind = "real") -> Expression:
    """Return a variable: an array that a compiled program takes by this name.

    >>> import tensorbp as tb
    >>> tb.variable("X", 1000, 30).shape
    (1000, 30)

    Args:
        name: the keyword by which the array is given.
        *shape: the size of each dimension.
        kind: ``"integer"`` for labels.

    Raises:
        ShapeError: a size is not an integer, or negative.
    """
    if not name or not isinstance(name, str):
        raise ShapeError(f"a variable needs a name, found {name!r}")
    for size in shape:
        if not isinstance(size, Integral) or isinstance(size, bool) or size < 0:
            raise ShapeError(
                f"variable '{name}': sizes must be integers from 0, found {size!r}; write "
                f'variable("{name}", 1000, 30)'
            )
    if kind not in ("real", "integer"):
        raise ShapeError(f"variable '{name}': kind must be 'real' or 'integer', found {kind!r}")
    return Expression.of(Variable(name, tuple([int(size) for size in shape]), kind))
