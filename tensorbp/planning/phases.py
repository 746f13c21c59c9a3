"""Phases of planning: what a search is at, for those who wait for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

__all__ = ["announce", "announced_to"]

_listener: ContextVar[Callable[[str], None] | None] = ContextVar("listener", default=None)


def announce(phase: str) -> None:
    """Say what is done next, if anyone listens.

    Args:
        phase: what it is, as in ``"fusing products"``.
    """
    listener = _listener.get()
    if listener is not None:
        listener(phase)


@contextmanager
def announced_to(listener: Callable[[str], None]) -> Iterator[None]:
    """Let a function hear of the phases of the plans that are made meanwhile, in this thread.

    >>> import tensorbp as tb
    >>> x, y = tb.variable("x", 3), tb.variable("y", 3)
    >>> heard = []
    >>> with announced_to(heard.append):
    ...     _ = tb.plan(tb.gradient(tb.sum(tb.sin(x) * y), [x, y]))
    >>> heard[:2]
    ['ordering products', 'planning products jointly']
    """
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)
