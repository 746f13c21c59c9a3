"""Formulas on arrays that neither overflow nor lose digits, for any array library.

They also take complex arrays, on which they continue the branch of the real part: numpy orders
complex numbers by their real parts first, so ``maximum(x, -x)`` is ``|x|`` continued, where
``abs`` would be the modulus. That makes the complex step work through them.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from tensorbp.errors import LayerError, suggestion

__all__ = [
    "absolute",
    "clipped",
    "integer_power",
    "negative_part",
    "positive_part",
    "sigmoid",
    "softplus",
    "special",
]

_SPECIAL_FUNCTIONS = {
    "numpy": "scipy.special",
    "torch": "torch.special",
    "jax.numpy": "jax.scipy.special",
}


def special(xp: Any) -> Any:
    """Return the module in which an array library keeps ``erf`` and ``ndtr``.

    Raises:
        LayerError: it is not known for this library.
    """
    if xp.__name__ not in _SPECIAL_FUNCTIONS:
        raise LayerError(
            f"where '{xp.__name__}' keeps erf and ndtr is not known"
            f"{suggestion(xp.__name__, _SPECIAL_FUNCTIONS)}"
        )
    return import_module(_SPECIAL_FUNCTIONS[xp.__name__])


def absolute(xp: Any, x: Any) -> Any:
    """Return |x|."""
    return xp.maximum(x, -x)


def positive_part(xp: Any, x: Any) -> Any:
    """Return max(x, 0)."""
    return xp.maximum(x, xp.zeros_like(x))


def negative_part(xp: Any, x: Any) -> Any:
    """Return min(x, 0)."""
    return xp.minimum(x, xp.zeros_like(x))


def clipped(xp: Any, x: Any, low: float, high: float) -> Any:
    """Return min(max(x, low), high)."""
    return xp.minimum(xp.maximum(x, xp.full_like(x, low)), xp.full_like(x, high))


def sigmoid(xp: Any, x: Any) -> Any:
    """Return 1 / (1 + exp(-x)), as exp(min(x, 0)) / (1 + exp(-|x|))."""
    return xp.exp(negative_part(xp, x)) / (1 + xp.exp(-absolute(xp, x)))


def softplus(xp: Any, x: Any) -> Any:
    """Return ln(1 + exp(x)), as max(x, 0) + ln(1 + exp(-|x|)).

    ``logaddexp`` computes the same ten times slower in numpy.
    """
    return positive_part(xp, x) + xp.log1p(xp.exp(-absolute(xp, x)))


def integer_power(xp: Any, x: Any, exponent: int) -> Any:
    """Return xⁿ for a whole number n, by repeated squaring.

    numpy's own power takes a slow path where x is negative, a hundred times slower than this.
    """
    if exponent < 0:
        return integer_power(xp, 1 / x, -exponent)
    if exponent == 0:
        return xp.ones_like(x)
    if exponent == 1:
        return x
    root = integer_power(xp, x, exponent // 2)
    return root * root * x if exponent % 2 else root * root
