"""Products that PyTorch adds to something while it multiplies."""

from __future__ import annotations

from typing import Any

__all__ = ["TorchMultiplyAdd"]

Array = Any


class TorchMultiplyAdd:
    """The routines of torch."""

    def __init__(self, torch: Any) -> None:
        self._addcmul, self._addmm = torch.addcmul, torch.addmm

    def numbers(self, total: Array, a: Array, b: Array, value: float) -> Array:
        """Return total + value a b, number by number."""
        return self._addcmul(total, a, b, value=value)

    def matrices(self, total: Array, a: Array, b: Array, value: float) -> Array:
        """Return total + value A B."""
        return self._addmm(total, a, b, alpha=value)
