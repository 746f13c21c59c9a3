"""BLAS: what is known of the one that numpy calls, where it decides how products are made best."""

from __future__ import annotations

from functools import cache
from typing import Any

from threadpoolctl import threadpool_info

__all__ = ["is_openblas_for_avx512", "threads"]

ARCHITECTURES = ("SkylakeX", "Cooperlake", "Sapphirerapids")
"""The processors, as OpenBLAS calls them, for which it has kernels in AVX-512."""


@cache
def is_openblas_for_avx512() -> bool:
    """Say whether it is OpenBLAS, with its kernels in AVX-512; it is found out once."""
    return any(each.get("architecture") in ARCHITECTURES for each in _libraries())


def threads() -> int:
    """Return how many threads a product may take now."""
    return max((each["num_threads"] for each in _libraries()), default=1)


def _libraries() -> list[dict[str, Any]]:
    return [each for each in threadpool_info() if each["internal_api"] == "openblas"]
