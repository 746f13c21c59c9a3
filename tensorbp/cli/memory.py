"""How much memory there is, and refusing what does not fit before anything is allocated."""

from __future__ import annotations

import os
from pathlib import Path

from tensorbp.cli.failures import CommandError

__all__ = ["memory_bytes", "require_memory"]

_CONTAINER_LIMIT = Path("/sys/fs/cgroup/memory.max")


def memory_bytes() -> int | None:
    """Return the memory of this machine or of the container, None where nothing tells."""
    try:
        installed = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None
    try:
        limit = _CONTAINER_LIMIT.read_text().strip()
    except OSError:
        return installed
    return min(installed, int(limit)) if limit.isdigit() else installed


def require_memory(needed: int, what: str) -> None:
    """Raise `CommandError` if something takes more memory than there is.

    Args:
        needed: the bytes that it takes.
        what: what it is.
    """
    available = memory_bytes()
    if available is not None and needed > available:
        from tensorbp.report.units import byte_count

        raise CommandError(
            f"{what} needs {byte_count(needed)}, this machine has {byte_count(available)}; "
            "choose smaller dimensions with --dim, or --dtype float32"
        )
