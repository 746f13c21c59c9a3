"""Progress: what those see who wait, on a terminal, for something that takes long."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock, Timer
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["Display", "planning_progress", "progress"]

PATIENCE = 1.0
"""For so many seconds nothing is shown."""


class Display:
    """A line that shows how far something is, once it has taken long, until it is closed."""

    def __init__(self, what: str, console: Console) -> None:
        """Begin to wait.

        Args:
            what: what takes long, as in ``"planning"``.
            console: where the line appears.
        """
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

        self._what = what
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            redirect_stdout=False,
        )
        self._task = self._progress.add_task(what, total=None)
        self._lock = Lock()
        self._is_closed = False
        self._timer = Timer(PATIENCE, self._show)
        self._timer.daemon = True
        self._timer.start()

    def phase(self, phase: str) -> None:
        """Say what is done now."""
        self._progress.update(self._task, description=f"{self._what}: {phase}")

    def part(self, part: float) -> None:
        """Say which part of all is done, from 0 to 1."""
        self._progress.update(self._task, total=1, completed=part)

    def close(self) -> None:
        """Take the line away; if it is not there yet, it never is."""
        self._timer.cancel()
        with self._lock:
            self._is_closed = True
            self._progress.stop()

    def _show(self) -> None:
        with self._lock:
            if not self._is_closed:
                self._progress.start()


@contextmanager
def progress(what: str, is_wanted: bool = True) -> Iterator[Display | None]:
    """Show how far something is that takes more than a second, if a person may be looking.

    Standard error must be a terminal that can take a line away again. Otherwise there is nothing to
    be told, and None is given.

    Args:
        what: what takes long, as in ``"planning"``.
        is_wanted: whether it is shown at all.
    """
    if not is_wanted or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console

    console = Console(stderr=True)
    if console.is_dumb_terminal or not console.is_terminal:
        yield None
        return
    display = Display(what, console)
    try:
        yield display
    finally:
        display.close()


@contextmanager
def planning_progress(is_wanted: bool = True) -> Iterator[None]:
    """Show which phase the making of a plan is in, if it takes long and a person may be looking.

    Args:
        is_wanted: whether it is shown at all.
    """
    from tensorbp.planning.phases import announced_to

    with progress("planning", is_wanted) as display:
        if display is None:
            yield
        else:
            with announced_to(display.phase):
                yield
