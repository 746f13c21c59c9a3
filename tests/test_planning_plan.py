"""The plan as data: its JSON, and that it says everything a reader needs."""

from __future__ import annotations

import json
import pickle
from fractions import Fraction
from math import prod
from typing import Any

import pytest
from hypothesis import given, settings
from plan_zoo import QUESTIONS, cases, questions

import tensorbp as tb
from tensorbp.planning.plan import Baselines, Figures


def numbers_in(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [n for each in value.values() for n in numbers_in(each)]
    if isinstance(value, list):
        return [n for each in value for n in numbers_in(each)]
    return [value]


@settings(max_examples=30)
@given(cases(), questions)
def test_the_json_says_what_the_plan_says(case: Any, question: str) -> None:
    plan = tb.plan(QUESTIONS[question](*case))
    read = json.loads(plan.to_json())
    assert read == plan.to_dict()
    assert read["schema"] == "tensorbp/plan/1"
    assert (read["flops"], read["peak_bytes"]) == (plan.flops, plan.peak_bytes)
    assert read["multiplications"] == plan.multiplications
    for name in ("forward", "reverse"):
        figures = getattr(plan.baselines, name)
        assert read["baselines"][name]["flops"] == figures.flops
    for step, written in zip(plan.steps, read["steps"], strict=True):
        for name in ("result", "flops", "multiplications", "bytes"):
            assert type(written[name]) is int
            assert written[name] == getattr(step, name)
        assert tuple(written["shape"]) == step.shape
        assert tuple(written["operands"]) == step.operands
    assert [each["name"] for each in read["inputs"]] == [each.name for each in plan.inputs]


def test_integers_of_any_size_stay_integers() -> None:
    x, W = tb.variable("x", 10**12, 10**12), tb.variable("W", 10**12, 10**12)
    read = json.loads(tb.plan(x @ W).to_json())
    assert read["flops"] == 2 * 10**36
    assert type(read["flops"]) is int


def test_fractions_and_numbers_that_are_not_finite_are_written_as_text() -> None:
    x, empty = tb.variable("x", 3), tb.variable("e", 0)
    text = tb.plan([x / 3, tb.mean(empty), tb.power(x, 1.5)]).to_json()
    read = json.loads(text, parse_constant=pytest.fail)
    arguments = {step["operation"]: step["arguments"] for step in read["steps"]}
    coefficients = {step["arguments"].get("coefficient") for step in read["steps"]}
    assert coefficients == {str(Fraction(1, 3)), "nan", None}
    assert arguments["power"] == {"exponent": 1.5}


@settings(max_examples=30)
@given(cases(), questions)
def test_equations_name_each_operand(case: Any, question: str) -> None:
    plan = tb.plan(QUESTIONS[question](*case))
    shapes = {each.value: each.shape for each in plan.inputs}
    for step in plan.steps:
        shapes[step.result] = step.shape
        if step.operation == "einsum":
            left, right = step.equation.split("->")
            factors = left.split(",") if step.operands else []
            assert len(factors) == len(step.operands)
            if "(" not in step.equation:
                sizes: dict[str, int] = {}
                for word, number in zip(factors, step.operands, strict=True):
                    for letter, size in zip(word, shapes[number], strict=True):
                        assert sizes.setdefault(letter, size) == size
                made = zip(right, step.shape, strict=True)
                assert all(sizes.get(letter, size) == size for letter, size in made)


def test_a_map_is_written_with_its_spaces_and_terms() -> None:
    x, W = tb.variable("x", 5, 7), tb.variable("W", 7, 3)
    plan = tb.plan(tb.jacobian(tb.tanh(x @ W), [x, W]))
    (written,) = json.loads(plan.to_json())["outputs"]
    assert written["output"] == [[5, 3]]
    assert written["input"] == [[5, 7], [7, 3]]
    made = {step.result: step.shape for step in plan.steps}
    for block in written["blocks"]:
        for term in block["terms"]:
            for number, dimensions in zip(term["values"], term["factors"], strict=True):
                sizes = [prod(term["sizes"][a] for a in each) for each in dimensions]
                assert tuple(sizes) == made[number]


def test_baselines_are_priced_when_they_are_asked_for_and_once() -> None:
    asked: list[str] = []

    def price(name: str) -> Figures:
        asked.append(name)
        return Figures(1, 2, 3, 4)

    baselines = Baselines(lambda: price("forward"), lambda: price("reverse"))
    assert not asked
    assert baselines.reverse == baselines.reverse == Figures(1, 2, 3, 4)
    assert asked == ["reverse"]
    assert baselines == Baselines(Figures(1, 2, 3, 4), Figures(1, 2, 3, 4))
    assert baselines != Baselines(Figures(1, 2, 3, 5), Figures(1, 2, 3, 4))
    assert asked == ["reverse", "forward"]


def test_a_copy_of_baselines_has_their_figures() -> None:
    x = tb.variable("x", 3)
    baselines = tb.plan(tb.gradient(tb.sum(tb.sin(x)), x)).baselines
    assert pickle.loads(pickle.dumps(baselines)) == baselines
