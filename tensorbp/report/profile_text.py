"""A profile as text, the slowest first, and as JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rich.console import Group
from rich.table import Table

from tensorbp.report.console import paragraphs, table, words
from tensorbp.report.folding import folded
from tensorbp.report.plan_steps import equation
from tensorbp.report.plan_text import MOST_STEPS
from tensorbp.report.units import byte_count, duration, flop_count, grouped, percentage, shape_text

if TYPE_CHECKING:
    from tensorbp.execution.profile import Profile, TimedStep
    from tensorbp.execution.speed import Speed

__all__ = ["profile_dict", "profile_report"]

_COSTS = ("time", "share", "FLOPs", "FLOPs/s", "moved", "moved/s", "of peak")


def profile_report(profile: Profile, all_steps: bool = False) -> Group:
    """Return how long steps or layers take, the slowest first, and what the machine could reach.

    Args:
        profile: the profile.
        all_steps: whether every step is shown, however many there are.
    """
    is_short = all_steps or len(profile.steps) <= MOST_STEPS
    rows = _step_table(profile) if is_short else _layer_table(profile)
    return paragraphs(rows, words(_sentence(profile), "bold"), words(_machine(profile.speed)))


def profile_dict(profile: Profile) -> dict[str, Any]:
    """Return a profile as plain dictionaries, lists, strings and numbers, its steps in order."""
    return {
        "seconds": profile.seconds,
        "step_seconds": profile.step_seconds,
        "peak_flops_per_second": profile.speed.flops_per_second,
        "peak_bytes_per_second": profile.speed.bytes_per_second,
        "steps": [
            {
                "result": each.step.result,
                "operation": each.step.operation,
                "equation": each.step.equation,
                "layer": each.step.layer,
                "flops": each.step.flops,
                "bytes": each.step.bytes,
                "calls": each.calls,
                "seconds": each.seconds,
                "moved_bytes": each.bytes,
            }
            for each in profile.steps
        ],
    }


@dataclass(frozen=True)
class _Total:
    """What some steps cost.

    Attributes:
        layers: the names of the layers to which they belong.
        steps: how many steps there are.
        seconds: how long they take.
        least_seconds: how long they would take at full speed.
        flops: their operations.
        moved: the bytes that they read and write.
    """

    layers: frozenset[str]
    steps: int
    seconds: float
    least_seconds: float
    flops: int
    moved: int

    @classmethod
    def of(cls, timed: TimedStep, speed: Speed) -> _Total:
        """Return what one step costs."""
        step = timed.step
        layers = frozenset([step.layer] if step.layer else [])
        least = speed.least_seconds(step.flops, timed.bytes)
        return cls(layers, 1, timed.seconds, least, step.flops, timed.bytes)

    def __add__(self, other: _Total) -> _Total:
        return _Total(
            self.layers | other.layers,
            self.steps + other.steps,
            self.seconds + other.seconds,
            self.least_seconds + other.least_seconds,
            self.flops + other.flops,
            self.moved + other.moved,
        )

    def cells(self, all_seconds: float) -> tuple[str, ...]:
        """Return what is shown of it, given how long all steps take."""
        return (
            duration(self.seconds),
            _part(self.seconds, all_seconds),
            flop_count(self.flops),
            f"{flop_count(_rate(self.flops, self.seconds))}/s",
            byte_count(self.moved),
            f"{byte_count(_rate(self.moved, self.seconds))}/s",
            _part(self.least_seconds, self.seconds),
        )


def _layer_table(profile: Profile) -> Table:
    totals = [(each.step.layer, _Total.of(each, profile.speed)) for each in profile.steps]
    rows = [
        (
            name,
            grouped(len(total.layers)),
            grouped(total.steps),
            *total.cells(profile.step_seconds),
        )
        for name, total in folded(totals, lambda total: total.seconds)
    ]
    columns = ("layer", "layers", "steps", *_COSTS)
    return table(columns, rows, columns[1:])


def _step_table(profile: Profile) -> Table:
    rows = [
        (
            str(each.step.result),
            each.step.operation,
            equation(each.step),
            shape_text(each.step.shape),
            *_Total.of(each, profile.speed).cells(profile.step_seconds),
            each.step.layer or "",
        )
        for each in sorted(profile.steps, key=lambda each: -each.seconds)
    ]
    columns = ("#", "operation", "equation", "shape", *_COSTS, "layer")
    return table(columns, rows, ("#", *_COSTS))


def _sentence(profile: Profile) -> str:
    least = sum(_Total.of(each, profile.speed).least_seconds for each in profile.steps)
    reached = _part(least, profile.step_seconds)
    return (
        f"All steps take {duration(profile.step_seconds)}"
        + (f", {reached} of peak" if reached else "")
        + f"; a call that is not profiled takes {duration(profile.seconds)}."
    )


def _machine(speed: Speed) -> str:
    return (
        f"Peak is what this machine reaches: {flop_count(int(speed.flops_per_second))}/s in a "
        f"product of matrices, {byte_count(int(speed.bytes_per_second))}/s in a copy, whichever "
        "takes longer."
    )


def _part(seconds: float, whole: float) -> str:
    """Return a part of a time; what lies in a cache is moved faster than a copy from memory."""
    if seconds > whole > 0:
        return "> 100 %"
    return percentage(round(seconds * 1e12), round(whole * 1e12))


def _rate(amount: int, seconds: float) -> int:
    return int(amount / seconds) if seconds else 0
