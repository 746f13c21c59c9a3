"""Where the windows of a convolution lie."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Geometry"]


@dataclass(frozen=True)
class Geometry:
    """Entry k of a kernel meets place offset + stride · t + dilation · k in window t.

    Each of the first four holds a number for each axis of space.

    Attributes:
        strides: from window to window.
        dilations: from one place of a window to the next.
        offsets: where the first window begins; negative if that is before the first place.
        lengths: of the result: how many windows a convolution has, and how many places a
            transposed one.
        groups: the number of groups that features and outputs fall into.
    """

    strides: Sequence[int]
    dilations: Sequence[int]
    offsets: Sequence[int]
    lengths: Sequence[int]
    groups: int

    def overhangs(
        self, places: Sequence[int], kernel: Sequence[int], windows: Sequence[int]
    ) -> list[tuple[int, int]]:
        """Return how far windows reach beyond the first place and the last along each axis.

        Args:
            places: how many places there are.
            kernel: the size of the kernel.
            windows: the number of windows.

        Returns:
            Two numbers for each axis; negative where places are in no window.
        """
        reach = [
            s * (t - 1) + d * (k - 1)
            for s, d, t, k in zip(self.strides, self.dilations, windows, kernel, strict=True)
        ]
        return [
            (-offset, offset + last - (n - 1))
            for offset, last, n in zip(self.offsets, reach, places, strict=True)
        ]
