"""``tensorbp plugins``: what is installed, and what failed to load and why."""

from __future__ import annotations

import typer

from tensorbp.cli.inputs import load_registry
from tensorbp.cli.options import Json
from tensorbp.cli.output import show, write

__all__ = ["plugins"]


def plugins(context: typer.Context, json: Json = False) -> None:
    """List the plugins, what they provide, and why some failed to load."""
    del context
    registry = load_registry()
    from tensorbp.report.plugins_text import plugins_list, plugins_report

    if json:
        from tensorbp.report.json_text import json_text

        write(json_text(plugins_list(registry)))
    else:
        show(plugins_report(registry))
