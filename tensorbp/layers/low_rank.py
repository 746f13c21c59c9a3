"""Linear maps with a correction of low rank."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from tensorbp.expression.einsum import einsum
from tensorbp.expression.layer import Composite, Example, Parameter, Shape, argument
from tensorbp.expression.node import Expression
from tensorbp.expression.rule import number_argument
from tensorbp.layers.checks import feature_count, whole_number
from tensorbp.layers.choices import switch

__all__ = ["LoraLinear"]


@dataclass(frozen=True)
class LoraLinear(Composite):
    """Linear map with a low-rank adapter: y = x W + (α/r) x A B + b.

    dy/dx is W + (α/r) A B, of which the second term stays a product: the cheapest order of
    contraction says whether A B is ever formed. B starts at zero, and with it the adapter. For
    training that leaves W as it is, ask for the gradient by A and B alone. Source: Hu et al. 2022,
    LoRA: low-rank adaptation of large language models.
    """

    name = "lora_linear"
    formula = "y = x W + (α/r) x A B + b"

    units: int = argument("the size of the last axis of the output")
    rank: int = argument("r, the rank of the adapter")
    alpha: float = argument("α, the adapter is multiplied with α/r", 1.0)
    bias: bool = argument("whether b is added", True)

    def __post_init__(self) -> None:
        for each in ("units", "rank"):
            number = whole_number(self.name, each, getattr(self, each), least=1)
            object.__setattr__(self, each, number)
        object.__setattr__(self, "alpha", number_argument(self.name, "alpha", self.alpha))
        switch(self.name, "bias", self.bias)

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        """Return one with and one without bias, the latter on an input of rank three."""
        return (
            Example(cls(5, 2), ((3, 4),)),
            Example(cls(5, 2, alpha=3.5, bias=False), ((2, 3, 4),)),
        )

    def parameters(self, *shapes: Shape) -> dict[str, Parameter]:
        """Return W, A, B, which starts at zero, and, if there is one, b.

        Raises:
            LayerError: x has no axis of features.
        """
        features = feature_count(self.name, shapes[0])
        weights = {
            "W": Parameter((features, self.units)),
            "A": Parameter((features, self.rank), "he_normal"),
            "B": Parameter((self.rank, self.units), "zeros"),
        }
        return weights | ({"b": Parameter((self.units,), "zeros")} if self.bias else {})

    def build(self, *operands: Expression, **parameters: Expression) -> Expression:
        """Return x W + (α/r) x A B + b."""
        (x,) = operands
        adapter = einsum("...i,ir,ro->...o", x, parameters["A"], parameters["B"])
        y = einsum("...i,io->...o", x, parameters["W"])
        y = y + adapter * (Fraction(self.alpha) / self.rank)
        return y + parameters["b"] if self.bias else y
