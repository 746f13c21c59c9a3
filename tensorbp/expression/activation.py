"""The activations of neural networks, one rule each, like the elementary functions.

Each is computed by a formula that neither overflows nor loses digits, whatever the input.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import pi
from typing import Any

from tensorbp.expression import stable
from tensorbp.expression.elementwise import exp, heaviside, normal_cdf, where
from tensorbp.expression.layer import argument
from tensorbp.expression.node import Expression
from tensorbp.expression.rule import (
    Derivatives,
    Elementwise,
    Function,
    apply,
    elementwise,
    function,
    number_argument,
)

Tanh = elementwise(
    "tanh", "y = tanh(x)", "dy/dx = 1 - y²", lambda xp, x: xp.tanh(x), lambda y, x: 1 - y * y
)
Sigmoid = elementwise(
    "sigmoid", "y = 1/(1 + exp(-x))", "dy/dx = y(1 - y)", stable.sigmoid, lambda y, x: y * (1 - y)
)
LogSigmoid = elementwise(
    "log_sigmoid",
    "y = ln σ(x) = -ln(1 + exp(-x))",
    "dy/dx = σ(-x)",
    lambda xp, x: -stable.softplus(xp, -x),
    lambda y, x: sigmoid(-x),
)
Softplus = elementwise(
    "softplus",
    "y = ln(1 + exp(x))",
    "dy/dx = σ(x)",
    stable.softplus,
    lambda y, x: sigmoid(x),
    source="Dugas et al. 2001, Incorporating second-order functional knowledge",
)
Relu = elementwise(
    "relu",
    "y = max(x, 0)",
    "dy/dx = 1 where y > 0, else 0",
    stable.positive_part,
    lambda y, x: heaviside(y),
    source="Nair and Hinton 2010, Rectified linear units",
)
Gelu = elementwise(
    "gelu",
    "y = x Φ(x), Φ the normal distribution function",
    "dy/dx = Φ(x) + x exp(-x²/2)/√(2π)",
    lambda xp, x: x * stable.special(xp).ndtr(x),
    lambda y, x: normal_cdf(x) + x * exp(-(x * x) / 2) / (2 * pi) ** 0.5,
    source="Hendrycks and Gimpel 2016, Gaussian error linear units, the exact form",
)
Silu = elementwise(
    "silu",
    "y = x σ(x)",
    "dy/dx = σ(x) + y(1 - σ(x))",
    lambda xp, x: x * stable.sigmoid(xp, x),
    lambda y, x: sigmoid(x) + y * (1 - sigmoid(x)),
    source="Elfwing, Uchibe and Doya 2018, Sigmoid-weighted linear units",
)


@dataclass(frozen=True)
class LeakyRelu(Elementwise):
    """Elementwise y = x where x > 0, else slope · x; dy/dx = 1 where x > 0, else slope.

    Source: Maas, Hannun and Ng 2013, Rectifier nonlinearities improve acoustic models.
    """

    name = "leaky_relu"
    formula = "y = x where x > 0, else slope · x"

    slope: float = argument("the slope for negative x", 0.01)

    def __post_init__(self) -> None:
        object.__setattr__(self, "slope", number_argument(self.name, "slope", self.slope))

    def forward(self, xp: Any, *arrays: Any) -> Any:
        """Return max(x, 0) + slope · min(x, 0)."""
        (x,) = arrays
        return stable.positive_part(xp, x) + self.slope * stable.negative_part(xp, x)

    def derivatives(self, y: Expression, *x: Expression) -> Derivatives:
        """Return slope + (1 - slope) where x > 0."""
        return (self.slope + (1 - self.slope) * heaviside(x[0]),)


@dataclass(frozen=True)
class Elu(Elementwise):
    """Elementwise y = x where x > 0, else α(exp(x) - 1); dy/dx = 1 where x > 0, else y + α.

    Source: Clevert, Unterthiner and Hochreiter 2016, Exponential linear units, eq. 15.
    """

    name = "elu"
    formula = "y = x where x > 0, else α(exp(x) - 1)"

    alpha: float = argument("α: the value for very negative x is -α", 1.0)

    def __post_init__(self) -> None:
        object.__setattr__(self, "alpha", number_argument(self.name, "alpha", self.alpha))

    def forward(self, xp: Any, *arrays: Any) -> Any:
        """Return max(x, 0) + α(exp(min(x, 0)) - 1)."""
        (x,) = arrays
        return stable.positive_part(xp, x) + self.alpha * xp.expm1(stable.negative_part(xp, x))

    def derivatives(self, y: Expression, *x: Expression) -> Derivatives:
        """Return 1 where x > 0, else y + α."""
        return (where(heaviside(x[0]), 1, y + self.alpha),)


gelu: Function = function(Gelu)
log_sigmoid: Function = function(LogSigmoid)
relu: Function = function(Relu)
sigmoid: Function = function(Sigmoid)
silu: Function = function(Silu)
softplus: Function = function(Softplus)
tanh: Function = function(Tanh)


def elu(x: Expression, alpha: float = 1.0) -> Expression:
    """Return x where x > 0, else α(exp(x) - 1)."""
    return apply(Elu(alpha), x)


def leaky_relu(x: Expression, slope: float = 0.01) -> Expression:
    """Return x where x > 0, else slope · x."""
    return apply(LeakyRelu(slope), x)
