"""The elementary functions, one rule each: the derivative is an expression in x and y.

A rule is a layer like any other: `Exp` is the class, ``exp(x)`` its function of expressions.
Every derivative is an expression, so every rule can be differentiated any number of times.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import pi
from typing import Any

from tensorbp.algebra import Number
from tensorbp.algebra import reciprocal as inverse
from tensorbp.expression import stable
from tensorbp.expression.arithmetic import multiply
from tensorbp.expression.einsum import constant
from tensorbp.expression.layer import Example, Input, argument
from tensorbp.expression.node import Expression, as_expression, provides
from tensorbp.expression.rule import (
    Derivatives,
    Elementwise,
    Function,
    apply,
    elementwise,
    function,
    number_argument,
)

_POSITIVE = (Input("x", low=0.5),)
_PAIR = (Input("a"), Input("b"))

# ----- exponentials, logarithms and powers -----

Exp = elementwise(
    "exp", "y = exp(x)", "dy/dx = y", lambda xp, x: xp.exp(x), lambda y, x: y, temporaries=0
)
Expm1 = elementwise(
    "expm1",
    "y = exp(x) - 1",
    "dy/dx = y + 1",
    lambda xp, x: xp.expm1(x),
    lambda y, x: y + 1,
    temporaries=0,
)
Log = elementwise(
    "log",
    "y = ln(x)",
    "dy/dx = 1/x",
    lambda xp, x: xp.log(x),
    lambda y, x: reciprocal(x),
    inputs=_POSITIVE,
    temporaries=0,
)
Log1P = elementwise(
    "log1p",
    "y = ln(1 + x)",
    "dy/dx = 1/(1 + x)",
    lambda xp, x: xp.log1p(x),
    lambda y, x: reciprocal(1 + x),
    inputs=(Input("x", low=-0.5),),
    temporaries=0,
)
Sqrt = elementwise(
    "sqrt",
    "y = √x",
    "dy/dx = 1/(2y)",
    lambda xp, x: xp.sqrt(x),
    lambda y, x: reciprocal(2 * y),
    inputs=_POSITIVE,
    temporaries=0,
)
Reciprocal = elementwise(
    "reciprocal",
    "y = 1/x",
    "dy/dx = -y²",
    lambda xp, x: 1 / x,
    lambda y, x: -(y * y),
    inputs=_POSITIVE,
    temporaries=0,
)


@dataclass(frozen=True)
class Power(Elementwise):
    """Elementwise y = xᵖ for a number p; dy/dx = p xᵖ⁻¹."""

    name = "power"
    formula = "y = xᵖ"
    temporaries = 2
    inputs = _POSITIVE

    exponent: float = argument("the exponent p, a number")

    def __post_init__(self) -> None:
        object.__setattr__(self, "exponent", number_argument(self.name, "exponent", self.exponent))

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        """Return a whole, a negative and a fractional power."""
        return tuple(Example(cls(exponent), ((3, 4),)) for exponent in (3, -2, 1.5))

    def forward(self, xp: Any, *arrays: Any) -> Any:
        """Return xᵖ; whole powers are products."""
        (x,) = arrays
        if isinstance(self.exponent, int):
            return stable.integer_power(xp, x, self.exponent)
        return x**self.exponent

    def derivatives(self, y: Expression, *x: Expression) -> Derivatives:
        """Return p xᵖ⁻¹."""
        return (self.exponent * power(x[0], self.exponent - 1),)


# ----- signs, choices, and what is made of them -----

Sign = elementwise(
    "sign",
    "y = sign(x), 0 at 0",
    "dy/dx = 0",
    lambda xp, x: xp.sign(xp.real(x)) * xp.ones_like(x),
    lambda y, x: None,
)
Heaviside = elementwise(
    "heaviside",
    "y = 1 where x > 0, else 0",
    "dy/dx = 0",
    lambda xp, x: (xp.real(x) > 0) * xp.ones_like(x),
    lambda y, x: None,
)
Abs = elementwise(
    "abs",
    "y = |x|",
    "dy/dx = sign(x), 0 at 0",
    stable.absolute,
    lambda y, x: sign(x),
    temporaries=1,
)
Maximum = elementwise(
    "maximum",
    "y = max(a, b)",
    "dy/da = ½(1 + sign(a - b)), dy/db = ½(1 - sign(a - b)): half each where they tie",
    lambda xp, a, b: xp.maximum(a, b),
    lambda y, a, b: ((1 + sign(a - b)) / 2, (1 - sign(a - b)) / 2),
    inputs=_PAIR,
    temporaries=0,
)
Minimum = elementwise(
    "minimum",
    "y = min(a, b)",
    "dy/da = ½(1 - sign(a - b)), dy/db = ½(1 + sign(a - b)): half each where they tie",
    lambda xp, a, b: xp.minimum(a, b),
    lambda y, a, b: ((1 - sign(a - b)) / 2, (1 + sign(a - b)) / 2),
    inputs=_PAIR,
    temporaries=0,
)
Where = elementwise(
    "where",
    "y = a where the condition is not 0, else b",
    "dy/da = 1 where the condition is not 0, dy/db = 1 where it is",
    lambda xp, condition, a, b: xp.where(condition != 0, a, b),
    lambda y, condition, a, b: (None, where(condition, 1, 0), where(condition, 0, 1)),
    inputs=(Input("condition", kind="integer", low=0, high=1), *_PAIR),
)

# ----- trigonometric functions and the normal distribution -----

Sin = elementwise(
    "sin",
    "y = sin(x)",
    "dy/dx = cos(x)",
    lambda xp, x: xp.sin(x),
    lambda y, x: cos(x),
    temporaries=0,
)
Cos = elementwise(
    "cos",
    "y = cos(x)",
    "dy/dx = -sin(x)",
    lambda xp, x: xp.cos(x),
    lambda y, x: -sin(x),
    temporaries=0,
)
Tan = elementwise(
    "tan",
    "y = tan(x)",
    "dy/dx = 1 + y²",
    lambda xp, x: xp.tan(x),
    lambda y, x: 1 + y * y,
    inputs=(Input("x", low=-1.0, high=1.0),),
    temporaries=0,
)
Erf = elementwise(
    "erf",
    "y = erf(x)",
    "dy/dx = 2/√π exp(-x²)",
    lambda xp, x: stable.special(xp).erf(x),
    lambda y, x: 2 / pi**0.5 * exp(-(x * x)),
    temporaries=0,
)
NormalCdf = elementwise(
    "normal_cdf",
    "y = Φ(x) = ½(1 + erf(x/√2))",
    "dy/dx = φ(x) = exp(-x²/2)/√(2π)",
    lambda xp, x: stable.special(xp).ndtr(x),
    lambda y, x: 1 / (2 * pi) ** 0.5 * exp(-(x * x) / 2),
    temporaries=0,
)

# ----- the rules as functions of expressions, which broadcast their operands -----

abs: Function = function(Abs)
cos: Function = function(Cos)
erf: Function = function(Erf)
exp: Function = function(Exp)
expm1: Function = function(Expm1)
heaviside: Function = function(Heaviside)
log: Function = function(Log)
log1p: Function = function(Log1P)
maximum: Function = function(Maximum)
minimum: Function = function(Minimum)
normal_cdf: Function = function(NormalCdf)
reciprocal: Function = function(Reciprocal)
sign: Function = function(Sign)
sin: Function = function(Sin)
sqrt: Function = function(Sqrt)
tan: Function = function(Tan)
where: Function = function(Where)


@provides("divide")
def divide(left: Expression | Number, right: Expression | Number) -> Expression:
    """Return left / right; a number on the right becomes an exact coefficient where it can.

    Raises:
        ZeroDivisionError: the number on the right is 0.
    """
    if isinstance(right, Expression):
        return multiply(left, reciprocal(right))
    if right == 0:
        raise ZeroDivisionError("an expression is divided by the number 0")
    return multiply(left, inverse(right))


@provides("power")
def power(x: Expression | Number, exponent: Expression | Number) -> Expression:
    """Return x to the power of a number, or of an expression: exp(exponent · ln x), for x > 0.

    The powers 0 and 1 are the number 1 and x itself, also at x = 0; so no derivative of a whole
    power is undefined there.
    """
    x = as_expression(x)
    if isinstance(exponent, Expression):
        return exp(exponent * log(x))
    if exponent == 0:
        return constant(1, x.shape)
    if exponent == 1:
        return x
    if exponent == 2:
        return multiply(x, x)
    return apply(Power(float(exponent)), x)
