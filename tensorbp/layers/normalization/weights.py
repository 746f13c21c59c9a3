"""Linear maps whose weights are normalised: by the length of columns, or by the largest stretch."""

from __future__ import annotations

from dataclasses import dataclass

from tensorbp.errors import LayerError
from tensorbp.expression.arithmetic import sum
from tensorbp.expression.einsum import einsum
from tensorbp.expression.elementwise import power, reciprocal
from tensorbp.expression.layer import Composite, Example, Input, Parameter, Shape, argument
from tensorbp.expression.node import Expression
from tensorbp.layers.checks import feature_count, whole_number
from tensorbp.layers.choices import switch

__all__ = ["SpectralNorm", "WeightNorm"]

UNITS = "the size of the last axis of the output"
BIAS = "whether b is added"


@dataclass(frozen=True)
class WeightNorm(Composite):
    """Linear map with the length of each column apart: y = x W + b, W_io = g_o v_io/|v_o|.

    dy/dg = x v/|v|; dy/dv is orthogonal to v: turning a column does not change its length.
    Source: Salimans and Kingma 2016, Weight normalization, eq. 2.
    """

    name = "weight_norm"
    formula = "y = x W + b, W_io = g_o v_io/|v_o|"

    units: int = argument(UNITS)
    bias: bool = argument(BIAS, True)

    def __post_init__(self) -> None:
        _check(self)

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        """Return one with and one without bias, the latter on an input of rank three."""
        return (Example(cls(5), ((3, 4),)), Example(cls(5, bias=False), ((2, 3, 4),)))

    def parameters(self, *shapes: Shape) -> dict[str, Parameter]:
        """Return g, v and, if there is one, b; columns start with length one."""
        directions = Parameter((feature_count(self.name, shapes[0]), self.units))
        return {"g": Parameter((self.units,), "ones"), "v": directions} | _bias(self)

    def build(self, *operands: Expression, **parameters: Expression) -> Expression:
        """Return x v g/|v| + b."""
        (x,) = operands
        v = parameters["v"]
        inverse_length = power(sum(v * v, axis=0), -0.5)
        y = einsum("...i,io,o,o->...o", x, v, inverse_length, parameters["g"])
        return y + parameters["b"] if self.bias else y


@dataclass(frozen=True)
class SpectralNorm(Composite):
    """Linear map that stretches no vector by more than one: y = x W/σ + b, σ = uᵀ W v.

    u and v, the singular vectors of W on its two sides, are inputs: they come from the power
    iteration, which goes on from step to step of a training, and nothing is derived through it.
    dσ/dW_io = u_i v_o, so that dy_p/dW_io = (x_i δ_op - y_p u_i v_o)/σ without bias.
    Source: Miyato et al. 2018, Spectral normalization for generative adversarial networks, eq. 8.
    """

    name = "spectral_norm"
    formula = "y = x W/σ + b, σ = uᵀ W v"
    inputs = (Input("x"), Input("u", low=0.5, high=1.5), Input("v", low=0.5, high=1.5))

    units: int = argument(UNITS)
    bias: bool = argument(BIAS, True)

    def __post_init__(self) -> None:
        _check(self)

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        """Return one with and one without bias, the latter on an input of rank three."""
        return (
            Example(cls(5), ((3, 4), (4,), (5,))),
            Example(cls(5, bias=False), ((2, 3, 4), (4,), (5,))),
        )

    def parameters(self, *shapes: Shape) -> dict[str, Parameter]:
        """Return W and, if there is one, b."""
        return {"W": Parameter((feature_count(self.name, shapes[0]), self.units))} | _bias(self)

    def build(self, *operands: Expression, **parameters: Expression) -> Expression:
        """Return x W/σ + b."""
        x, u, v = operands
        W = parameters["W"]
        for name, vector, size in (("u", u, W.shape[0]), ("v", v, W.shape[1])):
            if vector.shape != (size,):
                raise LayerError(
                    f"layer 'spectral_norm': {name} must have shape {(size,)}, as W has "
                    f"{W.shape}; found {vector.shape}"
                )
        inverse = reciprocal(einsum("i,io,o->", u, W, v))
        y = einsum("...i,io,->...o", x, W, inverse)
        return y + parameters["b"] if self.bias else y


def _check(layer: WeightNorm | SpectralNorm) -> None:
    object.__setattr__(layer, "units", whole_number(layer.name, "units", layer.units, least=1))
    switch(layer.name, "bias", layer.bias)


def _bias(layer: WeightNorm | SpectralNorm) -> dict[str, Parameter]:
    return {"b": Parameter((layer.units,), "zeros")} if layer.bias else {}
