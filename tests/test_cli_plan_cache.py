"""Plans on disk: found again, made anew where anything is wrong, and few enough of them."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from command_line import SMALL, invoke, process
from finder_plugin import registry_with

import tensorbp as tb
from tensorbp.cli import plan_cache
from tensorbp.cli.options import Derivative
from tensorbp.cli.plan_cache import ENVIRONMENT_VARIABLE
from tensorbp.cli.plan_cache import planned as find
from tensorbp.cli.query import ask
from tensorbp.registry import default_registry


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, str(folder))
    return folder


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The plans that are made, in order, and not found."""
    plans: list[Any] = []

    def counting(*arguments: Any, **options: Any) -> Any:
        plans.append(tb.plan(*arguments, **options))
        return plans[-1]

    monkeypatch.setattr(plan_cache, "plan", counting)
    return plans


def kept(cache: Path) -> list[Path]:
    return sorted(cache.iterdir()) if cache.exists() else []


def said(*arguments: str) -> str:
    outcome = invoke(*arguments)
    assert (outcome.code, outcome.err) == (0, "")
    return outcome.out


def test_a_plan_is_made_once_and_found_again(cache: Path, small: str, made: list[Any]) -> None:
    first = said("plan", small)
    assert (len(made), len(kept(cache))) == (1, 1)
    assert said("plan", small) == first
    assert "planning" in said("run", small)
    assert json.loads(said("plan", small, "--json"))["flops"] == made[0].flops
    assert len(made) == 1
    assert tb.read_plan(kept(cache)[0]) == made[0]


def test_whatever_a_plan_depends_on_makes_another(
    cache: Path, small: str, made: list[Any], tmp_path: Path
) -> None:
    other = tmp_path / "other.yaml"
    other.write_text(SMALL.replace("tanh", "sin"))
    asked: list[tuple[str, ...]] = [
        (small,),
        (str(other),),
        (small, "--of", "value"),
        (small, "--of", "jacobian"),
        (small, "--of", "value", "--at", "tanh1"),
        (small, "--wrt", "dense"),
        (small, "--dim", "batch=5"),
        (small, "--dtype", "float32"),
        (small, "--order", "reverse"),
        (small, "--order", "forward"),
    ]
    for arguments in asked * 2:
        said("plan", *arguments)
    assert len(made) == len(kept(cache)) == len(asked)
    copy = tmp_path / "copy.yaml"
    copy.write_text(f"# the same\n{SMALL}")
    said("plan", str(copy))
    assert len(made) == len(asked)


def test_other_code_makes_another_plan(
    cache: Path, small: str, made: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    said("plan", small)
    monkeypatch.setattr(plan_cache, "_state", lambda file: [["other", 1, 2]])
    said("plan", small)
    said("plan", small)
    assert len(made) == len(kept(cache)) == 2


def test_with_a_plugin_whose_code_is_not_known_nothing_is_kept(
    cache: Path, small: str, made: list[Any]
) -> None:
    model = tb.load(small)
    query = ask(model, Derivative.GRADIENT, None, None)
    for registry in (default_registry(), registry_with(lambda *arguments: None, "silent")):
        for _ in range(2):
            find(model, query, registry, dtype="float64", order=None)
    assert (len(made), len(kept(cache))) == (3, 1)


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff\xfe", b'{"schema": "tensorbp/plan/9"}'])
def test_a_damaged_entry_is_replaced(
    cache: Path, small: str, made: list[Any], content: bytes
) -> None:
    first = said("plan", small)
    (entry,) = kept(cache)
    whole = entry.read_bytes()
    for damaged in (content, whole[: len(whole) // 2], whole.replace(b"tanh", b"sinh", 1)):
        entry.write_bytes(damaged)
        assert said("plan", small) == first
        assert entry.read_bytes() == whole
    assert len(made) == 4


def test_there_may_be_no_cache(
    cache: Path, small: str, made: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    said("plan", small, "--no-cache")
    said("run", small, "--no-cache")
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, "")
    said("plan", small)
    assert (len(made), kept(cache)) == (3, [])


def test_a_folder_that_cannot_be_written_is_no_error(
    small: str, made: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocked = tmp_path / "blocked"
    blocked.write_text("a file, where a folder should be")
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, str(blocked / "cache"))
    for _ in range(2):
        said("plan", small)
    assert len(made) == 2


def test_the_oldest_plans_are_forgotten(
    cache: Path, small: str, made: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan_cache, "MOST_FILES", 3)
    for k, units in enumerate(("2", "3", "4")):
        said("plan", small, "--dim", f"units={units}")
        for entry in kept(cache):
            times = entry.stat()
            os.utime(entry, ns=(times.st_atime_ns, times.st_mtime_ns - 10**9 * (k + 1)))
    said("plan", small, "--dim", "units=2")
    said("plan", small, "--dim", "units=7")
    assert len(kept(cache)) == 3
    count = len(made)
    said("plan", small, "--dim", "units=2")
    assert len(made) == count
    said("plan", small, "--dim", "units=3")
    assert len(made) == count + 1
    monkeypatch.setattr(plan_cache, "MOST_BYTES", 1)
    said("plan", small, "--dim", "units=9")
    assert kept(cache) == []


def test_the_folder_of_the_user_is_the_default(
    small: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(ENVIRONMENT_VARIABLE)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home" / "caches"))
    folder = plan_cache._folder()
    assert folder is not None
    assert folder.is_relative_to(tmp_path / "home")
    assert folder.parts[-2:] == ("tensorbp", "plans")


def test_another_process_finds_the_plan(cache: Path, small: str) -> None:
    variables = {ENVIRONMENT_VARIABLE: str(cache)}
    first = process("plan", small, **variables)
    (entry,) = kept(cache)
    before = entry.stat().st_ino
    assert process("plan", small, **variables).out == first.out
    assert [each.stat().st_ino for each in kept(cache)] == [before]
