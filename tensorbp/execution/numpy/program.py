"""Programs in numpy: the code that is run, the memory it runs in, and what it takes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from functools import partial
from typing import Any

import numpy as np

from tensorbp.execution.numpy.blocking import blocked
from tensorbp.execution.numpy.lowering import Lowered
from tensorbp.execution.numpy.memory import laid_out
from tensorbp.execution.numpy.repetition import without_repetition
from tensorbp.execution.numpy.source import written
from tensorbp.execution.numpy.stacking import stacked
from tensorbp.execution.numpy.symmetry import with_symmetry
from tensorbp.execution.numpy.thin import in_strips

__all__ = ["NumpyProgram"]

SPARE = 2**16
"""So many bytes more than planned may be taken for fewer calls, which small programs consist of."""

SOON = 32
"""What comes again within so many instructions is kept where memory does not do for all of it."""

CHANGES: list[Callable[[Lowered], Lowered]] = [
    without_repetition,
    partial(without_repetition, longest=SOON),
    stacked,
    with_symmetry,
    in_strips,
    blocked,
]
"""What makes programs faster, as far as memory allows."""


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
