"""Remembered plans: what is the same question, what is not, and how many are kept."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from plan_zoo import QUESTIONS, cases

import tensorbp as tb
from tensorbp.planning.cache import MOST_REMEMBERED, forget, remembered
from tensorbp.registry import default_registry


def question() -> list[Any]:
    x, W = tb.variable("x", 5, 7), tb.variable("W", 7, 3)
    loss = tb.mean(tb.tanh(x @ W))
    return [loss, *tb.gradient(loss, [W])]


DERIVATIVES = ["gradient", "value and gradient", "jacobian", "all jacobians", "curvature"]


@given(cases(most=2), st.sampled_from(DERIVATIVES))
def test_an_equal_question_has_the_same_answer(case: Any, asked: str) -> None:
    plan = tb.plan(QUESTIONS[asked](*case))
    assert tb.plan(QUESTIONS[asked](*case)) is plan
    forget()
    again = tb.plan(QUESTIONS[asked](*case))
    assert again is not plan
    assert (again.flops, again.order) == (plan.flops, plan.order)


def test_programs_share_the_plan() -> None:
    assert tb.compile(question()).plan is tb.compile(question(), backend="numpy").plan
    assert tb.compile(question()).plan is tb.plan(question())


def test_another_question_has_another_answer() -> None:
    def finder(*arguments: Any) -> Any:
        return default_registry().path_finder("greedy")(*arguments)

    labels = {question()[0]: "loss"}
    finders = default_registry().path_finders
    asked: list[dict[str, Any]] = [
        {},
        {"dtype": "float32"},
        {"labels": labels},
        {"labels": {question()[0]: "cost"}},
        {"order": "reverse"},
        {"order": "forward"},
        {"finders": {**finders, "other": finder}},
        {"finders": dict(list(finders.items())[:1])},
    ]
    plans = [tb.plan(question(), **options) for options in asked]
    assert len({id(plan) for plan in plans}) == len(plans)
    for plan, options in zip(plans, asked, strict=True):
        assert tb.plan(question(), **options) is plan
    labels[question()[1]] = "gradient"
    assert tb.plan(question(), labels=labels) is not plans[2]
    assert tb.plan(question()[::-1]) is not plans[0]


def test_equal_numbers_of_other_types_are_other_arguments() -> None:
    seen: list[Any] = []

    @remembered
    def ask(value: Any) -> Any:
        seen.append(value)
        return value

    for value in (1, 1.0, True, "1", (1,), [1.0], {"a": 1}, {"a": True}):
        ask(value)
        ask(value)
    assert seen == [1, 1.0, True, "1", (1,), [1.0], {"a": 1}, {"a": True}]


def test_what_was_longest_not_asked_for_is_forgotten() -> None:
    seen: list[int] = []

    @remembered
    def ask(value: int) -> None:
        seen.append(value)

    for value in range(MOST_REMEMBERED):
        ask(value)
    ask(0)
    ask(MOST_REMEMBERED)
    ask(0)
    assert len(seen) == MOST_REMEMBERED + 1
    ask(1)
    assert seen[-1] == 1


def test_errors_and_arguments_without_a_hash_are_not_remembered() -> None:
    seen: list[Any] = []

    @remembered
    def ask(value: Any) -> Any:
        seen.append(value)
        if value == "wrong":
            raise ValueError(value)
        return value

    for _ in range(2):
        with pytest.raises(ValueError, match="wrong"):
            ask("wrong")
        ask({1, 2})
    assert len(seen) == 4


def test_threads_share_the_answers() -> None:
    with ThreadPoolExecutor(8) as pool:
        plans = list(pool.map(lambda _: tb.plan(question()), range(32)))
    assert all(plan == plans[0] for plan in plans)
    assert tb.plan(question()) is tb.plan(question())
