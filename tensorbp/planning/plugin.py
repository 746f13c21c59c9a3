"""The built-in order finders, registered through the same hook as any other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tensorbp.planning.finders import BUILT_IN_FINDERS
from tensorbp.registry.hookspecs import hookimpl


@hookimpl
def tensorbp_register_path_finders(register: Callable[[str, Any], None]) -> None:
    """Register the programmes over subsets, chains and intervals, and the greedy finders."""
    for name, finder in BUILT_IN_FINDERS.items():
        register(name, finder)
