"""``tensorbp diff``: what differs between two plans."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from tensorbp.cli.failures import ANSWER_IS_NO
from tensorbp.cli.inputs import load_registry
from tensorbp.cli.options import Json, Output
from tensorbp.cli.output import check_output, show, write

if TYPE_CHECKING:
    from tensorbp.cli.plan_file import KeptPlan

__all__ = ["diff"]


def diff(
    context: typer.Context,
    left: Annotated[str, typer.Argument(help="A plan file.")],
    right: Annotated[str, typer.Argument(help="Another one.")],
    json: Json = False,
    output: Output = None,
) -> None:
    """Show what differs between two plans: their cost, their order, and their steps.

    The exit code is 0 if they are the same, and 1 if they differ.
    """
    del context
    if output is not None:
        check_output(output)
    registry = load_registry()
    from tensorbp.cli.plan_file import read_kept
    from tensorbp.report.plan_difference import difference_report, plan_difference

    one, other = read_kept(left, registry), read_kept(right, registry)
    difference = plan_difference((left, right), one.plan, other.plan, _asked(one, other))
    if json:
        from tensorbp.report.json_text import json_text

        write(json_text(difference.to_dict()), output)
    else:
        show(difference_report(difference), output)
    if not difference.is_same:
        raise typer.Exit(ANSWER_IS_NO)


def _asked(one: KeptPlan, other: KeptPlan) -> dict[str, tuple[Any, Any]]:
    """Return what differs in what two plans were asked for; nothing where one does not say it."""
    if one.asked is None or other.asked is None:
        return {}
    left, right = one.asked.to_dict(), other.asked.to_dict()
    left["dtype"], right["dtype"] = one.plan.dtype, other.plan.dtype
    return {name: (left[name], right[name]) for name in left if left[name] != right[name]}
