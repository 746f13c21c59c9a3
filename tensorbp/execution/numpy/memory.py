"""Memory: which values of a program share a place.

A value whose last reader works element by element gives its place to what that reader makes. All
other values that live between two instructions are laid out in one arena by when they are alive.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tensorbp.execution.numpy.instructions import (
    Apply,
    Choose,
    Copy,
    Instruction,
    Loop,
    Stored,
    reads,
    writes,
)
from tensorbp.execution.numpy.view import View
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
        loop = instruction if isinstance(instruction, Loop) else Loop(1, (instruction,), {})
        begun: set[int] = set()
        for k, each in enumerate(loop.body):
            if not isinstance(each, Apply | Choose | Copy):
                break
            made = each.result.value
            is_new = first[made] == position and made not in begun
            begun.add(made)
            if not is_new or values[made].kind not in ("buffer", "result"):
                continue
            for value in _may_be_overwritten(loop, k):
                # what has given its place away has none to give
                if last[value] != position or owners[value] != value or owner_of(made) == value:
                    continue
                if values[value].kind == "buffer" and _fits(values[value], values[made]):
                    owners[value] = owner_of(made)
                    break
    return [owner_of(value) for value in range(len(values))]


def _may_be_overwritten(loop: Loop, position: int) -> list[int]:
    """Return the values in whose place an instruction may write its result.

    They are read before it, or by it, and nowhere but where each time round it writes.

    Args:
        loop: the instructions, all of them elementwise up to this one.
        position: which of them it is.
    """
    instruction = loop.body[position]
    (result,) = writes(instruction)
    operands = list(reads(instruction))
    if isinstance(instruction, Choose):
        # what a choice falls back on is written first, and the others are still to be read then
        *others, fallback = instruction.operands
        operands = [each for each in (fallback,) if isinstance(each, View) and each not in others]
    before = [view for each in loop.body[:position] for view in reads(each)]
    everything = [view for each in loop.body for view in reads(each)]
    allowed = [*operands, *before]
    found = []
    for value in dict.fromkeys([view.value for view in allowed]):
        views = [view for view in everything if view.value == value]
        is_there = all(_same_place(view, result, loop) for view in views)
        if is_there and len(views) == sum(view.value == value for view in allowed):
            found.append(value)
    return found


def _same_place(one: View, other: View, loop: Loop) -> bool:
    """Say whether two views of different values are in the same place of them, each time round."""
    is_same = (one.shape, one.strides, one.offset) == (other.shape, other.strides, other.offset)
    are_lines = one.is_contiguous and other.is_contiguous and one.size == other.size
    is_same = is_same or (are_lines and one.offset == other.offset)
    step = loop.steps.get(one, 0)
    # what stays where it is, is read the next time round as well
    return is_same and step == loop.steps.get(other, 0) and (step != 0 or loop.count == 1)


def _fits(given: Stored, made: Stored) -> bool:
    return (given.size, given.dtype) == (made.size, made.dtype)
