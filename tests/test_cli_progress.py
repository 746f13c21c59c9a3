"""Progress: shown to people who wait at a terminal, and to nobody else."""

from __future__ import annotations

import io
import os
import pty
import subprocess
import sys
from threading import Thread
from typing import Any

import pytest
from command_line import DIGITS, ROOT
from rich.console import Console

import tensorbp as tb
from tensorbp.cli import progress as progresses
from tensorbp.cli.progress import Display, progress
from tensorbp.planning.cache import forget
from tensorbp.planning.phases import announce, announced_to

IMPATIENT = """
import sys
import tensorbp.cli.progress
tensorbp.cli.progress.PATIENCE = 0
from tensorbp.cli.app import app
app(sys.argv[1:], prog_name="tensorbp")
"""


def on_terminal(*arguments: str, **environment: str) -> tuple[str, str]:
    """Return what an impatient command says, and what it shows where it has a terminal."""
    reader, writer = pty.openpty()
    shown: list[bytes] = []

    def read() -> None:
        try:
            while chunk := os.read(reader, 1024):
                shown.append(chunk)
        except OSError:
            # the terminal is gone once the command has ended
            return

    listening = Thread(target=read)
    listening.start()
    try:
        result = subprocess.run(
            [sys.executable, "-c", IMPATIENT, *arguments],
            stdout=subprocess.PIPE,
            stderr=writer,
            cwd=ROOT,
            env={**os.environ, "TENSORBP_CACHE": "", "TERM": "xterm", **environment},
        )
    finally:
        os.close(writer)
        listening.join()
        os.close(reader)
    assert result.returncode == 0, b"".join(shown)
    return result.stdout.decode(), b"".join(shown).decode()


def test_it_is_shown_on_a_terminal_and_taken_away() -> None:
    out, shown = on_terminal("run", DIGITS, "--dim", "batch=20000")
    assert "planning: " in shown
    assert "computing" in shown
    # the cursor that was hidden comes back, and the line is erased
    assert shown.rindex("\x1b[?25h") > shown.rindex("\x1b[?25l")
    assert "\x1b[2K" in shown[shown.rindex("computing") :]
    assert "planning:" not in out
    assert out.startswith("model ")


@pytest.mark.parametrize(
    ("arguments", "environment"),
    [(["--json"], {}), ([], {"TERM": "dumb"})],
    ids=["JSON", "dumb terminal"],
)
def test_it_is_not_shown_where_it_would_disturb(
    arguments: list[str], environment: dict[str, str]
) -> None:
    assert on_terminal("run", DIGITS, *arguments, **environment)[1] == ""


def test_without_colours_it_has_none() -> None:
    shown = on_terminal("plan", DIGITS, NO_COLOR="1")[1]
    assert "planning" in shown
    # 38 and 48 begin colours
    assert "38;" not in shown and "48;" not in shown


def test_what_is_no_terminal_is_told_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    with progress("waiting") as display:
        assert display is None


def displayed(monkeypatch: pytest.MonkeyPatch, patience: float) -> tuple[Any, io.StringIO]:
    monkeypatch.setattr(progresses, "PATIENCE", patience)
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=True, width=80, legacy_windows=False)
    return Display("waiting [/] here", console), stream


def test_what_does_not_take_long_is_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    display, stream = displayed(monkeypatch, 3600)
    display.phase("one")
    display.part(0.5)
    display.close()
    display._show()
    assert "waiting" not in stream.getvalue()


def test_what_was_said_before_it_is_shown_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    display, stream = displayed(monkeypatch, 3600)
    display.phase("two")
    display._show()
    display.close()
    assert "waiting [/] here: two" in stream.getvalue()


def test_phases_are_heard_by_those_who_listen() -> None:
    forget()
    x, y = tb.variable("x", 7, 3), tb.variable("y", 3, 2)
    heard: list[str] = []
    with announced_to(heard.append):
        limited = tb.plan(tb.gradient(tb.sum(tb.sin(x @ y)), [x, y]), memory_limit="1MB")
    assert heard[:2] == ["ordering products", "planning products jointly"]
    assert "pricing plain reverse mode" in heard
    assert heard[-1] == "keeping the limit on memory"
    count = len(heard)
    announce("anything")
    assert len(heard) == count
    forget()
    assert tb.plan(tb.gradient(tb.sum(tb.sin(x @ y)), [x, y]), memory_limit="1MB") == limited
