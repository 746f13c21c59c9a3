"""The table of conformance lists every layer and every law, and claims nothing that is not run."""

from __future__ import annotations

import re
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest
from conformance_page import HOW_TO_WRITE, PAGE, PYTORCH, ROOT, page

import tensorbp as tb
from tensorbp.registry import build_registry
from tensorbp.testing import LAWS
from tensorbp.testing.__main__ import main
from tensorbp.testing.survey import LAW_NAMES, Survey, survey, survey_table

LAYERS = build_registry(entry_points=False).layers


def table() -> tuple[list[str], dict[str, list[str]]]:
    """Return the columns of the table on the page, and its rows by layer."""
    lines = PAGE.read_text().split("\n| layer |")[1].splitlines()
    columns = ["layer", *(cell.strip() for cell in lines[0].strip("| ").split("|"))]
    rows = [[cell.strip() for cell in line[1:-1].split("|")] for line in lines[2:]]
    return columns, {row[0].strip("`"): row for row in rows}


def test_the_table_has_a_row_for_every_layer_and_a_column_for_every_law() -> None:
    columns, rows = table()
    if columns[4:] != list(LAW_NAMES) or list(rows) != list(LAYERS):
        raise AssertionError(f"{PAGE.name} is out of date; write it anew: {HOW_TO_WRITE}")
    for name, row in rows.items():
        assert row[1] == str(len(LAYERS[name].examples())), name
        assert row[2] == ("complex steps" if LAYERS[name].analytic else "central differences")
        assert row[4:] == ["✓"] * len(LAWS), name


def test_the_text_around_the_table_is_what_is_written() -> None:
    columns, rows = table()
    surveys = [Survey(name, int(row[1]), row[2], {}) for name, row in rows.items()]
    compared = {
        name: int(row[3].removesuffix(" ×")) for name, row in rows.items() if row[3].strip()
    }
    assert columns[3] == PYTORCH
    assert page(surveys, compared) == PAGE.read_text()


def test_what_is_compared_with_pytorch_is_named_in_the_tests_that_do_it() -> None:
    texts = "\n".join(path.read_text() for path in (ROOT / "tests").glob("test_torch_*.py"))
    for name, row in table()[1].items():
        if row[3]:
            # layers of one, two and three dimensions are compared in one test
            stems = [re.sub(r"[123]d$", "", each) for each in (LAYERS[name].__name__, name)]
            assert re.search(rf"\b({'|'.join(stems)})", texts), name


@dataclass(frozen=True)
class Wrong(tb.Elementwise):
    """A square whose derivative is wrong."""

    name = "wrong"
    formula = "y = x²"

    def forward(self, xp: Any, *arrays: Any) -> Any:
        return arrays[0] * arrays[0]

    def derivatives(self, y: tb.Expression, *x: tb.Expression) -> tuple[tb.Expression]:
        return (x[0],)


def test_a_survey_finds_what_is_broken() -> None:
    found = survey(Wrong)
    assert (found.layer, found.examples, found.method) == ("wrong", 1, "complex steps")
    assert list(found.failures) == ["declared-jacobian", "size-one"]
    assert "layer 'wrong' breaks the law declared-jacobian" in found.failures["declared-jacobian"]
    cells = survey_table([found], {"more": {"wrong": "7 ×"}}).splitlines()[-1].split(" | ")
    assert cells[3] == "7 ×"
    assert cells[4 + LAW_NAMES.index("declared-jacobian")] == "✗"
    assert cells[4 + LAW_NAMES.index("adjointness")] == "✓"


def test_layers_are_surveyed_by_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["softmax", "relu"]) == 0
    written = capsys.readouterr()
    assert written.err == ""
    lines = written.out.splitlines()
    assert lines[0] == f"| layer | examples | compared with | {' | '.join(LAW_NAMES)} |"
    assert [line.split("`")[1] for line in lines[2:]] == ["softmax", "relu"]
    assert main(["softmaxx"]) == 2
    assert capsys.readouterr().err == ("error: unknown layer 'softmaxx'; did you mean 'softmax'?\n")


def test_what_is_broken_is_said(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from tensorbp.testing import __main__ as command

    registry = SimpleNamespace(layers={"wrong": Wrong})
    monkeypatch.setattr(command, "default_registry", lambda: registry)
    assert main([]) == 1
    assert capsys.readouterr().err.startswith("layer 'wrong' breaks the law declared-jacobian: ")
