"""Profiles: how long each step of a program takes, beside what it was planned to cost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

import numpy as np

from tensorbp.execution.backends import Executable
from tensorbp.execution.numpy.lowering import lower
from tensorbp.execution.numpy.observed import Mark, Observed, moved_bytes
from tensorbp.execution.numpy.program import NumpyProgram
from tensorbp.execution.speed import Speed, measured_speed
from tensorbp.planning import Plan, Step

__all__ = ["Profile", "TimedStep", "profiled"]

SECONDS = 0.5
"""A program is called again until so much time has passed; the least times count."""


@dataclass(frozen=True)
class TimedStep:
    """What it took to carry out a step.

    Attributes:
        step: the step of the plan.
        calls: how many calls of numpy carry it out.
        seconds: how long they took.
        bytes: what they read and write; a product may copy its operands first.
    """

    step: Step
    calls: int
    seconds: float
    bytes: int


@dataclass(frozen=True)
class Profile:
    """How long each step of a program takes; made by `Program.profile`.

    Attributes:
        steps: the steps in order; those that are views, and take no time, are left out.
        seconds: how long a call takes that is not profiled.
        speed: what this machine reaches.
        values: what the program computed.
    """

    steps: tuple[TimedStep, ...]
    seconds: float
    speed: Speed
    values: list[Any] = field(repr=False)

    @property
    def step_seconds(self) -> float:
        """How long all steps take together; a call that is not profiled does a little more."""
        return sum(each.seconds for each in self.steps)


def profiled(plan: Plan, plain: NumpyProgram, call: Callable[[Executable], list[Any]]) -> Profile:
    """Return how long each step of a plan takes.

    Args:
        plan: the plan.
        plain: the program that is not profiled; it gives up its memory.
        call: calls what it is given on the arrays.
    """
    durations: list[float] = []

    def timed() -> list[Any]:
        start = perf_counter()
        values = call(plain)
        durations.append(perf_counter() - start)
        return values

    # the first call touches memory that no call has touched before
    _repeated(timed, least=2)
    runs: list[list[float]] = []

    def begin() -> Mark:
        times = [perf_counter()]
        runs.append(times)
        return lambda: times.append(perf_counter())

    lowered = lower(plan)
    observed = Observed(lowered, range(len(lowered.instructions)), begin)
    observed.program.take_over(plain)
    values = _repeated(lambda: call(observed))
    seconds = np.diff(runs).min(axis=0).tolist()
    found: dict[int, tuple[int, float, int]] = {}
    for each, origin, spent in zip(lowered.instructions, lowered.origins, seconds, strict=True):
        calls, before, moved = found.get(origin, (0, 0.0, 0))
        moved += moved_bytes(each, lowered.values)
        found[origin] = (calls + 1, before + spent, moved)
    steps = [TimedStep(s, *found[s.result]) for s in plan.steps if s.result in found]
    return Profile(tuple(steps), min(durations), measured_speed(plan.dtype), values)


def _repeated(call: Callable[[], list[Any]], least: int = 1) -> list[Any]:
    """Call something until enough time has passed, and return what it returned last."""
    start = perf_counter()
    values = call()
    calls = 1
    while calls < least or perf_counter() - start < SECONDS:
        # the results of one call make room for those of the next
        del values
        values = call()
        calls += 1
    return values
