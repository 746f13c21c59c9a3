"""Normalisation of channels: over the batch, over groups of channels, or over each sample alone."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from tensorbp.errors import LayerError
from tensorbp.expression.arithmetic import reshape
from tensorbp.expression.elementwise import power
from tensorbp.expression.layer import Composite, Example, Input, Parameter, Shape, argument
from tensorbp.expression.node import Expression
from tensorbp.layers.checks import whole_number
from tensorbp.layers.choices import switch
from tensorbp.layers.normalization.standardization import (
    AFFINE,
    EPSILON,
    standardize,
    valid_epsilon,
)

__all__ = ["BatchNorm", "BatchNormInference", "GroupNorm", "InstanceNorm"]

CHANNEL_AXIS = "the axis of channels: 1, or -1 where they come last"


class ChannelNorm(Composite):
    """What normalisations of channels share; each has its arguments in an order of its own."""

    epsilon: float
    axis: int
    affine: bool

    def __post_init__(self) -> None:
        object.__setattr__(self, "epsilon", valid_epsilon(self.name, self.epsilon))
        object.__setattr__(self, "axis", whole_number(self.name, "axis", self.axis))
        switch(self.name, "affine", self.affine)

    def parameters(self, *shapes: Shape) -> dict[str, Parameter]:
        """Return the gain and the bias of each channel, if there are any."""
        channels = (shapes[0][self.channel(shapes[0])],)
        if not self.affine:
            return {}
        return {"gain": Parameter(channels, "ones"), "bias": Parameter(channels, "zeros")}

    def channel(self, shape: Shape) -> int:
        """Return the position of the axis of channels.

        Raises:
            LayerError: the input has no such axis.
        """
        rank = len(shape)
        if rank < 2:
            raise LayerError(
                f"layer '{self.name}': x needs a batch axis and an axis of channels, found shape "
                f"{shape}"
            )
        if not 0 < self.axis < rank and not -rank < self.axis < 0:
            raise LayerError(
                f"layer '{self.name}': axis must be one of x, of shape {shape}, behind the batch: "
                f"from 1 to {rank - 1}, or negative from the end; found {self.axis}"
            )
        return self.axis % rank

    def check_variance(self, what: str, shape: Shape, count: int) -> None:
        """Raise `LayerError` unless a part of a sample has numbers enough to vary."""
        if count < 2:
            raise LayerError(
                f"layer '{self.name}': a {what} of a sample of x, of shape {shape}, must have 2 "
                "numbers at least, or it has no variance"
            )


@dataclass(frozen=True)
class BatchNorm(ChannelNorm):
    """Batch normalisation while training: y = gain ⊙ (x - μ)/√(v + ε) + bias for each channel.

    μ and v are mean and variance (that of n, not of n - 1) over the batch and all other axes but
    that of the channels. Its derivatives are those of standardize, times the gain. When a trained
    model is used, batch_norm_inference takes its place, with the same parameters.
    Source: Ioffe and Szegedy 2015, Batch normalization, algorithm 1.
    """

    name = "batch_norm"
    formula = "y = gain ⊙ (x - μ)/√(v + ε) + bias, μ and v of a channel over the batch"

    epsilon: float = argument(EPSILON, 1e-5)
    axis: int = argument(CHANNEL_AXIS, 1)
    affine: bool = argument(AFFINE, True)

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        """Return features, images with channels first and last, and one without parameters."""
        return (
            Example(cls(), ((3, 4),)),
            Example(cls(), ((2, 3, 4, 5),)),
            Example(cls(0.1, axis=-1), ((2, 4, 3),)),
            Example(cls(affine=False), ((3, 4),)),
        )

    def build(self, *operands: Expression, **parameters: Expression) -> Expression:
        """Return gain ⊙ standardize(x) + bias."""
        (x,) = operands
        channel = self.channel(x.shape)
        over = tuple(k for k in range(x.ndim) if k != channel)
        if prod(x.shape[k] for k in over) < 2:
            raise LayerError(
                f"layer 'batch_norm': a channel of x, of shape {x.shape}, must have 2 numbers at "
                "least, or it has no variance; use batch_norm_inference where nothing is trained"
            )
        y = standardize(x, self.epsilon, axis=over)
        return _affine(y, channel, parameters)


@dataclass(frozen=True)
class BatchNormInference(ChannelNorm):
    """Batch normalisation by given statistics: y = gain ⊙ (x - mean)/√(variance + ε) + bias.

    dy/dx = gain/√(variance + ε). The mean and variance of each channel are inputs: those that were
    seen in training, for example their running averages; parameters are those of batch_norm.
    Source: Ioffe and Szegedy 2015, Batch normalization, algorithm 2.
    """

    name = "batch_norm_inference"
    formula = "y = gain ⊙ (x - mean)/√(variance + ε) + bias"
    inputs = (Input("x"), Input("mean"), Input("variance", low=0.5, high=2.0))

    epsilon: float = argument(EPSILON, 1e-5)
    axis: int = argument(CHANNEL_AXIS, 1)
    affine: bool = argument(AFFINE, True)

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        """Return features, images with channels first and last, and one without parameters."""
        return (
            Example(cls(), ((3, 4), (4,), (4,))),
            Example(cls(), ((2, 3, 4, 5), (3,), (3,))),
            Example(cls(0.1, axis=-1), ((2, 4, 3), (3,), (3,))),
            Example(cls(affine=False), ((3, 4), (4,), (4,))),
        )

    def build(self, *operands: Expression, **parameters: Expression) -> Expression:
        """Return gain ⊙ (x - mean)/√(variance + ε) + bias."""
        x, mean, variance = operands
        channel = self.channel(x.shape)
        for name, value in (("mean", mean), ("variance", variance)):
            if value.shape != (x.shape[channel],):
                raise LayerError(
                    f"layer 'batch_norm_inference': {name} must have one number for each of "
                    f"{x.shape[channel]} channels, shape {(x.shape[channel],)}, found {value.shape}"
                )
        scale = power(variance + self.epsilon, -0.5)
        y = (x - _along_channels(mean, x.ndim, channel)) * _along_channels(scale, x.ndim, channel)
        return _affine(y, channel, parameters)


@dataclass(frozen=True)
class GroupNorm(ChannelNorm):
    """Group normalisation: y = gain ⊙ (x - μ)/√(v + ε) + bias, μ and v of a group of channels.

    Mean and variance are those of one sample, over the channels of a group and all axes behind.
    Its derivatives are those of standardize, times the gain. Source: Wu and He 2018.
    """

    name = "group_norm"
    formula = "y = gain ⊙ (x - μ)/√(v + ε) + bias, μ and v of a group of channels in a sample"

    groups: int = argument("into how many groups the channels are divided, equally")
    epsilon: float = argument(EPSILON, 1e-5)
    axis: int = argument(CHANNEL_AXIS, 1)
    affine: bool = argument(AFFINE, True)

    def __post_init__(self) -> None:
        object.__setattr__(self, "groups", whole_number(self.name, "groups", self.groups, least=1))
        super().__post_init__()

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        """Return features, images with channels first and last, and one without parameters."""
        return (
            Example(cls(2), ((3, 6),)),
            Example(cls(2), ((2, 4, 3, 5),)),
            Example(cls(3, 0.1, axis=-1), ((2, 5, 6),)),
            Example(cls(1, affine=False), ((3, 4),)),
        )

    def build(self, *operands: Expression, **parameters: Expression) -> Expression:
        """Return gain ⊙ standardize(x) + bias, the channels of a group side by side."""
        (x,) = operands
        channel = self.channel(x.shape)
        channels = x.shape[channel]
        if channels % self.groups:
            raise LayerError(
                f"layer 'group_norm': groups must divide the number of channels, {channels}, "
                f"found {self.groups}"
            )
        sizes = (self.groups, channels // self.groups)
        grouped = reshape(x, (*x.shape[:channel], *sizes, *x.shape[channel + 1 :]))
        over = tuple(k for k in range(1, grouped.ndim) if k != channel)
        self.check_variance("group of channels", x.shape, prod(grouped.shape[k] for k in over))
        y = reshape(standardize(grouped, self.epsilon, axis=over), x.shape)
        return _affine(y, channel, parameters)


@dataclass(frozen=True)
class InstanceNorm(ChannelNorm):
    """Instance normalisation: y = gain ⊙ (x - μ)/√(v + ε) + bias, a channel of a sample alone.

    μ and v are mean and variance over all axes but those of the batch and of the channels. Its
    derivatives are those of standardize, times the gain. Source: Ulyanov, Vedaldi and Lempitsky
    2016, Instance normalization: the missing ingredient for fast stylization.
    """

    name = "instance_norm"
    formula = "y = gain ⊙ (x - μ)/√(v + ε) + bias, μ and v of a channel in a sample"

    epsilon: float = argument(EPSILON, 1e-5)
    axis: int = argument(CHANNEL_AXIS, 1)
    affine: bool = argument(AFFINE, False)

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        """Return sequences without parameters, images with, and channels that come last."""
        return (
            Example(cls(), ((2, 3, 4),)),
            Example(cls(affine=True), ((2, 3, 4, 5),)),
            Example(cls(0.1, axis=-1, affine=True), ((2, 4, 3),)),
        )

    def build(self, *operands: Expression, **parameters: Expression) -> Expression:
        """Return standardize(x), with gain and bias if there are any."""
        (x,) = operands
        channel = self.channel(x.shape)
        over = tuple(k for k in range(1, x.ndim) if k != channel)
        self.check_variance("channel", x.shape, prod(x.shape[k] for k in over))
        y = standardize(x, self.epsilon, axis=over)
        return _affine(y, channel, parameters)


def _affine(y: Expression, channel: int, parameters: dict[str, Expression]) -> Expression:
    """Return gain ⊙ y + bias along the channels, if there are any."""
    if not parameters:
        return y
    gain, bias = (_along_channels(parameters[n], y.ndim, channel) for n in ("gain", "bias"))
    return y * gain + bias


def _along_channels(x: Expression, rank: int, channel: int) -> Expression:
    """Return one number for each channel in the shape that broadcasts along the other axes."""
    return reshape(x, (x.size,) + (1,) * (rank - 1 - channel))
