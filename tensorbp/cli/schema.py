"""``tensorbp schema``: the form of model files, for editors."""

from __future__ import annotations

import typer

from tensorbp.cli.inputs import load_registry
from tensorbp.cli.options import Output
from tensorbp.cli.output import check_output, write

__all__ = ["schema"]


def schema(context: typer.Context, output: Output = None) -> None:
    """Write the JSON schema of model files, with the layers of all plugins.

    An editor that knows it completes and checks while one types.
    """
    del context
    if output is not None:
        check_output(output)
    registry = load_registry()
    from tensorbp.model.json_schema import json_schema
    from tensorbp.report.json_text import json_text

    write(json_text(json_schema(registry)), output)
