"""Random arrays for the inputs of a model, from the ranges in which its layers are smooth."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tensorbp.expression.layer import Input

if TYPE_CHECKING:
    from tensorbp.expression import Expression
    from tensorbp.model import LayerRecord, Model
    from tensorbp.registry import Registry

__all__ = ["random_inputs"]

_CLASSES = "classes"


def random_inputs(
    model: Model, registry: Registry, seed: int, dtype: str = "float64"
) -> dict[str, NDArray[Any]]:
    """Return an array for each input: labels that every layer accepts, and real numbers.

    Args:
        model: the model.
        registry: where its layers are looked up.
        seed: the same seed gives the same arrays.
        dtype: the type of the real numbers.
    """
    random = np.random.default_rng(seed)
    return {
        name: _drawn(variable, _readings(model, registry, name), random, dtype)
        for name, variable in model.inputs.items()
    }


def _drawn(
    variable: Expression, readings: list[Input], random: np.random.Generator, dtype: str
) -> NDArray[Any]:
    low = max((each.low for each in readings), default=-2.0)
    high = min((each.high for each in readings), default=2.0)
    if any(each.kind == "integer" for each in readings):
        return random.integers(int(low), int(high), variable.shape, endpoint=True)
    return random.uniform(low, max(low, high), variable.shape).astype(dtype, copy=False)


def _readings(model: Model, registry: Registry, name: str) -> list[Input]:
    """Return what the layers that read an input say of it."""
    found = []
    for record in model.layers:
        declared = registry.layer(record.type).inputs
        for position, read in enumerate(record.inputs):
            if read == name:
                each = declared[min(position, len(declared) - 1)]
                found.append(_with_classes(model, record, each))
    return found


def _with_classes(model: Model, record: LayerRecord, declared: Input) -> Input:
    """Return what a layer says of its labels, the number of its classes taken into account.

    They are counted by an argument, or else by the last axis of what else the layer reads.
    """
    if declared.kind != "integer":
        return declared
    values = model.inputs | model.nodes
    others = [values[each] for each in record.inputs if each in values]
    last_axes = [each.shape[-1] for each in others if _is_real(each) and each.shape]
    classes = record.arguments.get(_CLASSES, min(last_axes, default=int(declared.high) + 1))
    return Input(declared.name, "integer", 0, classes - 1)


def _is_real(value: Expression) -> bool:
    return getattr(value.operator, "kind", "real") == "real"
