"""Layouts: in which order the dimensions of a product of matrices had better lie in memory.

A product can be made as it is written or transposed, at the same price. What reads it number by
number, beside other tensors, is several times as fast if all of them lie alike.
"""

from __future__ import annotations

from collections.abc import Sequence

from tensorbp.expression.einsum import Einsum
from tensorbp.planning import Step

__all__ = ["AS_WRITTEN", "Layout", "layouts"]

Layout = tuple[int, ...]
"""The dimensions of a value, the one whose numbers lie furthest apart first."""

AS_WRITTEN: Layout = ()
"""The layout of a value whose dimensions lie in order."""


def layouts(steps: Sequence[Step]) -> dict[int, Layout]:
    """Return, by number, how products lie: as the first that reads them number by number writes.

    Args:
        steps: the steps of a plan.
    """
    found: dict[int, Layout] = {}
    unread: set[int] = set()
    for step in steps:
        for position, number in enumerate(step.operands):
            layout = _read(step, position) if number in unread else None
            if layout is not None:
                found[number] = layout
                unread.discard(number)
        if _is_product(step):
            unread.add(step.result)
    return found


def _is_product(step: Step) -> bool:
    operator = step.operator
    return isinstance(operator, Einsum) and len(step.operands) == 2 and bool(operator.summed)


def _read(step: Step, position: int) -> Layout | None:
    """Return the dimensions of an operand in the order of the result; None if that says nothing.

    Args:
        step: what reads the operand.
        position: which of its operands it is.
    """
    operator = step.operator
    if not isinstance(operator, Einsum):
        return AS_WRITTEN
    if operator.summed or not operator.pattern.is_plain:
        return None
    dimensions = operator.factors[position]
    order = [dimensions.index(each) for each in operator.output if each in dimensions]
    return tuple(order) if len(order) == len(dimensions) else None
