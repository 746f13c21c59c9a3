"""Normalisation of each channel by those beside it."""

from __future__ import annotations

from dataclasses import dataclass

from tensorbp.errors import LayerError
from tensorbp.expression.einsum import einsum
from tensorbp.expression.elementwise import power
from tensorbp.expression.layer import Composite, Example, argument
from tensorbp.expression.node import Expression
from tensorbp.expression.rule import number_argument
from tensorbp.expression.selection import Affine
from tensorbp.layers.checks import whole_number

__all__ = ["LocalResponseNorm"]


@dataclass(frozen=True)
class LocalResponseNorm(Composite):
    """Local response normalisation: y_c = x_c (k + α/n Σ_d x_d²)^-β, over n channels d around c.

    Channels are axis 1; where there are none beside, nothing is added. With s the bracket,
    dy_c/dx_d = δ_cd s_c^-β - 2 α β/n x_c x_d s_c^(-β-1) for those n channels. Source: Krizhevsky,
    Sutskever and Hinton 2012, ImageNet classification with deep convolutional networks, 3.3.
    """

    name = "local_response_norm"
    formula = "y_c = x_c (k + α/n Σ_d x_d²)^-β"

    size: int = argument("n, how many channels are summed over")
    alpha: float = argument("α, how much the others count", 1e-4)
    beta: float = argument("β, the exponent", 0.75)
    k: float = argument("k above 0, what is added to the sum", 1.0)

    def __post_init__(self) -> None:
        object.__setattr__(self, "size", whole_number(self.name, "size", self.size, least=1))
        for name in ("alpha", "beta", "k"):
            number = number_argument(self.name, name, getattr(self, name))
            if number < 0 or (name == "k" and not number):
                limit = "be above 0" if name == "k" else "not be negative"
                raise LayerError(
                    f"layer 'local_response_norm': {name} must {limit}, found {number}"
                )
            object.__setattr__(self, name, number)

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        """Return an odd and an even number of channels that count much, and one of the default."""
        return (
            Example(cls(3, 0.5), ((2, 4, 3),)),
            Example(cls(2, 0.5, 0.5, 2), ((3, 4),)),
            Example(cls(5), ((2, 3, 4, 5),)),
        )

    def build(self, *operands: Expression, **parameters: Expression) -> Expression:
        """Return x times a power of the sum of squares around it."""
        (x,) = operands
        if x.ndim < 2:
            raise LayerError(
                "layer 'local_response_norm': x needs a batch axis and an axis of channels, found "
                f"shape {x.shape}"
            )
        channels = x.shape[1]
        around = Affine((channels, self.size), (1, 1), -(self.size // 2), channels)()
        total = einsum("cnd,bd...->bc...", around, x * x)
        return x * power(self.k + self.alpha / self.size * total, -self.beta)
