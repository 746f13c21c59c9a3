"""``tensorbp check``: whether a model file is valid, and its gradient right."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from tensorbp.cli.failures import ANSWER_IS_NO, located
from tensorbp.cli.inputs import load_model, load_registry
from tensorbp.cli.options import Dims, File, Json, Seed
from tensorbp.cli.output import show, write
from tensorbp.errors import ModelError

if TYPE_CHECKING:
    from tensorbp.model import Model
    from tensorbp.registry import Registry
    from tensorbp.report.certificate import Certificate

__all__ = ["check"]

SCHEMA = "tensorbp/check/1"


def check(
    context: typer.Context,
    file: File,
    derivatives: Annotated[
        bool,
        typer.Option("--derivatives", help="Also compare the gradient with numerical derivatives."),
    ] = False,
    dim: Dims = None,
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """Find all that is wrong with a model file; exit with 1 if anything is."""
    del context
    registry = load_registry()
    try:
        model = load_model(file, dim, registry)
    except ModelError as error:
        _show_problems(error, json)
        raise typer.Exit(ANSWER_IS_NO) from None
    certificate = _certified(model, registry, seed) if derivatives else None
    if json:
        from tensorbp.report.json_text import json_text

        write(json_text(_document(model, certificate)))
    else:
        from tensorbp.report.check_text import check_report

        show(check_report(model, certificate))
    if certificate is not None and not certificate.holds:
        raise typer.Exit(ANSWER_IS_NO)


def _certified(model: Model, registry: Registry, seed: int) -> Certificate:
    from tensorbp.cli.certification import certify

    return certify(model, registry, seed)


def _show_problems(error: ModelError, as_json: bool) -> None:
    """Write the problems: they are what was asked for, and go to standard output."""
    if as_json:
        from tensorbp.report.json_text import json_text

        found = {"file": error.source, "valid": False, "problems": located(error)}
        write(json_text({"schema": SCHEMA, **found}))
    else:
        from tensorbp.report.console import clean

        write(clean(str(error)))


def _document(model: Model, certificate: Certificate | None) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "file": model.source,
        "valid": True,
        "problems": [],
        "model": model.name,
        "dims": model.dims,
        "layers": len(model.layers),
        "parameters": model.parameter_count,
        "derivatives": None if certificate is None else certificate.to_dict(),
    }
