"""Numerical derivatives, to compare declared ones with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

__all__ = ["Array", "central_differences", "complex_step"]


def complex_step(f: Callable[[Array], Array], x: Array, step: float = 1e-20) -> Array:
    """Return the Jacobian of an analytic function, exact to rounding: Im f(x + ih e_k) / h.

    Nothing is subtracted, so the step can be as small as one likes (Squire and Trapp 1998).

    >>> complex_step(lambda x: x**3, np.array([2.0]))
    array([[12.]])

    Args:
        f: the function; it must also take complex arrays.
        x: where.
        step: h.

    Returns:
        An array of shape output + input.
    """

    def column(k: int) -> Array:
        moved = x.astype(complex)
        moved.flat[k] += 1j * step
        return np.asarray(np.imag(f(moved)) / step)

    return _columns(column, f, x)


def central_differences(f: Callable[[Array], Array], x: Array, step: float = 1e-5) -> Array:
    """Return the Jacobian of a function, to about ten digits: (f(x + h e_k) - f(x - h e_k)) / 2h.

    >>> central_differences(lambda x: x**2, np.array([2.0])).round(8)
    array([[4.]])

    Args:
        f: the function.
        x: where.
        step: h.

    Returns:
        An array of shape output + input.
    """

    def column(k: int) -> Array:
        up, down = x.astype(float), x.astype(float)
        up.flat[k] += step
        down.flat[k] -= step
        return np.asarray((f(up) - f(down)) / (2 * step))

    return _columns(column, f, x)


def _columns(column: Callable[[int], Array], f: Callable[[Array], Array], x: Array) -> Array:
    """Put the derivatives with respect to each element of x side by side."""
    if not x.size:
        return np.zeros(np.shape(f(x)) + x.shape)
    columns = np.stack([column(k) for k in range(x.size)], axis=-1)
    return columns.reshape(columns.shape[:-1] + x.shape)
