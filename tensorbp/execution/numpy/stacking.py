"""Stacking: small instructions that are alike, and need nothing of each other, become one.

To call numpy takes as long as to work on a thousand numbers. The layers of a small model are alike:
where their values lie beside each other, one call does for all of them what is done for each.

Source: Larsen and Amarasinghe 2000, Exploiting superword level parallelism with multimedia
instruction sets.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, replace
from heapq import heapify, heappop, heappush
from itertools import pairwise
from typing import Any

from tensorbp.execution.numpy.instructions import (
    Apply,
    Instruction,
    Matmul,
    Reduce,
    Stored,
    over,
    reads,
    writes,
)
from tensorbp.execution.numpy.lowering import Lowered
from tensorbp.execution.numpy.repetition import constant_values
from tensorbp.execution.numpy.view import View

__all__ = ["stacked"]

SMALL = 2**10
"""How many numbers a value may have: of more, a call takes as long as the work that it does."""

LARGEST_STACK = 2**16
"""How many bytes a stack may have. Results in one stack are kept as long as one of them is."""

FEWEST = 3
"""How many instructions are worth being one."""

LONGEST = 2**10
"""Programs of more instructions are left alone: who is independent of whom takes too long."""

DEPENDENT = 8
"""After so many instructions that depend on all that are like them, the others are left alone."""

Stackable = Apply | Matmul | Reduce


def stacked(lowered: Lowered) -> Lowered:
    """Return instructions of which those that are alike and independent are one for all.

    Where none are, the same instructions are returned.
    """
    if len(lowered.instructions) > LONGEST:
        return lowered
    return _Stacking(lowered).stacked()


@dataclass(frozen=True)
class _Place:
    """Where a value is in a stack.

    Attributes:
        stack: which stack.
        index: which of its values.
    """

    stack: int
    index: int


class _Stacking:
    def __init__(self, lowered: Lowered) -> None:
        self.lowered = lowered
        self.values, self.instructions = lowered.values, lowered.instructions
        self.constant = constant_values(self.values, self.instructions)
        self.places: dict[int, _Place] = {}
        self.counts: list[int] = []
        self.groups: list[list[int]] = []
        self.order = _Order(self.instructions, self.constant)

    def stacked(self) -> Lowered:
        alike: dict[Hashable, list[int]] = {}
        for k, instruction in enumerate(self.instructions):
            key = self._key(instruction)
            if key is not None:
                alike.setdefault(key, []).append(k)
        for found in sorted(alike.values(), key=len, reverse=True):
            for group in self.order.independent(found):
                self._stack(group)
        return self._rewritten() if self.groups else self.lowered

    def _key(self, instruction: Instruction) -> Hashable | None:
        """Return what instructions have in common that may be one, or None if it is none such."""
        if not isinstance(instruction, Stackable):
            return None
        result = instruction.result
        if result.value not in self.constant or not 0 < result.size <= SMALL:
            return None
        if isinstance(instruction, Matmul) and not all(
            len(each.shape) == len(result.shape) for each in instruction.operands
        ):
            return None
        operands = [
            self._form(each) if isinstance(each, View) else str(each)
            for each in instruction.operands
        ]
        kind = type(instruction).__name__
        function = getattr(instruction, "function", None)
        return (kind, function, getattr(instruction, "axes", ()), *operands, self._form(result))

    def _form(self, view: View) -> Hashable:
        """Return what views of different values in a stack have in common; of others, the view."""
        stored = self.values[view.value]
        if stored.kind not in ("buffer", "result") or view.value not in self.constant:
            return view
        form = replace(view, value=-1)
        return form, stored.size, str(stored.dtype), stored.kind

    def _stack(self, group: list[int]) -> None:
        """Make instructions one, as many of them as the stacks that are there allow."""
        columns = self._columns(group)
        # values that are in a stack already say in which order
        begun = [column for column in columns if any(each in self.places for each in column)]
        if begun:
            first = [self.places.get(value) for value in begun[0]]
            stacks = [each.stack for each in first if each]
            stack = max(stacks, key=stacks.count)
            inside = {
                place.index: k
                for k, place in zip(group, first, strict=True)
                if place and place.stack == stack
            }
            group = [inside[index] for index in sorted(inside)]
            columns = self._columns(group)
        places, counts = dict(self.places), list(self.counts)
        for column in columns:
            known = [places.get(value) for value in column]
            if not any(known) and len(set(column)) == len(column):
                places |= {value: _Place(len(counts), k) for k, value in enumerate(column)}
                counts.append(len(column))
            elif _step(known) is None:
                return
        if len(group) >= FEWEST and max(map(self._bytes, columns), default=0) <= LARGEST_STACK:
            self.places, self.counts = places, counts
            self.groups.append(group)
            self.order.join(group)

    def _columns(self, group: Sequence[int]) -> list[list[int]]:
        """Return the values of a group that are to be in stacks: operands that differ, results."""
        rows = [
            [v.value for v in (*reads(self.instructions[k]), *writes(self.instructions[k]))]
            for k in group
        ]
        columns = [list(column) for column in zip(*rows, strict=True)]
        return [column for column in columns if len(set(column)) > 1]

    def _bytes(self, column: Sequence[int]) -> int:
        stored = self.values[column[0]]
        return len(column) * stored.size * int(stored.dtype.itemsize)

    def _rewritten(self) -> Lowered:
        """Return the instructions over stacks, each as early as its first reader asks for."""
        values = list(self.values)
        names = []
        members: dict[int, int] = {}
        for value, place in self.places.items():
            members.setdefault(place.stack, value)
        for stack, count in enumerate(self.counts):
            one = values[members[stack]]
            names.append(len(values))
            values.append(Stored(count * one.size, one.dtype, one.kind))

        def placed(view: View) -> View:
            place = self.places.get(view.value)
            if place is None:
                return view
            offset = view.offset + place.index * self.values[view.value].size
            return replace(view, value=names[place.stack], offset=offset)

        instructions: list[Instruction] = []
        origins: list[int] = []
        for members_of_one in self.order.sorted():
            over_parts = [over(self.instructions[k], placed) for k in members_of_one]
            instructions.append(_one(over_parts))
            origins.append(self.lowered.origins[members_of_one[0]])
        return replace(
            self.lowered,
            values=values,
            instructions=instructions,
            origins=origins,
            results=list(map(placed, self.lowered.results)),
        )


def _step(places: Sequence[_Place | None]) -> int | None:
    """Return by how many values each place is behind the one before, or None if that varies."""
    known = [each for each in places if each is not None]
    if len(known) < len(places) or len({each.stack for each in known}) > 1:
        return None
    steps = {b.index - a.index for a, b in pairwise(known)}
    return steps.pop() if len(steps) == 1 and min(steps) > 0 else None


def _one(parts: Sequence[Instruction]) -> Instruction:
    """Return one instruction that does what several do that are alike."""
    first = parts[0]
    if len(parts) == 1:
        return first
    assert isinstance(first, Stackable)
    rows = [(*reads(each), *writes(each)) for each in parts]
    above = iter([_above(views) for views in zip(*rows, strict=True)])
    operands = [next(above) if isinstance(each, View) else each for each in first.operands]
    changed: dict[str, Any] = {"operands": tuple(operands), "result": next(above)}
    if isinstance(first, Reduce):
        changed["axes"] = tuple([axis + 1 for axis in first.axes])
    return replace(first, **changed)


def _above(views: Sequence[View]) -> View:
    """Return one view of views that lie as far from each other; what all see is repeated."""
    first, second = views[:2]
    step = second.offset - first.offset
    return View(first.value, (len(views), *first.shape), (step, *first.strides), first.offset)


class _Order:
    """Which instructions need which others, some of them being one."""

    def __init__(self, instructions: Sequence[Instruction], constant: set[int]) -> None:
        """Find out what each instruction needs.

        Args:
            instructions: the instructions.
            constant: the values that never change; of others the order of all uses is kept.
        """
        self._needs: list[set[int]] = []
        last: dict[int, int] = {}
        for k, each in enumerate(instructions):
            used = [view.value for view in (*reads(each), *writes(each))]
            self._needs.append({last[value] for value in used if value in last})
            made = {view.value for view in writes(each)}
            last |= {value: k for value in used if value in made or value not in constant}
        self._unit = list(range(len(instructions)))
        self._members = [[k] for k in self._unit]
        self._above = self._ancestors()

    def independent(self, found: Sequence[int]) -> Iterator[list[int]]:
        """Yield groups of instructions of which none needs another; they may be joined at once."""
        rest, failures = list(found), 0
        while len(rest) >= FEWEST and failures < DEPENDENT:
            group: list[int] = []
            left: list[int] = []
            mask = above = 0
            for k in rest:
                bit = 1 << self._unit[k]
                if above & bit or self._above[self._unit[k]] & mask:
                    left.append(k)
                else:
                    group.append(k)
                    mask |= bit
                    above |= self._above[self._unit[k]]
            failures += len(group) < FEWEST
            if len(group) >= FEWEST:
                yield group
            rest = left

    def join(self, group: Sequence[int]) -> None:
        """Make several instructions one, of which none needs another."""
        unit = self._unit[group[0]]
        for k in group[1:]:
            self._members[self._unit[k]] = []
            self._unit[k] = unit
        self._members[unit] = list(group)
        self._above = self._ancestors()

    def _ancestors(self) -> list[int]:
        """Return for each unit, as bits, all those that must come before it."""
        above = [0] * len(self._members)
        for unit in self._topological([0] * len(self._members)):
            for each in self._needed(unit):
                above[unit] |= above[each] | 1 << each
        return above

    def _needed(self, unit: int) -> set[int]:
        return {self._unit[each] for k in self._members[unit] for each in self._needs[k]}

    def sorted(self) -> list[list[int]]:
        """Return the members of all units in order: each where its last member was, or earlier.

        What a unit needs comes before it, though it came later when only some of it was needed.
        """
        place = [max(members, default=0) for members in self._members]
        for unit in reversed(list(self._topological(list(place)))):
            for each in self._needed(unit):
                place[each] = min(place[each], place[unit])
        return [self._members[unit] for unit in self._topological(place)]

    def _topological(self, place: Sequence[int]) -> Iterator[int]:
        """Yield all units, each after those that it needs; of several the first by place."""
        units = [unit for unit, members in enumerate(self._members) if members]
        waiting = {unit: self._needed(unit) for unit in units}
        readers: dict[int, list[int]] = {}
        for unit, needed in waiting.items():
            for each in needed:
                readers.setdefault(each, []).append(unit)
        ready = [(place[unit], unit) for unit in units if not waiting[unit]]
        heapify(ready)
        while ready:
            _, unit = heappop(ready)
            yield unit
            for each in readers.get(unit, ()):
                waiting[each].discard(unit)
                if not waiting[each]:
                    heappush(ready, (place[each], each))
