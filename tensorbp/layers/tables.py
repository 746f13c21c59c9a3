"""Constant arrays that are computed rather than given: positions, rotations, masks."""

from __future__ import annotations

from abc import abstractmethod
from functools import lru_cache
from typing import Any

from tensorbp.expression.declaration import Declaration
from tensorbp.expression.layer import Example, Primitive
from tensorbp.expression.node import Expression

__all__ = ["Table"]


class Table(Primitive):
    """A primitive without operands: a factor of einsums like any other, with no derivative.

    Its arguments say all about it, so it is computed once and kept. It is no layer of a model,
    where every layer reads something.
    """

    inputs = ()

    @abstractmethod
    def numbers(self) -> Any:
        """Return the array, of numpy: it alone counts in double precision whatever is asked."""

    def forward(self, xp: Any, *arrays: Any) -> Any:
        """Return the numbers as an array of the library."""
        return xp.asarray(_kept(self))

    def jacobian(self, y: Expression, *operands: Expression) -> dict[str, Declaration]:
        """Return nothing: there is nothing to derive with respect to."""
        return {}

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        """Return none: a table is no layer of a model."""
        return ()


@lru_cache(maxsize=64)
def _kept(table: Table) -> Any:
    numbers = table.numbers()
    # it is handed out again and again, so nobody may write into it
    numbers.flags.writeable = False
    return numbers
