"""Transposed convolutions: what pulls a convolution's output back, used to go forward.

The einsum is that of a convolution with the same windows, from the windows to the places:
"b(gc)t, tki, (gc)ok -> b(go)i".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from tensorbp.algebra import Factor
from tensorbp.errors import LayerError
from tensorbp.expression.layer import Composite, Example, Parameter, Shape, argument
from tensorbp.expression.node import Expression
from tensorbp.layers.convolution.convolution import (
    BIAS,
    CHANNELS,
    GROUPS,
    INITIALIZER,
    Initializer,
    bias_of_channels,
    check_convolution,
    check_groups,
)
from tensorbp.layers.convolution.spatial import (
    CHANNELS_LAST,
    DILATION,
    KERNEL,
    Axes,
    Padding,
    Sizes,
    Space,
    Ties,
    Window,
    each_axis,
    numbers,
    pairs,
    windows_along,
    with_bias,
)

__all__ = ["ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d", "conv_transpose"]

STRIDE = "how far windows are apart in y: one number, or one for each axis of space"
PADDING = (
    "places cut off y at both ends: one number, or for each axis of space a number or a pair "
    "(before, after)"
)
MORE = "places added after y: one number, or one for each axis of space"
FORMULA = "y = Wᵀ * x + b, y[o, stride·t + dilation·k - padding] = Σ_tck W[c,o,k] x[c,t] + b[o]"


@dataclass(frozen=True)
class TransposedConvolution(Composite):
    """What transposed convolutions over any number of axes share."""

    formula = FORMULA
    rank: ClassVar[int]

    out_channels: int = argument(CHANNELS)
    kernel_size: int | tuple[int, ...] = argument(KERNEL)
    stride: int | tuple[int, ...] = argument(STRIDE, 1)
    padding: Padding = argument(PADDING, 0)
    output_padding: int | tuple[int, ...] = argument(MORE, 0)
    groups: int = argument(GROUPS, 1)
    bias: bool = argument(BIAS, True)
    dilation: int | tuple[int, ...] = argument(DILATION, 1)
    channels_last: bool = argument(CHANNELS_LAST, False)
    initializer: Initializer = argument(INITIALIZER, "glorot_uniform")

    def __post_init__(self) -> None:
        check_convolution(self)
        more = numbers(self.name, "output_padding", self.output_padding, self.rank, least=0)
        object.__setattr__(self, "output_padding", more)
        object.__setattr__(self, "padding", pairs(self.name, "padding", self.padding, self.rank))
        self._check_output_padding()

    def _check_output_padding(self) -> None:
        columns = [
            each_axis(e, self.rank) for e in (self.output_padding, self.stride, self.dilation)
        ]
        for more, stride, dilation in zip(*columns, strict=True):
            if more >= max(stride, dilation):
                raise LayerError(
                    f"layer '{self.name}': output_padding must be smaller than stride or dilation, "
                    f"found {more} with stride {stride} and dilation {dilation}"
                )

    def parameters(self, *shapes: Shape) -> dict[str, Parameter]:
        """Return W of shape (channels, out_channels / groups, *kernel_size) and b."""
        where = Space.of(self.name, shapes[0], self.rank, self.channels_last)
        check_groups(self.name, self.groups, where.channels)
        kernel = each_axis(self.kernel_size, self.rank)
        shape = (where.channels, self.out_channels // self.groups, *kernel)
        return {"W": Parameter(shape, self.initializer)} | bias_of_channels(self)

    def build(self, *operands: Expression, **parameters: Expression) -> Expression:
        """Return the weights, times x, added up where the windows of y are.

        Raises:
            LayerError: nothing is left of an axis.
        """
        (x,) = operands
        where = Space.of(self.name, x.shape, self.rank, self.channels_last)
        y = self._spread(x, parameters["W"], where)
        return with_bias(y, parameters.get("b"), self.channels_last)

    def _spread(self, x: Expression, W: Expression, where: Space) -> Expression:
        axes = Axes()
        (batch,) = axes.new(x.shape[0])
        inner_size = where.channels // self.groups
        group, inner, outer = axes.split(self.groups, inner_size, W.shape[1])
        ties = Ties()
        for k, (window, count) in enumerate(zip(self._windows(), where.lengths, strict=True)):
            more = each_axis(self.output_padding, self.rank)[k]
            added = window.before + window.after
            length = (count - 1) * window.stride + window.extent + more - added
            if length < 1:
                raise LayerError(
                    f"layer '{self.name}': padding {added} leaves nothing of axis {where.axes[k]} "
                    f"of y, which has {length + added} places for x of shape {x.shape}"
                )
            ties.add(axes, window, length, count)
        factors = [
            Factor(x, where.arranged(batch, group + inner, ties.counts)),
            Factor(W, (group + inner, outer, *ties.taps)),
            *ties.selections,
        ]
        return axes.einsum(factors, where.arranged(batch, group + outer, ties.places))

    def _windows(self) -> list[Window]:
        return windows_along(
            (self.kernel_size, self.stride, self.dilation), self.padding, self.rank
        )


@dataclass(frozen=True)
class ConvTranspose1d(TransposedConvolution):
    """Transposed convolution along one axis: y[b,o,i] = Σ_tck W[c,o,k] S[t,k,i] x[b,c,t] + b[o].

    S[t,k,i] = 1 where i = s·t + d·k - p; dy/dx = W[c,o,k] S[t,k,i], a convolution, is what is left
    of the einsum.
    """

    name = "conv_transpose1d"
    rank = 1

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        """Return strides, dilation, groups, padding, and channels last."""
        return (
            Example(cls(4, 3), ((2, 3, 5),)),
            Example(cls(4, 3, 2, ((1, 2),), 1, groups=2, bias=False), ((2, 6, 3),)),
            Example(cls(2, 2, dilation=3, channels_last=True), ((2, 4, 3),)),
        )


@dataclass(frozen=True)
class ConvTranspose2d(TransposedConvolution):
    """Transposed convolution of images: y[b,o,i,j] = Σ W[c,o,k,l] S[t,k,i] S'[u,l,j] x[b,c,t,u].

    S[t,k,i] = 1 where i = s·t + d·k - p, and b[o] is added; dy/dx = W S S', a convolution, is what
    is left of the einsum.
    Source: Dumoulin and Visin 2016, A guide to convolution arithmetic for deep learning, ch. 4.
    """

    name = "conv_transpose2d"
    rank = 2

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        """Return strides, dilation, groups, padding, and channels last."""
        return (
            Example(cls(4, (3, 2)), ((2, 3, 2, 5),)),
            Example(cls(4, 2, (1, 3), (1, 0), (0, 2), 2, bias=False), ((2, 6, 3, 2),)),
            Example(cls(2, (1, 3), dilation=(1, 2), channels_last=True), ((2, 3, 4, 1),)),
        )


@dataclass(frozen=True)
class ConvTranspose3d(TransposedConvolution):
    """Transposed convolution of volumes: y[b,o,i] = Σ_tck W[c,o,k] S S' S'' x[b,c,t] + b[o].

    S[t,k,i] = 1 where i = s·t + d·k - p, one for each axis of space; dy/dx = W S S' S'', a
    convolution, is what is left of the einsum.
    """

    name = "conv_transpose3d"
    rank = 3

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        """Return one with strides and padding."""
        return (
            Example(cls(2, (2, 1, 3), (2, 1, 1), (0, 0, 1), (1, 0, 0)), ((2, 1, 3, 2, 4),)),
            Example(cls(2, 2, channels_last=True, bias=False), ((2, 3, 2, 1, 4),)),
        )


def conv_transpose(
    x: Expression,
    W: Expression,
    bias: Expression | None = None,
    stride: Sizes = 1,
    padding: Padding = 0,
    output_padding: Sizes = 0,
    groups: int = 1,
    dilation: Sizes = 1,
    channels_last: bool = False,
) -> Expression:
    """Return the transposed convolution of x with weights, over one, two or three axes of space.

    >>> import tensorbp as tb
    >>> x, W = tb.variable("x", 32, 16, 14, 14), tb.variable("W", 16, 3, 4, 4)
    >>> tb.conv_transpose(x, W, stride=2, padding=1).shape
    (32, 3, 28, 28)

    Args:
        x: of shape (batch, channels, *space).
        W: of shape (channels, out_channels / groups, *kernel_size).
        bias: a number for each channel of the output.
        stride: how far windows are apart in the output: one number, or one for each axis of space.
        padding: places cut off at both ends: one number, or for each axis of space a number or a
            pair (before, after).
        output_padding: places added at the end.
        groups: into how many parts the channels fall, each convolved by itself.
        dilation: from one place of a window to the next.
        channels_last: whether x is (batch, *space, channels).

    Raises:
        LayerError: an argument is not what it must be, or the shapes do not fit.
    """
    where = Space.of("conv_transpose", x.shape, None, channels_last)
    if W.ndim != x.ndim:
        raise LayerError(
            f"layer 'conv_transpose': W must be (channels, out_channels / groups, *kernel_size), "
            f"{x.ndim} axes for x of shape {x.shape}, found shape {W.shape}"
        )
    layer = (ConvTranspose1d, ConvTranspose2d, ConvTranspose3d)[where.rank - 1](
        W.shape[1] * groups,
        W.shape[2:],
        stride,
        padding,
        output_padding,
        groups,
        bias is not None,
        dilation,
        channels_last,
    )
    return layer(x, W=W) if bias is None else layer(x, W=W, b=bias)
