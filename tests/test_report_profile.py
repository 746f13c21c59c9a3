"""Profiles as text and JSON: figures that add up, the slowest first."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from command_line import DIGITS, SMALL, complaint, invoke

import tensorbp as tb
from tensorbp.execution import profile as profiles
from tensorbp.execution.profile import Profile, TimedStep
from tensorbp.execution.speed import Speed
from tensorbp.report.console import plain_text
from tensorbp.report.folding import MOST_ROWS
from tensorbp.report.profile_text import profile_dict, profile_report


@pytest.fixture(autouse=True)
def _called_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(profiles, "SECONDS", 0.0)


def made(costs: list[tuple[str | None, int, int, float]]) -> Profile:
    """Return a profile of steps, each with a layer, FLOPs, bytes and seconds."""
    x = tb.variable("x", 3)
    (step, *_) = tb.plan(tb.sin(x)).steps
    steps = [
        TimedStep(replace(step, layer=layer, flops=flops, result=k), 1, seconds, moved)
        for k, (layer, flops, moved, seconds) in enumerate(costs)
    ]
    return Profile(tuple(steps), 0.25, Speed(1e9, 1024.0**3), [])


def rows(text: str) -> list[list[str]]:
    """Return the cells of the table, without its heading."""
    return [re.split(r" {2,}", line.strip()) for line in text.split("\n\n")[0].splitlines()[1:]]


def test_steps_stand_in_the_order_of_their_time_with_what_they_reach() -> None:
    profile = made(
        [
            ("fast", 10**8, 0, 0.1),
            ("slow", 10**8, 2**20, 0.2),
            (None, 0, 2**30, 0.5),
            ("cached", 0, 2**21, 0.001),
        ]
    )
    text = plain_text(profile_report(profile))
    assert [" | ".join([cells[0], *cells[4:]]) for cells in rows(text)] == [
        "2 | 500 ms | 62.4 % | 0 FLOP | 0 FLOP/s | 1 GiB | 2 GiB/s | > 100 %",
        "1 | 200 ms | 25 % | 100 MFLOP | 500 MFLOP/s | 1 MiB | 5 MiB/s | 50 % | slow",
        "0 | 100 ms | 12.5 % | 100 MFLOP | 1 GFLOP/s | 0 B | 0 B/s | 100 % | fast",
        "3 | 1 ms | 0.12 % | 0 FLOP | 0 FLOP/s | 2 MiB | 1.95 GiB/s | > 100 % | cached",
    ]
    assert "All steps take 801 ms, > 100 % of peak; a call that is not profiled takes 250 ms." in (
        text
    )
    assert "1 GFLOP/s in a product of matrices, 1 GiB/s in a copy" in text


def test_many_steps_are_summed_up_by_layers_unless_all_are_asked_for() -> None:
    costs: list[tuple[str | None, int, int, float]] = [
        (f"block{k % 50}.dense", 1000, 64, 0.001 * (1 + k % 3)) for k in range(300)
    ]
    profile = made([*costs, ("loss", 10, 8, 0.9)])
    folded = rows(plain_text(profile_report(profile)))
    assert [cells[:4] for cells in folded] == [
        ["loss", "1", "1", "900 ms"],
        ["block*.dense", "50", "300", "600 ms"],
    ]
    assert folded[1][4:8] == ["40 %", "300 kFLOP", "500 kFLOP/s", "18.8 KiB"]
    assert len(folded) <= MOST_ROWS
    assert len(rows(plain_text(profile_report(profile, all_steps=True)))) == 301


def test_an_empty_profile_is_shown_too() -> None:
    text = plain_text(profile_report(made([])))
    assert "All steps take 0 µs; a call that is not profiled takes 250 ms." in text
    assert profile_dict(made([]))["steps"] == []


def test_the_command_shows_every_step_that_takes_time(tmp_path: Path) -> None:
    kept = str(tmp_path / "plan.json")
    assert invoke("plan", DIGITS, "-o", kept).code == 0
    outcome = invoke("run", DIGITS, "--plan", kept, "--profile", "--json")
    assert (outcome.code, outcome.err) == (0, "")
    document: dict[str, Any] = json.loads(outcome.out)
    profile = document["profile"]
    plain = json.loads(invoke("run", DIGITS, "--plan", kept, "--json").out)
    assert "profile" not in plain
    for name in ("value", "gradient_norm"):
        assert document[name] == pytest.approx(plain[name], rel=1e-13)
    assert document["seconds"] == profile["seconds"]
    assert profile["step_seconds"] == pytest.approx(sum(s["seconds"] for s in profile["steps"]))
    planned = {step["result"]: step for step in json.loads(Path(kept).read_text())["steps"]}
    for step in profile["steps"]:
        for name in ("operation", "equation", "layer", "flops", "bytes"):
            assert step[name] == planned[step["result"]][name]
        assert step["calls"] > 0
    shown = {step["result"] for step in profile["steps"]}
    assert all(step["bytes"] == 0 for k, step in planned.items() if k not in shown)
    text = invoke("run", DIGITS, "--plan", kept, "--profile", "--steps").out
    table = text.split("\n\n")[1].splitlines()
    assert table[0].split()[:2] == ["#", "operation"]
    assert len(table) == 1 + len(profile["steps"])
    assert text.splitlines()[0].startswith("model ")


def test_steps_are_those_of_a_profile() -> None:
    assert complaint("run", "-", "--steps", stdin=SMALL) == (
        "error: --steps shows the steps of a profile; add --profile, or use plan\n"
    )
