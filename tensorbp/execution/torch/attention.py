"""Attention in PyTorch: which kernel carries it out, torch decides by device and dtype."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

__all__ = ["TorchAttention"]

Array = Any


class TorchAttention:
    """The routine of torch for attention."""

    def __init__(self, torch: Any) -> None:
        self._torch = torch

    def attention(
        self, q: Array, k: Array, v: Array, mask: Array | None, is_causal: bool, scale: float
    ) -> Array:
        """Return softmax(scale · Q Kᵀ + B) V over the keys that are open to a query."""
        torch = self._torch
        return torch.nn.functional.scaled_dot_product_attention(
            q, k, v, attn_mask=mask, is_causal=is_causal, scale=scale
        )

    def with_pullback(
        self, q: Array, k: Array, v: Array, mask: Array | None, is_causal: bool, scale: float
    ) -> tuple[Array, Callable[[Array], tuple[Array, Array, Array]]]:
        """Return the same, and what returns the gradients for a cotangent of it."""
        torch = self._torch
        attend = partial(self.attention, mask=mask, is_causal=is_causal, scale=scale)
        if torch.compiler.is_compiling():
            return torch.func.vjp(attend, q, k, v)  # type: ignore[no-any-return]
        # autograd itself costs a fraction of what torch.func puts around it
        sides = [each.detach().requires_grad_() for each in (q, k, v)]
        with torch.enable_grad():
            y = attend(*sides)
        return y.detach(), partial(torch.autograd.grad, y, sides)
