"""The arguments of a layer, as its dataclass fields declare them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from functools import cache
from types import MappingProxyType
from typing import Any, get_type_hints

from tensorbp.errors import LayerError
from tensorbp.expression.layer import Layer
from tensorbp.model.argument_types import ArgumentType, argument_type

__all__ = ["Argument", "arguments"]


@dataclass(frozen=True)
class Argument:
    """One keyword argument of a layer.

    Attributes:
        name: the keyword.
        type: what it may be; None if a model file cannot say it.
        required: whether it must be given.
        default: its value otherwise.
        explanation: what it is for, in one line.
    """

    name: str
    type: ArgumentType | None
    required: bool
    default: Any
    explanation: str


@cache
def arguments(layer: type[Layer]) -> Mapping[str, Argument]:
    """Return the arguments of a layer by name.

    Raises:
        LayerError: the annotations of the layer cannot be evaluated.
    """
    try:
        annotations = get_type_hints(layer)
    except NameError as error:
        raise LayerError(
            f"layer '{layer.name}': the annotations of its arguments cannot be evaluated: {error}"
        ) from None
    described = {}
    for each in fields(layer):  # type: ignore[arg-type]
        required = each.default is MISSING and each.default_factory is MISSING
        described[each.name] = Argument(
            name=each.name,
            type=argument_type(annotations[each.name]),
            required=required,
            default=None if each.default is MISSING else each.default,
            explanation=each.metadata.get("explanation", ""),
        )
    return MappingProxyType(described)
