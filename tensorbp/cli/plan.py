"""``tensorbp plan``: what a derivative costs, before any array exists."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from tensorbp.cli.failures import CommandError
from tensorbp.cli.inputs import load_model, load_registry
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
    Output,
    Precision,
    Seed,
    Time,
    Wrt,
)
from tensorbp.cli.output import check_output, show, write
from tensorbp.errors import PluginError

if TYPE_CHECKING:
    from tensorbp.cli.query import Query
    from tensorbp.model import Model
    from tensorbp.planning import Plan
    from tensorbp.planning.comparison import Comparison
    from tensorbp.registry import Registry

__all__ = ["plan"]

TEXT, JSON = "text", "json"


def plan(
    context: typer.Context,
    file: File,
    of: Of = Derivative.GRADIENT,
    at: At = None,
    wrt: Wrt = None,
    dim: Dims = None,
    dtype: Dtype = Precision.DOUBLE,
    order: Order = None,
    seed: Seed = 0,
    time: Time = None,
    memory_limit: MemoryLimit = None,
    steps: Annotated[
        bool, typer.Option("--steps", help="Show every step, however many there are.")
    ] = False,
    compare: Annotated[
        bool,
        typer.Option(
            "--compare", help="Show what every order finder there is makes of it, side by side."
        ),
    ] = False,
    form: Annotated[
        str | None,
        typer.Option(
            "--format",
            metavar="NAME",
            help="text, json, or the renderer of a plugin. By default json for a file that is "
            "named so, else text.",
        ),
    ] = None,
    no_cache: NoCache = False,
    json: Json = False,
    output: Output = None,
) -> None:
    """Show the cheapest order found for a derivative or a value, its FLOPs and its memory.

    No array is made: a model of any size can be planned.
    """
    del context
    if output is not None:
        check_output(output)
    form = JSON if json else form or (JSON if (output or "").endswith(".json") else TEXT)
    registry = load_registry()
    registry.renderer(form)
    model = load_model(file, dim, registry)
    from tensorbp.cli.plan_cache import planned
    from tensorbp.cli.progress import planning_progress
    from tensorbp.cli.query import ask
    from tensorbp.planning.memory.amounts import bytes_from

    query = ask(model, of, at, wrt)
    if compare:
        if order or memory_limit or form not in (TEXT, JSON):
            raise CommandError(
                "--compare shows a table or JSON; leave out --order, --memory-limit and --format"
            )
        _compare(model, query, registry, dtype.value, form, output)
        return
    options = {
        "dtype": dtype.value,
        "order": order.value if order else None,
        "seed": seed,
        "seconds": time,
        "memory_limit": None if memory_limit is None else bytes_from(memory_limit),
    }
    with planning_progress(not json):
        made = planned(model, query, registry, not no_cache, **options)
    if form == TEXT:
        from tensorbp.report.console import paragraphs, words
        from tensorbp.report.plan_text import plan_report

        heading = words(_heading(model, query, made))
        report = plan_report(made, steps, is_derivative=query.of is not Derivative.VALUE)
        show(paragraphs(heading, report), output)
    elif form == JSON:
        from tensorbp.planning.plan import json_lines
        from tensorbp.report.plan_summary import why

        document = _document(model, query, registry, made)
        if query.of is not Derivative.VALUE:
            document["why"] = why(made)
        write(json_lines(document), output)
    else:
        write(_rendered(registry, form, made), output)


def _compare(
    model: Model,
    query: Query,
    registry: Registry,
    dtype: str,
    form: str,
    output: str | None,
) -> None:
    """Show what the finders cost that might have ordered the query."""
    from tensorbp.planning.comparison import compare

    comparison = compare(query.outputs, dtype, query.labels(model))
    if form == JSON:
        from tensorbp.report.json_text import json_text

        write(json_text(_document(model, query, registry, comparison)), output)
        return
    from tensorbp.report.comparison_text import comparison_report
    from tensorbp.report.console import paragraphs, words

    heading = words(_heading(model, query, comparison.plan))
    show(paragraphs(heading, comparison_report(comparison)), output)


def _heading(model: Model, query: Query, made: Plan) -> str:
    """Return what was planned, in a line."""
    count = f"{model.parameter_count:,} parameter{'s' * (model.parameter_count != 1)}"
    dims = "".join(f", {name}={size}" for name, size in model.dims.items())
    return (
        f"{model.name or model.source}, {count}: {query.of} of '{query.at}'{_sources(query)}, "
        f"{made.dtype}{dims}"
    )


def _sources(query: Query) -> str:
    """Return with respect to what a derivative is taken."""
    if not query.sources:
        return ""
    several = f"{len(query.sources)} arrays" if len(query.sources) > 3 else ", ".join(query.sources)
    numbers = sum(each.size for each in query.sources.values())
    return f" with respect to {several} ({numbers:,} numbers)"


def _document(
    model: Model, query: Query, registry: Registry, made: Plan | Comparison
) -> dict[str, Any]:
    """Return a plan or a comparison with what it is one of."""
    from tensorbp.cli.plan_file import asked

    document = made.to_dict()
    says = asked(model, query, registry).to_dict()
    return {"schema": document.pop("schema"), **says, **document}


def _rendered(registry: Registry, form: str, made: Plan) -> str:
    """Return the plan as the renderer of a plugin writes it.

    Raises:
        PluginError: the renderer fails, or returns no text.
    """
    whose = f"renderer '{form}' of plugin '{registry.origin('renderer', form).label}'"
    try:
        text = registry.renderer(form)(made)
    except Exception as error:
        raise PluginError(f"{whose} failed: {type(error).__name__}: {error}") from error
    if not isinstance(text, str):
        raise PluginError(f"{whose} must return a text, found {type(text).__name__}")
    return text
