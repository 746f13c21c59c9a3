"""Standardisation in PyTorch, by the routines of its batch and layer normalisation."""

from __future__ import annotations

from typing import Any

__all__ = ["TorchNormalization"]

Array = Any


class TorchNormalization:
    """The routines of torch for standardisation and its gradient."""

    def __init__(self, torch: Any) -> None:
        self._torch = torch

    def fits(self, dtype: str) -> bool:
        """Say whether means have the type of the numbers: those of half precision have not."""
        return dtype in ("float32", "float64")

    def standardized(self, x: Array, epsilon: float) -> tuple[Array, Array]:
        """Return y = (x - μ) r, and r = 1/√(mean((x - μ)²) + ε), of shape (kept,)."""
        torch = self._torch
        before, _, behind = x.shape
        if before == 1:
            y, _, r = torch.native_layer_norm(x, (behind,), None, None, epsilon)
        else:
            y, _, r = torch.native_batch_norm(x, *(None,) * 4, True, 0.0, epsilon)
        return y, r.flatten()

    def gradients(
        self, g: Array, y: Array, scale: Array | None, gain: Array | None, sums: bool
    ) -> tuple[Array, Array | None, Array | None]:
        """Return scale · (h - mean(h) - y mean(h y)), where h = gain · g, and Σ g y and Σ g."""
        torch = self._torch
        before, kept, behind = g.shape
        # the routines read weights that are repeated beyond their ends
        scale, gain = (None if each is None else each.contiguous() for each in (scale, gain))
        # to the routines y is what was standardised, of mean 0 and deviation 1
        if gain is not None and before == 1:
            mean, inverse = y.new_zeros((1, kept, 1)), y.new_ones((1, kept, 1))
            dx, *found = torch.ops.aten.native_layer_norm_backward(
                *(g, y, (behind,), mean, inverse, gain, gain if sums else None),
                [True, sums, sums],
            )
            return dx if scale is None else dx.mul_(scale[:, None]), *found
        mean, inverse = y.new_zeros(kept), y.new_ones(kept)
        h = g if gain is None else g * gain.reshape(before, 1, behind)
        own_sums = sums and gain is None
        dx, *found = torch.ops.aten.native_batch_norm_backward(
            *(h, y, inverse if scale is None else scale, None, None, mean, inverse, True, 0.0),
            [True, own_sums, own_sums],
        )
        if sums and gain is not None:
            return dx, torch.sum(g * y, 1).flatten(), torch.sum(g, 1).flatten()
        return dx, *found
