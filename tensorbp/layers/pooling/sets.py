"""Pooling of sets: the order of the elements does not matter, and some may be missing."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any, Literal, get_args

from tensorbp.errors import LayerError
from tensorbp.expression.arithmetic import broadcast_to, reshape, sum
from tensorbp.expression.declaration import Declaration
from tensorbp.expression.einsum import constant
from tensorbp.expression.elementwise import heaviside, maximum, reciprocal
from tensorbp.expression.layer import Composite, Example, Input, Primitive, Shape, argument
from tensorbp.expression.node import Expression
from tensorbp.layers.choices import choose_inputs, one_of, switch

__all__ = ["SetPool", "set_pool"]

Mode = Literal["sum", "mean", "max"]


@dataclass(frozen=True)
class Winners(Primitive):
    """Share of each element in the maximum of its set: w_s = 1 where x_s is largest, else 0.

    Elements that tie share equally. It has no derivative.
    """

    name = "set_winners"
    formula = "w_s = 1 where x_s is the largest with mask_s > 0, else 0"
    inputs = (Input("x"), Input("mask"))

    def forward(self, xp: Any, *arrays: Any) -> Any:
        """Return ones at the largest elements, over how many of them there are."""
        x, mask = (xp.real(each) for each in arrays)
        kept = mask > 0
        lowest = xp.amin(x, axis=1, keepdims=True)
        largest = xp.amax(xp.where(kept, x, lowest), axis=1, keepdims=True)
        winners = (kept & (x == largest)) * xp.ones_like(x)
        ties = xp.sum(winners, axis=1, keepdims=True)
        return winners / xp.where(ties > 0, ties, xp.ones_like(ties))

    def jacobian(self, y: Expression, *operands: Expression) -> dict[str, Declaration]:
        """Return nothing: it does not change with x, but where it jumps."""
        return {}

    def flops(self, shape: Shape, *shapes: Shape) -> int:
        """Return five for each number: two extremes, comparison, sum, quotient."""
        return 5 * prod(shape)


@dataclass(frozen=True)
class SetPool(Composite):
    """Sum, mean or maximum over the elements of a set, axis 1: y = Σ_s m_s x_s, or over Σ_s m_s.

    dy/dx_s is the mask m_s, over the count of those that take part for the mean; for the maximum
    it is 1 at the largest element, and shared where several are. A set of which nothing takes part
    gives 0. Source: Zaheer et al. 2017, Deep sets, theorem 2.
    """

    name = "set_pool"
    formula = "y = Σ_s m_s x_s, its mean, or the maximum of x_s with m_s = 1"
    inputs = (Input("x"), Input("mask", low=-1.0, high=1.0))

    mode: Mode = argument("sum, mean or max", "sum")
    mask: bool = argument("whether there is a mask, above 0 where an element takes part", False)

    def __post_init__(self) -> None:
        one_of(self.name, "mode", self.mode, get_args(Mode))
        switch(self.name, "mask", self.mask)
        x, mask = type(self).inputs
        choose_inputs(self, (x, mask if self.mask else None))

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        """Return every mode, with and without a mask."""
        plain = tuple(Example(cls(mode), ((2, 3, 4),)) for mode in get_args(Mode))
        return plain + tuple(
            Example(cls(mode, mask=True), ((2, 5, 4), (2, 5))) for mode in get_args(Mode)
        )

    def build(self, *operands: Expression, **parameters: Expression) -> Expression:
        """Return the sum, the mean or the maximum of the elements that take part."""
        x, *masks = operands
        if x.ndim < 2 or (self.mode != "sum" and not x.shape[1]):
            raise LayerError(
                f"layer 'set_pool': x needs a batch axis and an axis of elements, at least one for "
                f"{self.mode}; found shape {x.shape}"
            )
        if masks and masks[0].shape != x.shape[:2]:
            raise LayerError(
                f"layer 'set_pool': mask must have one number for each element of x, shape "
                f"{x.shape[:2]}, found {masks[0].shape}"
            )
        present = heaviside(masks[0]) if masks else constant(1, x.shape[:2])
        present = reshape(present, (*x.shape[:2], *(1,) * (x.ndim - 2)))
        if self.mode == "max":
            present = Winners()(x, broadcast_to(present, x.shape))
        elif self.mode == "mean":
            present = present * reciprocal(maximum(sum(present, axis=1, keepdims=True), 1))
        return sum(x * present, axis=1)


def set_pool(x: Expression, mode: Mode = "sum", mask: Expression | None = None) -> Expression:
    """Return the sum, mean or maximum over axis 1 of those elements whose mask is above 0."""
    return SetPool(mode, mask is not None)(*((x,) if mask is None else (x, mask)))
