"""A plan as one function of arrays: a line of code for each step, and nothing written into."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from tensorbp.execution.functional.einsums import Function, as_number, einsum_function
from tensorbp.execution.functional.namespace import Namespace
from tensorbp.execution.functional.selections import selected_function, summed_up_function
from tensorbp.expression.arithmetic import Add
from tensorbp.expression.einsum import Einsum
from tensorbp.expression.layer import Primitive
from tensorbp.expression.node import Operator
from tensorbp.planning import Plan
from tensorbp.planning.selecting import Selected, SummedUp

__all__ = ["functional_program", "source_of"]

Array = Any


def functional_program(plan: Plan, xp: Namespace) -> tuple[Callable[..., list[Array]], list[Array]]:
    """Return a plan as a function of its inputs, in order, that returns all wanted values.

    Args:
        plan: the plan.
        xp: the array library.

    Returns:
        The function, and what it holds: values that depend on no input are computed once. What it
        returns may be a view of an input, of what it holds, or of another result.
    """
    namespace: dict[str, Any] = {}
    held: list[Array] = []
    for step in plan.steps:
        function = _function(step.operator, xp, plan.dtype)
        if not step.operands:
            held.append(function())
            function = _known(held[-1])
        namespace[f"f{step.result}"] = function
    exec(compile(source_of(plan), "<program>", "exec"), namespace)
    return namespace["program"], held


def source_of(plan: Plan) -> str:
    """Return the code that a plan is run as: a line for each step, with what it does."""
    dead = _dead_after(plan)
    lines = [f"def program({', '.join(f'v{each.value}' for each in plan.inputs)}):"]
    for step, gone in zip(plan.steps, dead, strict=True):
        arguments = ", ".join(f"v{number}" for number in step.operands)
        said = " ".join(f"{step.operation} {step.equation}".split())
        lines.append(f"    v{step.result} = f{step.result}({arguments})  # {said}")
        if gone:
            lines.append(f"    del {', '.join(f'v{number}' for number in gone)}")
    lines.append(f"    return [{', '.join(f'v{number}' for number in plan.results)}]")
    return "\n".join(lines) + "\n"


def _known(value: Array) -> Function:
    return lambda: value


def _function(operator: Operator, xp: Namespace, dtype: str) -> Function:
    """Return what carries out a step, as a function of its operands."""
    if isinstance(operator, Einsum):
        return einsum_function(operator, xp, dtype)
    if isinstance(operator, Add):
        return _addition([as_number(number) for number in operator.coefficients])
    if isinstance(operator, Selected):
        return selected_function(operator, xp)
    if isinstance(operator, SummedUp):
        return summed_up_function(operator, xp, dtype)
    assert isinstance(operator, Primitive)
    forward = operator.forward
    if getattr(operator, "kind", "real") == "integer":
        return lambda *arrays: forward(xp, *arrays)
    # tables of numbers and comparisons know no dtype
    return lambda *arrays: xp.asarray(forward(xp, *arrays), dtype=dtype)


def _addition(numbers: Sequence[float]) -> Function:
    first, *others = numbers

    def add(*arrays: Array) -> Array:
        total = arrays[0] if first == 1 else first * arrays[0]
        for number, array in zip(others, arrays[1:], strict=True):
            if number == 1:
                total = total + array
            elif number == -1:
                total = total - array
            else:
                total = total + number * array
        return total

    return add


def _dead_after(plan: Plan) -> list[list[int]]:
    """Return, for each step, the values that nothing reads any more once it is done."""
    last: dict[int, int] = {}
    for position, step in enumerate(plan.steps):
        last[step.result] = position
        for number in step.operands:
            last[number] = position
    for number in [*plan.results, *(each.value for each in plan.inputs)]:
        last.pop(number, None)
    dead: list[list[int]] = [[] for _ in plan.steps]
    for number, position in last.items():
        dead[position].append(number)
    return dead
