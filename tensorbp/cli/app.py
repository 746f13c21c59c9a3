"""The application: its commands, and the options that come before them."""

from __future__ import annotations

import platform
from importlib import metadata
from typing import Annotated

import typer

from tensorbp import __version__
from tensorbp.cli.check import check
from tensorbp.cli.commands import Commands
from tensorbp.cli.diff import diff
from tensorbp.cli.eliminate import eliminate
from tensorbp.cli.failures import Settings, reported
from tensorbp.cli.layers import layers
from tensorbp.cli.plan import plan
from tensorbp.cli.plugins import plugins
from tensorbp.cli.run import run
from tensorbp.cli.schema import schema

__all__ = ["app"]

app = typer.Typer(
    cls=Commands,
    help="Backpropagation without indices: plan, run and check the derivatives of models.",
    epilog="Exit codes: 0 ok, 1 the answer is no, 2 wrong usage or bad input, 3 a bug of tensorbp.",
    context_settings={"help_option_names": ["-h", "--help"]},
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
for command in (plan, run, diff, check, eliminate, layers, plugins, schema):
    app.command()(reported(command))


def _print_version(is_wanted: bool) -> None:
    if is_wanted:
        libraries = [f"{name} {metadata.version(name)}" for name in ("numpy", "opt_einsum")]
        versions = ", ".join([f"python {platform.python_version()}", *libraries])
        typer.echo(f"tensorbp {__version__} ({versions})")
        raise typer.Exit


@app.callback()
def before_all(
    context: typer.Context,
    debug: Annotated[
        bool,
        typer.Option("--debug", envvar="TENSORBP_DEBUG", help="Show the traceback of every error."),
    ] = False,
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Show the versions and exit."
        ),
    ] = False,
) -> None:
    """Remember the options that hold for every command."""
    del version
    context.obj = Settings(debug)
