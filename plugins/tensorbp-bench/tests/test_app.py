"""The command, as it is used."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import tensorbp_bench
from tensorbp_bench import record as records
from tensorbp_bench.app import app
from tensorbp_bench.planning import BENCHMARKS, measured
from tensorbp_bench.speed import PEERS, TASKS
from typer.testing import CliRunner

import tensorbp as tb


def invoke(*arguments: str) -> Any:
    result = CliRunner().invoke(app, list(arguments))
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def test_the_plugin_brings_the_command() -> None:
    registry = tb.build_registry(tensorbp_bench, entry_points=False)
    assert registry.commands["bench"].load() is app
    assert registry.warnings == ()


def test_everything_is_listed() -> None:
    listed = invoke("list").stdout
    for name in [*BENCHMARKS, *TASKS, *PEERS]:
        assert f"\n{name} " in listed


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("speed", "--task", "mpl"), "unknown task 'mpl'; did you mean 'mlp'?"),
        (("speed", "--peer", "torhc"), "unknown peer 'torhc'; did you mean 'torch'?"),
        (
            ("planning", "--only", "gradient"),
            "unknown benchmark 'gradient'; did you mean 'gradients'?",
        ),
    ],
)
def test_unknown_names_are_wrong_input(arguments: tuple[str, ...], message: str) -> None:
    result = invoke(*arguments)
    assert result.exit_code == 2
    assert result.stderr == f"error: {message}\n"


def test_planning_is_measured_and_written_down(tmp_path: Path) -> None:
    figures, page = tmp_path / "figures.json", tmp_path / "page.md"
    result = invoke(
        *("planning", "--quick", "--only", "jacobians", "--seed", "7"),
        *("--json", str(figures), "--markdown", str(page)),
    )
    assert result.exit_code == 0
    document = json.loads(figures.read_text())
    assert document["schema"] == "tensorbp-bench/planning/1"
    assert document["options"] == {"only": ["jacobians"], "quick": True, "seed": 7}
    assert document["environment"]["packages"]["tensorbp"] == tb.__version__
    (table,) = document["tables"]
    assert f"### {table['title']}" in result.stdout
    assert result.stdout.strip() in page.read_text()


@pytest.mark.parametrize("name", ["finders", "gradients", "jacobians", "graphs"])
def test_no_plan_is_cheaper_than_its_oracle_or_dearer_than_the_plain_order(name: str) -> None:
    tables = measured(name, quick=True, seed=2)
    assert tables
    for table in tables:
        assert all(len(row) == len(table.columns) for row in table.rows)
        at = {heading: k for k, heading in enumerate(table.columns)}
        for row in table.rows:
            if "mean ratio" in at:
                least = row[at["smallest ratio"]] if "smallest ratio" in at else 1 - 1e-9
                assert least <= row[at["mean ratio"]] <= row[at["largest ratio"]]
            else:
                assert row[at["tensorbp"]] <= min(row[at["forward"]], row[at["reverse"]])


def test_places_that_are_not_there_are_found_out_before_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(records, "measured", lambda name, quick, seed: pytest.fail("measured"))
    page = tmp_path / "page.md"
    page.write_text("# Title\n")
    result = invoke("planning", "--markdown", str(page))
    assert (result.exit_code, "has no place for tensorbp bench planning" in result.stderr) == (
        2,
        True,
    )
    result = invoke("planning", "--json", str(tmp_path / "absent" / "figures.json"))
    assert (result.exit_code, "there is no folder" in result.stderr) == (2, True)


def test_a_failure_is_named_and_the_exit_code_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "measured", lambda name, quick, seed: fail(name))
    result = invoke("planning", "--quick", "--only", "graphs")
    assert result.exit_code == 1
    assert "- graphs: no graphs today" in result.stdout


def fail(name: str) -> Any:
    raise records.WorkerError(f"no {name} today")


def test_what_is_not_installed_is_named_as_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tensorbp_bench.speed.missing", lambda peer: "it is away")
    monkeypatch.setattr("tensorbp_bench.speed.compared", lambda *arguments: iter(()))
    result = invoke("speed", "--quick", "--task", "mlp", "--peer", "torch")
    assert result.exit_code == 0
    assert "- torch: it is away" in result.stdout


def test_a_gradient_is_never_dearer_than_plain_reverse_mode() -> None:
    multilayer, linear = measured("gradients", quick=True, seed=4)
    assert all(row[multilayer.columns.index("largest ratio")] <= 1 for row in multilayer.rows)
    assert linear.rows[0][0] == "tensorbp"
    assert linear.rows[0][linear.columns.index("largest ratio")] <= 1


def test_the_memory_of_the_tests_is_measured() -> None:
    peaks, limits, deep = measured("memory", quick=True, seed=0)
    assert 0.8 <= peaks.rows[0][peaks.columns.index("predicted / measured")] <= 1.2
    cells = [*limits.rows[0][2:], *[cell for row in deep.rows for cell in row[3:]]]
    assert all(isinstance(cell, str) or cell >= 1 for cell in cells)
