"""Programs in numpy: the code that is run, the memory it runs in, and what it takes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from tensorbp.errors import CompileError
from tensorbp.execution.numpy.blocking import blocked
from tensorbp.execution.numpy.lowering import Lowered
from tensorbp.execution.numpy.memory import laid_out
from tensorbp.execution.numpy.repetition import without_repetition
from tensorbp.execution.numpy.source import written
from tensorbp.execution.numpy.stacking import stacked
from tensorbp.planning import PlannedInput

__all__ = ["DTYPES", "NumpyProgram", "as_input", "taking_at_once"]

DTYPES = ("float32", "float64", "complex128")
"""The types of numbers that programs in numpy compute with."""

SPARE = 2**16
"""So many bytes more than planned may be taken for fewer calls, which small programs consist of."""

CHANGES: list[Callable[[Lowered], Lowered]] = [
    without_repetition,
    # where memory does not do for all that comes again, it may for what does so soon
    partial(without_repetition, longest=32),
    stacked,
    blocked,
]
"""What makes programs faster, as far as memory allows."""

TYPES = {
    (kind, name): np.dtype("int64" if kind == "integer" else name)
    for kind in ("real", "integer")
    for name in DTYPES
}
"""The type of numbers of an input, by its kind and the program's dtype."""


class NumpyProgram:
    """Instructions as a function of arrays.

    What lives between two instructions is in an arena, which is kept for the next call. There are
    as many arenas as calls at one time, so that threads may call one program.

    Attributes:
        source: the code that is run.
        arena_bytes: the size of an arena.
    """

    def __init__(self, lowered: Lowered, marks: Collection[int] = ()) -> None:
        """Write and compile the code.

        Args:
            lowered: the instructions.
            marks: after which of them, by position, a function is called that then is given before
                the arrays.
        """
        memory = laid_out(lowered.values, lowered.instructions)
        most = max(memory.size, lowered.planned_bytes) + SPARE
        for changed in () if marks else CHANGES:
            faster = changed(lowered)
            if faster is not lowered:
                needed = laid_out(faster.values, faster.instructions)
                if needed.size <= most:
                    lowered, memory = faster, needed
        code = written(lowered, memory, marks)
        self.source = code.text
        self.arena_bytes = memory.size
        namespace = dict(code.namespace)
        exec(compile(code.text, "<program>", "exec"), namespace)
        self._bind: Callable[[Any], Callable[..., list[Any]]] = namespace["bind"]
        self._free: list[tuple[Any, Callable[..., list[Any]]]] = []

    def __call__(self, arrays: Sequence[Any]) -> list[Any]:
        """Return the results as arrays of their own; scalars as numbers of numpy."""
        try:
            bound = self._free.pop()
        except IndexError:
            bound = self._bound(_aligned(self.arena_bytes))
        try:
            return bound[1](*arrays)
        finally:
            self._free.append(bound)

    def _bound(self, arena: Any) -> tuple[Any, Callable[..., list[Any]]]:
        return arena, self._bind(arena)

    def take_over(self, other: NumpyProgram) -> None:
        """Run in an arena of another program, if it is large enough; the other gives up its own."""
        arenas = [arena for arena, _ in other._free[:1] if arena.size >= self.arena_bytes]
        self._free = list(map(self._bound, arenas))
        other._free = []


def _aligned(size: int) -> Any:
    """Return so many bytes that begin at a multiple of 64."""
    room = np.empty(size + 64, np.uint8)
    start = -room.ctypes.data % 64
    return room[start : start + size]


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
