"""Convolutions over one, two and three axes of space.

Each is ONE einsum of the input, the weights and a selection of windows for each axis of space:
"b(gc)i, tki, (go)ck -> b(go)t". Nobody declares its Jacobians, they are what is left of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, cast

from tensorbp.algebra import Factor
from tensorbp.errors import LayerError, suggestion
from tensorbp.expression.layer import Composite, Example, Parameter, Shape, argument
from tensorbp.expression.node import Expression
from tensorbp.layers.checks import whole_number
from tensorbp.layers.choices import one_of, switch
from tensorbp.layers.convolution.spatial import (
    CHANNELS_LAST,
    DILATION,
    KERNEL,
    OUTSIDE,
    Axes,
    Padding,
    PaddingMode,
    Sizes,
    Space,
    Ties,
    Window,
    each_axis,
    numbers,
    pairs,
    room_for,
    windows_along,
    with_bias,
)
from tensorbp.layers.linear import INITIALIZERS

__all__ = [
    "BIAS",
    "CHANNELS",
    "GROUPS",
    "INITIALIZER",
    "Conv1d",
    "Conv2d",
    "Conv3d",
    "Initializer",
    "NamedPadding",
    "bias_of_channels",
    "check_convolution",
    "check_groups",
    "conv",
    "convolved",
]

NamedPadding = Literal["valid", "same", "causal"]
Initializer = Literal["glorot_uniform", "he_normal", "zeros", "ones"]

NAMED = ("valid", "same", "causal")
CHANNELS = "how many channels the output has"
STRIDE = "from one window to the next: one number, or one for each axis of space"
PADDING = (
    "places added at both ends: one number, or for each axis of space a number or a pair (before, "
    "after); valid adds none, same keeps the size at stride 1, causal (on one axis of space) shows "
    "a window only what came before"
)
MODE = "what the added places hold: zeros, or x mirrored, its ends repeated, or x again"
GROUPS = "into how many parts the channels fall, each convolved by itself"
BIAS = "whether b, a number for each channel, is added"
INITIALIZER = "how W starts: glorot_uniform, or he_normal before a relu"


@dataclass(frozen=True)
class Convolution(Composite):
    """What convolutions over any number of axes share."""

    rank: ClassVar[int]

    out_channels: int = argument(CHANNELS)
    kernel_size: int | tuple[int, ...] = argument(KERNEL)
    stride: int | tuple[int, ...] = argument(STRIDE, 1)
    padding: NamedPadding | Padding = argument(PADDING, 0)
    dilation: int | tuple[int, ...] = argument(DILATION, 1)
    groups: int = argument(GROUPS, 1)
    bias: bool = argument(BIAS, True)
    padding_mode: PaddingMode = argument(MODE, "zeros")
    channels_last: bool = argument(CHANNELS_LAST, False)
    initializer: Initializer = argument(INITIALIZER, "glorot_uniform")

    def __post_init__(self) -> None:
        check_convolution(self)
        padding = _checked_padding(self.name, self.padding, self.stride, self.rank)
        object.__setattr__(self, "padding", padding)
        one_of(self.name, "padding_mode", self.padding_mode, tuple(OUTSIDE))

    def parameters(self, *shapes: Shape) -> dict[str, Parameter]:
        """Return W of shape (out_channels, channels / groups, *kernel_size) and b."""
        where = Space.of(self.name, shapes[0], self.rank, self.channels_last)
        inner = check_groups(self.name, self.groups, where.channels)
        kernel = each_axis(self.kernel_size, self.rank)
        weights = Parameter((self.out_channels, inner, *kernel), self.initializer)
        return {"W": weights} | bias_of_channels(self)

    def build(self, *operands: Expression, **parameters: Expression) -> Expression:
        """Return the windows of x, times the weights, summed up.

        Raises:
            LayerError: no window fits.
        """
        (x,) = operands
        where = Space.of(self.name, x.shape, self.rank, self.channels_last)
        y = convolved(self.name, x, parameters["W"], self._windows(), self.groups, where)
        return with_bias(y, parameters.get("b"), self.channels_last)

    def _windows(self) -> list[Window]:
        sizes = (self.kernel_size, self.stride, self.dilation)
        padding = self.padding
        if isinstance(padding, str):
            padding = _named_padding(padding, self.kernel_size, self.dilation, self.rank)
        return windows_along(sizes, padding, self.rank, OUTSIDE[self.padding_mode])


@dataclass(frozen=True)
class Conv1d(Convolution):
    """Convolution along one axis: y[b,o,t] = Σ_ck W[o,c,k] x[b,c,s·t + d·k - p] + b[o].

    With S[t,k,i] = 1 where i = s·t + d·k - p, dy/dx = W[o,c,k] S[t,k,i] and dy/dW is the windows
    of x: what is left of the einsum of x, S and W.
    """

    name = "conv1d"
    formula = "y = W * x + b, y[o,t] = Σ_ck W[o,c,k] x[c, stride·t + dilation·k - padding] + b[o]"
    rank = 1

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        """Return strides, dilation, groups, all kinds of padding, and channels last."""
        return (
            Example(cls(4, 3), ((2, 3, 7),)),
            Example(cls(4, 3, stride=2, padding=((2, 1),), groups=2, bias=False), ((2, 6, 5),)),
            Example(cls(2, 2, padding="causal", dilation=2), ((2, 3, 5),)),
            Example(cls(2, 4, padding="same", channels_last=True), ((2, 5, 3),)),
            Example(cls(2, 3, padding=2, padding_mode="reflect"), ((2, 1, 4),)),
        )


@dataclass(frozen=True)
class Conv2d(Convolution):
    """Convolution of images: y[b,o,t,u] = Σ_ckl W[o,c,k,l] x[b,c,s·t + d·k - p, ...] + b[o].

    With S[t,k,i] = 1 where i = s·t + d·k - p, one for each axis of space, dy/dx = W S S' and dy/dW
    is the windows x S S': what is left of the einsum of x, S, S' and W.
    Source: LeCun et al. 1989, Backpropagation applied to handwritten zip code recognition.
    """

    name = "conv2d"
    formula = "y = W * x + b, y[o,t] = Σ_ck W[o,c,k] x[c, stride·t + dilation·k - padding] + b[o]"
    rank = 2

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        """Return strides, dilation, groups, all kinds of padding, and channels last."""
        return (
            Example(cls(4, (3, 2)), ((2, 3, 4, 5),)),
            Example(cls(4, 2, (1, 2), (0, (2, 1)), groups=2), ((2, 6, 3, 4),)),
            Example(cls(2, (1, 3), 1, "same", bias=False, channels_last=True), ((2, 3, 4, 5),)),
            Example(cls(3, 2, 1, 1, (1, 2), padding_mode="circular"), ((2, 1, 3, 4),)),
            Example(cls(5, 1), ((2, 3, 4, 1),)),
        )


@dataclass(frozen=True)
class Conv3d(Convolution):
    """Convolution of volumes: y[b,o,t,u,v] = Σ W[o,c,k,l,m] x[b,c,s·t + d·k - p, ...] + b[o].

    With S[t,k,i] = 1 where i = s·t + d·k - p, one for each axis of space, dy/dx = W S S' S'' and
    dy/dW is the windows x S S' S'': what is left of the einsum of x, the three S and W.
    """

    name = "conv3d"
    formula = "y = W * x + b, y[o,t] = Σ_ck W[o,c,k] x[c, stride·t + dilation·k - padding] + b[o]"
    rank = 3

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        """Return one with padding, and one with strides and channels last."""
        return (
            Example(cls(2, (2, 1, 3), padding=(1, 0, 1)), ((2, 1, 3, 2, 4),)),
            Example(cls(2, 2, (2, 1, 1), channels_last=True, bias=False), ((2, 4, 3, 2, 1),)),
        )


def conv(
    x: Expression,
    W: Expression,
    bias: Expression | None = None,
    stride: Sizes = 1,
    padding: NamedPadding | Padding = 0,
    dilation: Sizes = 1,
    groups: int = 1,
    padding_mode: PaddingMode = "zeros",
    channels_last: bool = False,
) -> Expression:
    """Return the convolution of x with weights, over one, two or three axes of space.

    >>> import tensorbp as tb
    >>> x, W = tb.variable("x", 32, 3, 28, 28), tb.variable("W", 16, 3, 5, 5)
    >>> tb.conv(x, W, stride=2, padding=2).shape
    (32, 16, 14, 14)

    Args:
        x: of shape (batch, channels, *space).
        W: of shape (out_channels, channels / groups, *kernel_size).
        bias: a number for each channel of the output.
        stride: from one window to the next: one number, or one for each axis of space.
        padding: places added at both ends: one number, or for each axis of space a number or a
            pair (before, after), or ``"valid"``, ``"same"`` or ``"causal"``.
        dilation: from one place of a window to the next: one number, or one for each axis.
        groups: into how many parts the channels fall, each convolved by itself.
        padding_mode: ``"zeros"``, ``"reflect"``, ``"replicate"`` or ``"circular"``.
        channels_last: whether x is (batch, *space, channels).

    Raises:
        LayerError: an argument is not what it must be, or the shapes do not fit.
    """
    where = Space.of("conv", x.shape, None, channels_last)
    if W.ndim != x.ndim:
        raise LayerError(
            f"layer 'conv': W must be (out_channels, channels / groups, *kernel_size), {x.ndim} "
            f"axes for x of shape {x.shape}, found shape {W.shape}"
        )
    layer = (Conv1d, Conv2d, Conv3d)[where.rank - 1](
        W.shape[0],
        W.shape[2:],
        stride,
        padding,
        dilation,
        groups,
        bias is not None,
        padding_mode,
        channels_last,
    )
    return layer(x, W=W) if bias is None else layer(x, W=W, b=bias)


def check_convolution(layer: Any) -> None:
    """Check what all convolutions over space say of channels and windows, and put it in one form.

    Raises:
        LayerError: an argument is not what it must be.
    """
    name = layer.name
    for each in ("out_channels", "groups"):
        object.__setattr__(layer, each, whole_number(name, each, getattr(layer, each), least=1))
    for each in ("kernel_size", "stride", "dilation"):
        object.__setattr__(layer, each, numbers(name, each, getattr(layer, each), layer.rank))
    one_of(name, "initializer", layer.initializer, INITIALIZERS)
    switch(name, "bias", layer.bias)
    switch(name, "channels_last", layer.channels_last)
    if layer.out_channels % layer.groups:
        raise LayerError(
            f"layer '{name}': groups must divide out_channels, found {layer.groups} groups of "
            f"{layer.out_channels} channels"
        )


def bias_of_channels(layer: Any) -> dict[str, Parameter]:
    """Return b, a number for each channel of the output, if the layer has one."""
    return {"b": Parameter((layer.out_channels,), "zeros")} if layer.bias else {}


def check_groups(layer: str, groups: int, channels: int) -> int:
    """Return how many channels a group has.

    Raises:
        LayerError: they do not come out even.
    """
    if channels % groups:
        raise LayerError(
            f"layer '{layer}': groups must divide the channels of x, found {groups} groups of "
            f"{channels} channels"
        )
    return channels // groups


def convolved(
    layer: str,
    x: Expression,
    W: Expression,
    windows: Sequence[Window],
    groups: int,
    where: Space,
) -> Expression:
    """Return "b(gc)i, tki, (go)ck -> b(go)t" with as many i, k and t as there are axes of space.

    Raises:
        LayerError: no window fits.
    """
    axes = Axes()
    (batch,) = axes.new(x.shape[0])
    group, inner, outer = axes.split(groups, where.channels // groups, W.shape[0] // groups)
    ties = Ties()
    for window, length, axis in zip(windows, where.lengths, where.axes, strict=True):
        room_for(layer, window, length, axis, x.shape)
        ties.add(axes, window, length, window.count(length))
    factors = [
        Factor(x, where.arranged(batch, group + inner, ties.places)),
        Factor(W, (group + outer, inner, *ties.taps)),
        *ties.selections,
    ]
    return axes.einsum(factors, where.arranged(batch, group + outer, ties.counts))


def _checked_padding(layer: str, padding: Any, stride: Sizes, rank: int) -> NamedPadding | Padding:
    if not isinstance(padding, str):
        return pairs(layer, "padding", padding, rank)
    if padding not in NAMED:
        raise LayerError(
            f"layer '{layer}': padding must be numbers, or one of {', '.join(NAMED)}, found "
            f"{padding!r}{suggestion(padding, NAMED)}"
        )
    if padding == "causal" and rank > 1:
        raise LayerError(
            f"layer '{layer}': padding 'causal' is for one axis of space, that of time; give pairs "
            "(before, after)"
        )
    if padding == "same" and set(each_axis(stride, rank)) != {1}:
        raise LayerError(
            f"layer '{layer}': padding 'same' needs stride 1, found {stride}; give numbers"
        )
    return cast(NamedPadding, padding)


def _named_padding(padding: str, size: Sizes, dilation: Sizes, rank: int) -> Padding:
    """Return what is added before and after each axis, by what it is called."""
    columns = zip(each_axis(size, rank), each_axis(dilation, rank), strict=True)
    reaches = [step * (taps - 1) for taps, step in columns]
    found = {
        "valid": [(0, 0) for _ in reaches],
        "same": [(reach // 2, reach - reach // 2) for reach in reaches],
        "causal": [(reach, 0) for reach in reaches],
    }
    return tuple(found[padding])
