"""PyTorch under the names that numpy has for its functions."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

from tensorbp.execution.functional.geometry import Geometry

__all__ = ["TorchNamespace"]

Array = Any


class TorchNamespace:
    """The functions of torch, with those that numpy calls or does otherwise.

    torch itself takes ``axis`` and ``keepdims`` for ``dim`` and ``keepdim``.

    Attributes:
        device: where arrays are made.
    """

    __name__ = "torch"

    def __init__(self, torch: Any, device: Any) -> None:
        self._torch = torch
        self.device = device

    def __getattr__(self, name: str) -> Any:
        return getattr(self._torch, name)

    # ----- making arrays -----

    def asarray(self, x: Any, dtype: Any = None) -> Array:
        """Return a tensor on the device, in a dtype that may be named."""
        dtype = getattr(self._torch, dtype) if isinstance(dtype, str) else dtype
        if isinstance(x, self._torch.Tensor):
            return x if dtype is None or x.dtype == dtype else x.to(dtype)
        import numpy

        return self._torch.from_numpy(numpy.array(x, order="C")).to(self.device, dtype)

    def arange(self, *range: int) -> Array:
        """Return whole numbers in a row."""
        return self._torch.arange(*range, device=self.device)

    def zeros(self, shape: Sequence[int], dtype: Any = None) -> Array:
        """Return zeros."""
        return self.full(shape, 0, dtype)

    def full(self, shape: Sequence[int], number: Any, dtype: Any = None) -> Array:
        """Return one number everywhere."""
        dtype = getattr(self._torch, dtype) if isinstance(dtype, str) else dtype
        return self._torch.full(tuple(shape), number, dtype=dtype, device=self.device)

    def full_like(self, x: Array, number: Any, dtype: Any = None) -> Array:
        """Return one number in the shape of a tensor, stored once: it is not to be written into."""
        return x.new_full((), number, dtype=dtype).expand(x.shape)

    def zeros_like(self, x: Array, dtype: Any = None) -> Array:
        """Return zeros in the shape of a tensor, stored once."""
        return self.full_like(x, 0, dtype)

    def ones_like(self, x: Array, dtype: Any = None) -> Array:
        """Return ones in the shape of a tensor, stored once."""
        return self.full_like(x, 1, dtype)

    # ----- what numpy calls otherwise -----

    def transpose(self, x: Array, axes: Sequence[int]) -> Array:
        """Return the tensor with its dimensions in an order."""
        return x.permute(tuple(axes))

    def concatenate(self, arrays: Sequence[Array], axis: int = 0) -> Array:
        """Return tensors joined along a dimension."""
        return self._torch.cat(tuple(arrays), dim=axis)

    def take(self, x: Array, places: Any, axis: int) -> Array:
        """Return what places name along a dimension."""
        places = self.asarray(places)
        shape = (*x.shape[:axis], *places.shape, *x.shape[axis:][1:])
        return x.index_select(axis, places.reshape(-1)).reshape(shape)

    def pad(self, x: Array, widths: Sequence[tuple[int, int]]) -> Array:
        """Return the tensor with zeros before and after it along each dimension."""
        flat = [width for pair in reversed(widths) for width in pair]
        return self._torch.nn.functional.pad(x, flat)

    # ----- where numpy also takes numbers, or sums over no axes -----

    def where(self, condition: Any, a: Any, b: Any) -> Array:
        """Return a where the condition is true, else b; each may be an array of numpy."""
        a, b = (x if isinstance(x, int | float) else self.asarray(x) for x in (a, b))
        return self._torch.where(self.asarray(condition), a, b)

    def maximum(self, a: Array, b: Any) -> Array:
        """Return the larger of two numbers, nan where one is nan."""
        return self._torch.maximum(a, self._like(b, a))

    def minimum(self, a: Array, b: Any) -> Array:
        """Return the smaller of two numbers, nan where one is nan."""
        return self._torch.minimum(a, self._like(b, a))

    def sum(self, x: Array, axis: Any = None, keepdims: bool = False) -> Array:
        """Return sums along axes."""
        return x if axis == () else self._torch.sum(x, dim=axis, keepdim=keepdims)

    def mean(self, x: Array, axis: Any = None, keepdims: bool = False) -> Array:
        """Return means along axes."""
        return x if axis == () else self._torch.mean(x, dim=axis, keepdim=keepdims)

    def amax(self, x: Array, axis: Any = None, keepdims: bool = False) -> Array:
        """Return the largest numbers along axes."""
        axis = tuple(range(x.ndim)) if axis is None else axis
        return x if axis == () else self._torch.amax(x, dim=axis, keepdim=keepdims)

    def amin(self, x: Array, axis: Any = None, keepdims: bool = False) -> Array:
        """Return the smallest numbers along axes."""
        axis = tuple(range(x.ndim)) if axis is None else axis
        return x if axis == () else self._torch.amin(x, dim=axis, keepdim=keepdims)

    def _like(self, x: Any, array: Array) -> Array:
        return x if isinstance(x, self._torch.Tensor) else self.full_like(array, x)

    # ----- what numpy has no function for -----

    def thin_matmul(self, thin: Array, large: Array) -> Array:
        """Return the product of a few rows and a large matrix."""
        return self._torch.matmul(thin, large)

    def windows(self, x: Array, start: int, steps: Sequence[int], counts: Sequence[int]) -> Array:
        """Return x[..., start + Σ_k steps_k d_k], a view."""
        x = x[..., start:]
        for k, (step, count) in enumerate(zip(steps, counts, strict=True)):
            rest = zip(steps[k + 1 :], counts[k + 1 :], strict=True)
            reach = 1 + sum(step * (count - 1) for step, count in rest)
            if step:
                x = x.unfold(-1, reach, step)[..., :count, :]
            else:
                x = x[..., None, :reach].expand(*x.shape[:-1], count, reach)
        return x[..., 0]

    def accumulated(self, total: Array, value: Array) -> Array:
        """Return the total, to which the value is added in place."""
        return total.add_(value)

    def accumulated_at(self, total: Array, part: Array, start: int, step: int) -> Array:
        """Return the total, to which the part is added in place."""
        stop = start + step * (part.shape[-1] - 1) + 1
        total[..., start:stop:step].add_(part)
        return total

    def convolution(self, x: Array, w: Array, geometry: Geometry) -> Array:
        """Return a convolution, as the gradient of one where its kernel is larger than its result.

        Σ x[b, c, s t + d k] w[o, c, k] is what a convolution with stride d and dilation s has as
        the gradient of its kernel, t, for the cotangent w.
        """
        strides, dilations, groups = geometry.strides, geometry.dilations, geometry.groups
        x, padding = self._padded(x, w, geometry)
        rank = len(strides)
        if prod(w.shape[2:]) <= prod(geometry.lengths):
            convolve = (self.conv1d, self.conv2d, self.conv3d)[rank - 1]
            return convolve(x, w, None, strides, padding, dilations, groups)
        batch, features, outputs = x.shape[0], w.shape[1], w.shape[0] // groups
        space, kernel = x.shape[2:], w.shape[2:]
        x = x.reshape(batch, groups, features, *space).transpose(0, 2)
        w = w.reshape(groups, outputs, features, *kernel).movedim(2, 0)
        _, y, _ = self.ops.aten.convolution_backward(
            w.reshape(features, groups * outputs, *kernel),
            x.reshape(features, groups * batch, *space),
            x.new_empty((groups * outputs, batch, *geometry.lengths)),
            *(None, dilations, padding, strides, False, [0] * rank, groups),
            [False, True, False],
        )
        return y.transpose(0, 1)

    def _padded(self, x: Array, w: Array, geometry: Geometry) -> tuple[Array, list[int]]:
        """Return x, padded where it takes more than zeros alike on both ends, and these."""
        pads = geometry.overhangs(x.shape[2:], w.shape[2:], geometry.lengths)
        # zeros beyond the end that make up no window, and no further place of a kernel
        if all(
            low >= 0 and 0 <= low - high < min(s, d)
            for s, d, (low, high) in zip(geometry.strides, geometry.dilations, pads, strict=True)
        ):
            return x, [low for low, _ in pads]
        return self.pad(x, [(0, 0), (0, 0), *pads]), [0] * len(pads)

    def convolution_transposed(self, x: Array, w: Array, geometry: Geometry) -> Array:
        """Return a transposed convolution, as the gradient of one where it can be one.

        Both are the same sums, and the gradient is the routine that more care went into.
        """
        strides, dilations, groups = geometry.strides, geometry.dilations, geometry.groups
        rank = len(strides)
        kernel, outputs, features = w.shape[2:], w.shape[0] // groups, w.shape[1]
        w = w.reshape(groups, outputs, features, *kernel).transpose(1, 2)
        w = w.reshape(groups * features, outputs, *kernel)
        ends = geometry.overhangs(geometry.lengths, kernel, x.shape[2:])
        # torch cuts both ends off alike, but for less than a window at the second
        back = [low - high for low, high in ends]
        if all(
            low >= 0 and 0 <= more < s
            for (low, _), more, s in zip(ends, back, strides, strict=True)
        ):
            cut = [low for low, _ in ends]
            y, _, _ = self.ops.aten.convolution_backward(
                x,
                x.new_empty((x.shape[0], groups * outputs, *geometry.lengths)),
                w,
                *(None, strides, cut, dilations, False, [0] * rank, groups),
                [True, False, False],
            )
            return y
        convolve = (self.conv_transpose1d, self.conv_transpose2d, self.conv_transpose3d)[rank - 1]
        none = [0] * rank
        y = convolve(x, w, None, strides, none, none, groups, dilations)
        return self.pad(y, [(0, 0), (0, 0), *[(-low, -high) for low, high in ends]])

    def put(self, rows: Array, places: Array, size: int) -> Array:
        """Return sums of the rows of each place."""
        # one row more takes what is lost
        total = rows.new_zeros((size + 1, *rows.shape[1:]))
        return total.index_add_(0, places, rows)[:size]
