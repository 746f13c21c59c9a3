"""Processes that answer questions, and what becomes of those that fail."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from tensorbp_bench.environment import environment, sentence
from tensorbp_bench.workers import Worker, WorkerError

HANDLERS = """
import os
import sys

def echo():
    print("printed, not answered")
    return lambda question: {"question": question, "variable": os.environ.get("BENCH_TEST")}

def failing():
    def answer(question):
        raise ValueError(f"no {question}\\ntoday")
    return answer

def ending():
    return lambda question: os._exit(3)
"""


@pytest.fixture(autouse=True)
def handlers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bench_handlers.py").write_text(HANDLERS)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])


def test_questions_are_answered_in_turn_whatever_is_printed() -> None:
    with Worker("bench_handlers:echo", {"BENCH_TEST": "1"}) as worker:
        assert [worker.ask(k)["question"] for k in (1, "two", None)] == [1, "two", None]
        assert worker.ask(0)["variable"] == "1"


def test_a_variable_can_be_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENCH_TEST", "set")
    with Worker("bench_handlers:echo") as worker:
        assert worker.ask(0)["variable"] == "set"
    with Worker("bench_handlers:echo", {"BENCH_TEST": None}) as worker:
        assert worker.ask(0)["variable"] is None
    assert os.environ["BENCH_TEST"] == "set"


def test_an_error_is_told_and_the_next_question_answered() -> None:
    with Worker("bench_handlers:failing") as worker:
        for what in ("bread", "wine"):
            with pytest.raises(WorkerError, match=f"^ValueError: no {what} today$"):
                worker.ask(what)


def test_a_process_that_ends_is_an_error() -> None:
    with (
        Worker("bench_handlers:ending") as worker,
        pytest.raises(WorkerError, match=r"^the process of a measurement ended with code 3$"),
    ):
        worker.ask(None)


def test_the_environment_says_where_something_was_measured() -> None:
    found = environment()
    assert found["packages"]["numpy"]
    assert found["cores"]["logical"] >= 1
    assert any(pool["internal_api"] for pool in found["blas"])
    text = sentence(found)
    assert found["cpu"] in text
    assert f"numpy {found['packages']['numpy']}" in text
