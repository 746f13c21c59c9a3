"""Names of parametrised tests: the same in every process, so that several may share the tests."""

from __future__ import annotations

from typing import Any

__all__ = ["named"]


def named(value: Any) -> str:
    """Return a function by its name, without the address that Python would show, others as text."""
    name = getattr(value, "__qualname__", None) or getattr(value, "__name__", None)
    return str(name if name else value)[:80]
