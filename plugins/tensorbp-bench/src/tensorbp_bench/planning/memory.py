"""Predicted peaks of memory against measured ones, and what it costs to stay below a limit."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any

import tensorbp as tb
from tensorbp.errors import TensorbpError
from tensorbp_bench.checkout import in_checkout
from tensorbp_bench.tables import Cell, Table

FRACTIONS = (0.9, 0.75, 0.5)
"""Limits, as parts of the peak that a plan without one has."""

__all__ = ["tables"]


def tables(quick: bool, seed: int) -> list[Table]:
    """Return peaks and overheads for the zoo of programs that the tests of memory have."""
    del seed
    sys.path.insert(0, str(in_checkout("tests", "memory_zoo.py").parent))
    zoo = import_module("memory_zoo")
    names = ["multilayer"] if quick else list(zoo.ZOO)
    scales = {name: 5 if quick else zoo.LARGE[name] for name in names}
    return [_peaks(zoo, scales), _limits(zoo, scales)]


def _peaks(zoo: Any, scales: dict[str, int]) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for name, scale in scales.items():
        found = zoo.measured_under_limits(name, scale)
        mebibytes = (found.predicted / 2**20, found.measured / 2**20)
        rows.append((name, *mebibytes, found.predicted / found.measured))
    return Table(
        "Peak of memory: predicted by the plan, and measured",
        ("program", "predicted MiB", "measured MiB", "predicted / measured"),
        tuple(rows),
        "Measured: the inputs, and the smallest limit of the operating system on what a process "
        "allocates under which the program runs.",
    )


def _limits(zoo: Any, scales: dict[str, int]) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for name, scale in scales.items():
        outputs = zoo.ZOO[name](scale)
        free = tb.plan(outputs)
        cells: list[Cell] = []
        for fraction in FRACTIONS:
            limit = int(fraction * free.peak_bytes)
            try:
                cells.append(tb.plan(outputs, memory_limit=limit).flops / free.flops)
            except TensorbpError:
                cells.append("refused")
        rows.append((name, free.peak_bytes / 2**20, *cells))
    return Table(
        "FLOPs under a limit of memory, over those without one",
        ("program", "peak MiB", *[f"limit {fraction:.0%}" for fraction in FRACTIONS]),
        tuple(rows),
        "Limits are parts of the peak of the plan without one; refused: no plan that fits is known.",
    )
