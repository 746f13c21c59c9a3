"""A plan as one function of arrays: a line of code for each step, and nothing written into.

Where several steps are a convolution, or what a library has another routine for, one line stands
for all of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import chain
from typing import Any

from tensorbp.execution.functional.call import Call, needed, said
from tensorbp.execution.functional.convolutions import convolution, transposed_convolution
from tensorbp.execution.functional.einsums import (
    Function,
    einsum_function,
)
from tensorbp.execution.functional.layouts import AS_WRITTEN, Layout, layouts
from tensorbp.execution.functional.namespace import Namespace
from tensorbp.execution.functional.selections import selected_function, summed_up_function
from tensorbp.execution.functional.sums import sum_call
from tensorbp.expression.arithmetic import Add
from tensorbp.expression.einsum import Einsum
from tensorbp.expression.layer import Primitive
from tensorbp.expression.node import Operator
from tensorbp.planning import Plan, Step
from tensorbp.planning.selecting import Selected, SummedUp

__all__ = ["Replacement", "functional_program", "source_of"]

Array = Any

Replacement = Callable[[Plan, list[Call]], list[Call]]
"""Returns the calls of a plan, some of which stand for several of those that it is given."""


def functional_program(
    plan: Plan, xp: Namespace, replacements: Sequence[Replacement] = ()
) -> tuple[Callable[..., list[Array]], list[Array]]:
    """Return a plan as a function of its inputs, in order, that returns all wanted values.

    Args:
        plan: the plan.
        xp: the array library.
        replacements: what puts calls of its routines in the place of steps, one after the other.

    Returns:
        The function, and what it holds: values that depend on no input are computed once. What it
        returns may be a view of an input, of what it holds, or of another result.
    """
    namespace: dict[str, Any] = {}
    held: list[Array] = []
    calls = _calls(plan, replacements)
    for call in calls:
        function = call.on(xp)
        if not call.operands:
            held.append(function())
            function = _known(held[-1])
        namespace[_name(call)] = function
    exec(compile(_source(plan, calls), "<program>", "exec"), namespace)
    return namespace["program"], held


def source_of(plan: Plan, replacements: Sequence[Replacement] = ()) -> str:
    """Return the code that a plan is run as: a line for each call, with what it does.

    Args:
        plan: the plan.
        replacements: what puts calls of routines of the library in the place of steps.
    """
    return _source(plan, _calls(plan, replacements))


def _source(plan: Plan, calls: Sequence[Call]) -> str:
    lines = [f"def program({', '.join(f'v{each.value}' for each in plan.inputs)}):"]
    for call, gone in zip(calls, _dead_after(plan, calls), strict=True):
        made, read = (", ".join(f"v{k}" for k in each) for each in (call.results, call.operands))
        lines.append(f"    {made} = {_name(call)}({read})  # {call.says}")
        if gone:
            lines.append(f"    del {', '.join(f'v{number}' for number in gone)}")
    lines.append(f"    return [{', '.join(f'v{number}' for number in plan.results)}]")
    return "\n".join(lines) + "\n"


def _name(call: Call) -> str:
    """Return the name of the function of a call."""
    return f"f{call.results[0]}"


def _calls(plan: Plan, replacements: Sequence[Replacement]) -> list[Call]:
    """Return the steps as calls; a convolution or attention is one call for several of them."""
    producers = {step.result: step for step in plan.steps}
    readers = Counter(chain(plan.results, *(step.operands for step in plan.steps)))
    lie = layouts(plan.steps)
    calls = []
    for step in plan.steps:
        if isinstance(step.operator, Add):
            calls.append(sum_call(step, producers))
            continue
        layout = lie.get(step.result, AS_WRITTEN)
        on = partial(_function, step.operator, plan.dtype, layout)
        call = Call((step.result,), step.operands, said(step), on, step)
        calls.append(_convolution(step, producers, readers) or call)
    calls = needed(calls, plan.results)
    for replaced in replacements:
        calls = replaced(plan, calls)
    return calls


def _convolution(
    step: Step, producers: Mapping[int, Step], readers: Mapping[int, int]
) -> Call | None:
    """Return the call of a convolution that ends in a step, or None where none does."""
    operator = step.operator
    if isinstance(operator, Einsum) and len(operator.factors) == 2:
        for at, number in enumerate(step.operands):
            windows = producers.get(number)
            if windows and isinstance(windows.operator, Selected):
                on = convolution(operator, at, windows.operator)
                if on:
                    operands = (windows.operands[0], step.operands[1 - at])
                    return Call((step.result,), operands, "convolution", on)
    if isinstance(operator, Selected):
        product = producers.get(step.operands[0])
        if product and readers[product.result] == 1 and isinstance(product.operator, Einsum):
            return _transposed_convolution(step.result, product, operator, producers)
    return None


def _transposed_convolution(
    result: int, product: Step, scatter: Selected, producers: Mapping[int, Step]
) -> Call | None:
    """Return the call of a transposed convolution: a product that is scattered."""
    tried: list[tuple[tuple[int, Selected] | None, tuple[int, ...]]] = []
    for at, number in enumerate(product.operands):
        put = producers.get(number)
        if put and isinstance(put.operator, Selected):
            numbers = (*product.operands[:at], put.operands[0], *product.operands[at + 1 :])
            tried.append(((at, put.operator), numbers))
    tried.append((None, product.operands))
    assert isinstance(product.operator, Einsum)
    for before, numbers in tried:
        on = transposed_convolution(product.operator, scatter, before)
        if on:
            return Call((result,), numbers, "transposed convolution", on)
    return None


def _known(value: Array) -> Function:
    return lambda: value


def _function(operator: Operator, dtype: str, layout: Layout, xp: Namespace) -> Function:
    """Return what carries out a step, as a function of its operands."""
    if isinstance(operator, Einsum):
        return einsum_function(operator, xp, dtype, layout)
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


def _dead_after(plan: Plan, calls: Sequence[Call]) -> list[list[int]]:
    """Return, for each call, the values that nothing reads any more once it is done."""
    last = {number: k for k, call in enumerate(calls) for number in (*call.results, *call.operands)}
    for number in [*plan.results, *(each.value for each in plan.inputs)]:
        last.pop(number, None)
    dead: list[list[int]] = [[] for _ in calls]
    for number, position in last.items():
        dead[position].append(number)
    return dead
