"""Running commands: in this process, or in one of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from typer.testing import CliRunner

from tensorbp.cli.app import app

ROOT = Path(__file__).parent.parent
DIGITS = str(ROOT / "docs" / "examples" / "digits.yaml")

SMALL = """
tensorbp: 1
name: small
dims: {batch: 4, features: 3, units: 5, classes: 2}
inputs:
  x: [batch, features]
  label: {shape: [batch], kind: integer}
layers:
  - {name: dense, type: linear, units: units}
  - {type: tanh}
  - {name: logits, type: linear, units: classes}
loss: {type: softmax_cross_entropy, inputs: [logits, label]}
"""

KINKED = SMALL.replace("type: tanh", "type: relu")

WITHOUT_PARAMETERS = """
tensorbp: 1
inputs: {x: [3, 2]}
layers: [{type: tanh}]
"""


HUGE = """
tensorbp: 1
name: huge
dims: {batch: 2048, width: 12288}
inputs: {x: [batch, width], target: [batch, width]}
blocks:
  block:
    layers:
      - {type: layer_norm}
      - {name: up, type: linear, units: 4*width}
      - {type: gelu}
      - {name: down, type: linear, units: width}
      - {type: add, inputs: [previous, input]}
layers: [{type: block, repeat: 96}]
loss: {type: mean_squared_error}
"""


class Outcome:
    """What a command said, and its exit code."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err


def invoke(*arguments: str, stdin: str | bytes | None = None) -> Outcome:
    """Run a command in this process."""
    result = CliRunner().invoke(app, list(arguments), input=stdin, prog_name="tensorbp")
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Outcome(result.exit_code, result.stdout, result.stderr)


def complaint(*arguments: str, stdin: str | bytes | None = None) -> str:
    """Return what a command says about input that it refuses, with exit code 2 and no output."""
    outcome = invoke(*arguments, stdin=stdin)
    assert (outcome.code, outcome.out) == (2, "")
    return outcome.err


def process(
    *arguments: str, paths: tuple[Path, ...] = (), stdin: bytes = b"", **environment: str
) -> Outcome:
    """Run a command in a process of its own.

    Args:
        *arguments: the command.
        paths: where Python looks for modules and installed packages first.
        stdin: what it reads.
        **environment: variables.
    """
    search = os.pathsep.join([*map(str, paths), str(ROOT)])
    result = subprocess.run(
        [sys.executable, "-m", "tensorbp", *arguments],
        input=stdin,
        capture_output=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": search, "PYTHONIOENCODING": "utf-8", **environment},
    )
    return Outcome(
        result.returncode, result.stdout.decode(errors="replace"), result.stderr.decode()
    )


def install(folder: Path, name: str, source: str) -> None:
    """Put a package with an entry point into a folder, as pip would."""
    (folder / f"{name}_plugin.py").write_text(source)
    described = folder / f"tensorbp_{name}-1.5.dist-info"
    described.mkdir()
    (described / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: tensorbp-{name}\nVersion: 1.5\n"
    )
    (described / "entry_points.txt").write_text(f"[tensorbp]\n{name} = {name}_plugin\n")
