"""Calls: the lines of a program, each a function of arrays that a library makes once."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from tensorbp.execution.functional.einsums import Function
from tensorbp.execution.functional.namespace import Namespace
from tensorbp.planning import Step

__all__ = ["Call", "OnLibrary", "in_order", "needed", "said"]

OnLibrary = Callable[[Namespace], Function]
"""Makes a function of the arrays of a library."""


@dataclass(frozen=True)
class Call:
    """One line of a program.

    Attributes:
        results: the numbers of the values that it makes; one that makes several returns a tuple.
        operands: the numbers of the values that it reads.
        says: what it does.
        on: makes its function for a library.
        step: the step that it carries out; None where it stands for another one, or for several.
    """

    results: tuple[int, ...]
    operands: tuple[int, ...]
    says: str
    on: OnLibrary
    step: Step | None = None


def said(step: Step) -> str:
    """Return what a step does."""
    return " ".join(f"{step.operation} {step.equation}".split())


def needed(calls: Sequence[Call], wanted: Collection[int]) -> list[Call]:
    """Return the calls that make wanted values, or what makes these, in order."""
    read = set(wanted)
    kept = []
    for call in reversed(calls):
        if not read.isdisjoint(call.results):
            read.update(call.operands)
            kept.append(call)
    return kept[::-1]


def in_order(calls: Sequence[Call]) -> list[Call] | None:
    """Return calls in an order in which each reads what is made before it.

    They stay where they are but for those that have to wait.

    Returns:
        The calls; None if some wait for each other.
    """
    unmade = {number for call in calls for number in call.results}
    ordered: list[Call] = []
    waiting: list[Call] = []
    for call in calls:
        waiting.append(call)
        while ready := [each for each in waiting if unmade.isdisjoint(each.operands)]:
            ordered += ready
            waiting = [each for each in waiting if each not in ready]
            unmade.difference_update(*[each.results for each in ready])
    return None if waiting else ordered
