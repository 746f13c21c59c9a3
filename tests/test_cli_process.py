"""Commands as processes: what is loaded, what is written where, and what broken plugins cost."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
import yaml
from command_line import DIGITS, HUGE, ROOT, SMALL, complaint, install, invoke, process

import tensorbp as tb

BROKEN = {
    "absent": "import no_such_module",
    "quits": "raise SystemExit(3)",
    "raises": """
        from tensorbp import hookimpl
        @hookimpl
        def tensorbp_register_layers(register):
            raise ValueError("no [/]layers\\ntoday\\x1b[31m")
    """,
    "misspelt": """
        from tensorbp import hookimpl
        @hookimpl
        def tensorbp_register_layer(register): ...
    """,
}

CHATTY = """
from dataclasses import dataclass
import tensorbp as tb
print("loading")

@dataclass(frozen=True)
class Cube(tb.Composite):
    name = "cube"
    formula = "y = x³"
    def build(self, *operands, **parameters):
        return operands[0] ** 3

@dataclass(frozen=True)
class Fragile(Cube):
    name = "fragile"
    @classmethod
    def examples(cls):
        raise RuntimeError("no examples today")

@tb.hookimpl
def tensorbp_register_layers(register):
    register(Cube)
    register(Fragile)
"""


@pytest.fixture(scope="module")
def plugins(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("plugins")
    for name, source in BROKEN.items():
        install(folder, name, re.sub(r"^ {8}", "", source, flags=re.M).strip())
    install(folder, "chatty", CHATTY)
    return folder


def test_broken_plugins_are_warnings_and_everything_else_works(plugins: Path) -> None:
    outcome = process("plan", DIGITS, "--json", paths=(plugins,))
    assert outcome.code == 0
    assert json.loads(outcome.out)["model"] == "digits"
    warnings = [line for line in outcome.err.splitlines() if line.startswith("warning: ")]
    assert len(warnings) == len(BROKEN)
    for name in BROKEN:
        assert sum(f"plugin 'tensorbp-{name}' failed to load: " in each for each in warnings) == 1
    assert "\x1b" not in outcome.err
    model = SMALL.replace("type: tanh", "type: cube")
    assert process("run", "-", stdin=model.encode(), paths=(plugins,)).code == 0


def test_plugins_are_listed_with_their_errors(plugins: Path) -> None:
    outcome = process("plugins", "--json", paths=(plugins,))
    assert outcome.code == 0
    listed = {each["distribution"]: each for each in json.loads(outcome.out)}
    assert listed["tensorbp-absent"]["status"] == "failed"
    assert "no_such_module" in listed["tensorbp-absent"]["error"]
    assert "SystemExit" in listed["tensorbp-quits"]["error"]
    assert "did you mean" in listed["tensorbp-misspelt"]["error"]
    assert listed["tensorbp-chatty"]["layers"] == ["cube", "fragile"]
    assert listed["tensorbp-chatty"]["version"] == "1.5"
    assert listed["tensorbp-chatty"]["entry_point"] == "chatty_plugin"
    assert "loading" in outcome.err
    text = process("plugins", paths=(plugins,)).out
    assert re.search(r"^tensorbp-chatty:chatty +1\.5 +ok +2 layers$", text, flags=re.M)
    assert "tensorbp-raises:raises failed to load: ValueError: no [/]layers today\ufffd[31m" in text


def test_plugins_may_be_left_out(plugins: Path) -> None:
    none = process("plugins", "--json", paths=(plugins,), TENSORBP_LOAD_PLUGINS="")
    assert (none.code, none.err) == (0, "")
    assert all(each["built_in"] for each in json.loads(none.out))
    one = process("layers", paths=(plugins,), TENSORBP_LOAD_PLUGINS="tensorbp-chatty")
    assert one.err == "loading\n"
    assert "cube" in one.out


def test_layers_of_plugins_are_shown_with_their_origin(plugins: Path) -> None:
    page = process("layers", "cube", paths=(plugins,)).out
    assert "tensorbp-chatty" in page
    assert "- {type: cube}" in page
    fragile = process("layers", "fragile", paths=(plugins,))
    assert (fragile.code, fragile.out) == (2, "")
    assert fragile.err.splitlines()[-1] == (
        "error: layer 'fragile' of plugin 'tensorbp-chatty' cannot be shown: RuntimeError: no "
        "examples today"
    )
    unknown = process("layers", "quaternion", paths=(plugins,))
    assert unknown.code == 2
    assert "plugin 'tensorbp-absent' failed to load" in unknown.err.splitlines()[-1]


def loaded_modules(*arguments: str) -> set[str]:
    code = (
        "import sys\n"
        f"sys.argv = ['tensorbp', *{list(arguments)!r}]\n"
        "from tensorbp.cli import main\n"
        "try:\n"
        "    main()\n"
        "except SystemExit:\n"
        "    print(sorted(sys.modules), file=sys.stderr)\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    return set(ast.literal_eval(result.stderr.splitlines()[-1]))


@pytest.mark.parametrize(
    "arguments", [("--version",), ("--help",), ("plan", "--help"), ("run", "-h")]
)
def test_help_and_version_load_nothing_heavy(arguments: tuple[str, ...]) -> None:
    loaded = loaded_modules(*arguments)
    assert not loaded & {"numpy", "opt_einsum", "scipy", "yaml", "pluggy", "tensorbp.expression"}


@pytest.mark.parametrize("arguments", [("plugins",), ("plugins", "--json"), ("layers",)])
def test_listing_loads_no_array_library(arguments: tuple[str, ...]) -> None:
    assert not loaded_modules(*arguments) & {"numpy", "scipy", "torch", "jax"}


def test_the_version() -> None:
    outcome = process("--version")
    assert (outcome.code, outcome.err) == (0, "")
    assert re.fullmatch(
        rf"tensorbp {re.escape(tb.__version__)} \(python 3\.\S+, numpy \S+, opt_einsum \S+\)\n",
        outcome.out,
    )


def test_help_names_every_command_and_the_exit_codes() -> None:
    for option in ("-h", "--help"):
        outcome = process(option)
        assert outcome.code == 0
        for command in ("plan", "run", "check", "layers", "plugins", "schema"):
            assert f"\n  {command} " in outcome.out
        assert "Exit codes: 0 ok, 1 the answer is no" in outcome.out
    assert "Args:" not in process("plan", "--help").out


def test_pipes_get_no_colours_and_whole_rows() -> None:
    outcome = process("layers", "layer_norm", COLUMNS="40", TERM="xterm-256color")
    assert "\x1b" not in outcome.out
    assert max(map(len, outcome.out.splitlines())) > 100


def test_no_color_is_respected() -> None:
    outcome = process("layers", "tanh", FORCE_COLOR="1", NO_COLOR="1")
    assert not re.search(r"\x1b\[(3|4|9|10)[0-9]", outcome.out)


def test_a_reader_that_leaves_is_no_error() -> None:
    command = f"{sys.executable} -m tensorbp plan {DIGITS} --steps --json | head -n 1"
    result = subprocess.run(command, shell=True, capture_output=True, text=True, cwd=ROOT)
    assert (result.stdout, result.stderr) == ("{\n", "")


def test_a_terminal_without_the_letters_gets_question_marks() -> None:
    outcome = process("layers", "softmax", PYTHONIOENCODING="latin-1")
    assert outcome.code == 0
    assert "y_p = exp(x_p) / ?_q exp(x_q)" in outcome.out


def test_a_model_may_be_larger_than_the_memory() -> None:
    # the process limits itself: this one may have threads, and must not fork
    limited = (
        "import resource, runpy; resource.setrlimit(resource.RLIMIT_AS, (2**30, 2**30)); "
        "runpy.run_module('tensorbp', run_name='__main__', alter_sys=True)"
    )
    result = subprocess.run(
        [sys.executable, "-c", limited, "plan", "-", "--json"],
        input=HUGE.encode(),
        capture_output=True,
        cwd=ROOT,
    )
    assert (result.returncode, result.stderr) == (0, b"")
    document = json.loads(result.stdout)
    assert document["peak_bytes"] > 2**40
    assert document["baselines"]["forward"]["flops"] > 10**24
    assert all(isinstance(step["flops"], int) for step in document["steps"])


def test_the_schema_accepts_the_examples(tmp_path: Path) -> None:
    target = tmp_path / "schema.json"
    outcome = invoke("schema", "-o", str(target))
    assert (outcome.code, outcome.out, outcome.err) == (0, "", "")
    schema = json.loads(target.read_text())
    assert schema == json.loads(invoke("schema").out)
    for example in (ROOT / "docs" / "examples").glob("*.yaml"):
        jsonschema.validate(yaml.safe_load(example.read_text()), schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(yaml.safe_load(SMALL.replace("tanh", "tanhh")) | {"a": 1}, schema)
    outcome = invoke("schema", "-o", str(tmp_path))
    assert (outcome.code, outcome.err) == (2, f"error: cannot write '{tmp_path}': it is a folder\n")


def test_layers_are_listed() -> None:
    listed = json.loads(invoke("layers", "--json").out)
    assert {
        "name": "softmax",
        "formula": "y_p = exp(x_p) / Σ_q exp(x_q)",
        "kind": "primitive",
        "family": "Softmax and its logarithms, along any axis",
        "plugin": "tensorbp",
    } in listed
    one = json.loads(invoke("layers", "softmax", "--json").out)
    assert [term["signature"] for term in one["jacobian"]] == ["Ap -> Ap/Ap", "Ap,Aq -> Ap/Aq"]
    said = "error: unknown layer 'tanhh'; did you mean 'tanh'?\n"
    assert complaint("layers", "tanhh") == said
    assert "Softmax and its logarithms, along any axis" in invoke("layers").out.splitlines()


PAGE = (ROOT / "docs" / "reference" / "command-line.md").read_text()
EXAMPLES = re.findall(r"```console\n\$ (.*)\n((?:.*\n)*?)```\n", PAGE)


@pytest.mark.parametrize(("command", "said"), EXAMPLES)
def test_the_reference_shows_what_commands_say(command: str, said: str) -> None:
    line = re.sub(r"(^|\| )tensorbp ", rf"\1{sys.executable} -m tensorbp ", command)
    result = subprocess.run(line, shell=True, capture_output=True, text=True, cwd=ROOT)
    assert result.stdout == said


def test_the_reference_names_every_option() -> None:
    from typer.main import get_command

    from tensorbp.cli.app import app

    commands = get_command(app).commands  # type: ignore[attr-defined]
    for name, command in commands.items():
        section = PAGE.partition(f"\n## {name}\n")[2].partition("\n## ")[0]
        common = PAGE.partition("\n## What all commands have in common\n")[2].partition("\n## ")[0]
        assert section, name
        for parameter in command.params:
            written = max(parameter.opts, key=len).removesuffix("put")
            short = min(parameter.opts, key=len)
            texts = (section, common, PAGE.partition("\n## plan\n")[2].partition("\n## ")[0])
            assert any(each in text for text in texts for each in (written, short)), parameter.opts
