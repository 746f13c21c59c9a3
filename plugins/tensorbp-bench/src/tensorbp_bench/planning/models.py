"""The networks whose derivatives are planned."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from random import Random

import tensorbp as tb

__all__ = ["draw_widths", "linear_gradients", "multilayer_gradients"]


def draw_widths(random: Random, depth: int, least: int = 1, most: int = 1024) -> list[int]:
    """Return the widths of a network of so many layers, input and output included."""
    return [random.randint(least, most) for _ in range(depth + 1)]


def multilayer_gradients(widths: Sequence[int], batch: int) -> list[tb.Expression]:
    """Return the mean of the outputs of a tanh network, and its gradients by all weights."""
    h = tb.variable("x", batch, widths[0])
    weights = _weights(widths)
    for W in weights:
        h = tb.tanh(h @ W)
    loss = tb.mean(h)
    return [loss, *_gradients(loss, weights)]


def linear_gradients(widths: Sequence[int], batch: int) -> list[tb.Expression]:
    """Return the gradients of a linear network by all weights, given the cotangent g."""
    y = tb.variable("x", batch, widths[0])
    weights = _weights(widths)
    for W in weights:
        y = y @ W
    return _gradients(tb.sum(tb.variable("g", batch, widths[-1]) * y), weights)


def _weights(widths: Sequence[int]) -> list[tb.Expression]:
    return [tb.variable(f"W{k}", *pair) for k, pair in enumerate(pairwise(widths))]


def _gradients(loss: tb.Expression, weights: list[tb.Expression]) -> list[tb.Expression]:
    gradients = tb.gradient(loss, weights)
    assert isinstance(gradients, list)
    return gradients
