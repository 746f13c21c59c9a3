"""One task on all libraries: the numbers compared first, then timed in turn."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tensorbp_bench.speed.peers import PEERS, REFERENCE
from tensorbp_bench.speed.tasks import Task
from tensorbp_bench.times import Times
from tensorbp_bench.workers import Worker, WorkerError

TOLERANCES = {"float32": 1e-5, "float64": 1e-11}
"""By how much a number may differ from the reference, over the largest number of its array."""

CORE_TYPE = "OPENBLAS_CORETYPE"
AS_FOUND, UNSET = "as found", "unset"

THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
)

__all__ = ["Comparison", "Contender", "compared"]


@dataclass
class Contender:
    """A library with a core type of OpenBLAS, on one task.

    Attributes:
        peer: which of `PEERS`.
        core_type: whether the environment variable is as it was found, or unset.
        unsupported: why the library has no answer, if it has none.
        error: what went wrong, if anything did.
        deviations: from the reference, array by array; None for the reference itself.
        agrees: whether all of them are allowed.
        times: of one call.
        found: what was found out about its process.
    """

    peer: str
    core_type: str
    unsupported: str = ""
    error: str = ""
    deviations: list[float] | None = None
    agrees: bool = True
    times: Times | None = None
    found: dict[str, Any] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """Its name in messages."""
        return self.peer if self.core_type == AS_FOUND else f"{self.peer} ({CORE_TYPE} unset)"


@dataclass
class Comparison:
    """A task in one precision, on so many threads, on all libraries.

    Attributes:
        task: its name.
        title: what it is.
        dtype: the type of numbers.
        threads: how many.
        reference: whose numbers are taken to be right, or nothing.
        contenders: the libraries.
    """

    task: str
    title: str
    dtype: str
    threads: int
    reference: str
    contenders: list[Contender]

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON can write it."""
        return asdict(self)

    @property
    def failures(self) -> dict[str, str]:
        """What is wrong, by task and library."""
        where = f"{self.task}, {self.dtype}, {self.threads} threads"
        found = {f"{where}: {each.label}": each.error for each in self.contenders if each.error}
        if not self.reference:
            found[where] = "no other library has computed it, so its numbers are not checked"
        return found

    def line(self) -> str:
        """Return the medians in a line."""
        medians = [
            f"{each.label} {1e3 * each.times.median:.3g} ms"
            for each in self.contenders
            if each.times
        ]
        return f"{self.task}, {self.dtype}, {self.threads} threads: {', '.join(medians)}"


def compared(task: Task, peers: Sequence[str], quick: bool, seed: int) -> Iterator[Comparison]:
    """Yield a task's comparisons, in single and double precision, on one thread and on all.

    A quick run is on one thread only.

    Args:
        task: what is computed.
        peers: the libraries.
        quick: whether to take small arrays and few repetitions.
        seed: of the arrays.
    """
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    for threads in (1,) if quick else sorted({1, usable or 1}):
        for dtype in TOLERANCES:
            yield _compared(task, peers, quick, seed, dtype, threads)


def _compared(
    task: Task, peers: Sequence[str], quick: bool, seed: int, dtype: str, threads: int
) -> Comparison:
    contenders = [
        Contender(peer, core_type)
        for peer in peers
        for core_type in (AS_FOUND, UNSET)
        if core_type == AS_FOUND or (CORE_TYPE in os.environ and PEERS[peer].uses_openblas)
    ]
    with ExitStack() as stack:
        folder = stack.enter_context(TemporaryDirectory())
        workers: list[tuple[Contender, Worker]] = []
        for contender in contenders:
            worker = stack.enter_context(_started(contender, threads))
            question = {
                "task": task.name,
                "peer": contender.peer,
                "dtype": dtype,
                "threads": threads,
                "quick": quick,
                "seed": seed,
            }
            try:
                contender.found = worker.ask({"prepare": question})
            except WorkerError as error:
                contender.error = str(error)
                continue
            contender.unsupported = contender.found.pop("unsupported", "")
            if not contender.unsupported:
                workers.append((contender, worker))
        reference = _checked(workers, dtype, Path(folder) / "reference.npz")
        right = [each for each in workers if each[0].agrees]
        _time(right, rounds=2 if quick else 10, seconds=0.005 if quick else 0.2)
    return Comparison(task.name, task.title, dtype, threads, reference, contenders)


def _started(contender: Contender, threads: int) -> Worker:
    environment: dict[str, str | None] = dict.fromkeys(THREAD_VARIABLES, str(threads))
    if contender.core_type == UNSET:
        environment[CORE_TYPE] = None
    return Worker("tensorbp_bench.speed.worker:handler", environment)


def _checked(workers: Sequence[tuple[Contender, Worker]], dtype: str, path: Path) -> str:
    """Compare all numbers with those of the reference, and return whose they are."""
    by_name = {contender.peer: worker for contender, worker in reversed(workers)}
    reference = next((name for name in REFERENCE if name in by_name), "")
    if not reference:
        return ""
    by_name[reference].ask({"save": str(path)})
    for contender, worker in workers:
        if contender.peer == reference:
            continue
        try:
            contender.deviations = worker.ask({"compare": str(path)})
        except WorkerError as error:
            contender.error, contender.agrees = str(error), False
            continue
        deviations = contender.deviations or []
        # nan is not within the tolerance, and not the largest of anything
        contender.agrees = all(each <= TOLERANCES[dtype] for each in deviations)
        if not contender.agrees:
            largest = max(deviations, key=lambda each: (each != each, each))
            contender.error = (
                f"its numbers differ from those of {reference} by {largest:.1e}, allowed "
                f"{TOLERANCES[dtype]:.0e}; not timed"
            )
    return reference


def _time(workers: Sequence[tuple[Contender, Worker]], rounds: int, seconds: float) -> None:
    """Time all in turn, so that whatever slows the machine down slows all of them down."""
    measured: list[list[float]] = [[] for _ in workers]
    for _ in range(rounds):
        for times, (contender, worker) in zip(measured, workers, strict=True):
            try:
                times.extend(worker.ask({"time": seconds}))
            except WorkerError as error:
                contender.error = str(error)
    for times, (contender, _) in zip(measured, workers, strict=True):
        if not contender.error:
            contender.times = Times.of(times)
