"""Convolutions of images that fall apart: channel by channel, then across channels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from tensorbp.expression.layer import Composite, Example, Parameter, Shape, argument
from tensorbp.expression.node import Expression
from tensorbp.layers.checks import whole_number
from tensorbp.layers.convolution.convolution import (
    BIAS,
    CHANNELS,
    INITIALIZER,
    MODE,
    PADDING,
    STRIDE,
    Conv2d,
    Initializer,
    NamedPadding,
    bias_of_channels,
)
from tensorbp.layers.convolution.spatial import (
    CHANNELS_LAST,
    DILATION,
    KERNEL,
    Padding,
    PaddingMode,
    Space,
)

__all__ = ["DepthwiseConv2d", "SeparableConv2d"]

MULTIPLIER = "how many channels each channel of x is turned into"


# in what they refuse, parts go by the name of the whole
class _Depthwise(Conv2d):
    name = "depthwise_conv2d"


class _Separable(Conv2d):
    name = "separable_conv2d"


@dataclass(frozen=True)
class DepthwiseConv2d(Composite):
    """Convolution of each channel: y[b,(c m),t,u] = Σ_kl W[(c m),k,l] x[b,c,s·t + d·k - p, ...].

    With S[t,k,i] = 1 where i = s·t + d·k - p, dy/dx = W S S' for each channel: what is left of the
    einsum of x, W, S and S'. b[(c m)] is added.
    """

    name = "depthwise_conv2d"
    formula = "y[(c m),t] = Σ_k W[(c m),k] x[c, stride·t + dilation·k - padding] + b[(c m)]"
    part: ClassVar[type[Conv2d]] = _Depthwise

    kernel_size: int | tuple[int, ...] = argument(KERNEL)
    stride: int | tuple[int, ...] = argument(STRIDE, 1)
    padding: NamedPadding | Padding = argument(PADDING, 0)
    dilation: int | tuple[int, ...] = argument(DILATION, 1)
    multiplier: int = argument(MULTIPLIER, 1)
    bias: bool = argument(BIAS, True)
    padding_mode: PaddingMode = argument(MODE, "zeros")
    channels_last: bool = argument(CHANNELS_LAST, False)
    initializer: Initializer = argument(INITIALIZER, "glorot_uniform")

    def __post_init__(self) -> None:
        multiplier = whole_number(self.name, "multiplier", self.multiplier, least=1)
        object.__setattr__(self, "multiplier", multiplier)
        checked = self._convolution(1)
        for each in ("kernel_size", "stride", "padding", "dilation"):
            object.__setattr__(self, each, getattr(checked, each))

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        """Return several channels of each, strides, and channels last."""
        return (
            Example(cls((3, 2), multiplier=2), ((2, 3, 4, 5),)),
            Example(cls(2, (1, 2), 1, bias=False, channels_last=True), ((2, 4, 5, 3),)),
        )

    def parameters(self, *shapes: Shape) -> dict[str, Parameter]:
        """Return W of shape (channels · multiplier, 1, *kernel_size) and b."""
        return self._convolution(self._channels(shapes[0])).parameters(*shapes)

    def build(self, *operands: Expression, **parameters: Expression) -> Expression:
        """Return the convolution in which each channel is a group.

        Raises:
            LayerError: no window fits.
        """
        (x,) = operands
        return self._convolution(self._channels(x.shape))(x, **parameters)

    def _channels(self, shape: Shape) -> int:
        return Space.of(self.name, shape, 2, self.channels_last).channels

    def _convolution(self, channels: int) -> Conv2d:
        """Return the convolution in which each channel is a group."""
        return self.part(
            channels * self.multiplier,
            self.kernel_size,
            self.stride,
            self.padding,
            self.dilation,
            channels,
            self.bias,
            self.padding_mode,
            self.channels_last,
            self.initializer,
        )


@dataclass(frozen=True)
class SeparableConv2d(Composite):
    """Convolution of each channel, then across channels: y = P (D * x) + b.

    y[b,o,t,u] = Σ_c P[o,c] Σ_kl D[c,k,l] x[b,c,s·t + k, ...] + b[o]; dy/dx = P D S S' with the
    selections S of windows: what is left of the einsums.
    Source: Chollet 2017, Xception: deep learning with depthwise separable convolutions.
    """

    name = "separable_conv2d"
    formula = "y = P (D * x) + b, D channel by channel, P across channels"

    out_channels: int = argument(CHANNELS)
    kernel_size: int | tuple[int, ...] = argument(KERNEL)
    stride: int | tuple[int, ...] = argument(STRIDE, 1)
    padding: NamedPadding | Padding = argument(PADDING, 0)
    dilation: int | tuple[int, ...] = argument(DILATION, 1)
    multiplier: int = argument(MULTIPLIER, 1)
    bias: bool = argument(BIAS, True)
    padding_mode: PaddingMode = argument(MODE, "zeros")
    channels_last: bool = argument(CHANNELS_LAST, False)
    initializer: Initializer = argument(INITIALIZER, "glorot_uniform")

    def __post_init__(self) -> None:
        self._across()
        for name, value in self._depthwise().arguments().items():
            if name != "bias":
                object.__setattr__(self, name, value)

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        """Return several channels of each, strides, and channels last."""
        return (
            Example(cls(4, (3, 2), multiplier=2), ((2, 3, 4, 5),)),
            Example(cls(2, 2, (1, 2), 1, bias=False, channels_last=True), ((2, 4, 5, 3),)),
        )

    def parameters(self, *shapes: Shape) -> dict[str, Parameter]:
        """Return D, for each channel, P, across channels, and b."""
        channels = Space.of(self.name, shapes[0], 2, self.channels_last).channels * self.multiplier
        (kernel,) = self._depthwise().parameters(*shapes).values()
        across = Parameter((self.out_channels, channels, 1, 1), self.initializer)
        return {"D": kernel, "P": across} | bias_of_channels(self)

    def build(self, *operands: Expression, **parameters: Expression) -> Expression:
        """Return the convolution of each channel, then that of all with windows of one place.

        Raises:
            LayerError: no window fits.
        """
        (x,) = operands
        each = self._depthwise()(x, W=parameters["D"])
        rest = {"b": parameters["b"]} if self.bias else {}
        return self._across()(each, W=parameters["P"], **rest)

    def _depthwise(self) -> DepthwiseConv2d:
        return _FirstPart(
            self.kernel_size,
            self.stride,
            self.padding,
            self.dilation,
            self.multiplier,
            False,
            self.padding_mode,
            self.channels_last,
            self.initializer,
        )

    def _across(self) -> Conv2d:
        return _Separable(
            self.out_channels,
            1,
            bias=self.bias,
            channels_last=self.channels_last,
            initializer=self.initializer,
        )


class _FirstPart(DepthwiseConv2d):
    name = SeparableConv2d.name
    part = _Separable
