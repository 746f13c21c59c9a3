"""``tensorbp eliminate``: the cheapest order in which to eliminate the vertices of a graph."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from tensorbp.cli.failures import CommandError
from tensorbp.cli.options import Json, Output, Seed
from tensorbp.cli.output import check_output, show, write

if TYPE_CHECKING:
    from tensorbp.cli.elimination_file import NamedGraph
    from tensorbp.report.elimination import Comparison

__all__ = ["eliminate"]


def eliminate(
    context: typer.Context,
    file: Annotated[
        str, typer.Argument(help="A JSON file of graphs by name; - is standard input.")
    ],
    seed: Seed = 0,
    time: Annotated[
        float,
        typer.Option("--time", metavar="SECONDS", help="How long the search may take, each graph."),
    ] = 30.0,
    json: Json = False,
    output: Output = None,
) -> None:
    """Search the cheapest order in which to eliminate the vertices of linearised graphs.

    Eliminating a vertex costs as many multiplications as it has predecessors times successors.
    """
    del context
    if output is not None:
        check_output(output)
    if not 0 < time < float("inf"):
        raise CommandError(f"--time must be a number of seconds above 0, found {time}")
    from tensorbp.cli.elimination_file import read_graphs
    from tensorbp.report.elimination import elimination_report

    compared = [_compared(each, seed, time) for each in read_graphs(file)]
    if json:
        from tensorbp.report.json_text import json_text

        write(json_text([each.to_dict() for each in compared]), output)
    else:
        show(elimination_report(compared), output)


def _compared(named: NamedGraph, seed: int, seconds: float) -> Comparison:
    """Search the best order for a graph, and price the plain ones beside it."""
    from tensorbp.planning.vertex_elimination import forward, markowitz, reverse, searched
    from tensorbp.report.elimination import Comparison

    best = searched(named.graph, seed, seconds)
    return Comparison(
        graph=named.name,
        vertices=len(named.graph.inner),
        inputs=named.inputs,
        outputs=named.outputs,
        forward=forward(named.graph).multiplications,
        reverse=reverse(named.graph).multiplications,
        markowitz=markowitz(named.graph).multiplications,
        best=best.multiplications,
        method=best.method,
        is_optimal=best.is_optimal,
        is_complete=best.is_complete,
        order=tuple([named.vertices[vertex] for vertex in best.vertices]),
    )
