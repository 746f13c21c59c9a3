"""Dropout, with the mask as an input: what is random stays outside of the graph."""

from __future__ import annotations

from dataclasses import dataclass

from tensorbp.errors import LayerError
from tensorbp.expression.layer import Composite, Input, argument
from tensorbp.expression.node import Expression
from tensorbp.expression.rule import number_argument
from tensorbp.layers.checks import blame

__all__ = ["Dropout"]


@dataclass(frozen=True)
class Dropout(Composite):
    """Dropout with a given mask of zeros and ones: y = x ⊙ mask / (1 - rate).

    dy/dx = mask / (1 - rate). Source: Srivastava et al. 2014; divided when training, so that
    nothing needs to be scaled afterwards.
    """

    name = "dropout"
    formula = "y = x ⊙ mask / (1 - rate)"
    inputs = (Input("x"), Input("mask", low=0.0, high=1.0))

    rate: float = argument("the share of zeros in the mask, from 0 and below 1", 0.5)

    def __post_init__(self) -> None:
        rate = number_argument(self.name, "rate", self.rate)
        if not 0 <= rate < 1:
            raise LayerError(f"layer 'dropout': rate must be from 0 and below 1, found {rate}")
        object.__setattr__(self, "rate", rate)

    def build(self, *operands: Expression, **parameters: Expression) -> Expression:
        """Return x ⊙ mask / (1 - rate)."""
        x, mask = operands
        with blame(self.name):
            return x * mask / (1 - self.rate)
