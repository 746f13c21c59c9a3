"""Observed programs: the same instructions in numpy, with something called between them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from itertools import accumulate
from math import prod
from typing import Any

from tensorbp.execution.numpy.instructions import Instruction, Loop, Stored, reads, writes
from tensorbp.execution.numpy.lowering import Lowered, lower
from tensorbp.execution.numpy.program import NumpyProgram
from tensorbp.execution.numpy.view import View
from tensorbp.planning import Plan

__all__ = ["Observed", "moved_bytes", "reporting"]

REPORTS = 100
"""How often a program says how far it is."""

Mark = Callable[[], None]


class Observed:
    """A program with code of its own, so that the one that is not observed stays as fast.

    Attributes:
        program: the program.
        source: the code that is run.
    """

    def __init__(self, lowered: Lowered, marks: Collection[int], begin: Callable[[], Mark]) -> None:
        """Write the code.

        Args:
            lowered: the instructions.
            marks: those, by position, after which something is called.
            begin: what is called when a call begins; it returns what is called then.
        """
        self.program = NumpyProgram(lowered, marks)
        self.source = self.program.source
        self._begin = begin
        self._is_marked = bool(marks)

    def __call__(self, arrays: Sequence[Any]) -> list[Any]:
        """Return the results: arrays that share memory with nothing."""
        mark = self._begin()
        return self.program([mark, *arrays] if self._is_marked else arrays)


def reporting(plan: Plan, report: Callable[[float], None]) -> Observed:
    """Return a plan as a program that says how far it is.

    Args:
        plan: the plan.
        report: is given the part of the work that is done, from 0 to 1, at most a hundred times a
            call. Work is counted in FLOPs and in bytes that are read or written.
    """
    lowered = lower(plan)
    flops = {step.result: step.flops for step in plan.steps}
    share = Counter(lowered.origins)
    work = [
        flops.get(origin, 0) // share[origin] + moved_bytes(each, lowered.values)
        for each, origin in zip(lowered.instructions, lowered.origins, strict=True)
    ]
    done = list(accumulate(work))
    marks: dict[int, float] = {}
    reports = 0
    for position, part in enumerate(done):
        if part * REPORTS // (done[-1] or 1) > reports:
            reports = part * REPORTS // done[-1]
            marks[position] = part / done[-1]

    def begin() -> Mark:
        parts = iter(marks.values())
        report(0.0)
        return lambda: report(next(parts))

    return Observed(lowered, marks, begin)


def moved_bytes(instruction: Instruction, values: Sequence[Stored]) -> int:
    """Return the bytes that an instruction reads and writes; what is repeated is read once."""
    if isinstance(instruction, Loop):
        return instruction.count * sum(moved_bytes(each, values) for each in instruction.body)
    views = (*reads(instruction), *writes(instruction))
    return sum(_distinct(view) * int(values[view.value].dtype.itemsize) for view in views)


def _distinct(view: View) -> int:
    """Return how many numbers a view shows, those that it repeats counted once."""
    return prod(size for size, s in zip(view.shape, view.strides, strict=True) if s or not size)
