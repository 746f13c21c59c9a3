"""The built-in layers, registered through the hook that every plugin uses."""

from __future__ import annotations

from collections.abc import Callable

from tensorbp.expression.layer import Layer
from tensorbp.layers.activations import ELEMENTWISE
from tensorbp.layers.arithmetic import Add, Multiply, Scale
from tensorbp.layers.dropout import Dropout
from tensorbp.layers.einsum import Einsum
from tensorbp.layers.labels import OneHot
from tensorbp.layers.linear import Bias, Linear
from tensorbp.layers.losses import (
    BinaryCrossEntropy,
    LogisticLoss,
    MeanSquaredError,
    SoftmaxCrossEntropy,
    SoftmaxCrossEntropyOneHot,
)
from tensorbp.layers.normalization import InverseDeviation, LayerNorm, RmsNorm, Standardize
from tensorbp.layers.reduction import Mean, Sum
from tensorbp.layers.shape import Flatten, Reshape, Transpose
from tensorbp.layers.softmax import LogSoftmax, LogSumExp, Softmax
from tensorbp.registry.hookspecs import hookimpl

__all__ = ["LAYERS", "tensorbp_register_layers"]

LAYERS: tuple[type[Layer], ...] = (
    *ELEMENTWISE,
    *(Linear, Bias),
    *(Add, Multiply, Scale, Einsum),
    *(Softmax, LogSoftmax, LogSumExp),
    *(Standardize, InverseDeviation, LayerNorm, RmsNorm),
    *(Reshape, Flatten, Transpose),
    *(Mean, Sum),
    *(Dropout, OneHot),
    *(MeanSquaredError, BinaryCrossEntropy, LogisticLoss),
    *(SoftmaxCrossEntropy, SoftmaxCrossEntropyOneHot),
)


@hookimpl
def tensorbp_register_layers(register: Callable[[type[Layer]], None]) -> None:
    """Register every built-in layer."""
    for each in LAYERS:
        register(each)
