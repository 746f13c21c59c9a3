"""The built-in layers, registered through the hook that every plugin uses."""

from __future__ import annotations

from collections.abc import Callable

from tensorbp.expression.layer import Layer
from tensorbp.layers.activations import ELEMENTWISE
from tensorbp.layers.arithmetic import Add, Multiply, Scale
from tensorbp.layers.channel_normalization import (
    BatchNorm,
    BatchNormInference,
    GroupNorm,
    InstanceNorm,
)
from tensorbp.layers.dropout import Dropout
from tensorbp.layers.einsum import Einsum
from tensorbp.layers.labels import OneHot
from tensorbp.layers.linear import Bias, Linear
from tensorbp.layers.losses import LOSSES
from tensorbp.layers.lp_normalization import LpLength, LpNormalize
from tensorbp.layers.normalization import InverseDeviation, LayerNorm, RmsNorm, Standardize
from tensorbp.layers.reduction import Mean, Sum
from tensorbp.layers.shape import Flatten, Reshape, Transpose
from tensorbp.layers.softmax import LogSoftmax, LogSumExp, Softmax
from tensorbp.layers.weight_normalization import SpectralNorm, WeightNorm
from tensorbp.registry.hookspecs import hookimpl

__all__ = ["LAYERS", "tensorbp_register_layers"]

LAYERS: tuple[type[Layer], ...] = (
    *ELEMENTWISE,
    *(Linear, Bias),
    *(Add, Multiply, Scale, Einsum),
    *(Softmax, LogSoftmax, LogSumExp),
    *(Standardize, InverseDeviation, LayerNorm, RmsNorm),
    *(BatchNorm, BatchNormInference, GroupNorm, InstanceNorm),
    *(WeightNorm, SpectralNorm, LpLength, LpNormalize),
    *(Reshape, Flatten, Transpose),
    *(Mean, Sum),
    *(Dropout, OneHot),
    *LOSSES,
)


@hookimpl
def tensorbp_register_layers(register: Callable[[type[Layer]], None]) -> None:
    """Register every built-in layer."""
    for each in LAYERS:
        register(each)
