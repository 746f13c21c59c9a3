"""``plan -o FILE`` and ``run --plan FILE``: a plan is kept, and runs on its own model only."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import DIGITS, SMALL, complaint, invoke
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import tensorbp as tb
from tensorbp.model.structure import structure

AGAIN = "make another with 'tensorbp plan MODEL -o FILE'"


@pytest.fixture
def kept(small: str, tmp_path: Path) -> str:
    path = str(tmp_path / "plan.json")
    assert invoke("plan", small, "-o", path).code == 0
    return path


def numbers(*arguments: str) -> Any:
    outcome = invoke("run", *arguments, "--json")
    assert (outcome.code, outcome.err) == (0, "")
    found = json.loads(outcome.out)
    return {name: value for name, value in found.items() if "seconds" not in name}


def rewritten(path: str, **entries: Any) -> None:
    document = json.loads(Path(path).read_text())
    Path(path).write_text(json.dumps({**document, **entries}))


def test_a_plan_file_says_what_was_asked_and_with_what(small: str, kept: str) -> None:
    document = json.loads(Path(kept).read_text())
    model = tb.load(small)
    assert document["structure"] == structure(model)
    assert (document["tensorbp"], document["plugins"]) == (tb.__version__, {})
    assert tb.read_plan(kept) == tb.plan(
        [model.loss, *model.gradient.values()], labels={model.loss: "loss", **model.labels}
    )


@pytest.mark.parametrize(
    "options",
    [
        (),
        ("--of", "value"),
        ("--of", "value", "--at", "tanh1"),
        ("--wrt", "dense"),
        ("--wrt", "x", "--dtype", "float32"),
        ("--of", "jacobian", "--at", "loss", "--wrt", "logits.W"),
        ("--of", "jacobian", "--wrt", "x", "--dim", "batch=2"),
        ("--of", "hessian", "--wrt", "logits", "--order", "forward"),
    ],
)
def test_a_kept_plan_computes_what_is_planned_anew(
    small: str, tmp_path: Path, options: tuple[str, ...]
) -> None:
    path = str(tmp_path / "plan.json")
    assert invoke("plan", small, *options, "-o", path).code == 0
    assert numbers(small, "--plan", path) == numbers(small, *options)
    assert numbers(small, "--plan", path, *options) == numbers(small, *options)
    out = {name: str(tmp_path / f"{name}.npz") for name in ("kept", "anew")}
    numbers(small, "--plan", path, "-o", out["kept"])
    numbers(small, *options, "-o", out["anew"])
    with np.load(out["kept"]) as one, np.load(out["anew"]) as other:
        assert one.files == other.files
        for name in one.files:
            np.testing.assert_array_equal(one[name], other[name])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--of", "value"), "--of value contradicts 'P', a plan with --of gradient"),
        (("--at", "tanh1"), "--at tanh1 contradicts 'P', a plan with --at loss"),
        (("--dtype", "float32"), "--dtype float32 contradicts 'P', a plan with --dtype float64"),
        (("--order", "forward"), "--order forward contradicts 'P', a plan with --order "),
        (("--dim", "batch=5"), "--dim batch=5 contradicts 'P', a plan with --dim batch=4"),
        (("--dim", "bath=5"), "--dim bath=5 contradicts 'P', a plan without it"),
        (
            ("--wrt", "dense"),
            "--wrt dense contradicts 'P', a plan with respect to dense.W, dense.b, logits.W, "
            "logits.b",
        ),
    ],
)
def test_options_that_contradict_the_plan_are_refused(
    small: str, kept: str, options: tuple[str, ...], said: str
) -> None:
    message = complaint("run", small, "--plan", kept, *options)
    assert message.startswith(f"error: {said.replace('P', kept)}")
    assert message.endswith(f"; leave out the option, or {AGAIN}\n")


def test_options_that_repeat_the_plan_are_not(small: str, kept: str) -> None:
    repeated = ("--of", "gradient", "--at", "loss", "--wrt", "parameters", "--dim", "batch=4")
    assert numbers(small, "--plan", kept, *repeated) == numbers(small)


@pytest.mark.parametrize(
    ("change", "difference"),
    [
        (("tanh", "sin"), "its layers, their arguments or their shapes differ"),
        (("units: units}\n", "units: units, bias: false}\n"), "parameters 32, not 27"),
        (("units: 5", "unit: 5"), "the model has no dimension 'units'; did you mean 'unit'?"),
    ],
)
def test_a_plan_of_another_model_is_refused(
    small: str, kept: str, change: tuple[str, str], difference: str
) -> None:
    text = SMALL.replace(*change)
    if "unit:" in text:
        text = text.replace("units: units", "units: unit")
    Path(small).write_text(text)
    assert complaint("run", small, "--plan", kept) == (
        f"error: '{kept}' is a plan of another model ({difference}); {AGAIN}\n"
    )


def test_data_of_another_size_is_refused(small: str, kept: str, tmp_path: Path) -> None:
    data = str(tmp_path / "data.npz")
    np.savez(data, x=np.ones((7, 3)), label=np.zeros(7, int))
    assert complaint("run", small, "--plan", kept, "--data", data) == (
        f"error: '{kept}' is a plan of another model (dims batch=4, features=3, units=5, "
        f"classes=2, not batch=7, features=3, units=5, classes=2); {AGAIN}\n"
    )
    np.savez(data, x=np.ones((4, 3)), label=np.zeros(4, int))
    assert numbers(small, "--plan", kept, "--data", data) == numbers(small, "--data", data)


def test_the_default_size_of_a_dimension_may_have_changed(small: str, kept: str) -> None:
    Path(small).write_text(SMALL.replace("batch: 4", "batch: 9"))
    assert numbers(small, "--plan", kept) == numbers(small, "--dim", "batch=4")


def test_plans_of_other_versions_are_refused(small: str, kept: str) -> None:
    rewritten(kept, tensorbp="0.7.3")
    assert complaint("run", small, "--plan", kept) == (
        f"error: '{kept}': it was made with tensorbp 0.7.3, this is {tb.__version__}; {AGAIN}\n"
    )
    rewritten(kept, tensorbp=f"{tb.__version__}.post1")
    assert numbers(small, "--plan", kept)
    rewritten(kept, plugins={"tensorbp-knots": "1.2"})
    assert complaint("run", small, "--plan", kept) == (
        f"error: '{kept}': it was made with plugin 'tensorbp-knots' 1.2, which is not installed; "
        "install it\n"
    )


def test_files_that_are_no_plans_of_a_model(small: str, kept: str, tmp_path: Path) -> None:
    absent = str(tmp_path / "absent.json")
    assert complaint("run", small, "--plan", absent) == (
        f"error: cannot read '{absent}': No such file or directory\n"
    )
    assert complaint("run", small, "--plan", small) == (
        f"error: '{small}': it is no JSON: line 2, column 1: Expecting value\n"
    )
    Path(kept).write_text(tb.read_plan(kept).to_json())
    assert complaint("run", small, "--plan", kept) == (
        f"error: '{kept}' does not say of which model it is a plan; {AGAIN}\n"
    )


def test_a_plan_that_computes_something_else_than_it_says_is_refused(small: str, kept: str) -> None:
    rewritten(kept, of="value", wrt=[], at="logits")
    assert complaint("run", small, "--plan", kept) == (
        f"error: '{kept}' computes something else than it says; {AGAIN}\n"
    )


@settings(max_examples=60, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_damaged_files_give_an_error_and_no_traceback(
    small: str, kept: str, data: st.DataObject
) -> None:
    text = Path(kept).read_text()
    start = data.draw(st.integers(0, len(text) - 1))
    length = data.draw(st.integers(0, 30))
    damaged = text[:start] + data.draw(st.text(max_size=3)) + text[start + length :]
    other = Path(kept).with_name("damaged.json")
    other.write_text(damaged, encoding="utf-8", errors="replace")
    outcome = invoke("run", small, "--plan", str(other))
    assert outcome.code in (0, 2)
    assert outcome.code == 0 or outcome.err.startswith("error: ")


def test_the_structure_of_a_model_is_not_its_file(small: str, tmp_path: Path) -> None:
    other = tmp_path / "other.yaml"
    other.write_text(f"# the same model\n{SMALL}")
    assert structure(tb.load(other)) == structure(tb.load(small))
    models = [tb.load(small), tb.load(small, {"units": 6}), tb.load(small, {"batch": 5})]
    for change in (
        ("tanh", "sin"),
        ("name: dense", "name: thick"),
        ("units}\n", "units, bias: false}\n"),
    ):
        other.write_text(SMALL.replace(*change))
        models.append(tb.load(other))
    assert len({structure(model) for model in models}) == len(models)


def test_the_plan_of_an_example_is_kept_and_runs(tmp_path: Path) -> None:
    path = str(tmp_path / "digits.json")
    assert invoke("plan", DIGITS, "-o", path).code == 0
    assert numbers(DIGITS, "--plan", path) == numbers(DIGITS)
