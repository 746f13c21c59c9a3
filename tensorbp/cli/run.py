"""``tensorbp run``: a derivative, planned and computed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from tensorbp.cli.failures import CommandError
from tensorbp.cli.inputs import load_model, load_registry, sizes
from tensorbp.cli.options import (
    At,
    Derivative,
    Dims,
    Dtype,
    File,
    Json,
    MemoryLimit,
    NoCache,
    Of,
    Order,
    Precision,
    Seed,
    Wrt,
)
from tensorbp.cli.output import check_output, show, write

if TYPE_CHECKING:
    from rich.console import RenderableType

    from tensorbp.planning import Plan

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
    plan: Annotated[
        str | None,
        typer.Option(
            "--plan",
            metavar="FILE",
            help="A plan of this model from a file, which says what is computed.",
        ),
    ] = None,
    backend: Annotated[
        str,
        typer.Option(
            "--backend",
            metavar="NAME",
            help="The array library that computes: numpy, torch, torch-compile, jax, or one that a "
            "plugin brings.",
        ),
    ] = "numpy",
    memory_limit: MemoryLimit = None,
    no_cache: NoCache = False,
    profile: Annotated[
        bool,
        typer.Option("--profile", help="Show how long each step takes, the slowest first."),
    ] = False,
    steps: Annotated[
        bool,
        typer.Option("--steps", help="Show every step of a profile, however many there are."),
    ] = False,
    json: Json = False,
    output: Annotated[
        str | None,
        typer.Option("--output", "-o", metavar="NPZ", help="Where to write the numbers, by name."),
    ] = None,
) -> None:
    """Compute a derivative or a value, on given arrays or on random ones.

    Of a value or gradient the norm is shown, of a Jacobian or Hessian how much it holds. Without a
    limit on memory 80 % of what this machine, or the container, has may be taken.
    """
    if output is not None:
        check_output(output)
    if steps and not profile:
        raise CommandError("--steps shows the steps of a profile; add --profile, or use plan")
    registry = load_registry()
    kept = None
    if plan is not None:
        from tensorbp.cli.plan_file import read_kept

        kept = read_kept(plan, registry)
        kept.check_options(_given(context))
        dtype = Precision(kept.plan.dtype)
    model = kept.load(file, registry) if kept else load_model(file, dim, registry)
    from tensorbp.cli.arrays import fitting, given_inputs, given_parameters
    from tensorbp.cli.computation import Computation
    from tensorbp.cli.plan_cache import planned
    from tensorbp.cli.progress import planning_progress, progress
    from tensorbp.cli.query import ask
    from tensorbp.cli.random_inputs import random_inputs
    from tensorbp.planning.memory.amounts import bytes_from, check_peak
    from tensorbp.planning.memory.machine import usable_bytes

    inputs = None
    if data is not None:
        inputs = given_inputs(data, model, dtype.value)
        model = fitting(model, inputs)
    query = kept.query(model, wrt or None) if kept else ask(model, of, at, wrt)

    limit = usable_bytes() if memory_limit is None else bytes_from(memory_limit)

    def chosen() -> Plan:
        options = {"dtype": dtype.value, "order": order.value if order else None}
        made = kept.plan if kept else planned(model, query, registry, not no_cache, **options)
        if limit is None or made.peak_bytes <= limit:
            return made
        if kept:
            check_peak(made.peak_bytes, limit)
        return planned(model, query, registry, not no_cache, memory_limit=limit, **options)

    with planning_progress(not json):
        computation = Computation(query, chosen, backend)
    theta = given_parameters(parameters, model, seed, dtype.value)
    if inputs is None:
        inputs = random_inputs(model, registry, seed, dtype.value)
    arrays = {**inputs, **theta}
    with progress("computing", not json) as display:
        if profile:
            computation.run_profiled(arrays)
        else:
            computation.run(arrays, None if display is None else display.part)
    if output is not None:
        computation.save(output)
    result = computation.result(model)
    if json:
        from tensorbp.report.json_text import json_text

        document = result.to_dict()
        if computation.profile is not None:
            from tensorbp.report.profile_text import profile_dict

            document["profile"] = profile_dict(computation.profile)
        write(json_text(document))
        return
    from tensorbp.report.run_text import run_report

    report: RenderableType = run_report(result)
    if computation.profile is not None:
        from tensorbp.report.console import paragraphs
        from tensorbp.report.profile_text import profile_report

        report = paragraphs(report, profile_report(computation.profile, steps))
    show(report)


def _given(context: typer.Context) -> dict[str, Any]:
    """Return those options that say what is computed and stand on the command line."""
    given = {
        name: str(context.params[name])
        for name in ("of", "at", "dtype", "order")
        if (source := context.get_parameter_source(name)) and source.name == "COMMANDLINE"
    }
    dims = sizes(context.params["dim"] or ())
    return given | {f"dim {name}": size for name, size in dims.items()}
