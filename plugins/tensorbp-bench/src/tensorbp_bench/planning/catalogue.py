"""The benchmarks of the planner, and how one is measured in a process of its own."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

from tensorbp_bench.tables import Table
from tensorbp_bench.workers import Handler, Worker

Benchmark = Callable[[bool, int], list[Table]]
"""Takes whether it shall be quick, and a seed; returns its tables."""

BENCHMARKS: dict[str, str] = {
    "finders": "one einsum: the finders against all orders of random networks, chains and rings",
    "gradients": "gradients of all parameters, against plain reverse mode and against sharing",
    "jacobians": "Jacobians by all layers at once, against the exhaustive joint optimum",
    "graphs": "scalar graphs: multiplications of elimination orders, against plain orders",
    "seconds": "how long it takes to plan models of up to a thousand layers",
    "memory": "predicted peaks of memory against measured ones, and what limits cost",
}
"""What each measures; each is the module of its name, with a function of the name `tables`."""

__all__ = ["BENCHMARKS", "Benchmark", "handler", "measured"]


def measured(name: str, quick: bool, seed: int) -> list[Table]:
    """Return the tables of a benchmark, measured in a process of its own.

    Raises:
        WorkerError: it fails.
    """
    with Worker("tensorbp_bench.planning.catalogue:handler") as worker:
        written = worker.ask({"benchmark": name, "quick": quick, "seed": seed})
    return [Table.of(each) for each in written]


def handler() -> Handler:
    """Return what measures the benchmarks that it is asked for."""

    def answer(question: Any) -> Any:
        module = import_module(f"tensorbp_bench.planning.{question['benchmark']}")
        benchmark: Benchmark = module.tables
        return [each.to_dict() for each in benchmark(question["quick"], question["seed"])]

    return answer
