"""Benchmarks of tensorbp: the figures of its planner, and the speed of its programs."""

from collections.abc import Callable

import tensorbp as tb


@tb.hookimpl
def tensorbp_register_commands(register: Callable[[str, str, str], None]) -> None:
    """Register ``tensorbp bench``."""
    register("bench", "tensorbp_bench.app:app", "Measure the planner, and programs beside peers.")
