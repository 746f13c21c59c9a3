"""What layers say when their arguments or inputs do not fit."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from importlib import import_module
from operator import index
from typing import Any

from tensorbp.errors import LayerError, ShapeError, SignatureError
from tensorbp.expression.layer import Shape

__all__ = [
    "axis_or_axes",
    "blame",
    "check_values",
    "feature_count",
    "same_shape",
    "whole_number",
    "whole_numbers",
]


@contextmanager
def blame(layer: str) -> Iterator[None]:
    """Turn an error about shapes into one that names the layer."""
    try:
        yield
    except (ShapeError, SignatureError) as error:
        raise LayerError(f"layer '{layer}': {error}") from None


def check_values(xp: Any, array: Any, check: Callable[[Any], None]) -> None:
    """Check the numbers of an array: at once, or whenever the program runs that records the rule.

    Inside of ``jax.jit``, where arrays have no numbers yet, nothing is checked.

    Args:
        xp: the namespace of the array library.
        array: what a forward rule was given.
        check: raises an error if the numbers of an array are none that are allowed.
    """
    if hasattr(array, "when_run"):
        array.when_run(check)
    elif xp.__name__ != "jax.numpy" or not isinstance(array, import_module("jax").core.Tracer):
        check(array)


def whole_number(layer: str, name: str, value: Any, least: int | None = None) -> int:
    """Return an argument as an integer.

    Raises:
        LayerError: it is none, or smaller than the least.
    """
    at_least = "" if least is None else f" from {least}"
    try:
        number = index(value)
    except TypeError:
        number = None
    if number is None or isinstance(value, bool) or (least is not None and number < least):
        raise LayerError(
            f"layer '{layer}': {name} must be a whole number{at_least}, found {value!r}"
        )
    return number


def whole_numbers(layer: str, name: str, value: Any) -> tuple[int, ...]:
    """Return an argument as a tuple of integers.

    Raises:
        LayerError: it is no sequence of whole numbers.
    """
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise LayerError(
            f"layer '{layer}': {name} must be a list of whole numbers, found {value!r}"
        )
    return tuple(whole_number(layer, f"each number of {name}", each) for each in value)


def axis_or_axes(layer: str, value: Any) -> int | tuple[int, ...]:
    """Return the argument ``axis``, of one axis or of several.

    Raises:
        LayerError: it is neither a whole number nor a list of them.
    """
    if isinstance(value, list | tuple):
        return whole_numbers(layer, "axis", value)
    return whole_number(layer, "axis", value)


def feature_count(layer: str, shape: Shape, name: str = "x") -> int:
    """Return how many features an input has: the size of its last axis.

    Raises:
        LayerError: it has no axis.
    """
    if not shape:
        raise LayerError(
            f"layer '{layer}': {name} needs an axis of features, found a number of shape ()"
        )
    return shape[-1]


def same_shape(layer: str, shape: Shape, target: Shape) -> None:
    """Raise `LayerError` unless a target has the shape of the input, with a batch axis."""
    if target != shape:
        raise LayerError(
            f"layer '{layer}': the target must have the shape of x, {shape}, found {target}"
        )
    if not shape:
        raise LayerError(f"layer '{layer}': x needs a batch axis, found a number of shape ()")
