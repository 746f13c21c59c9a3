"""A plan as text: its steps or layers, what it costs, and one sentence to quote."""

from __future__ import annotations

from rich.console import Group

from tensorbp.planning import Plan
from tensorbp.report.console import paragraphs, plain_text, words
from tensorbp.report.plan_layers import layer_table
from tensorbp.report.plan_steps import step_table
from tensorbp.report.plan_summary import cost_sentence, sentence, totals_table, why

__all__ = ["MOST_STEPS", "plan_report", "plan_text"]

MOST_STEPS = 60
"""Plans with more steps than this are summed up by layers, unless all steps are asked for."""


def plan_report(plan: Plan, all_steps: bool = False, is_derivative: bool = True) -> Group:
    """Return a plan as tables, for a terminal.

    Args:
        plan: the plan.
        all_steps: whether every step is shown, however many there are.
        is_derivative: whether there are other orders to compare it with.
    """
    is_short = all_steps or len(plan.steps) <= MOST_STEPS
    steps = step_table(plan) if is_short else layer_table(plan)
    totals = totals_table(plan, is_derivative)
    said = [words(sentence(plan) if is_derivative else cost_sentence(plan), "bold")]
    if is_derivative:
        said.append(words(why(plan)))
    if plan.kept_by:
        said.append(words(f"The memory limit is kept by {', '.join(plan.kept_by)}."))
    return paragraphs(steps, totals, *said)


def plan_text(plan: Plan) -> str:
    """Return a plan as text without colours: the renderer ``"text"``."""
    return plain_text(plan_report(plan))
