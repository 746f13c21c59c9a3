"""The command line: one module for each command, nothing heavy loaded before it is needed."""

from __future__ import annotations

import sys
from io import TextIOWrapper

from tensorbp.cli.failures import reported

__all__ = ["main", "reported"]


def main() -> None:
    """Run the command that the arguments name; the entry point ``tensorbp``."""
    from tensorbp.cli.app import app

    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            # A formula that the terminal cannot write must not stop the command.
            stream.reconfigure(errors="replace")
    app(prog_name="tensorbp")
