"""``tensorbp plan``, and what all commands have in common."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from command_line import DIGITS, HUGE, SMALL, WITHOUT_PARAMETERS, complaint, invoke

import tensorbp as tb
from tensorbp.cli import inputs
from tensorbp.cli import plan as plan_module
from tensorbp.registry import build_registry, hookimpl
from tensorbp.report.plan_summary import cost_sentence, sentence, why


def planned(*arguments: str) -> Any:
    outcome = invoke("plan", *arguments, "--json")
    assert (outcome.code, outcome.err) == (0, "")
    return json.loads(outcome.out)


def test_the_gradient_of_the_loss_is_planned_with_its_value(small: str) -> None:
    outcome = invoke("plan", small)
    assert (outcome.code, outcome.err) == (0, "")
    lines = outcome.out.splitlines()
    assert lines[0] == (
        "small, 32 parameters: gradient of 'loss' with respect to 4 arrays (32 numbers), float64, "
        "batch=4, features=3, units=5, classes=2"
    )
    model = tb.load(small)
    made = tb.plan([model.loss, *model.gradient.values()])
    assert lines[-3:] == [sentence(made), "", why(made)]
    assert "\x1b" not in outcome.out
    assert not any("(no layer)" in line for line in lines)


def test_json_is_the_plan_with_what_was_asked(small: str) -> None:
    document = planned(small)
    model = tb.load(small)
    expected = tb.plan([model.loss, *model.gradient.values()])
    assert list(document)[:6] == ["schema", "model", "of", "at", "wrt", "dims"]
    assert document["schema"] == "tensorbp/plan/1"
    assert (document["model"], document["of"], document["at"]) == ("small", "gradient", "loss")
    assert document["wrt"] == ["dense.W", "dense.b", "logits.W", "logits.b"]
    assert document["dims"] == {"batch": 4, "features": 3, "units": 5, "classes": 2}
    assert (document["flops"], document["peak_bytes"]) == (expected.flops, expected.peak_bytes)
    assert len(document["outputs"]) == 5
    assert {step["layer"] for step in document["steps"]} == {"dense", "tanh1", "logits", "loss"}
    assert invoke("plan", small, "--format", "json").out == invoke("plan", small, "--json").out


def test_a_value_alone_is_planned(small: str) -> None:
    model = tb.load(small)
    outcome = invoke("plan", small, "--of", "value")
    lines = outcome.out.splitlines()
    assert lines[0] == (
        "small, 32 parameters: value of 'logits', float64, batch=4, features=3, units=5, classes=2"
    )
    assert lines[-1] == cost_sentence(tb.plan(model.outputs["logits"]))
    assert "mode" not in outcome.out
    document = planned(small, "--of", "value")
    assert (document["of"], document["at"], document["wrt"]) == ("value", "logits", [])
    assert document["parameters"] == 32
    multiply_adds = 4 * 3 * 5 + 4 * 5 * 2
    assert document["multiply_adds"] == multiply_adds
    assert sum(each["multiply_adds"] for each in document["steps"]) == multiply_adds
    hidden = planned(small, "--of", "value", "--at", "tanh1")
    assert hidden["outputs"] == [{"value": hidden["steps"][-1]["result"]}]
    assert hidden["steps"][-1]["layer"] == "tanh1"
    assert planned(small, "--of", "value", "--at", "loss")["at"] == "loss"


def test_a_value_needs_neither_loss_nor_parameters() -> None:
    outcome = invoke("plan", "-", "--of", "value", stdin=WITHOUT_PARAMETERS)
    heading = outcome.out.splitlines()[0]
    assert heading.endswith(">, 0 parameters: value of 'tanh1', float64")


def test_a_value_is_not_differentiated(small: str) -> None:
    assert complaint("plan", small, "--of", "value", "--wrt", "x") == (
        "error: --wrt: a value is not differentiated; leave out --wrt, or ask with --of gradient\n"
    )


def test_jacobian_and_hessian(small: str) -> None:
    jacobian = planned(small, "--of", "jacobian", "--wrt", "x")
    assert (jacobian["at"], jacobian["wrt"]) == ("logits", ["x"])
    assert jacobian["outputs"][0]["output"] == [[4, 2]]
    assert jacobian["outputs"][0]["input"] == [[4, 3]]
    of_samples = planned(small, "--of", "jacobian", "--at", "loss")
    assert of_samples["outputs"][0]["output"] == [[4]]
    assert len(of_samples["outputs"][0]["input"]) == 4
    hessian = planned(small, "--of", "hessian", "--wrt", "logits.b")
    assert hessian["outputs"][0]["output"] == hessian["outputs"][0]["input"] == [[2]]


@pytest.mark.parametrize(
    ("wrt", "expected"),
    [
        (["parameters"], ["dense.W", "dense.b", "logits.W", "logits.b"]),
        (["dense.W"], ["dense.W"]),
        (["logits"], ["logits.W", "logits.b"]),
        (["x"], ["x"]),
        (["x", "dense.b", "dense"], ["x", "dense.b", "dense.W"]),
    ],
)
def test_wrt_takes_parameters_layers_and_inputs(
    small: str, wrt: list[str], expected: list[str]
) -> None:
    assert planned(small, *[part for name in wrt for part in ("--wrt", name)])["wrt"] == expected


def test_a_block_stands_for_all_its_parameters(tmp_path: Path) -> None:
    path = tmp_path / "huge.yaml"
    path.write_text(HUGE.replace("repeat: 96", "repeat: 3"))
    wrt = planned(str(path), "--wrt", "block2", "--dim", "width=3", "--dim", "batch=2")["wrt"]
    assert [name.partition(".")[0] for name in wrt] == ["block2"] * 6


def test_dims_dtype_and_order(small: str) -> None:
    assert planned(small, "--dim", "batch=7", "--dim", "units=9")["dims"] == {
        "batch": 7,
        "features": 3,
        "units": 9,
        "classes": 2,
    }
    single, double = planned(small, "--dtype", "float32"), planned(small)
    assert single["dtype"] == "float32"
    assert single["peak_bytes"] < double["peak_bytes"]
    forward = planned(small, "--order", "forward")
    assert forward["order"] == "forward"
    assert forward["flops"] > double["flops"]
    assert "plain reverse mode would need" in invoke("plan", small, "--order", "forward").out


def test_steps_are_all_shown_where_asked() -> None:
    arguments = ("plan", DIGITS, "--of", "hessian", "--wrt", "dense1")
    assert "layers  steps" in invoke(*arguments).out
    assert "ac,cb->ab" in invoke(*arguments, "--steps").out


def test_standard_input_is_a_file(small: str) -> None:
    assert invoke("plan", "-", stdin=SMALL).out == invoke("plan", small).out


def test_a_file_is_written_when_complete(small: str, tmp_path: Path) -> None:
    target = tmp_path / "plan.json"
    target.write_text("before")
    outcome = invoke("plan", small, "--json", "-o", str(target))
    assert (outcome.code, outcome.out, outcome.err) == (0, "", "")
    assert json.loads(target.read_text()) == planned(small)
    invoke("plan", small, "-o", str(target))
    assert json.loads(target.read_text()) == planned(small)
    invoke("plan", small, "-o", str(target), "--format", "text")
    assert target.read_text() == invoke("plan", small).out
    assert sorted(each.name for each in tmp_path.iterdir()) == ["plan.json", "small.yaml"]


def test_nothing_is_left_of_a_file_that_cannot_be_written(
    small: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    target = tmp_path / "plan.txt"
    target.write_text("before")
    assert complaint("plan", small, "-o", str(target)) == (
        f"error: cannot write '{target}': No space left on device\n"
    )
    assert target.read_text() == "before"
    assert sorted(each.name for each in tmp_path.iterdir()) == ["plan.txt", "small.yaml"]


def test_outputs_are_checked_before_the_work(tmp_path: Path) -> None:
    absent = tmp_path / "absent" / "plan.txt"
    assert complaint("plan", "absent.yaml", "-o", str(tmp_path)) == (
        f"error: cannot write '{tmp_path}': it is a folder\n"
    )
    assert complaint("plan", "absent.yaml", "-o", str(absent)) == (
        f"error: cannot write '{absent}': there is no folder '{absent.parent}'\n"
    )
    assert complaint("plan", "absent.yaml", "-o", os.devnull) == (
        f"error: cannot write '{os.devnull}': it is no regular file; leave out --output, and "
        "redirect\n"
    )


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    absent = str(tmp_path / "absent.yaml")
    assert (
        complaint("plan", absent) == f"error: cannot read '{absent}': No such file or directory\n"
    )
    assert complaint("plan", str(tmp_path)) == f"error: cannot read '{tmp_path}': Is a directory\n"
    binary = tmp_path / "binary.yaml"
    binary.write_bytes(b"name: \xff\n")
    assert "UTF-8" in complaint("plan", str(binary))
    assert "UTF-8" in complaint("plan", "-", stdin=b"name: \xff\n")


def test_all_problems_of_a_model_are_located() -> None:
    wrong = SMALL.replace("units: units", "units: unit").replace("type: tanh", "type: tanhh")
    lines = complaint("plan", "-", stdin=wrong).splitlines()
    assert [line.partition(" ")[0].split(":")[1:3] for line in lines] == [["9", "40"], ["10", "12"]]
    assert "did you mean 'tanh'?" in lines[1]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--wrt", "dens"), "--wrt: 'dens' is no parameter, layer or input of the model; did you"),
        (("--wrt", "tanh1"), "--wrt: layer 'tanh1' has no parameters\n"),
        (("--wrt", "label"), "variable 'label' holds integers: nothing is derived"),
        (("--at", "logit"), "--at: the model has no layer 'logit'; did you mean 'logits'?\n"),
        (
            ("--at", "logits"),
            "the gradient is that of one number, but 'logits' has shape (4, 2); leave out --at for "
            "the loss, or ask with --of jacobian\n",
        ),
        (("--of", "hessian", "--at", "loss"), "the hessian is that of one number, but 'loss' has"),
        (
            ("--dim", "batch"),
            "--dim takes a name and a size, as in --dim batch=64; found 'batch'\n",
        ),
        (("--dim", "batch=-1"), "--dim takes a name and a size"),
        (("--dim", f"batch={'9' * 5000}"), "--dim takes a name and a size"),
        (("--dim", "batch=1", "--dim", "batch=2"), "--dim gives dimension 'batch' twice\n"),
        (("--dim", "bach=1"), "the model has no dimension 'bach'; did you mean 'batch'?\n"),
        (("--dim", "batch=0"), "dimension 'batch' must be an integer from 1 to"),
        (("--format", "jsn"), "unknown renderer 'jsn'; did you mean 'json'?\n"),
    ],
)
def test_arguments_that_mean_nothing(small: str, arguments: tuple[str, ...], expected: str) -> None:
    assert complaint("plan", small, *arguments).startswith(f"error: {expected}")


def test_what_a_model_does_not_have() -> None:
    assert "the model has no loss; add one" in complaint("plan", "-", stdin=WITHOUT_PARAMETERS)
    assert complaint("plan", "-", "--of", "jacobian", stdin=WITHOUT_PARAMETERS) == (
        "error: the model has no parameters; name an input with --wrt, one of: x\n"
    )
    several = SMALL + "outputs: [dense, logits]\n"
    assert complaint("plan", "-", "--of", "jacobian", stdin=several) == (
        "error: the model has several outputs; choose one of them with --at: dense, logits\n"
    )


def test_errors_are_json_where_answers_are(small: str) -> None:
    error = json.loads(complaint("plan", small, "--json", "--wrt", "dens"))["error"]
    assert error["type"] == "CommandError"
    assert error["message"].startswith("--wrt: 'dens' is no parameter")
    wrong = SMALL.replace("type: tanh", "type: tanhh")
    error = json.loads(complaint("plan", "-", "--json", stdin=wrong))["error"]
    assert (error["type"], len(error["problems"])) == ("ModelError", 1)
    assert error["problems"][0]["line"] == 10


def test_errors_show_no_control_characters() -> None:
    outcome = invoke("plan", "\x1b[31mred")
    assert outcome.err == "error: cannot read '\ufffd[31mred': No such file or directory\n"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("plann",), "No such command 'plann'. Did you mean 'plan'?"),
        (("plan", "x.yaml", "--formt"), "No such option: --formt"),
        (("plan", "x.yaml", "--of", "curl"), "'curl' is not one of"),
        (("plan", "x.yaml", "--dtype", "int8"), "'int8' is not one of"),
        (("plan", "x.yaml", "--order", "mixed"), "'mixed' is not one of"),
        (("plan",), "Missing argument"),
        (("run", "x.yaml", "--seed", "-1"), "Invalid value for '--seed'"),
    ],
)
def test_wrong_usage(arguments: tuple[str, ...], expected: str) -> None:
    assert expected in complaint(*arguments)


def test_bugs_are_admitted(small: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: object) -> None:
        raise KeyError("axis\x1b")

    monkeypatch.setattr(plan_module, "_document", fail)
    outcome = invoke("plan", small, "--json")
    assert outcome.code == 3
    assert json.loads(outcome.err) == {"error": {"type": "KeyError", "message": "'axis\\x1b'"}}
    monkeypatch.setattr(plan_module, "_heading", fail)
    outcome = invoke("plan", small)
    assert outcome.code == 3
    assert outcome.err.splitlines()[0] == "internal error: KeyError: 'axis\\x1b'"
    assert "Traceback" not in outcome.err
    outcome = invoke("--debug", "plan", small)
    assert outcome.code == 3
    assert outcome.err.startswith("Traceback")


def test_debug_shows_the_traceback_of_any_error(monkeypatch: pytest.MonkeyPatch) -> None:
    outcome = invoke("--debug", "plan", "absent.yaml")
    assert (outcome.code, outcome.err.startswith("Traceback")) == (2, True)
    monkeypatch.setenv("TENSORBP_DEBUG", "1")
    assert invoke("plan", "absent.yaml").err.startswith("Traceback")


def test_too_little_memory_is_said(small: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: object) -> None:
        raise MemoryError("Unable to allocate 745. GiB")

    monkeypatch.setattr(plan_module, "_heading", fail)
    assert complaint("plan", small) == (
        "error: there is not enough memory; Unable to allocate 745. GiB\n"
    )


def test_a_large_model_is_summed_up_in_a_few_rows() -> None:
    lines = invoke("plan", "-", stdin=HUGE).out.splitlines()
    assert len(lines) < 20
    assert any(line.startswith("block*.up") and "96" in line for line in lines)


class Upside:
    """A plugin with renderers, of which one works."""

    __name__ = "upside"

    @hookimpl
    def tensorbp_register_renderers(self, register: Any) -> None:
        register("count", lambda plan: f"{len(plan.steps)} steps")
        register("broken", lambda plan: plan.nothing)
        register("silent", lambda plan: None)


def test_a_plugin_may_write_plans_in_a_form_of_its_own(
    small: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = build_registry(Upside(), entry_points=False)
    monkeypatch.setattr("tensorbp.registry.default_registry", lambda: registry)
    assert invoke("plan", small, "--format", "count").out.endswith(" steps\n")
    assert complaint("plan", small, "--format", "broken").startswith(
        "error: renderer 'broken' of plugin 'upside' failed: AttributeError: "
    )
    assert complaint("plan", small, "--format", "silent") == (
        "error: renderer 'silent' of plugin 'upside' must return a text, found NoneType\n"
    )


def test_sizes_of_dimensions() -> None:
    assert inputs.sizes(["a=1", "b_2=300"]) == {"a": 1, "b_2": 300}


def test_plans_of_models_are_those_of_the_library() -> None:
    document = planned(DIGITS)
    assert document["flops"] <= document["baselines"]["reverse"]["flops"]
    model = tb.load(DIGITS)
    made = tb.plan([model.loss, *model.gradient.values()])
    assert (document["flops"], document["order"]) == (made.flops, made.order)
    assert document["why"] == why(made)
    jsonschema.validate(
        document,
        {
            "required": ["schema", "inputs", "steps", "outputs", "baselines", "order"],
            "properties": {"flops": {"type": "integer"}, "steps": {"type": "array"}},
        },
    )
