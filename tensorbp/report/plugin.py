"""The built-in renderers, registered through the same hook as any other.

A renderer is a function that takes a plan and returns a text.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tensorbp.planning import Plan
from tensorbp.registry.hookspecs import hookimpl

__all__ = ["Renderer", "tensorbp_register_renderers"]

Renderer = Callable[[Plan], str]


def text(plan: Plan) -> str:
    """Return a plan as tables; what draws them is loaded when it is needed."""
    from tensorbp.report.plan_text import plan_text

    return plan_text(plan)


@hookimpl
def tensorbp_register_renderers(register: Callable[[str, Any], None]) -> None:
    """Register tables and JSON."""
    register("text", text)
    register("json", Plan.to_json)
