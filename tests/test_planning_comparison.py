"""The same query by every finder: nothing is cheaper than the plan, and failures say why."""

from __future__ import annotations

import json
from typing import Any

import pytest
from command_line import invoke
from finder_plugin import registry_with

import tensorbp as tb
from tensorbp.planning import comparison as module
from tensorbp.planning import finders, planner
from tensorbp.planning.comparison import OPT_EINSUM_FINDERS, Compared
from tensorbp.registry import build_registry
from tensorbp.report.comparison_text import comparison_report
from tensorbp.report.console import plain_text


def residual_gradient() -> list[Any]:
    """A residual net with unequal widths: einsums of one to seven factors, some with selections."""
    x, y = tb.variable("x", 6, 40), tb.variable("y", 6, 3)
    weights = [tb.variable(f"W{k}", *shape) for k, shape in enumerate([(40, 9), (9, 70), (70, 9)])]
    last = tb.variable("V", 9, 3)
    h = tb.tanh(x @ weights[0])
    h = h + tb.tanh(tb.tanh(h @ weights[1]) @ weights[2])
    loss = tb.mean((h @ last - y) ** 2)
    return [loss, tb.gradient(loss, [*weights, last])]


def entry(comparison: tb.Comparison, name: str, source: str = "") -> Compared:
    (found,) = [e for e in comparison.entries if (e.name, e.source) == (name, source)]
    return found


def test_nothing_is_cheaper_than_the_plan() -> None:
    comparison = tb.compare(residual_gradient())
    plan = tb.plan(residual_gradient())
    assert comparison.plan == plan
    first, reverse, forward, *finders = comparison.entries
    assert (first.figures, first.name) == (plan.figures, f"this plan ({plan.order})")
    assert (reverse.figures, reverse.seconds) == (plan.baselines.reverse, None)
    assert (forward.figures, forward.seconds) == (plan.baselines.forward, None)
    tried = [each for each in finders if each.figures is not None]
    assert len(tried) > len(OPT_EINSUM_FINDERS)
    for each in tried:
        assert each.figures is not None
        assert each.figures.flops >= plan.flops, each.name
        assert each.seconds is not None
        assert each.seconds >= 0
        assert each.note == ""


def test_a_finder_that_tries_everything_beats_the_others_on_the_same_einsums() -> None:
    comparison = tb.compare(residual_gradient())
    best = entry(comparison, "subset", "tensorbp").figures
    assert best is not None
    for each in comparison.entries[3:]:
        assert each.figures is None or each.figures.flops >= best.flops, each.name


def test_every_finder_there_is_has_an_entry() -> None:
    comparison = tb.compare(residual_gradient())
    registry = tb.default_registry()
    expected = [("opt_einsum", name) for name in OPT_EINSUM_FINDERS] + [
        (registry.origin("path finder", name).label, name) for name in registry.path_finders
    ]
    assert [(each.source, each.name) for each in comparison.entries[3:]] == expected


def long_product() -> tb.Expression:
    matrices = [tb.variable(f"A{k}", 3 + k % 5, 3 + (k + 1) % 5) for k in range(14)]
    product = matrices[0]
    for each in matrices[1:]:
        product = product @ each
    return product


def test_a_search_that_would_not_end_is_not_begun() -> None:
    comparison = tb.compare(long_product())
    optimal = entry(comparison, "optimal", "opt_einsum")
    assert (optimal.figures, optimal.seconds) == (None, None)
    assert optimal.note == "not tried: an einsum has 14 factors, more than 7"
    subset = entry(comparison, "subset", "tensorbp")
    assert subset.note == "not tried: it is not for this einsum of 14 factors"
    assert entry(comparison, "chain", "tensorbp").figures == comparison.plan.figures


def test_finders_of_plugins_fail_by_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*arguments: Any) -> Any:
        raise OSError("no\ndisk")

    registry = registry_with(broken, "broken")
    monkeypatch.setattr(module, "default_registry", lambda: registry)
    comparison = tb.compare(residual_gradient())
    failed = entry(comparison, "broken", "tensorbp_broken")
    assert (failed.figures, failed.note) == (None, "failed: OSError: no disk")
    assert entry(comparison, "greedy", "opt_einsum").figures


def test_a_search_that_takes_too_long_is_given_up() -> None:
    for each in tb.compare(residual_gradient(), seconds=-1).entries[3:]:
        assert (each.figures, each.note) == (None, "given up: it took more than -1 s")


def test_the_table_has_a_row_for_each_entry() -> None:
    comparison = tb.compare(long_product())
    lines = plain_text(comparison_report(comparison)).splitlines()
    columns = "order or finder", "of", "FLOPs", "peak memory", "FLOPs of this plan", "search"
    assert all(column in lines[0] for column in columns)
    assert len(lines) == len(comparison.entries) + 3
    assert lines[1].split()[:3] == ["this", "plan", f"({comparison.plan.order})"]
    assert "1 ×" in lines[1]
    (row,) = [line for line in lines if "optimal" in line.split()]
    assert row.endswith("not tried: an einsum has 14 factors, more than 7")


def test_the_command_shows_the_table(small: str) -> None:
    outcome = invoke("plan", small, "--compare")
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out.startswith(
        "small, 32 parameters: gradient of 'loss' with respect to 4 arrays"
    )
    assert "\nrandom-greedy-128" in outcome.out


def test_the_command_writes_json(small: str) -> None:
    document = json.loads(invoke("plan", small, "--compare", "--json").out)
    assert document["schema"] == "tensorbp/comparison/1"
    assert document["model"] == "small"
    first = document["entries"][0]
    assert list(first) == ["name", "source", "figures", "seconds", "note", "ratio"]
    assert first["ratio"] == 1
    assert all(each["ratio"] is None or each["ratio"] >= 1 for each in document["entries"])


@pytest.mark.parametrize("options", [("--order", "reverse"), ("--format", "markdown")])
def test_what_a_comparison_cannot_show_is_refused(small: str, options: tuple[str, str]) -> None:
    outcome = invoke("plan", small, "--compare", *options)
    assert outcome.code == 2
    assert "--" in outcome.err or "renderer" in outcome.err


@pytest.mark.filterwarnings("default")
def test_a_finder_that_fails_is_a_warning_in_a_line(
    small: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*arguments: Any) -> Any:
        raise OSError("no disk")

    monkeypatch.setitem(finders.BUILT_IN_FINDERS, "subset", broken)
    registry = build_registry(entry_points=False)
    for each in (finders, planner):
        monkeypatch.setattr(each, "default_registry", lambda: registry)
    outcome = invoke("plan", small, "--at", "loss", "--of", "jacobian")
    assert outcome.code == 0
    lines = outcome.err.splitlines()
    assert lines
    for line in lines:
        assert line.startswith(
            "warning: order finder 'subset' of plugin 'tensorbp' gave no path for a network of "
        )
        assert line.endswith(" factors: OSError: no disk; the other finders go on")
