"""Masks of attention, of ones and zeros, and the softmax that heeds them."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

from tensorbp.errors import LayerError
from tensorbp.expression.declaration import Declaration, signature
from tensorbp.expression.layer import Example, Input, Primitive, Shape, argument
from tensorbp.expression.node import Expression
from tensorbp.layers.checks import whole_number
from tensorbp.layers.softmax import maximum_along
from tensorbp.layers.tables import Table

__all__ = [
    "MASK",
    "CausalMask",
    "MaskedSoftmax",
    "PaddingMask",
    "causal_mask",
    "masked_softmax",
    "padding_mask",
]

MASK = Input("mask", low=-1.0, high=1.0)
"""Where it is above 0 a score takes part: ones and zeros, or truth values."""


@dataclass(frozen=True)
class CausalMask(Table):
    """Causal mask: y_qk = 1 where k ≤ q, else 0; it has no derivative."""

    name = "causal_mask"
    formula = "y_qk = 1 where k ≤ q, else 0"

    queries: int = argument("how many positions ask")
    keys: int = argument("how many positions are looked at")

    def shape(self, *shapes: Shape) -> Shape:
        """Return queries × keys."""
        return (self.queries, self.keys)

    def numbers(self) -> Any:
        """Return ones up to the diagonal."""
        import numpy as np

        return np.tri(self.queries, self.keys)


@dataclass(frozen=True)
class PaddingMask(Primitive):
    """Mask of sequences of several lengths: y_bk = 1 where k < length_b; it has no derivative."""

    name = "padding_mask"
    formula = "y_bk = 1 where k < length_b, else 0"
    inputs = (Input("lengths", kind="integer", low=0, high=5),)

    size: int = argument("the number of positions that the longest sequence may have")

    def __post_init__(self) -> None:
        object.__setattr__(self, "size", whole_number(self.name, "size", self.size, least=1))

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        """Return a batch of sequences, and a batch of lists of sequences."""
        return (Example(cls(5), ((3,),)), Example(cls(4), ((2, 3),)))

    def shape(self, *shapes: Shape) -> Shape:
        """Return the shape of the lengths, with an axis of positions at the end."""
        return (*shapes[0], self.size)

    def forward(self, xp: Any, *arrays: Any) -> Any:
        """Return where the position is below the length."""
        (lengths,) = arrays
        return xp.arange(self.size) < lengths[..., None]

    def jacobian(self, y: Expression, *operands: Expression) -> dict[str, Declaration]:
        """Return nothing: lengths are not differentiated."""
        return {}


@dataclass(frozen=True)
class MaskedSoftmax(Primitive):
    """Softmax over what the mask lets through: y_p = m_p exp(x_p) / Σ_q m_q exp(x_q).

    dy_p/dx_q = y_p δ_pq - y_p y_q, as without a mask; m_p is 1 where the mask is above 0, so the
    derivative with respect to it is 0. A row of which nothing is let through is 0, and so is its
    derivative. The mask broadcasts to x, and is never repeated in memory.
    """

    name = "masked_softmax"
    formula = "y_p = m_p exp(x_p) / Σ_q m_q exp(x_q)"
    inputs = (Input("x"), MASK)
    temporaries = 4

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        """Return one mask for each row, and one mask that all matrices share."""
        return (
            Example(cls(), ((3, 4), (3, 4))),
            Example(cls(), ((2, 3, 4), (3, 4))),
            Example(cls(), ((2, 3, 4), (2, 1, 4))),
        )

    def shape(self, *shapes: Shape) -> Shape:
        """Return the shape of x.

        Raises:
            LayerError: there is nothing along the last axis, or the mask does not broadcast to x.
        """
        x, mask = shapes
        if not x or not x[-1]:
            raise LayerError(
                f"layer '{self.name}': x needs a last axis with at least one number, found shape "
                f"{x}"
            )
        require_broadcast(self.name, "mask", mask, "x", x)
        return x

    def forward(self, xp: Any, *arrays: Any) -> Any:
        """Return exp(x - max) over its sum, both of what is let through."""
        x, mask = arrays
        passes = xp.real(mask) > 0
        # half of the lowest number: the maximum can be subtracted from it, and exp makes it 0
        open_ = xp.where(passes, x, float(xp.finfo(x.dtype).min) / 2)
        e = xp.exp(open_ - maximum_along(xp, open_, -1)) * passes
        total = xp.sum(e, axis=-1, keepdims=True)
        return e / xp.where(total == 0, xp.ones_like(total), total)

    def jacobian(self, y: Expression, *operands: Expression) -> dict[str, Declaration]:
        """Return y_p δ_pq - y_p y_q."""
        scaling = signature("...p -> ...p/...p", y)
        return {"x": scaling - signature("...p,...q -> ...p/...q", y, y)}

    def flops(self, shape: Shape, *shapes: Shape) -> int:
        """Return six for each number: choice, maximum, difference, exp, sum, quotient."""
        return 6 * prod(shape)


def masked_softmax(x: Expression, mask: Expression) -> Expression:
    """Return softmax along the last axis of what a mask lets through; rows without any are 0."""
    return MaskedSoftmax()(x, mask)


def padding_mask(lengths: Expression, size: int) -> Expression:
    """Return ones up to the length of each sequence and zeros after it, `size` numbers each."""
    return PaddingMask(size)(lengths)


def causal_mask(queries: int, keys: int | None = None) -> Expression:
    """Return ones where the key is not later than the query, else zeros.

    >>> import tensorbp as tb
    >>> tb.compile([tb.causal_mask(2, 3)])()[0]
    array([[1., 0., 0.],
           [1., 1., 0.]])

    Args:
        queries: how many positions ask.
        keys: how many positions are looked at, by default as many.
    """
    least = 0
    rows = whole_number("causal_mask", "queries", queries, least)
    columns = whole_number("causal_mask", "keys", rows if keys is None else keys, least)
    return CausalMask(rows, columns)()


def require_broadcast(layer: str, name: str, shape: Shape, to: str, target: Shape) -> None:
    """Raise `LayerError` unless an input broadcasts to what it is for, aligned at the end."""
    tail = target[len(target) - len(shape) :]
    if len(shape) > len(target) or any(
        size not in (1, full) for size, full in zip(shape, tail, strict=True)
    ):
        raise LayerError(
            f"layer '{layer}': {name} must broadcast to the shape {target} of {to}, found {shape}"
        )
