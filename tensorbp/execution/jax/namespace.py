"""JAX under the names that numpy has for its functions: jax.numpy, and a little more."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from math import prod
from typing import Any

from tensorbp.execution.functional.geometry import Geometry

__all__ = ["JaxNamespace"]

Array = Any

MOST_SLICES = 64
"""Windows are put together from so many slices at most, else taken by index."""


class JaxNamespace:
    """jax.numpy, with what numpy has no function for."""

    __name__ = "jax.numpy"

    def __init__(self, jax: Any) -> None:
        self._jax = jax
        self._numpy = jax.numpy

    def __getattr__(self, name: str) -> Any:
        return getattr(self._numpy, name)

    def thin_matmul(self, thin: Array, large: Array) -> Array:
        """Return a product, and have what is transposed before or after it be so by itself.

        XLA would rather read the large matrix across, which takes up to ten times as long.
        """
        barrier = self._jax.lax.optimization_barrier
        return barrier(self._numpy.matmul(barrier(thin), large))

    def windows(self, x: Array, start: int, steps: Sequence[int], counts: Sequence[int]) -> Array:
        """Return x[..., start + Σ_k steps_k d_k], of slices along the longest of its axes."""
        moving = [k for k, step in enumerate(steps) if step]
        along = max(moving, key=lambda k: counts[k], default=None)
        loops = [k for k in range(len(counts)) if k != along]
        if along is None or prod([counts[k] for k in loops]) > MOST_SLICES:
            import numpy

            d = numpy.indices(tuple(counts))
            return x[..., start + numpy.tensordot(steps, d, 1).astype(int)]
        step, count = steps[along], counts[along]
        parts = []
        for values in product(*[range(counts[k]) for k in loops]):
            base = start + sum(steps[k] * d for k, d in zip(loops, values, strict=True))
            parts.append(x[..., base : base + step * (count - 1) + 1 : step])
        sizes = [counts[k] for k in loops]
        stacked = self._numpy.stack(parts, axis=-2).reshape(*x.shape[:-1], *sizes, count)
        return self._numpy.moveaxis(stacked, -1, along - len(counts))

    def accumulated(self, total: Array, value: Array) -> Array:
        """Return total + value."""
        return total + value

    def accumulated_at(self, total: Array, part: Array, start: int, step: int) -> Array:
        """Return the total and the part, spread out among zeros."""
        end = total.shape[-1] - start - step * (part.shape[-1] - 1) - 1
        pads = [(0, 0, 0)] * (part.ndim - 1) + [(start, end, step - 1)]
        return total + self._jax.lax.pad(part, part.dtype.type(0), pads)

    def convolution(self, x: Array, w: Array, geometry: Geometry) -> Array:
        """Return a convolution."""
        pads = geometry.overhangs(x.shape[2:], w.shape[2:], geometry.lengths)
        # what is cut off is cut off beforehand: compilers of convolutions expect zeros to be added
        ends = [n + min(0, high) for n, (_, high) in zip(x.shape[2:], pads, strict=True)]
        x = x[(..., *[slice(max(0, -low), end) for (low, _), end in zip(pads, ends, strict=True)])]
        zeros = [(max(0, low), max(0, high)) for low, high in pads]
        return self._jax.lax.conv_general_dilated(
            *(x, w, geometry.strides, zeros),
            rhs_dilation=geometry.dilations,
            feature_group_count=geometry.groups,
        )

    def convolution_transposed(self, x: Array, w: Array, geometry: Geometry) -> Array:
        """Return a convolution of x, spread out among zeros, with the kernel turned around."""
        kernel, lengths = w.shape[2:], geometry.lengths
        reach = [d * (k - 1) for d, k in zip(geometry.dilations, kernel, strict=True)]
        ends = geometry.overhangs(lengths, kernel, x.shape[2:])
        pads = [(r - low, r - high) for r, (low, high) in zip(reach, ends, strict=True)]
        cut = [max(0, -low) for low, _ in pads]
        y = self._jax.lax.conv_general_dilated(
            x,
            self._numpy.flip(w, range(2, w.ndim)),
            [1] * len(pads),
            [(max(0, low), max(0, high)) for low, high in pads],
            lhs_dilation=geometry.strides,
            rhs_dilation=geometry.dilations,
            feature_group_count=geometry.groups,
        )
        return y[(..., *[slice(first, first + n) for first, n in zip(cut, lengths, strict=True)])]

    def put(self, rows: Array, places: Array, size: int) -> Array:
        """Return sums of the rows of each place."""
        total = self._numpy.zeros((size, *rows.shape[1:]), rows.dtype)
        return total.at[places].add(rows, mode="drop")
