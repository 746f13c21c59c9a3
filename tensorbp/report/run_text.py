"""What running a model gave, as text and as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from rich.table import Table

from tensorbp.report.console import key_values
from tensorbp.report.units import byte_count, flop_count, grouped

__all__ = ["Held", "RunResult", "run_report"]


@dataclass(frozen=True)
class Held:
    """A Jacobian or Hessian as it was computed.

    Attributes:
        name: ``"jacobian"`` or ``"hessian"``.
        numbers: how many numbers it holds; deltas are not held.
        dense_numbers: how many it would have, written out.
        bytes: what it takes.
    """

    name: str
    numbers: int
    dense_numbers: int
    bytes: int


@dataclass(frozen=True)
class RunResult:
    """What running a model gave.

    Attributes:
        model: the name of the model.
        dims: the sizes of its dimensions.
        value: the name of the differentiated value and the value, if it is one number.
        norm: the Euclidean norm of the gradient, if that was asked for.
        size: how many numbers the gradient has.
        map: the Jacobian or Hessian, if one was asked for.
        flops: what the plan counts.
        planning_seconds: how long planning took.
        seconds: how long the computation took.
    """

    model: str
    dims: dict[str, int]
    value: tuple[str, float] | None
    norm: float | None
    size: int
    map: Held | None
    flops: int
    planning_seconds: float
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """Return the result as plain dictionaries, lists, strings and numbers."""
        document: dict[str, Any] = {
            "schema": "tensorbp/run/1",
            "model": self.model,
            "dims": self.dims,
        }
        if self.value is not None and self.norm is not None:
            document |= {
                "value": self.value[1],
                "gradient_norm": self.norm,
                "gradient_size": self.size,
            }
        if self.map is not None:
            document[self.map.name] = {
                "numbers": self.map.numbers,
                "dense_numbers": self.map.dense_numbers,
                "bytes": self.map.bytes,
            }
        return document | {
            "flops": self.flops,
            "planning_seconds": self.planning_seconds,
            "seconds": self.seconds,
        }


def run_report(result: RunResult) -> Table:
    """Return the result, a line for each quantity."""
    return key_values(_lines(result))


def _lines(result: RunResult) -> Iterator[tuple[str, str]]:
    yield "model", result.model
    yield "dims", ", ".join(f"{name}={size}" for name, size in result.dims.items())
    if result.value is not None and result.norm is not None:
        yield result.value[0], f"{result.value[1]:.10g}"
        yield "gradient", f"norm {result.norm:.10g}, {grouped(result.size)} numbers"
    if result.map is not None:
        held = result.map
        yield (
            held.name,
            f"{grouped(held.numbers)} numbers held ({byte_count(held.bytes)}), "
            f"{grouped(held.dense_numbers)} written out",
        )
    yield "planned in", _duration(result.planning_seconds)
    rate = f", {flop_count(int(result.flops / result.seconds))}/s" if result.seconds else ""
    yield "computed in", f"{_duration(result.seconds)} ({flop_count(result.flops)}{rate})"


def _duration(seconds: float) -> str:
    return f"{seconds:.3g} s" if seconds >= 1 else f"{seconds * 1000:.3g} ms"
