"""Space with more places around it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tensorbp.expression import indexing
from tensorbp.expression.arithmetic import reshape
from tensorbp.expression.einsum import constant
from tensorbp.expression.layer import Composite, Example, argument
from tensorbp.expression.node import Expression
from tensorbp.expression.rule import number_argument
from tensorbp.layers.checks import blame
from tensorbp.layers.choices import one_of, switch
from tensorbp.layers.convolution.spatial import CHANNELS_LAST, Padding, Space, pairs, places_along

__all__ = ["Pad"]

MODES = {
    "constant": "nothing",
    "reflect": "reflect",
    "replicate": "replicate",
    "circular": "circular",
}


@dataclass(frozen=True)
class Pad(Composite):
    """Space with places added around it: y[b,c,t] = x[b,c,t - p] where that is there, else v.

    With S[t,i] = 1 where i = t - p, brought back into the axis unless v is added, dy/dx = S along
    each axis: what is left of the einsum.
    """

    name = "pad"
    formula = "y[t] = x[t - padding] where that is there, else v"

    padding: Padding = argument(
        "how many places are added at both ends: one number, or for each axis of space a number or "
        "a pair (before, after); negative ones cut off"
    )
    mode: Literal["constant", "reflect", "replicate", "circular"] = argument(
        "what the added places hold: v, or x mirrored, its ends repeated, or x again", "constant"
    )
    value: float = argument("v, what constant places hold", 0)
    channels_last: bool = argument(CHANNELS_LAST, False)

    def __post_init__(self) -> None:
        padding = pairs(self.name, "padding", self.padding, None, least=None)
        object.__setattr__(self, "padding", padding)
        one_of(self.name, "mode", self.mode, tuple(MODES))
        object.__setattr__(self, "value", number_argument(self.name, "value", self.value))
        switch(self.name, "channels_last", self.channels_last)

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        """Return all modes, over one, two and three axes."""
        return (
            Example(cls(2), ((2, 3, 5),)),
            Example(cls(((2, 0), (-1, 3)), value=1.5), ((2, 3, 4, 5),)),
            Example(cls((1, 2), "reflect", channels_last=True), ((2, 4, 5, 3),)),
            Example(cls(1, "replicate"), ((2, 1, 3, 4, 2),)),
            Example(cls(((1, 3),), "circular"), ((2, 3, 5),)),
        )

    def build(self, *operands: Expression, **parameters: Expression) -> Expression:
        """Return x with places around it.

        Raises:
            LayerError: it does not fit the axes.
        """
        (x,) = operands
        where = Space.of(self.name, x.shape, None, self.channels_last)
        pairs(self.name, "padding", self.padding, where.rank, least=None)
        found = places_along(self.padding, where.rank)
        widths = dict(zip(where.axes, found, strict=True))
        with blame(self.name):
            y = indexing.pad(x, widths, MODES[self.mode])  # type: ignore[arg-type]
        if self.mode != "constant" or not self.value:
            return y
        ones = indexing.pad(constant(1, where.lengths), dict(enumerate(found)))
        around = self.value * (1 - ones)
        return y + (reshape(around, (*around.shape, 1)) if self.channels_last else around)
