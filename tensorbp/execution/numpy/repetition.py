"""Repetition: what several instructions would compute alike is computed once.

Rules are recorded one by one, and both a loss and its gradient write out the same softmax.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import replace

from tensorbp.execution.numpy.instructions import (
    Apply,
    Check,
    Choose,
    Copy,
    EinsumCall,
    Instruction,
    Matmul,
    Reduce,
    Stored,
    Vecdot,
    over,
    reads,
    writes,
)
from tensorbp.execution.numpy.lowering import Lowered
from tensorbp.execution.numpy.view import View

__all__ = ["constant_values", "without_repetition"]

NONE = -1
"""The value that a check makes."""


def constant_values(values: Sequence[Stored], instructions: Sequence[Instruction]) -> set[int]:
    """Return the values that never change: they are given, or one instruction writes them whole."""
    times = Counter(view.value for each in instructions for view in writes(each))
    given = {k for k, each in enumerate(values) if each.kind in ("input", "constant")}
    return given | {
        view.value
        for each in instructions
        for view in writes(each)
        if times[view.value] == 1 and view.is_dense and view.size == values[view.value].size
    }


def without_repetition(lowered: Lowered, longest: int = sys.maxsize) -> Lowered:
    """Return instructions of which no two do the same; the same ones where there are no two.

    Args:
        lowered: the instructions.
        longest: for how many instructions a value is kept, after it was needed last, for another
            that would be equal.
    """
    last = {
        view.value: position
        for position, each in enumerate(lowered.instructions)
        for view in reads(each)
    }
    constant = constant_values(lowered.values, lowered.instructions)
    known: dict[Hashable, int] = {}
    instead: dict[int, int] = {}
    kept: list[Instruction] = []
    origins: list[int] = []

    def renamed(view: View) -> View:
        return replace(view, value=instead.get(view.value, view.value))

    for position, instruction in enumerate(lowered.instructions):
        renewed = over(instruction, renamed) if instead else instruction
        made = [view.value for view in writes(renewed)]
        used = [view.value for view in reads(renewed)] + made
        key = _key(renewed, lowered.values) if constant.issuperset(used) else None
        former = known.get(key, NONE)
        is_result = any(lowered.values[value].kind == "result" for value in made)
        if key in known and not is_result and position - last.get(former, position) <= longest:
            instead |= dict.fromkeys(made, former)
            last[former] = max(last.get(value, 0) for value in (former, *made))
            continue
        if key is not None:
            known[key] = made[0] if made else NONE
        kept.append(renewed)
        origins.append(lowered.origins[position])
    if len(kept) == len(lowered.instructions):
        return lowered
    return replace(lowered, instructions=kept, origins=origins)


def _key(instruction: Instruction, values: Sequence[Stored]) -> Hashable | None:
    """Return what instructions have in common that write the same, or None where that is unsure."""
    if isinstance(instruction, Check):
        return instruction if isinstance(instruction.function, Hashable) else None
    if not isinstance(instruction, Apply | Choose | Copy | Reduce | Matmul | Vecdot | EinsumCall):
        return None
    # 0 and -0 are equal, but do not make the same
    numbers = [str(each) for each in instruction.operands if not isinstance(each, View)]
    without_name = replace(instruction, result=replace(instruction.result, value=-1))
    return (without_name, *numbers, str(values[instruction.result.value].dtype))
