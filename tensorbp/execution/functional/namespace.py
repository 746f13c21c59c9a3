"""What a library must offer so that plans can be functions of its arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from tensorbp.execution.functional.geometry import Geometry

__all__ = ["Namespace"]

Array = Any


class Namespace(Protocol):
    """The functions of numpy that forward rules call, and what numpy has no function for.

    Attributes:
        __name__: ``"torch"``, ``"jax.numpy"``..., by which layers know the library.
    """

    __name__: str

    def __getattr__(self, name: str) -> Any:
        """Return a function by the name that numpy has for it."""

    def thin_matmul(self, thin: Array, large: Array) -> Array:
        """Return the product of a few rows and a large matrix that lies row after row.

        The rows were transposed beforehand, or the product is going to be.
        """

    def windows(self, x: Array, start: int, steps: Sequence[int], counts: Sequence[int]) -> Array:
        """Return x[..., start + Σ_k steps_k d_k] with an axis for each d_k.

        Args:
            x: the tensor.
            start: the place where all d_k are 0.
            steps: by how much each d_k moves the place; not negative.
            counts: how many values each d_k has; every place is there.
        """

    def accumulated(self, total: Array, value: Array) -> Array:
        """Return total + value; the total is not used any more and may be written into."""

    def accumulated_at(self, total: Array, part: Array, start: int, step: int) -> Array:
        """Return the total with a part added at start + step d along the last axis.

        The total is not used any more and may be written into.
        """

    def convolution(self, x: Array, w: Array, geometry: Geometry) -> Array:
        """Return y[b, go, t...] = Σ x[b, gc, offset + stride · t + dilation · k...] w[go, c, k...].

        Args:
            x: of shape (batch, groups · features, *space); there are zeros around it.
            w: of shape (groups · outputs, features, *kernel).
            geometry: where the windows t lie.
        """

    def convolution_transposed(self, x: Array, w: Array, geometry: Geometry) -> Array:
        """Return y[b, go, i...], the sum of all x[b, gc, t...] w[go, c, k...] that belong to i.

        They belong to i = offset + stride · t + dilation · k from 0 to length - 1.

        Args:
            x: of shape (batch, groups · features, *windows).
            w: of shape (groups · outputs, features, *kernel).
            geometry: where the windows t lie.
        """

    def put(self, rows: Array, places: Array, size: int) -> Array:
        """Return so many rows, each the sum of those whose place it is; beyond, they are lost."""
