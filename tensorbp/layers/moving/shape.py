"""Changes of shape: no factor at all, only deltas between the axes of input and output."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from tensorbp.errors import LayerError
from tensorbp.expression import arithmetic
from tensorbp.expression.layer import Composite, Example, argument
from tensorbp.expression.node import Expression
from tensorbp.layers.checks import blame, whole_numbers

__all__ = ["Flatten", "Reshape", "Transpose"]


@dataclass(frozen=True)
class Reshape(Composite):
    """Each sample in another shape, its numbers in row-major order: y[b, ...] = x[b, ...].

    dy/dx is the identity, its axes grouped differently on the two sides.
    """

    name = "reshape"
    formula = "y = x with each sample in another shape"

    shape: tuple[int, ...] = argument(
        "the shape of a sample, without the batch; one size may be -1"
    )

    def __post_init__(self) -> None:
        object.__setattr__(self, "shape", whole_numbers(self.name, "shape", self.shape))

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        """Return one that splits, one that leaves a size open and one without common grouping."""
        return (
            Example(cls((2, 6)), ((3, 4, 3),)),
            Example(cls((5, -1)), ((3, 10),)),
            Example(cls((6, 4)), ((2, 4, 6),)),
        )

    def build(self, *operands: Expression, **parameters: Expression) -> Expression:
        """Return the reshaped input."""
        (x,) = operands
        _check_batch(self.name, x)
        with blame(self.name):
            return arithmetic.reshape(x, (x.shape[0], *self.shape))


@dataclass(frozen=True)
class Flatten(Composite):
    """Each sample as a vector: y[b, (c h w)] = x[b, c, h, w]; dy/dx is the identity."""

    name = "flatten"
    formula = "y[b, (c h w)] = x[b, c, h, w]"

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        """Return images, and samples that are numbers."""
        return (Example(cls(), ((2, 3, 4, 5),)), Example(cls(), ((3,),)))

    def build(self, *operands: Expression, **parameters: Expression) -> Expression:
        """Return the flattened input."""
        (x,) = operands
        _check_batch(self.name, x)
        return arithmetic.reshape(x, (x.shape[0], prod(x.shape[1:])))


@dataclass(frozen=True)
class Transpose(Composite):
    """Axes in another order: y = x with axes permuted; dy/dx is the same permutation."""

    name = "transpose"
    formula = "y = x with axes permuted"

    axes: tuple[int, ...] = argument("the axes of x, the batch is 0, in the order that y has them")

    def __post_init__(self) -> None:
        object.__setattr__(self, "axes", whole_numbers(self.name, "axes", self.axes))

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        """Return one that keeps the batch first, and a cyclic one."""
        return (Example(cls((0, 2, 1)), ((2, 3, 4),)), Example(cls((2, 0, 1)), ((2, 3, 4),)))

    def build(self, *operands: Expression, **parameters: Expression) -> Expression:
        """Return the input with its axes permuted."""
        (x,) = operands
        with blame(self.name):
            return arithmetic.transpose(x, self.axes)


def _check_batch(layer: str, x: Expression) -> None:
    if not x.ndim:
        raise LayerError(f"layer '{layer}': x needs a batch axis, found a number of shape ()")
