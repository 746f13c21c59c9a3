"""Layers that work along one axis: their Jacobians are declared for the last, and hold for any."""

from __future__ import annotations

import re
from dataclasses import dataclass
from string import ascii_uppercase

from tensorbp.errors import LayerError
from tensorbp.expression.declaration import Declaration, signature
from tensorbp.expression.layer import Example, Primitive, Shape, argument
from tensorbp.expression.node import Expression
from tensorbp.layers.checks import whole_number

__all__ = ["AlongAxis", "AxisReduction", "along"]

AXIS = "the axis along which it is computed; negative ones count from the end"


def along(spec: str, rank: int, axis: int) -> str:
    """Return a signature written for the last axis, moved to another one.

    >>> along("...p,...q -> ...p/...q", rank=3, axis=1)
    'ApB,AqB -> ApB/AqB'
    >>> along("...p -> .../...p", rank=3, axis=0)
    'pAB -> AB/pAB'
    """
    others = ascii_uppercase[: rank - 1]
    before, after = others[:axis], others[axis:]
    return re.sub(r"\.\.\.(\w?)", rf"{before}\1{after}", spec)


@dataclass(frozen=True)
class AlongAxis(Primitive):
    """A primitive of one input that works along one axis, the same at every place of the others."""

    axis: int = argument(AXIS, -1)

    def __post_init__(self) -> None:
        object.__setattr__(self, "axis", whole_number(self.name, "axis", self.axis))

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        """Return the last axis of a matrix, and others."""
        return (
            Example(cls(), ((3, 4),)),
            Example(cls(axis=0), ((5,),)),
            Example(cls(axis=1), ((2, 3, 4),)),
        )

    def shape(self, *shapes: Shape) -> Shape:
        """Return the shape of the input.

        Raises:
            LayerError: the input has no such axis, or nothing along it.
        """
        rank = len(shapes[0])
        if not -rank <= self.axis < rank:
            allowed = f"from {-rank} to {rank - 1}" if rank else "of an input with dimensions"
            raise LayerError(
                f"layer '{self.name}': axis {self.axis} is out of range for an input of shape "
                f"{shapes[0]}; it must be {allowed}"
            )
        if shapes[0][self.axis] == 0:
            raise LayerError(
                f"layer '{self.name}': axis {self.axis} of an input of shape {shapes[0]} is empty; "
                "there must be at least one number along it"
            )
        return shapes[0]

    def declare(self, spec: str, x: Expression, *factors: Expression) -> Declaration:
        """Return a signature, written for the last axis of x, for the layer's own axis."""
        return signature(along(spec, x.ndim, self.axis % x.ndim), *factors)


@dataclass(frozen=True)
class AxisReduction(AlongAxis):
    """A primitive of one input that works along one axis, of which one number is left."""

    def shape(self, *shapes: Shape) -> Shape:
        """Return the shape of the input without the axis."""
        sizes = list(super().shape(*shapes))
        del sizes[self.axis]
        return tuple(sizes)
