"""Images in another size: nearest neighbours, and linear and cubic interpolation.

Along each axis it is a selection of neighbours, times their weights:
"b c i, t k i, t k -> b c t". Neighbours repeated a whole number of times are free.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import floor, isfinite
from typing import Any, ClassVar, Literal

from tensorbp.algebra import Dimension, Factor
from tensorbp.errors import LayerError
from tensorbp.expression.layer import Composite, Example, Shape, argument
from tensorbp.expression.node import Expression
from tensorbp.expression.rule import number_argument
from tensorbp.expression.selection import Selection
from tensorbp.layers.choices import one_of, switch
from tensorbp.layers.convolution.spatial import (
    CHANNELS_LAST,
    Axes,
    Sizes,
    Space,
    each_axis,
    numbers,
)
from tensorbp.layers.tables import Table

__all__ = ["Upsample", "upsample"]

Mode = Literal["nearest", "linear", "cubic"]
Factors = float | tuple[float, ...]

MODES = ("nearest", "linear", "cubic")
SHARPNESS = -0.75
"""a of Keys's cubic kernel; PyTorch, OpenCV and others choose this one too."""


@dataclass(frozen=True)
class Resampling:
    """An axis in another size: place t of the new one is at step · (t + 1/2) - 1/2 of the old one.

    Attributes:
        mode: how many neighbours count, and how much.
        length: the size of the axis.
        count: its new size.
        step: how far apart new places are.
        align_corners: whether the first and the last place stay where they are: place t is then at
            t (length - 1)/(count - 1).
    """

    name: ClassVar[str] = "resampling"

    mode: Mode
    length: int
    count: int
    step: float
    align_corners: bool

    @property
    def repeats(self) -> int:
        """How often each place is repeated; 0 where it is more than a repetition."""
        whole, rest = divmod(self.count, self.length)
        is_same = whole == 1 and (self.step == 1 or self.align_corners)
        repeats = not rest and self.mode == "nearest" and self.step == self.length / self.count
        return whole if repeats or (is_same and not rest) else 0

    @property
    def taps(self) -> int:
        """How many neighbours count."""
        return {"nearest": 1, "linear": 2, "cubic": 4}[self.mode]

    def at(self) -> Any:
        """Return where each new place is on the old axis."""
        import numpy as np

        t = np.arange(self.count)
        if self.mode == "nearest":
            # rounding must not move a place that falls on a whole number
            return np.floor(t * self.step + 1e-9)
        if self.align_corners:
            return t * ((self.length - 1) / max(self.count - 1, 1))
        at = (t + 0.5) * self.step - 0.5
        return np.maximum(at, 0) if self.mode == "linear" else at

    def neighbours(self) -> Any:
        """Return the places of the neighbours of each new place; beyond the ends, the ends."""
        import numpy as np

        first = np.floor(self.at()).astype(int) - (self.mode == "cubic")
        return np.clip(first[:, None] + np.arange(self.taps), 0, self.length - 1)

    def weights(self) -> Any:
        """Return how much each neighbour counts."""
        import numpy as np

        at = self.at()
        w = at - np.floor(at)
        if self.mode == "linear":
            return np.stack([1 - w, w], axis=1)
        return _keys(np.stack([1 + w, w, 1 - w, 2 - w], axis=1))


def _keys(distance: Any) -> Any:
    """Return Keys's cubic kernel."""
    import numpy as np

    a, d = SHARPNESS, distance
    near = ((a + 2) * d - (a + 3)) * d * d + 1
    far = ((a * d - 5 * a) * d + 8 * a) * d - 4 * a
    return np.where(d <= 1, near, far)


@dataclass(frozen=True)
class Neighbours(Selection):
    """The neighbours of places of a new axis: S[t,k,i] = 1 where i is neighbour k of place t."""

    name = "neighbours"
    formula = "S[t,k,i] = 1 where i is neighbour k of place t, else 0"
    inputs = ()

    rule: Resampling = argument("the new axis")

    def shape(self, *shapes: Shape) -> Shape:
        """Return how many places, neighbours of each and old places there are."""
        taps = () if self.rule.taps == 1 else (self.rule.taps,)
        return (self.rule.count, *taps, self.rule.length)

    def places(self, xp: Any, *arrays: Any) -> Any:
        """Return the neighbours."""
        return xp.asarray(self.rule.neighbours().reshape(self.shape()[:-1]))


@dataclass(frozen=True)
class Weights(Table):
    """How much the neighbours of places of a new axis count: w[t,k]."""

    name = "weights"
    formula = "w[t,k]"

    rule: Resampling = argument("the new axis")

    def shape(self, *shapes: Shape) -> Shape:
        """Return how many places and neighbours there are."""
        return (self.rule.count, self.rule.taps)

    def numbers(self) -> Any:
        """Return the weights."""
        return self.rule.weights()


