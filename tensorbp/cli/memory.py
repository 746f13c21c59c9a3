"""Refusing what does not fit into memory before anything is allocated."""

from __future__ import annotations

from tensorbp.cli.failures import CommandError
from tensorbp.planning.memory.machine import memory_bytes

__all__ = ["require_memory"]


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
