"""Instructions: what an array library is told to do, as plain data.

Each but a check writes one view of a stored value. No instruction holds an array; how a program is
carried out in numpy is written from them, and so it may be for other libraries.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from tensorbp.execution.numpy.view import View

__all__ = [
    "Apply",
    "Call",
    "Check",
    "Choose",
    "Copy",
    "EinsumCall",
    "Instruction",
    "Loop",
    "Matmul",
    "Operand",
    "Reduce",
    "Stored",
    "Vecdot",
    "over",
    "reads",
    "writes",
]

Operand = View | complex
"""A view of a stored value, or a number."""


@dataclass(slots=True)
class Stored:
    """A stored value.

    Attributes:
        size: how many numbers it holds.
        dtype: their type.
        kind: ``"input"`` where it is given, ``"result"`` where it is handed out, ``"constant"``
            where it is known beforehand, else ``"buffer"``.
        array: the numbers of a constant.
    """

    size: int
    dtype: Any
    kind: str = "buffer"
    array: Any = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Apply:
    """A universal function of numpy, applied element by element to operands of one shape."""

    function: Any
    operands: tuple[Operand, ...]
    result: View


@dataclass(frozen=True, slots=True)
class Choose:
    """The second operand where the first is true, else the third."""

    operands: tuple[Operand, ...]
    result: View


@dataclass(frozen=True, slots=True)
class Copy:
    """The numbers of a view, or one number everywhere, written where the result says."""

    operands: tuple[Operand]
    result: View


@dataclass(frozen=True, slots=True)
class Reduce:
    """A universal function of two operands, applied along dimensions."""

    function: Any
    operands: tuple[View]
    axes: tuple[int, ...]
    result: View


@dataclass(frozen=True, slots=True)
class Matmul:
    """A product of matrices, or of stacks of them; added to the result where it accumulates."""

    operands: tuple[View, View]
    result: View
    accumulates: bool = False


@dataclass(frozen=True, slots=True)
class Vecdot:
    """Inner products along the last dimension."""

    operands: tuple[View, View]
    result: View


@dataclass(frozen=True, slots=True)
class EinsumCall:
    """An einsum that no other instruction carries out as fast."""

    spec: str
    operands: tuple[View, ...]
    result: View


@dataclass(frozen=True, slots=True)
class Call:
    """A function of arrays.

    Attributes:
        name: what it is called.
        function: the function.
        operands: what it takes.
        result: where its result belongs.
        fills: whether it takes the array of the result first and fills it; else what it returns
            is copied.
    """

    name: str
    function: Callable[..., Any]
    operands: tuple[View, ...]
    result: View
    fills: bool = False


@dataclass(frozen=True, slots=True)
class Check:
    """A function of arrays that raises an error if their numbers are none that it allows."""

    function: Callable[..., None]
    operands: tuple[View, ...]


@dataclass(frozen=True, slots=True)
class Loop:
    """Instructions carried out several times, each time with views that have moved on.

    Attributes:
        count: how often.
        body: the instructions, with the views of the first time.
        steps: by how many numbers a view moves from one time to the next; the others stay.
    """

    count: int
    body: tuple[Instruction, ...]
    steps: Mapping[View, int]


Instruction = Apply | Choose | Copy | Reduce | Matmul | Vecdot | EinsumCall | Call | Check | Loop


def over(instruction: Instruction, view: Callable[[View], View]) -> Instruction:
    """Return the same instruction over other views.

    Args:
        instruction: the instruction.
        view: what takes the place of each of its views.
    """
    if isinstance(instruction, Loop):
        return Loop(
            instruction.count,
            tuple([over(each, view) for each in instruction.body]),
            {view(each): step for each, step in instruction.steps.items()},
        )
    changed: dict[str, Any] = {
        "operands": tuple([view(e) if isinstance(e, View) else e for e in instruction.operands])
    }
    if not isinstance(instruction, Check):
        changed["result"] = view(instruction.result)
    return replace(instruction, **changed)


def reads(instruction: Instruction) -> Iterator[View]:
    """Yield the views that an instruction reads."""
    if isinstance(instruction, Loop):
        for each in instruction.body:
            yield from reads(each)
        return
    yield from (each for each in instruction.operands if isinstance(each, View))
    if isinstance(instruction, Matmul) and instruction.accumulates:
        yield instruction.result


def writes(instruction: Instruction) -> Iterator[View]:
    """Yield the views that an instruction writes."""
    if isinstance(instruction, Loop):
        for each in instruction.body:
            yield from writes(each)
    elif not isinstance(instruction, Check):
        yield instruction.result
