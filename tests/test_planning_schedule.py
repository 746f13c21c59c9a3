"""Memory: the peak of a plan against a count, at each step, of everything that is still needed."""

from __future__ import annotations

from math import prod
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plan_zoo import QUESTIONS, cases, questions

import tensorbp as tb
from tensorbp.planning import Plan

ITEM_BYTES = {"float32": 4, "float64": 8}


def simulated_peak(plan: Plan) -> int:
    """Ask at every step of every value whether it was made and will still be needed."""
    size = {
        each.value: prod(each.shape) * (8 if each.kind == "integer" else ITEM_BYTES[plan.dtype])
        for each in plan.inputs
    }
    base = {each.value: each.value for each in plan.inputs}
    made = {each.value: -1 for each in plan.inputs}
    needed: dict[int, float] = {each.value: float("inf") for each in plan.inputs}
    for time, step in enumerate(plan.steps):
        is_view = step.bytes == 0 and step.operands
        base[step.result] = base[step.operands[0]] if is_view else step.result
        size.setdefault(base[step.result], step.bytes)
        made.setdefault(base[step.result], time)
        needed.setdefault(base[step.result], time)
        for number in step.operands:
            needed[base[number]] = max(needed[base[number]], time)
    for output in plan.outputs:
        for number in [output] if isinstance(output, int) else output.numbers:
            needed[base[number]] = float("inf")
    return max(
        sum(size[v] for v in made if made[v] <= time <= needed[v])
        for time in range(-1, len(plan.steps))
    )


@settings(max_examples=60)
@given(cases(), questions, st.sampled_from(sorted(ITEM_BYTES)))
def test_the_peak_is_what_is_alive_at_the_worst_step(case: Any, question: str, dtype: str) -> None:
    plan = tb.plan(QUESTIONS[question](*case), dtype=dtype)
    assert plan.peak_bytes == simulated_peak(plan)


@settings(max_examples=30)
@given(cases(), questions)
def test_float32_takes_half_the_memory(case: Any, question: str) -> None:
    wanted = QUESTIONS[question](*case)
    assert tb.plan(wanted, dtype="float64").peak_bytes == 2 * tb.plan(wanted, "float32").peak_bytes


@pytest.mark.parametrize("depth", [1, 2, 7, 20])
def test_values_that_nothing_reads_any_more_are_given_back(depth: int) -> None:
    y = tb.variable("x", 100, 37)
    for _ in range(depth):
        y = tb.sin(y)
    one = 100 * 37 * 8
    assert tb.plan(y).peak_bytes == one * (1 + min(depth, 2))


def test_integers_take_eight_bytes() -> None:
    k = tb.variable("k", 7, kind="integer")
    plan = tb.plan(tb.one_hot(k, 5), dtype="float32")
    assert plan.peak_bytes == 7 * 8 + 7 * 5 * 4


def test_a_result_that_is_a_view_is_copied_when_it_leaves() -> None:
    """Results share memory with nothing, so the transpose of an input takes memory of its own."""
    x = tb.variable("x", 30, 40)
    assert tb.plan(x.T).peak_bytes == 2 * 30 * 40 * 8
