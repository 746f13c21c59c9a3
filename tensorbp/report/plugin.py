"""The built-in renderers, registered through the same hook as any other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tensorbp.planning import Plan
from tensorbp.registry.hookspecs import hookimpl


@hookimpl
def tensorbp_register_renderers(register: Callable[[str, Any], None]) -> None:
    """Register JSON."""
    register("json", Plan.to_json)
