"""Blocking: elementwise instructions in a row go through large arrays block by block.

numpy goes through whole arrays, one instruction after the other; once they are larger than the
caches, each number comes from memory as often as it is read. In blocks it comes once, and what is
only there between two instructions is never written to memory at all.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import lcm
from typing import Any

from tensorbp.execution.numpy.instructions import (
    Apply,
    Choose,
    Copy,
    Instruction,
    Loop,
    Operand,
    Stored,
    reads,
    writes,
)
from tensorbp.execution.numpy.lowering import Lowered
from tensorbp.execution.numpy.view import View, collapsed, row_major

__all__ = ["blocked"]

SMALLEST = 3 * 2**22
"""From how many bytes on an array is worth it: smaller ones the caches keep between two calls."""

BLOCK = 2**18
"""How many bytes of an array a block has, about: smaller ones take too many calls."""

SMALLEST_PART = 4
"""How many times smaller than that blocks may be for all of them to be of one size."""

Elementwise = Apply | Choose | Copy


def blocked(lowered: Lowered) -> Lowered:
    """Return instructions in which those in a row that work number by number are one loop.

    Where none are, the same instructions are returned.
    """
    return _Blocking(lowered).blocked()


@dataclass(frozen=True)
class _Piece:
    """An elementwise instruction, its views with as few dimensions as they all allow.

    Attributes:
        instruction: the instruction.
        views: the result and the operands; numbers stay as they are.
        inner: how many numbers of the result lie behind one place of the first dimension.
    """

    instruction: Elementwise
    views: tuple[Operand, ...]
    inner: int

    @property
    def result(self) -> View:
        """What is written, row after row."""
        assert isinstance(self.views[0], View)
        return self.views[0]

    @property
    def operands(self) -> Iterator[View]:
        """What is read."""
        return (each for each in self.views[1:] if isinstance(each, View))


class _Blocking:
    def __init__(self, lowered: Lowered) -> None:
        self._lowered = lowered
        self._values = list(lowered.values)
        self._made: list[Instruction] = []
        self._origins: list[int] = []
        sizes = [each.dtype.itemsize for each in lowered.values if each.dtype.kind in "fc"]
        self._itemsize = max(sizes, default=8)
        self._most = BLOCK // self._itemsize
        self._uses: dict[int, tuple[int, int]] = {}
        for position, instruction in enumerate(lowered.instructions):
            for view in (*reads(instruction), *writes(instruction)):
                first, _ = self._uses.get(view.value, (position, position))
                self._uses[view.value] = first, position

    def blocked(self) -> Lowered:
        run = _Run(0, self._most)
        for position, instruction in enumerate(self._lowered.instructions):
            piece = self._piece(instruction)
            if piece is None or not run.takes(piece):
                self._close(run)
                run = _Run(position + (piece is None), self._most)
            if piece is None:
                self._add(position, instruction)
            else:
                run.add(piece)
        self._close(run)
        if len(self._made) == len(self._lowered.instructions):
            return self._lowered
        return replace(
            self._lowered,
            values=self._values,
            instructions=self._made,
            origins=self._origins,
        )

    def _add(self, position: int, instruction: Instruction) -> None:
        self._made.append(instruction)
        self._origins.append(self._lowered.origins[position])

    def _piece(self, instruction: Instruction) -> _Piece | None:
        """Return an instruction as a piece of a run, if it works on large arrays in order."""
        if not isinstance(instruction, Elementwise):
            return None
        result = instruction.result
        if result.size * self._itemsize < SMALLEST or not result.is_dense:
            return None
        views = [each for each in instruction.operands if isinstance(each, View)]
        flat = collapsed([each.transposed(result.order) for each in (result, *views)])
        inner = flat[0].size // flat[0].shape[0]
        if inner > self._most:
            return None
        rest = iter(flat[1:])
        operands = [next(rest) if isinstance(e, View) else e for e in instruction.operands]
        return _Piece(instruction, (flat[0], *operands), inner)

    def _close(self, run: _Run) -> None:
        """Add the instructions of a run, as loops over blocks if there are several."""
        loop = None
        if len(run.pieces) > 1:
            size = run.pieces[0].result.size
            length = _block_length(size // run.inner, self._most // run.inner) * run.inner
            if length:
                loop = _loop(run.pieces, self._places(run, length), length, size // length)
        if loop is not None:
            self._add(run.start, loop)
        else:
            for k, piece in enumerate(run.pieces):
                self._add(run.start + k, piece.instruction)

    def _places(self, run: _Run, length: int) -> dict[int, int]:
        """Return the place of a block for each value that is only there within a run.

        Where an operand of an instruction is read for the last time, its place is free for the
        result; the choice between two operands can only be made in the place of the second.
        """
        places: dict[int, int] = {}
        free: dict[Any, list[int]] = {}
        for position, piece in enumerate(run.pieces, start=run.start):
            read = [each.value for each in piece.operands]
            over = {value for value in read if value in places and self._ends_at(value, position)}
            early = over
            if isinstance(piece.instruction, Choose):
                early = {value for value in over if read.index(value) == 2}
            for value in sorted(early):
                free.setdefault(self._values[value].dtype, []).append(places[value])
            made = piece.result.value
            if made not in places and self._is_inside(made, run):
                known = free.setdefault(self._values[made].dtype, [])
                if not known:
                    known.append(len(self._values))
                    self._values.append(Stored(length, self._values[made].dtype))
                places[made] = known.pop()
            for value in sorted(over - early):
                free.setdefault(self._values[value].dtype, []).append(places[value])
        return places

    def _ends_at(self, value: int, position: int) -> bool:
        return self._uses[value][1] == position

    def _is_inside(self, value: int, run: _Run) -> bool:
        """Say whether a value is only there within a run."""
        first, last = self._uses[value]
        stored = self._values[value]
        is_whole = stored.kind == "buffer" and stored.size == run.pieces[0].result.size
        return is_whole and run.start <= first and last < run.start + len(run.pieces)


class _Run:
    """Pieces in a row, each of which needs of the others no more than the same block.

    Attributes:
        start: the position of the first.
        pieces: the pieces.
        inner: a block holds a multiple of so many numbers.
    """

    def __init__(self, start: int, most: int) -> None:
        """Begin a run.

        Args:
            start: the position of its first piece.
            most: how many numbers a block has at most.
        """
        self.start, self._most = start, most
        self.pieces: list[_Piece] = []
        self.inner = 1
        self._written: set[View] = set()
        self._read: set[View] = set()

    def takes(self, piece: _Piece) -> bool:
        """Say whether a piece can be carried out in blocks together with those that are there."""
        if not self.pieces:
            return True
        is_far = lcm(self.inner, piece.inner) > self._most
        if is_far or piece.result.size != self.pieces[0].result.size:
            return False
        # what is written here is read and written here from end to end, and not otherwise
        written = {each.value: each for each in (*self._written, _line(piece.result))}
        touched = {*self._read, *self._written, *map(_line, (piece.result, *piece.operands))}
        return all(each == written[each.value] for each in touched if each.value in written)

    def add(self, piece: _Piece) -> None:
        """Add a piece."""
        self.pieces.append(piece)
        self.inner = lcm(self.inner, piece.inner)
        self._written.add(_line(piece.result))
        self._read.update(map(_line, piece.operands))


def _line(view: View) -> View:
    """Return a view that goes through numbers from end to end as one of one dimension."""
    return View(view.value, (view.size,), (1,), view.offset) if view.is_contiguous else view


def _block_length(rows: int, most: int) -> int:
    """Return into how many rows each the rows can be divided, or 0 if not into a good number."""
    return next((k for k in range(most, most // SMALLEST_PART, -1) if rows % k == 0), 0)


def _loop(
    pieces: Sequence[_Piece], places: Mapping[int, int], length: int, count: int
) -> Loop | None:
    """Return pieces as a loop over blocks; None where one view would both move and stay.

    Args:
        pieces: the pieces.
        places: for each value that is only there within a block, where.
        length: how many numbers a block has.
        count: how many blocks there are.
    """
    steps: dict[View, int] = {}
    body: list[Instruction] = []
    for piece in pieces:
        rows = length // piece.inner
        shape = (rows, *piece.result.shape[1:])
        views: list[Operand] = []
        for each in piece.views:
            if isinstance(each, View) and each.value in places:
                each = View(places[each.value], shape, row_major(shape))
            elif isinstance(each, View):
                stride = each.strides[0]
                each = replace(each, shape=shape).narrow
                if steps.setdefault(each, rows * stride) != rows * stride:
                    return None
            views.append(each)
        changed: dict[str, Any] = {"result": views[0], "operands": tuple(views[1:])}
        body.append(replace(piece.instruction, **changed))
    return Loop(count, tuple(body), {view: step for view, step in steps.items() if step})
