"""Whole runs: the measurements, where they were made, and how they are written down."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any

from tensorbp_bench.environment import environment, sentence
from tensorbp_bench.planning import measured
from tensorbp_bench.tables import Table, keep, markdown
from tensorbp_bench.workers import WorkerError

Say = Callable[[str], None]

__all__ = ["Record", "planning_record", "section", "speed_record"]


@dataclass(frozen=True)
class Record:
    """One run of a command.

    Attributes:
        name: of the command.
        options: what was asked for.
        environment: where it was measured.
        tables: the figures.
        missing: what cannot be measured here and why, by name.
        failures: what went wrong, by name.
        details: all that the tables sum up.
    """

    name: str
    options: dict[str, Any]
    environment: dict[str, Any]
    tables: list[Table] = field(default_factory=list)
    missing: dict[str, str] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    details: list[Any] = field(default_factory=list)

    def to_json(self) -> str:
        """Return everything as JSON."""
        document = {
            "schema": f"tensorbp-bench/{self.name}/1",
            "options": self.options,
            "environment": self.environment,
            "tables": [table.to_dict() for table in self.tables],
            "missing": self.missing,
            "failures": self.failures,
            "details": self.details,
        }
        return json.dumps(document, indent=1, ensure_ascii=False) + "\n"

    def to_markdown(self) -> str:
        """Return the tables as Markdown, and below them where they were measured."""
        parts = [markdown(table) for table in self.tables]
        for title, named in (("Missing", self.missing), ("Failed", self.failures)):
            if named:
                parts.append(f"{title}:")
                parts.append("\n".join(f"- {name}: {why}" for name, why in named.items()))
        return "\n\n".join([*parts, sentence(self.environment)])

    def write(self, json_file: Path | None, page: Path | None) -> None:
        """Write the JSON, and the tables to their place on a page.

        Raises:
            PageError: the page has no place for them.
            OSError: a file cannot be written.
        """
        if json_file is not None:
            json_file.write_text(self.to_json(), encoding="utf-8")
        if page is not None:
            keep(page, section(self.name), self.to_markdown())


def section(name: str) -> str:
    """Return the name of the place where the tables of a command are kept."""
    return f"tensorbp bench {name}"


def planning_record(names: Sequence[str], quick: bool, seed: int, say: Say) -> Record:
    """Measure benchmarks of the planner; one that fails does not stop the others.

    Args:
        names: which.
        quick: whether to measure small cases only.
        seed: of all random numbers.
        say: what is told how far it is.
    """
    record = Record("planning", {"only": list(names), "quick": quick, "seed": seed}, environment())
    for name in names:
        start = perf_counter()
        try:
            record.tables.extend(measured(name, quick, seed))
            say(f"{name}: {perf_counter() - start:.0f} s")
        except WorkerError as error:
            record.failures[name] = str(error)
            say(f"{name} failed: {error}")
    return record


def speed_record(
    tasks: Sequence[str], peers: Sequence[str], quick: bool, seed: int, say: Say
) -> Record:
    """Time tasks on several libraries.

    Args:
        tasks: which tasks.
        peers: which libraries; those that are not installed are named as missing.
        quick: whether to take small arrays and few repetitions.
        seed: of all random numbers.
        say: what is told how far it is.
    """
    from tensorbp_bench.speed import PEERS, TASKS, compared, missing, speed_tables

    options = {"tasks": list(tasks), "peers": list(peers), "quick": quick, "seed": seed}
    record = Record("speed", options, environment())
    record.missing.update({name: why for name in peers if (why := missing(PEERS[name]))})
    present = [name for name in peers if name not in record.missing]
    for name in tasks:
        for comparison in compared(TASKS[name], present, quick, seed):
            record.details.append(comparison.to_dict())
            say(comparison.line())
            record.failures.update(comparison.failures)
    record.tables.extend(speed_tables(record.details))
    return record
