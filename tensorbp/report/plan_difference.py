"""How two plans differ: in what they cost, and step by step, layer by layer."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import permutations
from typing import Any

from rich.console import Group

from tensorbp.algebra import Dimension, Shape
from tensorbp.expression.einsum import Einsum
from tensorbp.expression.node import Operator
from tensorbp.planning import Plan, Step
from tensorbp.planning.operators import written_arguments
from tensorbp.report.console import paragraphs, table, words
from tensorbp.report.units import byte_count, flop_count, number_count, ratio, shape_text

__all__ = ["Change", "PlanDifference", "difference_report", "plan_difference"]

SCHEMA = "tensorbp/diff/1"

MOST_CHANGES = 40
"""So many changed steps are shown; all of them are in the JSON."""


@dataclass(frozen=True)
class Change:
    """A step that is in one plan only, or that stands in the place of another.

    Attributes:
        layer: the layer to which it belongs, or None.
        left: the step in the left plan, or None.
        right: the step in the right plan, or None.
    """

    layer: str | None
    left: Step | None
    right: Step | None


@dataclass(frozen=True)
class PlanDifference:
    """Two plans side by side.

    Attributes:
        names: what they are called.
        left: the one.
        right: the other.
        asked: what differs in what they were asked for: by name, both values.
        changes: the steps that differ, layer by layer.
    """

    names: tuple[str, str]
    left: Plan
    right: Plan
    asked: Mapping[str, tuple[Any, Any]]
    changes: tuple[Change, ...]

    @property
    def is_same(self) -> bool:
        """Whether the plans are the same, step by step, and were asked for the same."""
        return self.left == self.right and not self.asked

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON can write it."""
        return {
            "schema": SCHEMA,
            "left": self.names[0],
            "right": self.names[1],
            "same": self.is_same,
            "asked": {name: list(each) for name, each in self.asked.items()},
            "order": [self.left.order, self.right.order],
            **{
                name: [one, other]
                for (name, one), other in zip(
                    asdict(self.left.figures).items(),
                    asdict(self.right.figures).values(),
                    strict=True,
                )
            },
            "steps": [len(self.left.steps), len(self.right.steps)],
            "changes": [
                {"layer": each.layer, "left": _brief(each.left), "right": _brief(each.right)}
                for each in self.changes
            ],
        }


def plan_difference(
    names: tuple[str, str],
    left: Plan,
    right: Plan,
    asked: Mapping[str, tuple[Any, Any]] | None = None,
) -> PlanDifference:
    """Compare two plans.

    Steps that apply the same to tensors of the same shapes, for the same layer, are the same,
    whatever the numbers of their values. Of those that are left, the first of a layer stands in
    the place of the first of that layer with the same operation, and so on.

    Args:
        names: what the plans are called.
        left: the one.
        right: the other.
        asked: what differs in what they were asked for.
    """
    known = _known(left), _known(right)
    only_left = [left.steps[k] for k in _without(known[0], Counter(known[1].values()))]
    only_right = [right.steps[k] for k in _without(known[1], Counter(known[0].values()))]
    waiting: dict[tuple[str | None, str], list[Step]] = defaultdict(list)
    for step in only_right:
        waiting[step.layer, step.operation].append(step)
    changes = []
    for step in only_left:
        others = waiting[step.layer, step.operation]
        changes.append(Change(step.layer, step, others.pop(0) if others else None))
    changes += [Change(each.layer, None, each) for steps in waiting.values() for each in steps]
    steps = [*left.steps, *right.steps]
    layers = {steps[k].layer: k for k in reversed(range(len(steps)))}
    changes.sort(key=lambda each: layers[each.layer])
    return PlanDifference(names, left, right, asked or {}, tuple(changes))


def _known(plan: Plan) -> dict[int, str]:
    """Return what each step is, whatever its number: by its position in the plan."""
    shapes = {each.value: each.shape for each in plan.inputs}
    shapes |= {each.result: each.shape for each in plan.steps}
    return {
        position: json.dumps([step.layer, step.operation, _applied(step.operator, operands)])
        for position, step in enumerate(plan.steps)
        for operands in [[shapes[number] for number in step.operands]]
    }


