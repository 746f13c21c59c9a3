"""The activations of neural networks, one rule each, like the elementary functions.

Each is computed by a formula that neither overflows nor loses digits, whatever the input.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import pi
from typing import Any, Literal, get_args

from tensorbp.errors import LayerError, suggestion
from tensorbp.expression import stable
from tensorbp.expression.elementwise import abs, exp, heaviside, normal_cdf, reciprocal, where
from tensorbp.expression.layer import Example, argument
from tensorbp.expression.node import Expression
from tensorbp.expression.piecewise import hard_tanh
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
    "tanh",
    "y = tanh(x)",
    "dy/dx = 1 - y²",
    lambda xp, x: xp.tanh(x),
    lambda y, x: 1 - y * y,
    temporaries=0,
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
    temporaries=1,
)
Silu = elementwise(
    "silu",
    "y = x σ(x)",
    "dy/dx = σ(x) + y(1 - σ(x))",
    lambda xp, x: x * stable.sigmoid(xp, x),
    lambda y, x: sigmoid(x) + y * (1 - sigmoid(x)),
    source="Elfwing, Uchibe and Doya 2018, Sigmoid-weighted linear units",
)
Mish = elementwise(
    "mish",
    "y = x tanh(ln(1 + exp(x)))",
    "dy/dx = t + x σ(x)(1 - t²), t = tanh(ln(1 + exp(x)))",
    lambda xp, x: x * xp.tanh(stable.softplus(xp, x)),
    lambda y, x: _mish_derivative(x, tanh(softplus(x))),
    source="Misra 2019, Mish: a self regularized non-monotonic activation function",
)
Softsign = elementwise(
    "softsign",
    "y = x/(1 + |x|)",
    "dy/dx = 1/(1 + |x|)²",
    lambda xp, x: x / (1 + stable.absolute(xp, x)),
    lambda y, x: reciprocal(1 + abs(x)) ** 2,
    source="Glorot and Bengio 2010, Understanding the difficulty of training deep networks",
)
Tanhshrink = elementwise(
    "tanhshrink",
    "y = x - tanh(x)",
    "dy/dx = tanh(x)²",
    lambda xp, x: x - xp.tanh(x),
    lambda y, x: tanh(x) ** 2,
    temporaries=1,
)

SELU_ALPHA = 1.6732632423543772
SELU_SCALE = 1.0507009873554805
"""The numbers that make mean 0 and variance 1 a fixed point."""

Selu = elementwise(
    "selu",
    "y = s x where x > 0, else s α(exp(x) - 1), s = 1.0507, α = 1.6733",
    "dy/dx = s where x > 0, else y + s α",
    lambda xp, x: SELU_SCALE * _exponential_linear(xp, x, SELU_ALPHA, 1.0),
    lambda y, x: where(heaviside(x), SELU_SCALE, y + SELU_SCALE * SELU_ALPHA),
    source="Klambauer et al. 2017, Self-normalizing neural networks, eq. 14",
)

Approximation = Literal["none", "tanh"]


@dataclass(frozen=True)
class Gelu(Elementwise):
    """Elementwise y = x Φ(x), Φ the normal distribution function; dy/dx = Φ(x) + x φ(x).

    φ(x) = exp(-x²/2)/√(2π). With ``approximate="tanh"`` Φ(x) is ½(1 + t), where
    t = tanh(u), u = √(2/π)(x + 0.044715 x³), and dy/dx = ½(1 + t) + ½ x (1 - t²) u'.

    Source: Hendrycks and Gimpel 2016, Gaussian error linear units.
    """

    name = "gelu"
    formula = "y = x Φ(x), Φ the normal distribution function"

    approximate: Approximation = argument(
        "none for the normal distribution function itself, tanh for a formula close to it", "none"
    )

    def __post_init__(self) -> None:
        if self.approximate not in get_args(Approximation):
            raise LayerError(
                f"layer 'gelu': approximate must be 'none' or 'tanh', found {self.approximate!r}"
                f"{suggestion(str(self.approximate), get_args(Approximation))}"
            )

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        """Return the exact form and the approximation."""
        return (Example(cls(), ((3, 4),)), Example(cls("tanh"), ((3, 4),)))

    def forward(self, xp: Any, *arrays: Any) -> Any:
        """Return x Φ(x)."""
        (x,) = arrays
        if self.approximate == "none":
            return x * stable.special(xp).ndtr(x)
        bounded = stable.clipped(xp, x, -GELU_SATURATION, GELU_SATURATION)
        return x * (1 + xp.tanh(_gelu_polynomial(bounded))) / 2

    def derivatives(self, y: Expression, *x: Expression) -> Derivatives:
        """Return Φ(x) + x Φ'(x)."""
        (z,) = x
        if self.approximate == "none":
            return (normal_cdf(z) + z * exp(-(z * z) / 2) / (2 * pi) ** 0.5,)
        bounded = hard_tanh(z, -GELU_SATURATION, GELU_SATURATION)
        t = tanh(_gelu_polynomial(bounded))
        slope = (2 / pi) ** 0.5 * (1 + 3 * GELU_CUBIC * bounded * bounded)
        return ((1 + t) / 2 + bounded * (1 - t * t) * slope / 2,)


