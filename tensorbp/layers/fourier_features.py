"""Waves of trainable frequencies as features."""

from __future__ import annotations

from dataclasses import dataclass

from tensorbp.expression.einsum import einsum
from tensorbp.expression.elementwise import cos, sin
from tensorbp.expression.indexing import concatenate
from tensorbp.expression.layer import Composite, Example, Parameter, Shape, argument
from tensorbp.expression.node import Expression
from tensorbp.expression.rule import number_argument
from tensorbp.layers.checks import feature_count, whole_number

__all__ = ["FourierFeatures"]


@dataclass(frozen=True)
class FourierFeatures(Composite):
    """Fourier features: y = (sin z, cos z) along the last axis, z = scale · x B.

    d sin z/dx = cos z ⊙ scale · B and so on. The frequencies B are trainable and start normally
    distributed; who wants them fixed does not train them. The inner product of two such features
    is a kernel of the difference of the inputs, the wider the smaller the scale. Sources: Rahimi
    and Recht 2007, Random features for large-scale kernel machines; Tancik et al. 2020, Fourier
    features let networks learn high frequency functions.
    """

    name = "fourier_features"
    formula = "y = (sin z, cos z), z = scale · x B"

    units: int = argument("the number of frequencies; the output has twice as many features")
    scale: float = argument("by what the frequencies are multiplied", 1.0)

    def __post_init__(self) -> None:
        object.__setattr__(self, "units", whole_number(self.name, "units", self.units, least=1))
        object.__setattr__(self, "scale", number_argument(self.name, "scale", self.scale))

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        """Return vectors, and sequences of vectors with lower frequencies."""
        return (Example(cls(5), ((3, 4),)), Example(cls(4, 0.25), ((2, 5, 3),)))

    def parameters(self, *shapes: Shape) -> dict[str, Parameter]:
        """Return the frequencies."""
        return {"B": Parameter((feature_count(self.name, shapes[0]), self.units), "he_normal")}

    def build(self, *operands: Expression, **parameters: Expression) -> Expression:
        """Return the sines and the cosines, side by side."""
        (x,) = operands
        z = self.scale * einsum("...i,io->...o", x, parameters["B"])
        return concatenate([sin(z), cos(z)], axis=-1)
