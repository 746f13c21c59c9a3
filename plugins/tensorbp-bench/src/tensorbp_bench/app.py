"""``tensorbp bench``: its commands."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tensorbp.cli import reported
from tensorbp.cli.failures import ANSWER_IS_NO
from tensorbp.cli.output import check_output
from tensorbp.errors import TensorbpError, suggestion

if TYPE_CHECKING:
    from tensorbp_bench.record import Record

__all__ = ["app"]

app = typer.Typer(
    help="Measure the planner, and programs beside those of other libraries.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Only = Annotated[
    list[str] | None,
    typer.Option("--only", metavar="NAME", help="A benchmark; may be given several times."),
]
Tasks = Annotated[
    list[str] | None,
    typer.Option("--task", metavar="NAME", help="A task; may be given several times."),
]
Peers = Annotated[
    list[str] | None,
    typer.Option("--peer", metavar="NAME", help="A library; may be given several times."),
]
Quick = Annotated[
    bool, typer.Option("--quick", help="Small cases, to see that everything works; no figures.")
]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Of all random numbers.")]
JsonFile = Annotated[
    Path | None, typer.Option("--json", metavar="FILE", help="Write everything to a file of JSON.")
]
Page = Annotated[
    Path | None,
    typer.Option("--markdown", metavar="FILE", help="Keep the tables on a page of Markdown."),
]


@app.command()
@reported
def planning(
    context: typer.Context,
    only: Only = None,
    quick: Quick = False,
    seed: Seed = 0,
    json_file: JsonFile = None,
    markdown: Page = None,
) -> None:
    """Measure how good plans are, and how long it takes to find them."""
    del context
    from tensorbp_bench.planning import BENCHMARKS
    from tensorbp_bench.record import planning_record

    names = _chosen("benchmark", only, BENCHMARKS)
    _check_places("planning", json_file, markdown)
    _written(planning_record(names, quick, seed, _say), json_file, markdown)


@app.command()
@reported
def speed(
    context: typer.Context,
    task: Tasks = None,
    peer: Peers = None,
    quick: Quick = False,
    seed: Seed = 0,
    json_file: JsonFile = None,
    markdown: Page = None,
) -> None:
    """Time programs beside those of other libraries, after comparing their numbers."""
    del context
    from tensorbp_bench.record import speed_record
    from tensorbp_bench.speed import PEERS, TASKS

    tasks = _chosen("task", task, TASKS)
    peers = _chosen("peer", peer, PEERS)
    _check_places("speed", json_file, markdown)
    _written(speed_record(tasks, peers, quick, seed, _say), json_file, markdown)


@app.command("list")
@reported
def list_all(context: typer.Context) -> None:
    """List the benchmarks of the planner, the tasks that are timed, and the libraries."""
    del context
    from tensorbp.report.console import paragraphs, plain_text, table
    from tensorbp_bench.planning import BENCHMARKS
    from tensorbp_bench.speed import PEERS, TASKS, missing

    said = paragraphs(
        table(("benchmark of planning", "what it measures"), BENCHMARKS.items(), ()),
        table(("task of speed", "what is computed"), [(n, t.title) for n, t in TASKS.items()], ()),
        table(
            ("peer", "what it is", ""),
            [(name, each.title, missing(each)) for name, each in PEERS.items()],
            (),
        ),
    )
    typer.echo(plain_text(said), nl=False)


def _chosen(kind: str, wanted: list[str] | None, known: Iterable[str]) -> list[str]:
    """Return the names that were asked for, in the order in which they are known; or all."""
    names = list(known)
    for name in wanted or ():
        if name not in names:
            raise TensorbpError(f"unknown {kind} '{name}'{suggestion(name, names)}")
    return [name for name in names if not wanted or name in wanted]


def _check_places(command: str, json_file: Path | None, page: Path | None) -> None:
    """Find out before the work begins whether its results can be written."""
    from tensorbp_bench.record import section
    from tensorbp_bench.tables import around

    for each in (json_file, page):
        if each is not None:
            check_output(str(each))
    if page is not None:
        around(page, section(command))


def _say(text: str) -> None:
    typer.echo(text, err=True)


def _written(record: Record, json_file: Path | None, page: Path | None) -> None:
    """Show the tables, keep them where they are wanted; exit with 1 if something failed."""
    typer.echo(record.to_markdown())
    record.write(json_file, page)
    if record.failures:
        raise typer.Exit(ANSWER_IS_NO)
