"""How much memory there is: of the machine, or of the container where that is allowed less."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

__all__ = ["USABLE", "memory_bytes", "usable_bytes"]

USABLE = 0.8
"""The part of the memory that a plan may take where no limit is given."""


def usable_bytes() -> int | None:
    """Return what a plan may take where no limit is given, None where nothing tells."""
    available = memory_bytes()
    return None if available is None else int(USABLE * available)


def memory_bytes(root: Path = Path("/")) -> int | None:
    """Return the memory of this machine or of the container, None where nothing tells.

    What is free at the moment does not count: it changes, and much of it can be had when needed.

    Args:
        root: where the system's files are.
    """
    known = [*_installed(), *_control_groups(root)]
    return min(known, default=None)


def _installed() -> Iterator[int]:
    try:
        yield os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return


def _control_groups(root: Path) -> Iterator[int]:
    """Yield the limits of the control groups of this process, and of those that they are in.

    Version 2 has one hierarchy, version 1 one for each resource; a machine may have both. Inside a
    container a group may be shown as the root, so the files that are there decide.
    """
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        lines = []
    mounted = root / "sys/fs/cgroup"
    for line in ["0::/", "0:memory:/", *lines]:
        _, controllers, group = line.split(":", 2)
        if not controllers:
            yield from _limits(mounted, group, "memory.max")
        elif "memory" in controllers.split(","):
            yield from _limits(mounted / "memory", group, "memory.limit_in_bytes")


def _limits(mounted: Path, group: str, name: str) -> Iterator[int]:
    inside = PurePosixPath(group.lstrip("/"))
    for each in (inside, *inside.parents):
        try:
            text = (mounted / each / name).read_text().strip()
        except OSError:
            continue
        if text.isdigit():
            yield int(text)
