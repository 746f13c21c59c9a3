"""The built-in backends, registered through the same hook as any other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tensorbp.execution.backends import NumpyBackend
from tensorbp.registry.hookspecs import hookimpl


@hookimpl
def tensorbp_register_backends(register: Callable[[str, Any], None]) -> None:
    """Register numpy."""
    register(NumpyBackend.name, NumpyBackend())
