"""Mixtures of experts: feed-forward networks side by side, and weights that mix them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tensorbp.errors import LayerError
from tensorbp.expression.arithmetic import broadcast_to
from tensorbp.expression.einsum import einsum
from tensorbp.expression.layer import Composite, Example, Input, Parameter, Shape, argument
from tensorbp.expression.node import Expression
from tensorbp.layers.attention.feed_forward import (
    ACTIVATION,
    ACTIVATIONS,
    GATED,
    HIDDEN,
    check_feed_forward,
)

__all__ = ["MixtureOfExperts"]


@dataclass(frozen=True)
class MixtureOfExperts(Composite):
    """Mixture of experts: y = Σ_e w_e (φ(x up_e + b_e) down_e + c_e), w the routing.

    dy/dw_e is the output of expert e, the rest are derivatives of feed-forward networks. All
    experts are computed and mixed by one einsum over e: the parameters of all are single arrays
    (experts, in, out). The routing is an input, the softmax of a linear layer for example.
    Sources: Jacobs et al. 1991, Adaptive mixtures of local experts; Shazeer et al. 2017,
    Outrageously large neural networks.
    """

    name = "mixture_of_experts"
    formula = "y = Σ_e w_e (φ(x up_e + b_e) down_e + c_e)"
    inputs = (Input("x"), Input("routing", low=0.0, high=1.0))

    hidden: int = argument(HIDDEN)
    activation: Literal["relu", "gelu", "silu"] = argument(ACTIVATION, "gelu")
    gated: bool = argument(GATED, False)
    bias: bool = argument("whether biases are added", True)

    def __post_init__(self) -> None:
        check_feed_forward(self.name, "hidden", self)

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        """Return one weight for each sample, and one for each token; the latter gated."""
        return (
            Example(cls(2), ((3, 4), (3, 5))),
            Example(cls(3, "silu", gated=True, bias=False), ((2, 3, 4), (2, 3, 5))),
            Example(cls(2, "silu", gated=True), ((2, 3), (2, 4))),
        )

    def parameters(self, *shapes: Shape) -> dict[str, Parameter]:
        """Return the weights up, gate and down of all experts, and their biases.

        Raises:
            LayerError: there is not one row of routing for each row of x.
        """
        x, routing = shapes
        if not x or not routing or x[:-1] != routing[:-1]:
            raise LayerError(
                f"layer '{self.name}': x of shape (..., features) needs routing of shape "
                f"(..., experts), found {x} and {routing}"
            )
        experts, features = routing[-1], x[-1]
        sizes = {"up": (experts, features, self.hidden)}
        if self.gated:
            sizes["gate"] = sizes["up"]
        sizes["down"] = (experts, self.hidden, features)
        arrays = {name: Parameter(shape) for name, shape in sizes.items()}
        if not self.bias:
            return arrays
        biases = {f"{n}_bias": Parameter((s[0], s[2]), "zeros") for n, s in sizes.items()}
        return arrays | biases

    def build(self, *operands: Expression, **parameters: Expression) -> Expression:
        """Return the outputs of all experts, mixed by the weights."""
        x, routing = operands

        def linear(name: str) -> Expression:
            y = einsum("...i,eio->...eo", x, parameters[name])
            if not self.bias:
                return y
            return y + broadcast_to(parameters[f"{name}_bias"], y.shape)

        activation = ACTIVATIONS[self.activation]
        up = linear("up")
        inner = activation(linear("gate")) * up if self.gated else activation(up)
        y = einsum("...e,...eh,eho->...o", routing, inner, parameters["down"])
        if not self.bias:
            return y
        return y + einsum("...e,eo->...o", routing, parameters["down_bias"])
