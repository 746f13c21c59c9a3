"""Gates: what passes is decided by a sigmoid, or another activation, of the same input."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from tensorbp.errors import LayerError
from tensorbp.expression.activation import gelu, relu, sigmoid, silu, tanh
from tensorbp.expression.arithmetic import mean, normalized_axes, reshape
from tensorbp.expression.einsum import einsum
from tensorbp.expression.elementwise import heaviside, where
from tensorbp.expression.layer import Composite, Example, Parameter, Shape, argument
from tensorbp.expression.node import Expression
from tensorbp.expression.rule import Function, number_argument
from tensorbp.layers.checks import blame, feature_count, whole_number
from tensorbp.layers.choices import one_of, switch

__all__ = [
    "GatedLinear",
    "Geglu",
    "Glu",
    "Highway",
    "Prelu",
    "Reglu",
    "SqueezeExcite",
    "Swiglu",
    "glu",
]

ACTIVATIONS: dict[str, Function] = {"relu": relu, "gelu": gelu, "silu": silu, "tanh": tanh}


@dataclass(frozen=True)
class Glu(Composite):
    """Gated linear unit without weights: y = a ⊙ σ(b), a and b the two halves of x along an axis.

    dy/da = σ(b), dy/db = a ⊙ σ(b) ⊙ σ(-b). Source: Dauphin et al. 2017, Language modeling with
    gated convolutional networks.
    """

    name = "glu"
    formula = "y = a ⊙ σ(b), x = (a, b)"

    axis: int = argument("the axis that is halved; negative ones count from the end", -1)

    def __post_init__(self) -> None:
        object.__setattr__(self, "axis", whole_number(self.name, "axis", self.axis))

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        """Return the last axis, and the axis of channels."""
        return (Example(cls(), ((3, 8),)), Example(cls(1), ((2, 6, 5),)))

    def build(self, *operands: Expression, **parameters: Expression) -> Expression:
        """Return the first half times the sigmoid of the second."""
        (x,) = operands
        with blame(self.name):
            (axis,) = normalized_axes(self.axis, x.ndim)
        half, odd = divmod(x.shape[axis], 2)
        if odd:
            raise LayerError(
                f"layer 'glu': axis {self.axis} is halved, so its size must be even; found x of "
                f"shape {x.shape}"
            )
        before = (slice(None),) * axis
        return x[(*before, slice(half))] * sigmoid(x[(*before, slice(half, None))])


@dataclass(frozen=True)
class GatedLinear(Composite):
    """Gated linear unit: y = σ(x W + b) ⊙ (x V + c); its derivatives follow from its parts.

    Source: Dauphin et al. 2017, Language modeling with gated convolutional networks, eq. 1.
    """

    name = "gated_linear"
    formula = "y = σ(x W + b) ⊙ (x V + c)"
    gate: ClassVar[Function] = staticmethod(sigmoid)

    units: int = argument("the size of the last axis of the output")
    bias: bool = argument("whether b and c are added", True)

    def __post_init__(self) -> None:
        object.__setattr__(self, "units", whole_number(self.name, "units", self.units, least=1))
        switch(self.name, "bias", self.bias)

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        """Return one with and one without bias, the latter on an input of rank three."""
        return (Example(cls(5), ((3, 4),)), Example(cls(5, bias=False), ((2, 3, 4),)))

    def parameters(self, *shapes: Shape) -> dict[str, Parameter]:
        """Return W and V and, if there are any, b and c."""
        weights = Parameter((feature_count(self.name, shapes[0]), self.units))
        biases = Parameter((self.units,), "zeros")
        return {"W": weights, "V": weights} | ({"b": biases, "c": biases} if self.bias else {})

    def build(self, *operands: Expression, **parameters: Expression) -> Expression:
        """Return the gate times what passes it."""
        (x,) = operands
        gate = _linear(x, parameters["W"], parameters.get("b"))
        return type(self).gate(gate) * _linear(x, parameters["V"], parameters.get("c"))


def _gated_by(gate: Function, name: str, formula: str) -> type[GatedLinear]:
    """Return the gated linear unit with another activation in place of the sigmoid."""
    text = (
        f"Gated linear unit with {gate.__name__}: {formula}.\n\nIts derivatives follow from its "
        "parts. Source: Shazeer 2020, GLU variants improve transformer."
    )
    attributes = {"name": name, "formula": formula, "gate": staticmethod(gate)}
    unit = type(
        name.title(), (GatedLinear,), {**attributes, "__doc__": text, "__module__": __name__}
    )
    return dataclass(frozen=True)(unit)


Reglu = _gated_by(relu, "reglu", "y = max(x W + b, 0) ⊙ (x V + c)")
Geglu = _gated_by(gelu, "geglu", "y = gelu(x W + b) ⊙ (x V + c)")
Swiglu = _gated_by(silu, "swiglu", "y = silu(x W + b) ⊙ (x V + c)")


@dataclass(frozen=True)
class Highway(Composite):
    """Highway layer: y = t ⊙ φ(x W + b) + (1 - t) ⊙ x, t = σ(x V + c + transform_bias).

    Its derivatives follow from its parts. c starts at zero: transform_bias decides how much of x is
    carried at first. Source: Srivastava, Greff and Schmidhuber 2015, Highway networks, eq. 3.
    """

    name = "highway"
    formula = "y = t ⊙ φ(x W + b) + (1 - t) ⊙ x, t = σ(x V + c + transform_bias)"

    activation: Literal["relu", "gelu", "silu", "tanh"] = argument(
        "φ: relu, gelu, silu or tanh", "relu"
    )
    transform_bias: float = argument(
        "what the gate starts with; the lower, the more of x is carried", -1.0
    )

    def __post_init__(self) -> None:
        one_of(self.name, "activation", self.activation, tuple(ACTIVATIONS))
        bias = number_argument(self.name, "transform_bias", self.transform_bias)
        object.__setattr__(self, "transform_bias", bias)

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        """Return the default, and another activation on an input of rank three."""
        return (Example(cls(), ((3, 4),)), Example(cls("tanh", 0.5), ((2, 3, 4),)))

    def parameters(self, *shapes: Shape) -> dict[str, Parameter]:
        """Return W, b, V and c."""
        features = feature_count(self.name, shapes[0])
        weights, bias = Parameter((features, features)), Parameter((features,), "zeros")
        return {"W": weights, "b": bias, "V": weights, "c": bias}

    def build(self, *operands: Expression, **parameters: Expression) -> Expression:
        """Return t ⊙ φ(x W + b) + (1 - t) ⊙ x."""
        (x,) = operands
        changed = ACTIVATIONS[self.activation](_linear(x, parameters["W"], parameters["b"]))
        t = sigmoid(_linear(x, parameters["V"], parameters["c"]) + self.transform_bias)
        return t * changed + (1 - t) * x


@dataclass(frozen=True)
class SqueezeExcite(Composite):
    """Gate for each channel: y = x ⊙ σ(max(s W + b, 0) V + c), s the mean of each channel of x.

    The mean is taken over all axes behind that of channels, axis 1. Its derivatives follow from its
    parts. Source: Hu, Shen and Sun 2018, Squeeze-and-excitation networks, eq. 2 to 4.
    """

    name = "squeeze_excite"
    formula = "y = x ⊙ σ(max(s W + b, 0) V + c), s the mean of each channel"

    reduction: int = argument(
        "how many times fewer numbers there are between the two linear maps", 16
    )

    def __post_init__(self) -> None:
        reduction = whole_number(self.name, "reduction", self.reduction, least=1)
        object.__setattr__(self, "reduction", reduction)

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        """Return images, sequences and vectors."""
        return (
            Example(cls(2), ((2, 6, 3, 4),)),
            Example(cls(3), ((2, 6, 5),)),
            Example(cls(1), ((3, 4),)),
        )

    def parameters(self, *shapes: Shape) -> dict[str, Parameter]:
        """Return W, b, V and c.

        Raises:
            LayerError: x has no channels, or their number is no multiple of the reduction.
        """
        shape = shapes[0]
        if len(shape) < 2:
            raise LayerError(
                f"layer 'squeeze_excite': x needs a batch axis and an axis of channels, found "
                f"shape {shape}"
            )
        channels = shape[1]
        if channels % self.reduction:
            raise LayerError(
                f"layer 'squeeze_excite': reduction must divide the number of channels, "
                f"{channels}, found {self.reduction}"
            )
        squeezed = channels // self.reduction
        return {
            "W": Parameter((channels, squeezed), "he_normal"),
            "b": Parameter((squeezed,), "zeros"),
            "V": Parameter((squeezed, channels)),
            "c": Parameter((channels,), "zeros"),
        }

    def build(self, *operands: Expression, **parameters: Expression) -> Expression:
        """Return x times the gate of its channel."""
        (x,) = operands
        squeezed = mean(x, tuple(range(2, x.ndim)))
        hidden = relu(_linear(squeezed, parameters["W"], parameters["b"]))
        gate = sigmoid(_linear(hidden, parameters["V"], parameters["c"]))
        return x * reshape(gate, (*gate.shape, *(1,) * (x.ndim - 2)))


@dataclass(frozen=True)
class Prelu(Composite):
    """Relu with trainable slopes: y = x where x > 0, else slope · x.

    dy/dx = 1 where x > 0, else slope; dy/dslope = min(x, 0). Slopes start at zero, like a relu.
    Source: He et al. 2015, Delving deep into rectifiers, eq. 1.
    """

    name = "prelu"
    formula = "y = x where x > 0, else slope · x"

    channelwise: bool = argument("whether each channel, along axis 1, has its own slope", False)

    def __post_init__(self) -> None:
        switch(self.name, "channelwise", self.channelwise)

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        """Return one slope for all, and one for each channel."""
        return (
            Example(cls(), ((3, 4),)),
            Example(cls(channelwise=True), ((3, 4),)),
            Example(cls(channelwise=True), ((2, 3, 4),)),
        )

    def parameters(self, *shapes: Shape) -> dict[str, Parameter]:
        """Return the slope, or that of each channel."""
        if self.channelwise and len(shapes[0]) < 2:
            raise LayerError(
                "layer 'prelu': with channelwise x needs a batch axis and an axis of channels, "
                f"found shape {shapes[0]}"
            )
        return {"slope": Parameter((shapes[0][1] if self.channelwise else 1,), "zeros")}

    def build(self, *operands: Expression, **parameters: Expression) -> Expression:
        """Return x where it is above 0, else slope · x."""
        (x,) = operands
        slope = parameters["slope"]
        rest = (1,) * (x.ndim - 2) if self.channelwise else ()
        return where(heaviside(x), x, x * reshape(slope, (slope.size, *rest)))


def glu(x: Expression, axis: int = -1) -> Expression:
    """Return the first half along an axis times the sigmoid of the second."""
    return Glu(axis)(x)


def _linear(x: Expression, weights: Expression, bias: Expression | None) -> Expression:
    y = einsum("...i,io->...o", x, weights)
    return y if bias is None else y + bias
