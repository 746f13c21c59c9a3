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
    Precision,
    Seed,
    Wrt,
)
from tensorbp.cli.output import check_output, show, write

__all__ = ["run"]


def run(
    context: typer.Context,
    file: File,
    data: Annotated[
        str | None,
        typer.Option("--data", metavar="NPZ", help="The inputs, by name. By default random ones."),
    ] = None,
    parameters: Annotated[
        str | None,
        typer.Option(
            "--parameters", metavar="NPZ", help="The parameters, by name. By default initial ones."
        ),
    ] = None,
    seed: Seed = 0,
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
    """Compute a derivative or a value, on given arrays or on random ones.

    Of a value or gradient the norm is shown, of a Jacobian or Hessian how much it holds.
    """
    del context
    if output is not None:
        check_output(output)
    registry = load_registry()
    model = load_model(file, dim, registry)
    from tensorbp.cli.arrays import fitting, given_inputs, given_parameters
    from tensorbp.cli.computation import Computation
    from tensorbp.cli.query import ask
    from tensorbp.cli.random_inputs import random_inputs

    inputs = None
    if data is not None:
        inputs = given_inputs(data, model, dtype.value)
        model = fitting(model, inputs)
    computation = Computation(ask(model, of, at, wrt), dtype.value, order)
    theta = given_parameters(parameters, model, seed, dtype.value)
    if inputs is None:
        inputs = random_inputs(model, registry, seed, dtype.value)
    computation.run({**inputs, **theta})
    if output is not None:
        computation.save(output)
    result = computation.result(model)
    if json:
        from tensorbp.report.json_text import json_text

        write(json_text(result.to_dict()))
    else:
        from tensorbp.report.run_text import run_report

        show(run_report(result))
