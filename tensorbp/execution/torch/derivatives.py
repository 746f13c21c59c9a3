"""Cotangents times derivatives in PyTorch, by what its autograd calls."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from tensorbp.execution.functional.derivatives import Routine
from tensorbp.expression.activation import Gelu, Mish, Relu, Sigmoid, Silu, Tanh
from tensorbp.expression.rule import Elementwise

__all__ = ["TorchDerivatives"]

Array = Any


class TorchDerivatives:
    """The routines of torch.

    Attributes:
        routines: for each function that has one.
    """

    def __init__(self, torch: Any) -> None:
        aten = torch.ops.aten
        threshold, gelu = aten.threshold_backward.default, aten.gelu_backward.default
        self.routines: Mapping[Elementwise, Routine] = {
            Tanh(): Routine(aten.tanh_backward.default, reads_result=True),
            Sigmoid(): Routine(aten.sigmoid_backward.default, reads_result=True),
            Relu(): Routine(lambda g, y: threshold(g, y, 0), reads_result=True),
            Silu(): _long(aten.silu_backward.default),
            Mish(): _long(aten.mish_backward.default),
            Gelu(): _long(gelu),
            Gelu("tanh"): _long(partial(gelu, approximate="tanh")),
        }

    def fits(self, dtype: str) -> bool:
        """Say whether numbers are real: of complex ones torch conjugates derivatives."""
        return not dtype.startswith("complex")


def _long(routine: Callable[[Array, Array], Array]) -> Routine:
    """Return a routine that neither broadcasts nor reads what is repeated as one that does."""

    def call(g: Array, x: Array) -> Array:
        x = x.contiguous()
        if g.shape == x.shape:
            return routine(g.contiguous(), x)
        return g * routine(x.new_ones(x.shape), x)

    return Routine(call, is_long=True)
