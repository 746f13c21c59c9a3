"""Pools of the largest number in PyTorch."""

from __future__ import annotations

from math import prod
from typing import Any

from tensorbp.algebra import Shape
from tensorbp.execution.functional.max_pooling import Windows

__all__ = ["TorchMaxPooling"]

Array = Any


class TorchMaxPooling:
    """The routines of torch."""

    def __init__(self, torch: Any) -> None:
        functional = torch.nn.functional
        self._pools = (functional.max_pool1d, functional.max_pool2d, functional.max_pool3d)

    def fits(self, dtype: str) -> bool:
        """Say whether numbers are real, so that one is the largest."""
        return not dtype.startswith("complex")

    def largest(self, x: Array, windows: Windows) -> tuple[Array, Array]:
        """Return the largest number of each window and its place, counted row by row."""
        pool = self._pools[x.ndim - 3]
        sizes, dilations = windows.sizes, windows.dilations
        values, places = pool(
            *(x, sizes, windows.strides, windows.padding, dilations), return_indices=True
        )
        return values, places

    def put_back(self, g: Array, places: Array, shape: Shape) -> Array:
        """Return zeros of a shape, with numbers added at their places in space."""
        flat = (*shape[:2], -1)
        total = g.new_zeros((*shape[:2], prod(shape[2:])))
        return total.scatter_add_(2, places.reshape(flat), g.reshape(flat)).reshape(shape)
