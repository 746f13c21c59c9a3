"""The tables of what was timed: the time of tensorbp, and how many times as long peers take."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tensorbp_bench.speed.comparison import AS_FOUND, CORE_TYPE
from tensorbp_bench.speed.peers import OURS, PEERS
from tensorbp_bench.tables import Cell, Table

__all__ = ["speed_tables"]


def speed_tables(comparisons: Sequence[dict[str, Any]]) -> list[Table]:
    """Return a table for each number of threads and core type of OpenBLAS.

    Args:
        comparisons: as `Comparison.to_dict` writes them.
    """
    tables = []
    for threads in sorted({each["threads"] for each in comparisons}):
        core_types = [c["core_type"] for each in comparisons for c in each["contenders"]]
        for core_type in dict.fromkeys(core_types):
            chosen = [each for each in comparisons if each["threads"] == threads]
            tables.append(_table(chosen, threads, core_type))
    return tables


def _table(comparisons: Sequence[dict[str, Any]], threads: int, core_type: str) -> Table:
    peers = [
        name
        for name in PEERS
        if name != OURS and any(_times(each, name, core_type) is not None for each in comparisons)
    ]
    rows: list[tuple[Cell, ...]] = []
    for each in comparisons:
        ours = _times(each, OURS, core_type)
        first: tuple[Cell, ...] = (f"{each['title']}", each["dtype"])
        if ours is None:
            rows.append((*first, None, None, *[None] * len(peers)))
            continue
        spread = (ours["high"] - ours["low"]) / ours["median"]
        ratios = [_ratio(_times(each, name, core_type), ours) for name in peers]
        rows.append((*first, 1e3 * ours["median"], f"{spread:.0%}", *ratios))
    one = "one thread" if threads == 1 else f"{threads} threads"
    return Table(
        f"{one[0].upper()}{one[1:]}, {CORE_TYPE} {core_type}",
        ("task", "numbers", f"{OURS} ms", "spread", *[f"{name} / {OURS}" for name in peers]),
        tuple(rows),
        "Medians; a ratio above 1 says how many times as long the peer takes. The spread is from "
        "the tenth to the ninetieth percentile, over the median.",
    )


def _ratio(times: dict[str, Any] | None, ours: dict[str, Any]) -> float | None:
    """Return how many times as long a peer takes, to four digits: medians are no better."""
    return None if times is None else float(f"{times['median'] / ours['median']:.4g}")


def _times(comparison: dict[str, Any], peer: str, core_type: str) -> dict[str, Any] | None:
    """Return a peer's times; those that do not depend on OpenBLAS are the same for all types."""
    found = {c["core_type"]: c["times"] for c in comparison["contenders"] if c["peer"] == peer}
    times: dict[str, Any] | None = found.get(core_type)
    if times is None and not PEERS[peer].uses_openblas:
        times = found.get(AS_FOUND)
    return times
