"""No cyclic garbage collection while a plan is made.

A search makes hundreds of thousands of small objects that stay: to look through them again and
again for cycles takes a quarter of its time. And it would let nodes of one candidate disappear
before the next is worked out, whose equal nodes were then numbered anew: the same question would
have plans whose steps name their operands in another order.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["no_collection"]


@contextmanager
def no_collection() -> Iterator[None]:
    """Leave cyclic garbage alone for a while; what is not in a cycle is freed as ever."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
