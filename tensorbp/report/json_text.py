"""Writing JSON that every reader accepts."""

from __future__ import annotations

import json
from math import isfinite
from typing import Any

__all__ = ["json_text"]


def json_text(document: Any) -> str:
    """Return a document as JSON; numbers that are not finite, and unknown things, become text.

    >>> print(json_text({"loss": float("nan"), "flops": 10**20}))
    {
      "loss": "nan",
      "flops": 100000000000000000000
    }
    """
    return json.dumps(_writable(document), indent=2, allow_nan=False, default=str)


def _writable(value: Any) -> Any:
    if isinstance(value, float) and not isfinite(value):
        return str(value)
    if isinstance(value, dict):
        return {str(key): _writable(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_writable(each) for each in value]
    return value
