"""Scalar graphs: the multiplications of elimination orders."""

from __future__ import annotations

import json
import subprocess
import sys
from time import perf_counter

from tensorbp_bench.checkout import in_checkout
from tensorbp_bench.tables import Cell, Table
from tensorbp_bench.workers import WorkerError

LEARNT = {"RoeFlux_1d": 320, "RobotArm_6DOF": 231}
"""Multiplications of the orders that AlphaGrad found: Lohoff and Neftci, NeurIPS 2024."""

__all__ = ["tables"]


def tables(quick: bool, seed: int) -> list[Table]:
    """Return what ``tensorbp eliminate`` finds for the graphs of the documentation."""
    path = in_checkout("docs", "examples", "elimination-graphs.json")
    graphs = json.loads(path.read_text(encoding="utf-8"))
    rows: list[tuple[Cell, ...]] = []
    for name, graph in graphs.items():
        if isinstance(graph, str):
            continue
        start = perf_counter()
        found = _eliminated({name: graph}, seed, 1 if quick else 60)
        seconds = perf_counter() - start
        plain = (found["forward"], found["reverse"], found["markowitz"])
        rows.append((name, *plain, LEARNT.get(name), found["best"], seconds))
    return [
        Table(
            "Multiplications to eliminate all inner vertices of a scalar graph",
            ("graph", "forward", "reverse", "Markowitz", "AlphaGrad", "tensorbp", "seconds"),
            tuple(rows),
            "AlphaGrad: the order that reinforcement learning found, Lohoff and Neftci, NeurIPS "
            "2024. Seconds are of the whole command.",
        )
    ]


def _eliminated(graphs: dict[str, object], seed: int, seconds: float) -> dict[str, int]:
    command = [sys.executable, "-m", "tensorbp", "eliminate", "-", "--json"]
    done = subprocess.run(
        [*command, "--seed", str(seed), "--time", str(seconds)],
        input=json.dumps(graphs),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise WorkerError(f"'tensorbp eliminate' failed: {done.stderr.strip()}")
    (found,) = json.loads(done.stdout)
    result: dict[str, int] = found
    return result
