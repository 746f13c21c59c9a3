"""``tensorbp check``: what is wrong with a model file, and whether its gradient is right."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from command_line import DIGITS, HUGE, KINKED, SMALL, WITHOUT_PARAMETERS, complaint, invoke

import tensorbp as tb
from tensorbp.registry import build_registry, hookimpl

WRONG = SMALL.replace("units: units", "units: unit").replace("type: tanh", "type: tanhh")


@dataclass(frozen=True)
class Lying(tb.Primitive):
    """A layer whose Jacobian is wrong."""

    name = "lying"
    formula = "y = x²"

    def forward(self, xp: Any, *arrays: Any) -> Any:
        return arrays[0] ** 2

    def jacobian(self, y: tb.Expression, *operands: tb.Expression) -> dict[str, tb.Declaration]:
        return {"x": tb.signature("... -> .../...", 3 * operands[0])}


@dataclass(frozen=True)
class LyingWithKinks(Lying):
    """The same, where complex steps cannot be taken."""

    name = "lying_with_kinks"
    analytic = False


@dataclass(frozen=True)
class Honest(Lying):
    """A right Jacobian, where complex steps cannot be taken."""

    name = "honest"
    analytic = False

    def jacobian(self, y: tb.Expression, *operands: tb.Expression) -> dict[str, tb.Declaration]:
        return {"x": tb.signature("... -> .../...", 2 * operands[0])}


class Plugin:
    """A plugin with the layers above."""

    __name__ = "lies"

    @hookimpl
    def tensorbp_register_layers(self, register: Any) -> None:
        register(Lying)
        register(LyingWithKinks)
        register(Honest)


@pytest.fixture
def lies(monkeypatch: pytest.MonkeyPatch) -> None:
    registry = build_registry(Plugin(), entry_points=False)
    monkeypatch.setattr("tensorbp.registry.default_registry", lambda: registry)


def test_a_valid_file_is_summed_up() -> None:
    outcome = invoke("check", DIGITS)
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out == (
        f"{DIGITS}: valid; 9 layers, 13,066 parameters, reads x 64 × 64, target 64\n"
    )
    document = json.loads(invoke("check", DIGITS, "--json", "--dim", "batch=3").out)
    assert document["schema"] == "tensorbp/check/1"
    assert (document["file"], document["valid"], document["problems"]) == (DIGITS, True, [])
    assert (document["layers"], document["parameters"]) == (9, 13_066)
    assert document["dims"]["batch"] == 3
    assert document["derivatives"] is None


def test_problems_are_the_answer(tmp_path: Path) -> None:
    path = tmp_path / "wrong.yaml"
    path.write_text(WRONG)
    outcome = invoke("check", str(path))
    assert (outcome.code, outcome.err) == (1, "")
    assert [line.partition(": ")[0] for line in outcome.out.splitlines()] == [
        f"{path}:9:40",
        f"{path}:10:12",
    ]
    outcome = invoke("check", str(path), "--json")
    assert (outcome.code, outcome.err) == (1, "")
    document = json.loads(outcome.out)
    assert (document["schema"], document["valid"]) == ("tensorbp/check/1", False)
    assert [(each["line"], each["column"]) for each in document["problems"]] == [(9, 40), (10, 12)]
    assert document["problems"][1]["message"] == "unknown layer 'tanhh'; did you mean 'tanh'?"


def test_a_file_that_is_not_there_is_no_answer() -> None:
    said = "error: cannot read 'absent.yaml': No such file or directory\n"
    assert complaint("check", "absent.yaml") == said


@pytest.mark.usefixtures("lies")
@pytest.mark.parametrize(
    ("text", "method"),
    [
        (SMALL, "complex steps"),
        (KINKED, "complex steps"),
        (SMALL.replace("type: tanh", "type: honest"), "central differences"),
    ],
)
@pytest.mark.parametrize("seed", ["0", "3"])
def test_the_gradient_is_certified(text: str, method: str, seed: str) -> None:
    outcome = invoke("check", "-", "--derivatives", "--seed", seed, stdin=text)
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out.splitlines()[-1] == f"The gradient agrees with {method}."
    outcome = invoke("check", "-", "--derivatives", "--json", stdin=text)
    certificate = json.loads(outcome.out)["derivatives"]
    assert (certificate["holds"], certificate["method"]) == (True, method)
    assert len(certificate["comparisons"]) == 3


@pytest.mark.usefixtures("lies")
@pytest.mark.parametrize(
    ("layer", "method"),
    [("lying", "complex steps"), ("lying_with_kinks", "central differences")],
)
def test_a_wrong_gradient_is_found_with_the_parameters_to_blame(layer: str, method: str) -> None:
    text = SMALL.replace("type: tanh", f"type: {layer}")
    outcome = invoke("check", "-", "--derivatives", stdin=text)
    assert (outcome.code, outcome.err) == (1, "")
    lines = outcome.out.splitlines()
    assert lines[-1] == f"The gradient does not agree with {method}."
    blamed = [line.split()[0] for line in lines if " alone " in line]
    assert blamed == ["dense.W", "dense.b"]
    outcome = invoke("check", "-", "--derivatives", "--json", stdin=text)
    assert outcome.code == 1
    assert json.loads(outcome.out)["derivatives"]["holds"] is False


def test_what_cannot_be_certified() -> None:
    outcome = invoke("check", "-", "--derivatives", stdin=WITHOUT_PARAMETERS)
    assert (outcome.code, outcome.err) == (
        2,
        "error: the model has no parameters, so there is no gradient to check\n",
    )
    without_loss = SMALL.partition("loss:")[0].replace("  label", "  # label")
    outcome = invoke("check", "-", "--derivatives", stdin=without_loss)
    assert outcome.code == 2
    assert "the model has no loss; add one" in outcome.err
    outcome = invoke("check", "-", "--derivatives", stdin=HUGE)
    assert outcome.code == 2
    assert outcome.err.startswith("error: the check needs ")
