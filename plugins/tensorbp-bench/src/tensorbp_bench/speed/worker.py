"""One task on one library, in a process of its own: its numbers, then its times."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

from tensorbp_bench.environment import blas
from tensorbp_bench.speed.peers import PEERS, Computation, Unsupported
from tensorbp_bench.speed.tasks import TASKS
from tensorbp_bench.workers import Handler

SHORTEST = 2e-3
"""Seconds that one reading of the clock spans, at least; short calls are timed several at once."""

__all__ = ["handler"]


def handler() -> Handler:
    """Return what prepares a task when first asked, and then answers questions about it."""
    return _Timed().answer


class _Timed:
    def __init__(self) -> None:
        self.run: Computation = list
        self.clock: Callable[[], float] = perf_counter
        self.calls = 1

    def answer(self, question: Any) -> Any:
        """Answer ``{"prepare": ...}``, ``{"save": path}``, ``{"compare": path}``, ``{"time": s}``.

        Preparing returns what was found out about the process; comparing the largest deviation of
        each array; timing the seconds of one call, several times.
        """
        ((kind, argument),) = question.items()
        return getattr(self, kind)(argument)

    def prepare(self, argument: Any) -> Any:
        if argument["threads"] == 1:
            if hasattr(os, "sched_setaffinity"):
                os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
            # of one thread it matters how long it computed, not how long it waited for its turn
            self.clock = process_time
        task = TASKS[argument["task"]]
        task = task.quick() if argument["quick"] else task
        peer = PEERS[argument["peer"]]
        arrays = task.arrays(argument["dtype"], argument["seed"])
        start = perf_counter()
        module = import_module(peer.module)
        try:
            self.run = module.prepare(task, arrays, *([peer.backend] if peer.backend else []))
        except Unsupported as error:
            return {"unsupported": str(error)}
        self.run()
        found = {"seconds_to_prepare": perf_counter() - start, "blas": blas()}
        self.calls = self._calls()
        return found

    def _calls(self) -> int:
        """Return how many calls take the shortest time that is measured."""
        calls = 1
        while True:
            start = perf_counter()
            for _ in range(calls):
                self.run()
            if perf_counter() - start >= SHORTEST:
                return calls
            calls *= 2

    def save(self, path: str) -> None:
        """Write the results to a file."""
        import numpy as np

        np.savez(path, *self._results())

    def compare(self, path: str) -> list[float]:
        """Return for each array the largest deviation, over the largest number in it."""
        import numpy as np

        found = self._results()
        with np.load(Path(path)) as saved:
            expected = [saved[name] for name in saved.files]
        if [each.shape for each in found] != [each.shape for each in expected]:
            raise ValueError(
                f"shapes {[each.shape for each in found]} instead of "
                f"{[each.shape for each in expected]}"
            )
        return [
            float(np.max(np.abs(a - b), initial=0) / max(np.max(np.abs(b), initial=0), 1e-30))
            for a, b in zip(found, expected, strict=True)
        ]

    def _results(self) -> list[Any]:
        import numpy as np

        return [np.asarray(each) for each in self.run()]

    def time(self, seconds: float) -> list[float]:
        """Return the seconds of a call, again and again until so many have passed."""
        found: list[float] = []
        gc.collect()
        gc.disable()
        try:
            end = perf_counter() + seconds
            while not found or perf_counter() < end:
                start = self.clock()
                for _ in range(self.calls):
                    self.run()
                found.append((self.clock() - start) / self.calls)
        finally:
            gc.enable()
        return found
