"""The feed-forward network of a transformer: two linear maps, and what is between them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tensorbp.expression.activation import gelu, relu, silu
from tensorbp.expression.einsum import einsum
from tensorbp.expression.layer import Composite, Example, Parameter, Shape, argument
from tensorbp.expression.node import Expression
from tensorbp.layers.checks import feature_count, whole_number
from tensorbp.layers.choices import one_of, switch

__all__ = ["ACTIVATION", "ACTIVATIONS", "GATED", "HIDDEN", "FeedForward"]

ACTIVATIONS = {"relu": relu, "gelu": gelu, "silu": silu}
ACTIVATION = "what is between the linear maps: relu, gelu or silu"
GATED = "whether a second linear map is multiplied with the activation, which makes silu SwiGLU"
HIDDEN = "the number of features between the linear maps"


@dataclass(frozen=True)
class FeedForward(Composite):
    """Feed-forward network: y = φ(x up) down, or gated y = (φ(x gate) ⊙ x up) down, with biases.

    It works on the last axis; its derivatives follow from its parts. Sources: Vaswani et al. 2017,
    Attention is all you need, eq. 2; Shazeer 2020, GLU variants improve transformer.
    """

    name = "feed_forward"
    formula = "y = φ(x up) down, or (φ(x gate) ⊙ x up) down"

    hidden: int = argument(HIDDEN)
    activation: Literal["relu", "gelu", "silu"] = argument(ACTIVATION, "gelu")
    gated: bool = argument(GATED, False)
    bias: bool = argument("whether biases are added", True)

    def __post_init__(self) -> None:
        check_feed_forward(self.name, "hidden", self)

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        """Return a plain one, and a gated one without biases."""
        return (
            Example(cls(5), ((3, 4),)),
            Example(cls(5, "silu", gated=True, bias=False), ((2, 3, 4),)),
            Example(cls(3, "silu", gated=True), ((2, 4),)),
        )

    def parameters(self, *shapes: Shape) -> dict[str, Parameter]:
        """Return the weights up, gate and down, and their biases.

        Raises:
            LayerError: x has no axis of features.
        """
        features = feature_count(self.name, shapes[0])
        sizes = {"up": (features, self.hidden)}
        if self.gated:
            sizes["gate"] = (features, self.hidden)
        sizes["down"] = (self.hidden, features)
        weights = {name: Parameter(shape) for name, shape in sizes.items()}
        if not self.bias:
            return weights
        return weights | {f"{n}_bias": Parameter((s[1],), "zeros") for n, s in sizes.items()}

    def build(self, *operands: Expression, **parameters: Expression) -> Expression:
        """Return what goes up, through the activation, and down."""
        (x,) = operands

        def linear(name: str, x: Expression) -> Expression:
            y = einsum("...i,io->...o", x, parameters[name])
            return y + parameters[f"{name}_bias"] if self.bias else y

        activation = ACTIVATIONS[self.activation]
        up = linear("up", x)
        inner = activation(linear("gate", x)) * up if self.gated else activation(up)
        return linear("down", inner)


def check_feed_forward(layer: str, hidden: str, value: object) -> None:
    """Check the arguments that all layers with a feed-forward network have.

    Raises:
        LayerError: one of them is not what it must be.
    """
    size = whole_number(layer, hidden, getattr(value, hidden), least=1)
    object.__setattr__(value, hidden, size)
    one_of(layer, "activation", getattr(value, "activation", None), tuple(ACTIVATIONS))
    for each in ("gated", "bias"):
        switch(layer, each, getattr(value, each, False))
