"""Inputs in numpy: what is given becomes arrays that programs can read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from tensorbp.errors import CompileError
from tensorbp.planning import PlannedInput

__all__ = ["DTYPES", "as_input", "taking_at_once"]

DTYPES = ("float32", "float64", "complex128")
"""The types of numbers that programs in numpy compute with."""

TYPES = {
    (kind, name): np.dtype("int64" if kind == "integer" else name)
    for kind in ("real", "integer")
    for name in DTYPES
}
"""The type of numbers of an input, by its kind and the program's dtype."""


def as_input(name: str, value: Any, dtype: str, kind: str) -> Any:
    """Return an argument as a numpy array of the program's dtype, stored row after row.

    Raises:
        CompileError: the argument holds no numbers, or more digits than the dtype keeps.
    """
    known = TYPES[kind, dtype]
    if type(value) is np.ndarray and value.dtype is known and value.flags.c_contiguous:
        return value
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise CompileError(f"input '{name}' is no array: {error}") from None
    if kind == "integer":
        if array.dtype.kind not in "iu":
            raise CompileError(
                f"input '{name}' holds integers, found dtype {array.dtype}; convert it with "
                ".astype(int)"
            )
        return _stored(array, known)
    if array.dtype.kind not in "biufc":
        raise CompileError(f"input '{name}' must hold numbers, found dtype {array.dtype}")
    loses = array.dtype.kind in "fc" and not np.can_cast(array.dtype, dtype, "safe")
    # a number of Python is a float64 without dimensions, and welcome in a float32 program
    is_number = array.dtype.kind == "f" and not array.ndim
    if loses and not is_number:
        raise CompileError(
            f"input '{name}' has dtype {array.dtype}, the program computes in {dtype}; compile "
            f'it with dtype="{array.dtype}", or convert the array with .astype("{dtype}")'
        )
    return _stored(array, known)


def taking_at_once(
    types: Sequence[type],
    inputs: Sequence[PlannedInput],
    dtype: str,
    otherwise: Callable[[Mapping[str, Any]], list[Any]],
) -> Callable[[Mapping[str, Any]], list[Any]]:
    """Return what takes arrays in that are as a program needs them, faster than `as_input` does.

    Args:
        types: the classes of the arguments.
        inputs: the inputs.
        dtype: the program's dtype.
        otherwise: takes in arguments of which one is another, or none of the right name.
    """
    if set(types) != {np.ndarray}:
        return otherwise
    wanted = [(each.name, TYPES[each.kind, dtype], each.shape) for each in inputs]
    names = {each.name for each in inputs}

    def take(given: Mapping[str, Any]) -> list[Any]:
        if len(given) != len(wanted) or not given.keys() >= names:
            return otherwise(given)
        values = []
        for name, known, shape in wanted:
            value = given[name]
            if value.dtype is not known or value.shape != shape or not value.flags.c_contiguous:
                return otherwise(given)
            values.append(value)
        return values

    return take


def _stored(array: Any, dtype: Any) -> Any:
    """Return an array in a type, row after row."""
    return np.asarray(array, dtype, order="C", copy=None)
