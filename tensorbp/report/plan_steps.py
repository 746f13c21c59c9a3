"""The steps of a plan as a table, one by one."""

from __future__ import annotations

from fractions import Fraction

from rich.table import Table

from tensorbp.planning import Plan, Step
from tensorbp.report.console import table
from tensorbp.report.units import byte_count, flop_count, shape_text

__all__ = ["equation", "step_table"]


def step_table(plan: Plan) -> Table:
    """Return a table with a row for each step; inputs are named, values have numbers."""
    names = {each.value: each.name for each in plan.inputs}
    rows = [
        (
            str(step.result),
            step.operation,
            equation(step),
            ", ".join(names.get(number, str(number)) for number in step.operands),
            shape_text(step.shape),
            flop_count(step.flops),
            byte_count(step.bytes),
            step.layer or "",
        )
        for step in plan.steps
    ]
    return table(
        ("#", "operation", "equation", "reads", "shape", "FLOPs", "bytes", "layer"),
        rows,
        ("#", "FLOPs", "bytes"),
    )


def equation(step: Step) -> str:
    """Return the equation with its coefficient; the one of a layer is its formula."""
    coefficient = step.arguments.get("coefficient", 1) if step.operation == "einsum" else 1
    if coefficient == 1:
        return step.equation
    is_fraction = isinstance(coefficient, Fraction)
    return f"{f'({coefficient})' if is_fraction else coefficient} {step.equation}"
