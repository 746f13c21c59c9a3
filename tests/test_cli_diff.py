"""``tensorbp diff``: what differs between two plans, and its exit code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from command_line import SMALL, complaint, invoke
from hypothesis import given, settings
from plan_zoo import QUESTIONS, cases, questions

import tensorbp as tb
from tensorbp.report.plan_difference import difference_sentence, plan_difference


@pytest.fixture
def keep(tmp_path: Path) -> Any:
    def kept(name: str, *options: str, text: str = SMALL) -> str:
        model, path = tmp_path / "model.yaml", str(tmp_path / f"{name}.json")
        model.write_text(text)
        assert invoke("plan", str(model), *options, "-o", path).code == 0
        return path

    return kept


def test_a_plan_is_the_same_as_itself(keep: Any) -> None:
    one, other = keep("one"), keep("other")
    outcome = invoke("diff", one, other)
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out.splitlines()[-1] == f"{one} and {other} are the same plan."
    document = json.loads(invoke("diff", one, other, "--json").out)
    assert (document["schema"], document["same"], document["changes"]) == (
        "tensorbp/diff/1",
        True,
        [],
    )


def test_two_orders_are_compared(keep: Any) -> None:
    one, other = keep("one", "--order", "reverse"), keep("other", "--order", "forward")
    outcome = invoke("diff", one, other)
    assert (outcome.code, outcome.err) == (1, "")
    last = outcome.out.splitlines()[-1]
    assert last.startswith(f"{other} needs ")
    assert f"memory of {one}; " in last
    answer = invoke("diff", one, other, "--json")
    assert answer.code == 1
    document = json.loads(answer.out)
    left, right = tb.read_plan(one), tb.read_plan(other)
    assert document["order"] == ["reverse", "forward"]
    assert document["flops"] == [left.flops, right.flops]
    assert document["peak_bytes"] == [left.peak_bytes, right.peak_bytes]
    assert document["steps"] == [len(left.steps), len(right.steps)]
    assert not document["same"]
    assert {each["layer"] for each in document["changes"]} <= {"dense", "tanh1", "logits", "loss"}


def test_a_layer_that_changed_is_the_only_one_named(keep: Any) -> None:
    one = keep("one", "--of", "value")
    text = SMALL.replace("type: tanh", "name: tanh1, type: sin")
    other = keep("other", "--of", "value", text=text)
    document = json.loads(invoke("diff", one, other, "--json").out)
    assert {each["layer"] for each in document["changes"]} == {"tanh1"}
    assert set(document["asked"]) == {"structure"}
    assert [
        [each[side] and each[side]["operation"] for side in ("left", "right")]
        for each in document["changes"]
    ] == [["tanh", None], [None, "sin"]]


def test_what_was_asked_for_is_compared(keep: Any) -> None:
    one, other = keep("one"), keep("other", "--dtype", "float32")
    document = json.loads(invoke("diff", one, other, "--json").out)
    assert document["asked"] == {"dtype": ["float64", "float32"]}
    assert "dtype  float64" in invoke("diff", one, other).out


def test_plans_without_a_model_are_compared(keep: Any, tmp_path: Path) -> None:
    one, other = keep("one"), str(tmp_path / "plan.json")
    Path(other).write_text(tb.read_plan(one).to_json())
    assert invoke("diff", one, other).code == 0


def test_bad_input(keep: Any, tmp_path: Path) -> None:
    one, absent = keep("one"), str(tmp_path / "absent.json")
    for arguments in ((one, absent), (absent, one)):
        said = f"error: cannot read '{absent}': No such file or directory\n"
        assert complaint("diff", *arguments) == said
    damaged = tmp_path / "damaged.json"
    damaged.write_text(Path(one).read_text().replace('"flops": ', '"flops": 1', 1))
    outcome = invoke("diff", one, str(damaged))
    assert outcome.code == 2
    assert "the plan was changed after it was written" in outcome.err


@settings(max_examples=25)
@given(cases(most=2), questions)
def test_the_changes_account_for_the_difference(case: Any, question: str) -> None:
    outputs = QUESTIONS[question](*case)
    left, right = tb.plan(outputs, order="reverse"), tb.plan(outputs, order="forward")
    difference = plan_difference(("left", "right"), left, right)
    for attribute in ("flops", "multiplications"):
        total = sum(
            (getattr(each.right, attribute) if each.right else 0)
            - (getattr(each.left, attribute) if each.left else 0)
            for each in difference.changes
        )
        sums = [sum(getattr(step, attribute) for step in plan.steps) for plan in (left, right)]
        assert total == sums[1] - sums[0]
    back = plan_difference(("right", "left"), right, left)
    assert len(back.changes) == len(difference.changes)
    assert difference.is_same == back.is_same == (left == right)
    assert plan_difference(("a", "b"), left, left).changes == ()
    assert difference_sentence(difference).endswith(".")
