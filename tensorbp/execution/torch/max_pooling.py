"""Pools of the largest number in PyTorch."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

from tensorbp.algebra import Shape
from tensorbp.layers.convolution.spatial import Window

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

    def largest(self, x: Array, windows: Sequence[Window]) -> tuple[Array, Array]:
        """Return the largest number of each window and its place, counted row by row."""
        pool = self._pools[x.ndim - 3]
        values, places = pool(
            x,
            [each.size for each in windows],
            [each.stride for each in windows],
            [each.before for each in windows],
            [each.dilation for each in windows],
            return_indices=True,
        )
        return values, places

    def put_back(self, g: Array, places: Array, shape: Shape) -> Array:
        """Return zeros of a shape, with numbers added at their places in space."""
        flat = (*shape[:2], -1)
        total = g.new_zeros((*shape[:2], prod(shape[2:])))
        return total.scatter_add_(2, places.reshape(flat), g.reshape(flat)).reshape(shape)
