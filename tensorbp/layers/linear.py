"""Linear maps with trainable weights, along the last axis."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tensorbp.errors import LayerError, suggestion
from tensorbp.expression.einsum import einsum
from tensorbp.expression.layer import Composite, Example, Parameter, Shape, argument
from tensorbp.expression.node import Expression
from tensorbp.layers.checks import feature_count, whole_number

__all__ = ["Bias", "Linear"]

INITIALIZERS = ("glorot_uniform", "he_normal", "zeros", "ones")


@dataclass(frozen=True)
class Linear(Composite):
    """Linear map with bias: y = x W + b.

    dy/dx is W, dy/dW is x and dy/db is one; nobody declares them, they are what is left of the
    einsum when an operand is taken away.
    """

    name = "linear"
    formula = "y = x W + b"

    units: int = argument("the size of the last axis of the output")
    bias: bool = argument("whether b is added", True)
    initializer: Literal["glorot_uniform", "he_normal", "zeros", "ones"] = argument(
        "how W starts: glorot_uniform, or he_normal before a relu", "glorot_uniform"
    )

    def __post_init__(self) -> None:
        object.__setattr__(self, "units", whole_number(self.name, "units", self.units, least=1))
        if not isinstance(self.bias, bool):
            raise LayerError(f"layer 'linear': bias must be true or false, found {self.bias!r}")
        if self.initializer not in INITIALIZERS:
            raise LayerError(
                f"layer 'linear': unknown initializer {self.initializer!r}"
                f"{suggestion(str(self.initializer), INITIALIZERS)}"
            )

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        """Return one with and one without bias, the latter on an input of rank three."""
        return (Example(cls(5), ((3, 4),)), Example(cls(5, bias=False), ((2, 3, 4),)))

    def parameters(self, *shapes: Shape) -> dict[str, Parameter]:
        """Return W and, if there is one, b."""
        weights = Parameter((feature_count(self.name, shapes[0]), self.units), self.initializer)
        return {"W": weights} | ({"b": Parameter((self.units,), "zeros")} if self.bias else {})

    def build(self, *operands: Expression, **parameters: Expression) -> Expression:
        """Return x W + b."""
        (x,) = operands
        y = einsum("...i,io->...o", x, parameters["W"])
        return y + parameters["b"] if self.bias else y


@dataclass(frozen=True)
class Bias(Composite):
    """Trainable shift of each feature: y = x + b; dy/dx and dy/db are one."""

    name = "bias"
    formula = "y = x + b"

    def parameters(self, *shapes: Shape) -> dict[str, Parameter]:
        """Return b, one number for each feature."""
        return {"b": Parameter((feature_count(self.name, shapes[0]),), "zeros")}

    def build(self, *operands: Expression, **parameters: Expression) -> Expression:
        """Return x + b."""
        (x,) = operands
        return x + parameters["b"]
