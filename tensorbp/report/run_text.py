"""What running a model gave, as text and as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from rich.table import Table

from tensorbp.report.console import key_values
from tensorbp.report.units import byte_count, duration, flop_count, grouped, shape_text

__all__ = ["FoundGradient", "FoundMap", "FoundValue", "RunResult", "run_report"]


@dataclass(frozen=True)
class FoundValue:
    """A value that was computed.

    Attributes:
        at: the name of the layer whose output it is.
        value: the number, if it is one.
        shape: its shape.
        norm: its Euclidean norm.
    """

    at: str
    value: float | None
    shape: tuple[int, ...]
    norm: float

    def lines(self) -> Iterator[tuple[str, str]]:
        """Yield what is shown, by name."""
        if self.value is None:
            yield self.at, f"{shape_text(self.shape)}, norm {self.norm:.10g}"
        else:
            yield self.at, f"{self.value:.10g}"


@dataclass(frozen=True)
class FoundGradient:
    """A gradient that was computed.

    Attributes:
        at: the name of what was differentiated.
        value: its value.
        gradient_norm: the Euclidean norm of the gradient.
        gradient_size: how many numbers it has.
    """

    at: str
    value: float
    gradient_norm: float
    gradient_size: int

    def lines(self) -> Iterator[tuple[str, str]]:
        """Yield what is shown, by name."""
        yield self.at, f"{self.value:.10g}"
        yield "gradient", f"norm {self.gradient_norm:.10g}, {grouped(self.gradient_size)} numbers"


@dataclass(frozen=True)
class FoundMap:
    """A Jacobian or Hessian that was computed.

    Attributes:
        at: the name of what was differentiated.
        numbers: how many numbers the map holds; deltas are not held.
        dense_numbers: how many it has, written out.
        bytes: what it takes.
    """

    at: str
    numbers: int
    dense_numbers: int
    bytes: int

    def lines(self) -> Iterator[tuple[str, str]]:
        """Yield what is shown, by name."""
        yield "at", self.at
        yield "numbers held", f"{grouped(self.numbers)} ({byte_count(self.bytes)})"
        yield "written out", grouped(self.dense_numbers)


@dataclass(frozen=True)
class RunResult:
    """What running a model gave.

    Attributes:
        model: the name of the model.
        of: ``"value"``, ``"gradient"``, ``"jacobian"`` or ``"hessian"``.
        dims: the sizes of its dimensions.
        found: what was computed.
        flops: what the plan counts.
        planning_seconds: how long planning took.
        seconds: how long the computation took.
    """

    model: str
    of: str
    dims: dict[str, int]
    found: FoundValue | FoundGradient | FoundMap
    flops: int
    planning_seconds: float
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """Return the result as plain dictionaries, lists, strings and numbers."""
        document = asdict(self)
        found = document.pop("found")
        return {"schema": "tensorbp/run/1", **document, **found}


def run_report(result: RunResult) -> Table:
    """Return the result, a line for each quantity."""
    dims = ", ".join(f"{name}={size}" for name, size in result.dims.items())
    rate = f", {flop_count(int(result.flops / result.seconds))}/s" if result.seconds else ""
    return key_values(
        [
            ("model", f"{result.model}{f' with {dims}' if dims else ''}"),
            ("computed", result.of),
            *result.found.lines(),
            ("planning", duration(result.planning_seconds)),
            ("computing", f"{duration(result.seconds)} ({flop_count(result.flops)}{rate})"),
        ]
    )
