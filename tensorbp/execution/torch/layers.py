"""Layers that PyTorch has functions for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from tensorbp.algebra import Shape
from tensorbp.execution.functional.einsums import Function
from tensorbp.expression.activation import Gelu, Relu, Sigmoid, Silu
from tensorbp.expression.node import Operator
from tensorbp.layers.losses.classification import SoftmaxCrossEntropy
from tensorbp.layers.moving.labels import OneHot, check_labels
from tensorbp.layers.softmax import LogSoftmax, Softmax

__all__ = ["TorchLayers"]

Array = Any


class TorchLayers:
    """The functions of torch."""

    def __init__(self, torch: Any) -> None:
        self._torch = torch
        functional = torch.nn.functional
        self._functions: Mapping[type, Callable[[Any], Function]] = {
            Relu: lambda layer: torch.relu,
            Sigmoid: lambda layer: torch.sigmoid,
            Silu: lambda layer: functional.silu,
            Gelu: lambda layer: partial(functional.gelu, approximate=layer.approximate),
            Softmax: lambda layer: partial(torch.softmax, dim=layer.axis),
            LogSoftmax: lambda layer: partial(torch.log_softmax, dim=layer.axis),
        }

    def fits(self, dtype: str) -> bool:
        """Say whether numbers are real: rules continue real functions in ways of their own."""
        return not dtype.startswith("complex")

    def function(self, layer: Operator, shapes: Sequence[Shape], dtype: str) -> Function | None:
        """Return the function that carries out a layer, or None where there is none."""
        if layer == SoftmaxCrossEntropy() and len(shapes[0]) == 2:
            return self._cross_entropy
        if isinstance(layer, OneHot):
            return partial(self._one_hot, layer, getattr(self._torch, dtype))
        make = self._functions.get(type(layer))
        return None if make is None else make(layer)

    def _cross_entropy(self, x: Array, labels: Array) -> Array:
        """Return the cross-entropy of softmax with one label for each row."""
        check_labels(self._torch, SoftmaxCrossEntropy.name, labels, x.shape[-1])
        return self._torch.nn.functional.cross_entropy(x, labels, reduction="none")

    def _one_hot(self, layer: OneHot, dtype: Any, labels: Array) -> Array:
        """Return rows of zeros with a one at each label."""
        check_labels(self._torch, layer.layer, labels, layer.classes)
        rows = labels.new_zeros((*labels.shape, layer.classes), dtype=dtype)
        return rows.scatter_(-1, labels[..., None], 1)
