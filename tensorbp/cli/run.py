"""``tensorbp run``: a derivative, planned and computed."""

from __future__ import annotations

from typing import Annotated

import typer

from tensorbp.cli.inputs import load_model, load_registry
from tensorbp.cli.options import (
    At,
    Derivative,
    Dims,
    Dtype,
    File,
    Json,
    Of,
    Order,
    Output,
    Precision,
    Wrt,
)
from tensorbp.cli.output import check_output, show, write

__all__ = ["run"]


def run(
    context: typer.Context,
    file: File,
    data: Annotated[
        str | None,
        typer.Option(
            "--data", metavar="NPZ", help="The inputs, by name. By default random ones."
        ),
    ] = None,
    parameters: Annotated[
        str | None,
        typer.Option(
            "--parameters", metavar="NPZ", help="The parameters. By default initial ones."
        ),
    ] = None,
    seed: Annotated[
        int, typer.Option("--seed", min=0, help="Of random inputs and initial parameters.")
    ] = 0,
    of: Of = Derivative.GRADIENT,
    at: At = None,
    wrt: Wrt = None,
    dim: Dims = None,
    dtype: Dtype = Precision.DOUBLE,
    order: Order = None,
    json: Json = False,
    output: Annotated[
        str | None,
        typer.Option("--output", "-o", metavar="NPZ", help="Where to write the numbers, by name."),
    ] = None,
) -> None:
    """Compute a derivative, on given arrays or on random ones.

    Of a gradient the value and the norm are shown, of a Jacobian or Hessian how much it holds.
    """
    del context
    if output is not None:
        check_output(output)
    registry = load_registry()
    model = load_model(file, dim, registry)
    from tensorbp.cli.computation import arrays_to_save, compute, prepare, save, summary
    from tensorbp.report.json_text import json_text
    from tensorbp.report.run_text import run_report