@dataclass(frozen=True)
class Upsample(Composite):
    """Another size of space: y[b,c,t] = Σ_k w[t,k] x[b,c,i(t,k)], the neighbours i of each place.

    With S[t,k,i] = 1 where i is neighbour k of place t, dy/dx = Σ_k w[t,k] S[t,k,i] along each
    axis: what is left of the einsum. Linear is bilinear of images, trilinear of volumes.
    Source: Keys 1981, Cubic convolution interpolation for digital image processing (a = -3/4).
    """

    name = "upsample"
    formula = "y[t] = Σ_k w[t,k] x[i(t,k)]"

    size: int | tuple[int, ...] | None = argument(
        "the new size: one number, or one for each axis of space", None
    )
    scale_factor: float | tuple[float, ...] | None = argument(
        "how many times as large, in place of size: one number, or one for each axis of space", None
    )
    mode: Mode = argument(
        "nearest repeats the nearest place before, linear takes two neighbours along each axis, "
        "cubic four",
        "nearest",
    )
    align_corners: bool = argument(
        "whether the first and the last place stay where they are, for linear and cubic", False
    )
    channels_last: bool = argument(CHANNELS_LAST, False)

    def __post_init__(self) -> None:
        if (self.size is None) == (self.scale_factor is None):
            found = "neither" if self.size is None else "both"
            raise LayerError(
                f"layer 'upsample': one of size and scale_factor must be given, found {found}"
            )
        if self.size is not None:
            object.__setattr__(self, "size", numbers(self.name, "size", self.size, None))
        else:
            object.__setattr__(self, "scale_factor", _checked_factors(self.scale_factor))
        one_of(self.name, "mode", self.mode, MODES)
        switch(self.name, "align_corners", self.align_corners)
        switch(self.name, "channels_last", self.channels_last)
        if self.align_corners and self.mode == "nearest":
            raise LayerError(
                "layer 'upsample': align_corners is for mode linear or cubic, found mode 'nearest'"
            )

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        """Return all modes, whole and broken factors, smaller and larger."""
        return (
            Example(cls(scale_factor=2), ((2, 3, 4, 5),)),
            Example(cls((5, 3)), ((2, 1, 3, 4),)),
            Example(cls(7, mode="linear", channels_last=True), ((2, 5, 3),)),
            Example(cls(scale_factor=1.5, mode="linear", align_corners=True), ((2, 1, 3, 4),)),
            Example(cls((5, 3), mode="cubic"), ((1, 2, 3, 4),)),
        )

    def build(self, *operands: Expression, **parameters: Expression) -> Expression:
        """Return the weighted neighbours.

        Raises:
            LayerError: there are not as many axes of space as numbers, or nothing along one.
        """
        (x,) = operands
        where = Space.of(self.name, x.shape, None, self.channels_last)
        axes = Axes()
        batch, channels = axes.new(x.shape[0], where.channels)
        factors: list[Factor[Expression]] = []
        old: list[Dimension] = []
        new: list[Dimension] = []
        for rule in self._rules(where):
            if rule.repeats:
                place, again = axes.new(rule.length, rule.repeats)
                old.append(place)
                new.append(place + again)
                continue
            place, *free = axes.new(rule.length, *Neighbours(rule).shape()[:-1])
            factors.append(Factor(Neighbours(rule)(), (*free, place)))
            if len(free) > 1:
                factors.append(Factor(Weights(rule)(), tuple(free)))
            old.append(place)
            new.append(free[0])
        whole = Factor(x, where.arranged(batch, channels, old))
        return axes.einsum([whole, *factors], where.arranged(batch, channels, new))

    def _rules(self, where: Space) -> list[Resampling]:
        given = self.scale_factor if self.size is None else self.size
        if isinstance(given, tuple) and len(given) != where.rank:
            name = "scale_factor" if self.size is None else "size"
            raise LayerError(
                f"layer 'upsample': {name} must be one number, or one for each axis of space, "
                f"found {len(given)} for {where.rank} axes of x of shape {where.shape}"
            )
        rules = []
        for length, value, axis in zip(
            where.lengths, each_axis(given, where.rank), where.axes, strict=True
        ):
            count = value if self.size is not None else floor(length * value)
            if not length or not count:
                raise LayerError(
                    f"layer 'upsample': axis {axis} of x of shape {where.shape} would get size "
                    f"{count}; there must be at least one place, before and after"
                )
            step = length / count if self.size is not None else 1 / value
            rules.append(Resampling(self.mode, length, count, step, self.align_corners))
        return rules


def upsample(
    x: Expression,
    size: Sizes | None = None,
    scale_factor: Factors | None = None,
    mode: Mode = "nearest",
    align_corners: bool = False,
    channels_last: bool = False,
) -> Expression:
    """Return x in another size, over one, two or three axes of space.

    >>> import tensorbp as tb
    >>> tb.upsample(tb.variable("x", 32, 16, 7, 7), scale_factor=2, mode="linear").shape
    (32, 16, 14, 14)

    Args:
        x: of shape (batch, channels, *space).
        size: the new size: one number, or one for each axis of space.
        scale_factor: how many times as large, in place of size.
        mode: ``"nearest"``, ``"linear"`` (bilinear of images) or ``"cubic"``.
        align_corners: whether the first and the last place stay where they are.
        channels_last: whether x is (batch, *space, channels).

    Raises:
        LayerError: an argument is not what it must be.
    """
    return Upsample(size, scale_factor, mode, align_corners, channels_last)(x)


def _checked_factors(value: Any) -> Factors:
    if isinstance(value, list | tuple):
        return tuple([_checked_factor(each) for each in value])
    return _checked_factor(value)


def _checked_factor(value: Any) -> float:
    factor = number_argument("upsample", "scale_factor", value)
    if factor <= 0 or not isfinite(1 / factor):
        raise LayerError(f"layer 'upsample': scale_factor must be above 0, found {value!r}")
    return factor
