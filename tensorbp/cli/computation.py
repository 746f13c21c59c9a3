"""Computing a value or derivative: planning, running, summing up and saving what came out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import sqrt
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tensorbp.cli.memory import require_memory
from tensorbp.cli.options import Derivative
from tensorbp.cli.output import unwritable
from tensorbp.cli.query import Query
from tensorbp.execution import StructuredMap, compile
from tensorbp.execution.profile import Profile
from tensorbp.model import Model, storage
from tensorbp.planning import Plan
from tensorbp.report.run_text import FoundGradient, FoundMap, FoundValue, RunResult

Arrays = dict[str, NDArray[Any]]

__all__ = ["Computation"]


class Computation:
    """A derivative with the program that computes it, and the values that came out."""

    def __init__(self, query: Query, plan: Callable[[], Plan], backend: str) -> None:
        """Plan a derivative.

        Args:
            query: which one.
            plan: makes the plan, or finds it.
            backend: the name of the array library that carries it out.
        """
        self.query = query
        start = perf_counter()
        self.program = compile(plan(), backend=backend)
        self.planning_seconds = perf_counter() - start
        self.values: list[Any] = []
        self.seconds = 0.0
        self.profile: Profile | None = None

    def run(self, arrays: Mapping[str, Any], report: Callable[[float], None] | None = None) -> None:
        """Compute the values, and measure how long that takes.

        What takes less than a second is done a second time: the first includes loading libraries.

        Args:
            arrays: inputs and parameters, by name; those that the program does not read are left.
            report: is told which part of the work is done, where the library allows it.

        Raises:
            CompileError: an array is missing, or of the wrong shape or kind.
        """
        given = self._read(arrays)
        program = self.program if report is None else self.program.reporting(report)
        for _ in range(2):
            start = perf_counter()
            self.values = [_in_numpy(each) for each in program(given)]
            self.seconds = perf_counter() - start
            if self.seconds >= 1:
                return

    def run_profiled(self, arrays: Mapping[str, Any]) -> None:
        """Compute the values, and measure how long each step takes.

        Args:
            arrays: inputs and parameters, by name; those that the program does not read are left.

        Raises:
            CompileError: an array is missing, or of the wrong shape or kind, or the program does
                not run on numpy.
        """
        self.profile = self.program.profile(self._read(arrays))
        self.values, self.seconds = self.profile.values, self.profile.seconds

    def _read(self, arrays: Mapping[str, Any]) -> Arrays:
        return {name: array for name, array in arrays.items() if name in self.program.names}

    def result(self, model: Model) -> RunResult:
        """Return what came out, summed up."""
        query = self.query
        return RunResult(
            model.name,
            query.of.value,
            model.dims,
            _found(query, self.values),
            self.program.plan.flops,
            self.planning_seconds,
            self.seconds,
        )

    def save(self, output: str) -> None:
        """Write the values to an ``.npz`` file; maps are written out, block by block.

        Raises:
            CommandError: the file cannot be written, or the written-out map is too large.
        """
        if self.query.of in (Derivative.VALUE, Derivative.GRADIENT):
            arrays = _gradients(self.query, self.values)
        else:
            arrays = _blocks(self.query, self.values[0])
        with unwritable(output):
            storage.save(output, arrays)


def _in_numpy(value: Any) -> Any:
    """Return an array of any library as one of numpy, once it is there; maps stay what they are."""
    return value if isinstance(value, StructuredMap) else np.asarray(value)


def _found(query: Query, values: list[Any]) -> FoundValue | FoundGradient | FoundMap:
    if query.of is Derivative.VALUE:
        return _found_value(query, np.asarray(values[0]))
    if query.of is Derivative.GRADIENT:
        return _found_gradient(query, values)
    return _found_map(query, values[0])


def _found_value(query: Query, value: NDArray[Any]) -> FoundValue:
    return FoundValue(
        at=query.at,
        value=None if value.shape else float(value),
        shape=value.shape,
        norm=sqrt(float(np.vdot(value, value))),
    )


def _found_gradient(query: Query, values: list[Any]) -> FoundGradient:
    value, *gradients = values
    return FoundGradient(
        at=query.at,
        value=float(value),
        gradient_norm=sqrt(sum(float(np.vdot(each, each)) for each in gradients)),
        gradient_size=sum(int(np.size(each)) for each in gradients),
    )


def _found_map(query: Query, found: StructuredMap) -> FoundMap:
    return FoundMap(
        at=query.at,
        numbers=found.size,
        dense_numbers=found.output.size * found.input.size,
        bytes=found.nbytes,
    )


def _gradients(query: Query, values: list[Any]) -> Arrays:
    """Return the value and ``gradient/SOURCE`` for each source."""
    names = [query.at, *(f"gradient/{name}" for name in query.sources)]
    return {name: np.asarray(each) for name, each in zip(names, values, strict=True)}


def _blocks(query: Query, found: StructuredMap) -> Arrays:
    """Return ``jacobian/SOURCE`` for each source, or ``hessian/SOURCE/SOURCE`` for each pair."""
    sources = list(query.sources)
    item_bytes = 8
    require_memory(
        found.output.size * found.input.size * item_bytes, f"the {query.of}, written out,"
    )
    rows = sources if query.of is Derivative.HESSIAN else [""]
    return {
        "/".join(part for part in (query.of.value, row, column) if part): np.asarray(
            found.block(i, j).to_dense()
        )
        for i, row in enumerate(rows)
        for j, column in enumerate(sources)
    }
