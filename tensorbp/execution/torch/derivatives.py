"""Cotangents times derivatives in PyTorch, by what its autograd calls."""

from __future__ import annotations

from typing import Any

from tensorbp.expression.activation import Approximation

__all__ = ["TorchDerivatives"]

Array = Any


class TorchDerivatives:
    """The routines of torch."""

    def __init__(self, torch: Any) -> None:
        aten = torch.ops.aten
        self._tanh, self._sigmoid = aten.tanh_backward.default, aten.sigmoid_backward.default
        self._relu, self._gelu = aten.threshold_backward.default, aten.gelu_backward.default

    def fits(self, dtype: str) -> bool:
        """Say whether numbers are real: of complex ones torch conjugates derivatives."""
        return not dtype.startswith("complex")

    def tanh(self, g: Array, y: Array) -> Array:
        """Return g (1 - y²)."""
        return self._tanh(g, y)

    def sigmoid(self, g: Array, y: Array) -> Array:
        """Return g y (1 - y)."""
        return self._sigmoid(g, y)

    def relu(self, g: Array, y: Array) -> Array:
        """Return g where y > 0, else 0."""
        return self._relu(g, y, 0)

    def gelu(self, g: Array, x: Array, approximate: Approximation) -> Array:
        """Return g times the derivative of x Φ(x), or of the formula with tanh close to it."""
        x = x.contiguous()
        # the routine neither broadcasts nor reads what is repeated
        if g.shape == x.shape:
            return self._gelu(g.contiguous(), x, approximate=approximate)
        return g * self._gelu(x.new_ones(x.shape), x, approximate=approximate)
