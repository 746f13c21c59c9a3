"""Where something was measured: without it a figure says nothing."""

from __future__ import annotations

import os
import platform
import sys
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from tensorbp_bench.workers import Handler, Worker

PACKAGES = (
    "tensorbp",
    "tensorbp-bench",
    "numpy",
    "scipy",
    "opt_einsum",
    "jax",
    "jaxlib",
    "torch",
    "autograd",
    "backpack-for-pytorch",
)
PREFIXES = ("OPENBLAS_", "OMP_", "MKL_", "XLA_", "JAX_", "NUMEXPR_", "TENSORBP_")

__all__ = ["blas", "environment", "handler", "sentence"]


def environment() -> dict[str, Any]:
    """Return what is known of this machine, asked in a process of its own."""
    with Worker("tensorbp_bench.environment:handler") as worker:
        found: dict[str, Any] = worker.ask(None)
    return found


def handler() -> Handler:
    """Return what describes the machine, in a process that may load numpy."""
    return lambda question: _described()


def _described() -> dict[str, Any]:
    import psutil

    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "cpu": _cpu(),
        "cores": {
            "physical": psutil.cpu_count(logical=False),
            "logical": psutil.cpu_count(),
            "usable": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None,
        },
        "memory_bytes": psutil.virtual_memory().total,
        "load": list(os.getloadavg()) if hasattr(os, "getloadavg") else None,
        "system": platform.platform(),
        "python": sys.version.split()[0],
        "packages": {name: version for name in PACKAGES if (version := _version(name))},
        "variables": {k: v for k, v in sorted(os.environ.items()) if k.startswith(PREFIXES)},
        "blas": blas(),
    }


def blas() -> list[dict[str, Any]]:
    """Return the libraries of linear algebra that numpy has loaded here, and their threads."""
    import numpy  # noqa: F401
    from threadpoolctl import threadpool_info

    wanted = ("internal_api", "version", "architecture", "num_threads", "threading_layer")
    return [{key: pool[key] for key in wanted if key in pool} for pool in threadpool_info()]


def sentence(found: dict[str, Any]) -> str:
    """Return an environment in a few lines of Markdown."""
    cores = found["cores"]
    blas_names = [
        f"{pool['internal_api']} {pool.get('version', '')} ({pool.get('architecture', '?')})"
        for pool in found["blas"]
        if pool["internal_api"] != "openmp"
    ]
    packages = [f"{name} {version}" for name, version in found["packages"].items()]
    variables = [f"`{name}={value}`" for name, value in found["variables"].items()]
    load = f"load {found['load'][0]:.2f}" if found["load"] else "load unknown"
    return "\n".join(
        [
            f"Measured {found['date'][:10]} on {found['cpu']}, {cores['physical']} cores "
            f"({cores['usable'] or cores['logical']} usable threads), "
            f"{found['memory_bytes'] / 2**30:.0f} GiB, {load};",
            f"Python {found['python']}, {', '.join(packages)};",
            f"BLAS: {', '.join(blas_names) or 'none found'};",
            f"variables: {', '.join(variables) or 'none'}.",
        ]
    )


def _cpu() -> str:
    information = Path("/proc/cpuinfo")
    if information.exists():
        for line in information.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
