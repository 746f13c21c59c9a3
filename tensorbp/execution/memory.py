"""Memory: which values of a program share a place.

A value whose last reader works element by element gives its place to what that reader makes. All
other values that live between two instructions are laid out in one arena by when they are alive.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tensorbp.execution.instructions import (
    Apply,
    Choose,
    Copy,
    Instruction,
    Stored,
    reads,
    writes,
)
from tensorbp.execution.view import View
from tensorbp.planning.arena import Lifetime, place

__all__ = ["Memory", "laid_out"]


@dataclass(frozen=True)
class Memory:
    """Where the values of a program are.

    Attributes:
        owners: for each value the one whose place it has; most have their own.
        offsets: for each owner that is in the arena, at which byte it begins.
        size: the bytes of the arena.
    """

    owners: list[int]
    offsets: dict[int, int]
    size: int


def laid_out(values: Sequence[Stored], instructions: Sequence[Instruction]) -> Memory:
    """Return where the values of a program are."""
    first: dict[int, int] = {}
    last: dict[int, int] = {}
    for position, instruction in enumerate(instructions):
        for view in writes(instruction):
            first.setdefault(view.value, position)
            last[view.value] = position
        for view in reads(instruction):
            last[view.value] = position
    alone = list(range(len(values)))
    shared = _owners(values, instructions, first, last)
    # a place that is shared is taken for longer, around which there may be a gap
    return min(
        (_placed(values, owners, first, last) for owners in (shared, alone)),
        key=lambda memory: memory.size,
    )


def _placed(
    values: Sequence[Stored],
    owners: list[int],
    first: Mapping[int, int],
    last: Mapping[int, int],
) -> Memory:
    """Return the values in one arena, given whose place each has."""
    begins: dict[int, int] = {}
    ends: dict[int, int] = {}
    for value, position in first.items():
        owner = owners[value]
        begins[owner] = min(position, begins.get(owner, position))
        ends[owner] = max(last[value], ends.get(owner, 0))
    inside = [owner for owner in begins if values[owner].kind == "buffer"]
    sizes = {owner: values[owner].size * values[owner].dtype.itemsize for owner in inside}
    offsets, size = place([Lifetime(sizes[k], begins[k], ends[k]) for k in inside])
    return Memory(owners, dict(zip(inside, offsets, strict=True)), size)


def _owners(
    values: Sequence[Stored],
    instructions: Sequence[Instruction],
    first: dict[int, int],
    last: dict[int, int],
) -> list[int]:
    """Return for each value whose place it has."""
    owners = list(range(len(values)))

    def owner_of(value: int) -> int:
        while owners[value] != value:
            value = owners[value]
        return value

    for position, instruction in enumerate(instructions):
        if not isinstance(instruction, Apply | Choose | Copy):
            continue
        made = instruction.result.value
        if first[made] != position or values[made].kind not in ("buffer", "result"):
            continue
        for operand in _may_be_overwritten(instruction):
            given = owner_of(operand.value)
            if last[operand.value] != position or owner_of(made) == given:
                continue
            if values[given].kind == "buffer" and _fits(values[given], values[made]):
                owners[given] = owner_of(made)
                break
    return [owner_of(value) for value in range(len(values))]


def _may_be_overwritten(instruction: Apply | Choose | Copy) -> list[View]:
    """Return the operands in whose place the result may be written."""
    views = [each for each in instruction.operands if isinstance(each, View)]
    # what a choice falls back on is written first
    own = views
    if isinstance(instruction, Choose):
        own = [each for each in instruction.operands[2:] if isinstance(each, View)]
    result = instruction.result
    return [
        each
        for each in own
        if (each.shape, each.strides, each.offset) == (result.shape, result.strides, result.offset)
        and all(other == each for other in views if other.value == each.value)
    ]


def _fits(given: Stored, made: Stored) -> bool:
    return (given.size, given.dtype) == (made.size, made.dtype)