def _applied(operator: Operator, shapes: Sequence[Shape]) -> Any:
    """Return what is applied to which shapes; the order of the factors of a product is nothing."""
    if not isinstance(operator, Einsum):
        return [written_arguments(operator), shapes]
    orders = [
        _numbered([operator.output, *[operator.factors[k] for k in order]], operator.sizes)
        for order in permutations(range(len(operator.factors)))
    ]
    return [str(operator.coefficient), min(orders)]


def _numbered(parts: Sequence[Sequence[Dimension]], sizes: Sequence[int]) -> list[Any]:
    """Return dimensions with their axes numbered as they come, and the sizes of these."""
    axes = dict.fromkeys(axis for part in parts for each in part for axis in each)
    number = {axis: k for k, axis in enumerate(axes)}
    named = [[[number[axis] for axis in each] for each in part] for part in parts]
    return [named, [sizes[axis] for axis in axes]]


def difference_report(difference: PlanDifference) -> Group:
    """Return a difference as tables and a sentence, for a terminal."""
    parts: list[Any] = [_figures_table(difference)]
    if difference.asked:
        rows = [(name, str(one), str(other)) for name, (one, other) in difference.asked.items()]
        parts.append(table(("asked", *difference.names), rows, ()))
    if difference.changes:
        shown = difference.changes[:MOST_CHANGES]
        rows = [(each.layer or "", _step_text(each.left), _step_text(each.right)) for each in shown]
        parts.append(table(("layer", *difference.names), rows, ()))
        left_out = len(difference.changes) - len(shown)
        if left_out:
            parts.append(words(f"{left_out} more in the JSON, which --json writes."))
    return paragraphs(*parts, words(difference_sentence(difference), "bold"))


def difference_sentence(difference: PlanDifference) -> str:
    """Return in one sentence how two plans differ."""
    one, other = difference.names
    if difference.is_same:
        return f"{one} and {other} are the same plan."
    layers = {each.layer for each in difference.changes if each.layer}
    if difference.changes:
        count = len(difference.changes)
        where = f" in {len(layers)} layer{'s' * (len(layers) != 1)}" if layers else ""
        steps = f"{count} step{'s differ' if count != 1 else ' differs'}{where}"
    elif difference.left == difference.right:
        steps = "the steps are the same"
    else:
        steps = "the steps are the same, in another order or between other values"
    left, right = difference.left, difference.right
    return (
        f"{other} needs {_compared(right.flops, left.flops, 'FLOPs', flop_count)} and "
        f"{_compared(right.peak_bytes, left.peak_bytes, 'memory', byte_count)} of {one}; {steps}."
    )


def _compared(number: int, base: int, what: str, count: Callable[[int], str]) -> str:
    if number == base:
        return f"the {what}"
    if not number or not base:
        return f"{count(number)} against {count(base)} {what}"
    return f"{ratio(number, base)} times the {what}"


def _figures_table(difference: PlanDifference) -> Any:
    left, right = difference.left, difference.right
    rows: list[tuple[str, ...]] = [("order", left.order, right.order, "")]
    for name, one, other, count in (
        ("FLOPs", left.flops, right.flops, flop_count),
        ("multiplications", left.multiplications, right.multiplications, number_count),
        ("multiply-adds", left.multiply_adds, right.multiply_adds, number_count),
        ("peak memory", left.peak_bytes, right.peak_bytes, byte_count),
        ("steps", len(left.steps), len(right.steps), str),
    ):
        factor = f"{ratio(other, one)} ×" if one and other else ""
        rows.append((name, count(one), count(other), factor))
    return table(("", *difference.names, "ratio"), rows, (*difference.names, "ratio"))


def _without(known: Mapping[int, str], others: Counter[str]) -> Iterable[int]:
    """Yield the positions of the steps that have no counterpart."""
    for position, step in known.items():
        if others[step]:
            others[step] -= 1
        else:
            yield position


def _step_text(step: Step | None) -> str:
    if step is None:
        return ""
    return f"{step.operation} {step.equation}, {shape_text(step.shape)}, {flop_count(step.flops)}"


def _brief(step: Step | None) -> dict[str, Any] | None:
    if step is None:
        return None
    return {
        "operation": step.operation,
        "equation": step.equation,
        "shape": list(step.shape),
        "flops": step.flops,
        "bytes": step.bytes,
    }
