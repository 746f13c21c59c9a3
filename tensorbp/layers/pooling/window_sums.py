"""Sums over the windows of an input: an einsum with a selection for each axis of space."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tensorbp.algebra import Factor, Number
from tensorbp.expression.layer import Shape, argument
from tensorbp.expression.node import Expression
from tensorbp.layers.convolution.spatial import Axes, Space, Ties, Window
from tensorbp.layers.tables import Table

__all__ = ["Shares", "counted", "summed"]


@dataclass(frozen=True)
class Shares(Table):
    """What each window along an axis is multiplied with: s_t."""

    name = "shares"
    formula = "s_t"

    numbers_by_window: tuple[float, ...] = argument("s_t, for each window")

    def shape(self, *shapes: Shape) -> Shape:
        """Return how many windows there are."""
        return (len(self.numbers_by_window),)

    def numbers(self) -> Any:
        """Return s_t."""
        import numpy as np

        return np.array(self.numbers_by_window)


def summed(
    x: Expression,
    windows: Sequence[Window],
    where: Space,
    coefficient: Number = 1,
    shares: Sequence[Sequence[float]] = (),
    apart: bool = False,
) -> Expression:
    """Return the sum over each window, or with its places apart, along a last axis.

    Args:
        x: the input.
        windows: the windows along each axis of space.
        where: where these axes are.
        coefficient: what all is multiplied with.
        shares: for each axis what each window is multiplied with, or nothing.
        apart: whether the places in a window are kept.
    """
    axes = Axes()
    batch, channels = axes.new(x.shape[0], where.channels)
    ties = Ties()
    for k, (window, length) in enumerate(zip(windows, where.lengths, strict=True)):
        ties.add(axes, window, length, window.count(length))
        if shares and shares[k]:
            ties.selections.append(Factor(Shares(tuple(shares[k]))(), (ties.counts[-1],)))
    output = where.arranged(batch, channels, ties.counts)
    whole = Factor(x, where.arranged(batch, channels, ties.places))
    kept = (*output, sum(ties.taps, ())) if apart else output
    return axes.einsum([whole, *ties.selections], kept, coefficient)


def counted(window: Window, length: int, after: int, include: bool) -> list[int]:
    """Return how many places of each window count.

    Args:
        window: the windows.
        length: how many places the axis has.
        after: how many places are added after it; a last window may reach beyond them.
        include: whether added places count too.
    """
    if not include:
        return [int(count) for count in (window.table(length) >= 0).sum(axis=1)]
    starts = [t * window.stride for t in range(window.count(length))]
    return [min(start + window.size, length + window.before + after) - start for start in starts]