GELU_CUBIC = 0.044715
GELU_SATURATION = 10.0
"""Beyond it tanh(u) is ±1 in double precision, and u may overflow."""


def _gelu_polynomial(x: Any) -> Any:
    return (2 / pi) ** 0.5 * (x + GELU_CUBIC * x * x * x)


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
        return _exponential_linear(xp, x, self.alpha, 1.0)

    def derivatives(self, y: Expression, *x: Expression) -> Derivatives:
        """Return 1 where x > 0, else y + α."""
        return (where(heaviside(x[0]), 1, y + self.alpha),)


@dataclass(frozen=True)
class Celu(Elementwise):
    """Elementwise y = x where x > 0, else α(exp(x/α) - 1); dy/dx = 1 where x > 0, else y/α + 1.

    Unlike elu it has a continuous derivative for every α. Source: Barron 2017, Continuously
    differentiable exponential linear units.
    """

    name = "celu"
    formula = "y = x where x > 0, else α(exp(x/α) - 1)"

    alpha: float = argument("α above 0: the value for very negative x is -α", 1.0)

    def __post_init__(self) -> None:
        alpha = number_argument(self.name, "alpha", self.alpha)
        if alpha <= 0:
            raise LayerError(f"layer 'celu': alpha must be above 0, found {alpha}")
        object.__setattr__(self, "alpha", alpha)

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        """Return the α at which it is elu, and another."""
        return (Example(cls(), ((3, 4),)), Example(cls(0.5), ((3, 4),)))

    def forward(self, xp: Any, *arrays: Any) -> Any:
        """Return max(x, 0) + α(exp(min(x, 0)/α) - 1)."""
        (x,) = arrays
        return _exponential_linear(xp, x, self.alpha, self.alpha)

    def derivatives(self, y: Expression, *x: Expression) -> Derivatives:
        """Return 1 where x > 0, else y/α + 1."""
        return (where(heaviside(x[0]), 1, y / self.alpha + 1),)


def _exponential_linear(xp: Any, x: Any, alpha: float, width: float) -> Any:
    """Return max(x, 0) + α(exp(min(x, 0)/width) - 1)."""
    return stable.positive_part(xp, x) + alpha * xp.expm1(stable.negative_part(xp, x) / width)


def _mish_derivative(x: Expression, t: Expression) -> Expression:
    return t + x * sigmoid(x) * (1 - t * t)


log_sigmoid: Function = function(LogSigmoid)
mish: Function = function(Mish)
relu: Function = function(Relu)
selu: Function = function(Selu)
sigmoid: Function = function(Sigmoid)
silu: Function = function(Silu)
softplus: Function = function(Softplus)
softsign: Function = function(Softsign)
tanh: Function = function(Tanh)
tanhshrink: Function = function(Tanhshrink)


def celu(x: Expression, alpha: float = 1.0) -> Expression:
    """Return x where x > 0, else α(exp(x/α) - 1)."""
    return apply(Celu(alpha), x)


def elu(x: Expression, alpha: float = 1.0) -> Expression:
    """Return x where x > 0, else α(exp(x) - 1)."""
    return apply(Elu(alpha), x)


def gelu(x: Expression, approximate: Approximation = "none") -> Expression:
    """Return x Φ(x), Φ the normal distribution function or, with "tanh", a formula close to it."""
    return apply(Gelu(approximate), x)


def leaky_relu(x: Expression, slope: float = 0.01) -> Expression:
    """Return x where x > 0, else slope · x."""
    return apply(LeakyRelu(slope), x)
