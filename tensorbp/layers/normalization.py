"""Normalisation of each sample over its features, the last axis."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import prod
from typing import Any

from tensorbp.errors import LayerError
from tensorbp.expression.declaration import Declaration, signature
from tensorbp.expression.layer import Composite, Example, Parameter, Primitive, Shape, argument
from tensorbp.expression.node import Expression
from tensorbp.expression.rule import number_argument

__all__ = ["InverseDeviation", "LayerNorm", "RmsNorm", "Standardize", "standardize"]

EPSILON = "ε, what is added to the mean square before the root"
CENTERED = "whether the mean is subtracted first"


@dataclass(frozen=True)
class InverseDeviation(Primitive):
    """Inverse standard deviation of the features: r = 1/√(mean((x - μ)²) + ε).

    dr/dx_q = -r² y_q / n, where y = (x - μ) r and n is the number of features. Without centring
    μ is 0, and r the inverse of the root mean square.
    """

    name = "inverse_deviation"
    formula = "r = 1/√(mean((x - μ)²) + ε)"

    epsilon: float = argument(EPSILON, 1e-5)
    centered: bool = argument(CENTERED, True)

    def __post_init__(self) -> None:
        _check(self)

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        """Return one with and one without centring."""
        return (Example(cls(), ((3, 4),)), Example(cls(0.1, centered=False), ((2, 3, 4),)))

    def shape(self, *shapes: Shape) -> Shape:
        """Return the shape of the input without the features."""
        return _with_features(self.name, shapes[0])[:-1]

    def forward(self, xp: Any, *arrays: Any) -> Any:
        """Return the inverse root of the mean square."""
        (x,) = arrays
        _, mean_square = _moments(xp, x, self.centered)
        return 1 / xp.sqrt(xp.squeeze(mean_square, -1) + self.epsilon)

    def jacobian(self, y: Expression, *operands: Expression) -> dict[str, Declaration]:
        """Return -r² y_q / n."""
        (x,) = operands
        r, standardized = y, Standardize(self.epsilon, self.centered)(x)
        share = Fraction(1, max(x.shape[-1], 1))
        return {"x": -share * signature("...,...,...q -> .../...q", r, r, standardized)}

    def flops(self, shape: Shape, *shapes: Shape) -> int:
        """Return four for each number of the input: mean, difference, square, mean."""
        return 4 * prod(shapes[0])


@dataclass(frozen=True)
class Standardize(Primitive):
    """Features with mean 0 and variance 1: y = (x - μ) r, r = 1/√(mean((x - μ)²) + ε).

    dy_p/dx_q = r (δ_pq - 1/n - y_p y_q / n), where n is the number of features; without centring
    μ is 0 and the term 1/n falls away.
    """

    name = "standardize"
    formula = "y = (x - μ)/√(mean((x - μ)²) + ε)"

    epsilon: float = argument(EPSILON, 1e-5)
    centered: bool = argument(CENTERED, True)

    def __post_init__(self) -> None:
        _check(self)

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        """Return one with and one without centring."""
        return (Example(cls(), ((3, 4),)), Example(cls(0.1, centered=False), ((2, 3, 4),)))

    def shape(self, *shapes: Shape) -> Shape:
        """Return the shape of the input."""
        return _with_features(self.name, shapes[0])

    def forward(self, xp: Any, *arrays: Any) -> Any:
        """Return what is centred over the root of its mean square."""
        (x,) = arrays
        difference, mean_square = _moments(xp, x, self.centered)
        return difference * (1 / xp.sqrt(mean_square + self.epsilon))

    def jacobian(self, y: Expression, *operands: Expression) -> dict[str, Declaration]:
        """Return r (δ_pq - 1/n - y_p y_q / n)."""
        (x,) = operands
        r = InverseDeviation(self.epsilon, self.centered)(x)
        share = Fraction(1, max(x.shape[-1], 1))
        declared = signature("... -> ...p/...p", r)
        declared -= share * signature("...,...p,...q -> ...p/...q", r, y, y)
        if self.centered:
            declared -= share * signature("... -> ...p/...q", r)
        return {"x": declared}

    def flops(self, shape: Shape, *shapes: Shape) -> int:
        """Return five for each number: mean, difference, square, mean, product."""
        return 5 * prod(shape)


@dataclass(frozen=True)
class LayerNorm(Composite):
    """Layer normalisation: y = gain ⊙ standardize(x) + bias.

    Its derivatives are those of standardize, times the gain. Source: Ba, Kiros and Hinton 2016.
    """

    name = "layer_norm"
    formula = "y = gain ⊙ (x - μ)/√(mean((x - μ)²) + ε) + bias"

    epsilon: float = argument(EPSILON, 1e-5)

    def __post_init__(self) -> None:
        _check(self)

    def parameters(self, *shapes: Shape) -> dict[str, Parameter]:
        """Return the gain and the bias of each feature."""
        features = _with_features(self.name, shapes[0])[-1:]
        return {"gain": Parameter(features, "ones"), "bias": Parameter(features, "zeros")}

    def build(self, *operands: Expression, **parameters: Expression) -> Expression:
        """Return gain ⊙ standardize(x) + bias."""
        (x,) = operands
        return standardize(x, self.epsilon) * parameters["gain"] + parameters["bias"]


@dataclass(frozen=True)
class RmsNorm(Composite):
    """Root mean square normalisation: y = gain ⊙ x/√(mean(x²) + ε).

    Its derivatives are those of standardize without centring, times the gain. Source: Zhang and
    Sennrich 2019.
    """

    name = "rms_norm"
    formula = "y = gain ⊙ x/√(mean(x²) + ε)"

    epsilon: float = argument(EPSILON, 1e-5)

    def __post_init__(self) -> None:
        _check(self)

    def parameters(self, *shapes: Shape) -> dict[str, Parameter]:
        """Return the gain of each feature."""
        return {"gain": Parameter(_with_features(self.name, shapes[0])[-1:], "ones")}

    def build(self, *operands: Expression, **parameters: Expression) -> Expression:
        """Return gain ⊙ standardize(x), not centred."""
        (x,) = operands
        return standardize(x, self.epsilon, centered=False) * parameters["gain"]


def standardize(x: Expression, epsilon: float = 1e-5, centered: bool = True) -> Expression:
    """Return x with mean 0 and variance 1 along its last axis; without centring, mean square 1."""
    return Standardize(epsilon, centered)(x)


def _moments(xp: Any, x: Any, centered: bool) -> tuple[Any, Any]:
    """Return x - μ, and its mean square with the axis of features kept at size one."""
    difference = x - xp.mean(x, axis=-1, keepdims=True) if centered else x
    return difference, xp.mean(difference * difference, axis=-1, keepdims=True)


def _check(layer: InverseDeviation | Standardize | LayerNorm | RmsNorm) -> None:
    epsilon = number_argument(layer.name, "epsilon", layer.epsilon)
    if epsilon < 0:
        raise LayerError(f"layer '{layer.name}': epsilon must not be negative, found {epsilon}")
    object.__setattr__(layer, "epsilon", epsilon)
    centered = getattr(layer, "centered", True)
    if not isinstance(centered, bool):
        raise LayerError(
            f"layer '{layer.name}': centered must be true or false, found {centered!r}"
        )


def _with_features(layer: str, shape: Shape) -> Shape:
    if not shape:
        raise LayerError(
            f"layer '{layer}': x needs an axis of features, found a number of shape ()"
        )
    return shape
