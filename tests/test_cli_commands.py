"""Commands of plugins: there when they are asked for, and no harm to anything when they fail."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from command_line import SMALL, install, process

SINGING = """
import tensorbp as tb

@tb.hookimpl
def tensorbp_register_commands(register):
    register("sing", "sing_command:app", "Sing a song.")
    register("plan", "sing_command:app", "Plan a song.")
    register("hum", "no_such_module:app", "Hum it.")
    register("number", "math:pi", "A number.")
"""

COMMAND = """
import typer
from tensorbp.cli import reported
from tensorbp.errors import CompileError

print("loaded")
app = typer.Typer()

@app.command()
@reported
def twice(context: typer.Context, word: str, json: bool = False) -> None:
    if word == "silence":
        raise CompileError("nothing to sing; name a word")
    typer.echo(f"{word} {word}")

@app.command()
def once(word: str) -> None:
    typer.echo(word)
"""


@pytest.fixture(scope="module")
def plugins(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("commands")
    install(folder, "sing", SINGING)
    (folder / "sing_command.py").write_text(COMMAND)
    install(folder, "broken", "import no_such_module")
    return folder


def test_a_command_of_a_plugin_runs_with_its_subcommands_and_help(plugins: Path) -> None:
    outcome = process("sing", "twice", "la", paths=(plugins,))
    assert (outcome.code, outcome.out) == (0, "loaded\nla la\n")
    assert "once" in process("sing", "--help", paths=(plugins,)).out
    assert process("sing", "thrice", paths=(plugins,)).code == 2


def test_its_errors_are_reported_like_those_of_all_commands(plugins: Path) -> None:
    outcome = process("sing", "twice", "silence", paths=(plugins,))
    assert outcome.code == 2
    assert outcome.err.splitlines()[-1] == "error: nothing to sing; name a word"
    debugged = process("--debug", "sing", "twice", "silence", paths=(plugins,))
    assert "Traceback" in debugged.err
    assert '"CompileError"' in process("sing", "twice", "silence", "--json", paths=(plugins,)).err


def test_help_lists_it_without_loading_it(plugins: Path) -> None:
    outcome = process("--help", paths=(plugins,))
    assert outcome.code == 0
    assert re.search(r"^  sing +Sing a song\.$", outcome.out, flags=re.M)
    assert "loaded" not in outcome.out + outcome.err
    assert "plugin 'tensorbp-broken' failed to load" in outcome.err


def test_plugins_says_who_brings_commands(plugins: Path) -> None:
    text = process("plugins", paths=(plugins,)).out
    assert re.search(r"^tensorbp-sing:sing +1\.5 +ok +commands$", text, flags=re.M)


def test_our_own_commands_are_kept(plugins: Path) -> None:
    outcome = process("plan", "-", stdin=SMALL.encode(), paths=(plugins,))
    assert outcome.code == 0
    assert "small" in outcome.out
    assert (
        "warning: plugin 'tensorbp-sing' redefines command 'plan'; the built-in is kept"
        in process("--help", paths=(plugins,)).err
    )


def test_a_command_that_cannot_be_loaded_says_why_and_stops_no_other(plugins: Path) -> None:
    outcome = process("hum", paths=(plugins,))
    assert outcome.code == 2
    assert outcome.err.splitlines()[-1] == (
        "error: command 'hum' of plugin 'tensorbp-sing' failed to load: "
        "ModuleNotFoundError: No module named 'no_such_module'"
    )
    outcome = process("number", paths=(plugins,))
    assert outcome.code == 2
    assert outcome.err.splitlines()[-1] == (
        "error: command 'number' of plugin 'tensorbp-sing': 'math:pi' is no typer.Typer"
    )
    assert process("sing", "once", "la", paths=(plugins,)).code == 0


def test_an_unknown_command_is_wrong_usage(plugins: Path) -> None:
    outcome = process("dance", paths=(plugins,))
    assert outcome.code == 2
    assert "No such command 'dance'" in outcome.err
