"""What a plan costs as a whole, beside what the two textbook orders would cost."""

from __future__ import annotations

from rich.table import Table

from tensorbp.planning import Plan
from tensorbp.report.console import table
from tensorbp.report.units import byte_count, flop_count, number_count, percentage, ratio

__all__ = ["cost_sentence", "sentence", "totals_table", "why"]


def totals_table(plan: Plan, is_derivative: bool = True) -> Table:
    """Return the figures of a plan and of plain reverse and forward mode.

    Args:
        plan: the plan.
        is_derivative: whether there are other orders to compare it with.
    """
    compared = [("this plan", plan.figures)]
    if is_derivative:
        compared += [
            ("plain reverse mode", plan.baselines.reverse),
            ("plain forward mode", plan.baselines.forward),
        ]
    rows = [
        (
            name,
            flop_count(figures.flops),
            number_count(figures.multiplications),
            number_count(figures.multiply_adds),
            byte_count(figures.peak_bytes),
            f"{ratio(figures.flops, plan.flops)} ×" if figures.flops and plan.flops else "",
        )
        for name, figures in compared
    ]
    columns = ("", "FLOPs", "multiplications", "multiply-adds", "peak memory", "FLOPs of this plan")
    return table(columns, rows, columns[1:])


def sentence(plan: Plan) -> str:
    """Return in one sentence what was found and what it saves.

    >>> import tensorbp as tb
    >>> x, A = tb.variable("x", 1000), tb.variable("A", 5000, 1000)
    >>> B, c = tb.variable("B", 1000, 5000), tb.variable("c", 1000)
    >>> sentence(tb.plan(tb.gradient(c @ tb.tanh(B @ tb.tanh(A @ x)), x)))
    'Reverse order: 40 MFLOP and 76.4 MiB; plain forward mode would need 250 times the FLOPs.'
    """
    name, flops = f"{plan.order.capitalize()} order", plan.flops
    reverse, forward = plan.baselines.reverse.flops, plan.baselines.forward.flops
    if not (flops and reverse and forward):
        return (
            f"{name}: {flop_count(flops)}, where reverse mode needs {flop_count(reverse)} and "
            f"forward mode {flop_count(forward)}."
        )
    if plan.order == "mixed":
        return (
            f"{name}: {flop_count(flops)}, {_fewer(flops, reverse)} reverse mode and "
            f"{_fewer(flops, forward)} forward mode."
        )
    other, needed = ("forward", forward) if plan.order == "reverse" else ("reverse", reverse)
    return (
        f"{name}: {flop_count(flops)} and {byte_count(plan.peak_bytes)}; plain {other} mode would "
        f"need {_times(needed, flops)}."
    )


def why(plan: Plan) -> str:
    """Return what the search gained over the cheaper plain order, and what is left to gain.

    >>> import tensorbp as tb
    >>> x, A, B = tb.variable("x", 80), tb.variable("A", 60, 80), tb.variable("B", 2, 60)
    >>> C, D = tb.variable("C", 50, 2), tb.variable("D", 100, 50)
    >>> J = tb.jacobian(D @ (C @ (B @ (A @ x))), x)
    >>> for clause in why(tb.plan(J)).split("; "):
    ...     print(clause)
    Why: the search saves 91.5 % of the FLOPs of plain forward mode, the cheaper of the two
    no order of contraction costs less.
    """
    baselines = plan.baselines
    name, cheaper = min(
        (("reverse", baselines.reverse.flops), ("forward", baselines.forward.flops)),
        key=lambda each: each[1],
    )
    if plan.flops == cheaper:
        gain = f"it costs as much as plain {name} mode"
    else:
        saved = percentage(cheaper - plan.flops, cheaper)
        gain = f"the search saves {saved} of the FLOPs of plain {name} mode"
    if plan.lower_bound is None:
        rest = "what another order of contraction could save is not known"
    elif plan.flops == plan.lower_bound:
        rest = "no order of contraction costs less"
    else:
        most = percentage(plan.flops - plan.lower_bound, plan.flops)
        rest = f"no order of contraction saves more than another {most}"
    return f"Why: {gain}, the cheaper of the two; {rest}."


def cost_sentence(plan: Plan) -> str:
    """Return in one sentence what a plan costs, where there is nothing to compare.

    >>> import tensorbp as tb
    >>> cost_sentence(tb.plan(tb.variable("A", 50, 10) @ tb.variable("x", 10)))
    '1 kFLOP and 4.38 KiB.'
    """
    return f"{flop_count(plan.flops)} and {byte_count(plan.peak_bytes)}."


def _fewer(flops: int, baseline: int) -> str:
    """Return how a number of FLOPs compares with that of a baseline, which is no smaller."""
    factor = ratio(baseline, flops)
    return "as many as" if factor == "1" else f"{factor} times fewer than"


def _times(flops: int, base: int) -> str:
    """Return how many FLOPs another order needs, seen from the plan."""
    factor = ratio(flops, base)
    if factor == "1":
        return "as many FLOPs"
    if factor.startswith("1/"):
        return f"{factor.removeprefix('1/')} times fewer"
    return f"{factor} times the FLOPs"
