"""The libraries that are timed, each as a good user of it would write the tasks.

A peer is a module with a function ``prepare(task, arrays)`` that returns a function without
arguments; that computes the task anew at each call and returns its list of arrays, when they are
all there. It raises `Unsupported` for what the library cannot do.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import tensorbp as tb

__all__ = ["PEERS", "Computation", "Peer", "Unsupported", "missing"]

Computation = Callable[[], list[Any]]


class Unsupported(Exception):  # noqa: N818
    """A task that a library cannot do, or that would not be written in it."""


@dataclass(frozen=True)
class Peer:
    """A library, or one of the backends of tensorbp.

    Attributes:
        title: what it is.
        module: where `prepare` is.
        package: the module that must be installed.
        backend: the backend of tensorbp, or nothing.
        uses_openblas: whether it computes with numpy, and with the BLAS of numpy.
    """

    title: str
    module: str
    package: str
    backend: str = ""
    uses_openblas: bool = False


def _ours(backend: str) -> Peer:
    package = {"numpy": "numpy", "torch": "torch", "jax": "jax"}[backend]
    return Peer(
        f"tensorbp on {backend}",
        "tensorbp_bench.speed.peer_tensorbp",
        package,
        backend,
        uses_openblas=backend == "numpy",
    )


OURS = "tensorbp"
"""What all others are compared with: tensorbp on numpy."""

REFERENCE = ("jax", "torch", "numpy", "autograd")
"""Whose numbers are taken to be right: those of the first that has the task."""

PEERS: dict[str, Peer] = {
    OURS: _ours("numpy"),
    "tensorbp-torch": _ours("torch"),
    "tensorbp-jax": _ours("jax"),
    "jax": Peer("JAX, jitted whole", "tensorbp_bench.speed.peer_jax", "jax"),
    "torch": Peer("PyTorch, eager", "tensorbp_bench.speed.peer_torch", "torch"),
    "autograd": Peer(
        "HIPS autograd", "tensorbp_bench.speed.peer_autograd", "autograd", uses_openblas=True
    ),
    "backpack": Peer("BackPACK on PyTorch", "tensorbp_bench.speed.peer_backpack", "backpack"),
    "numpy": Peer(
        "closed forms by hand in numpy",
        "tensorbp_bench.speed.peer_numpy",
        "numpy",
        uses_openblas=True,
    ),
}


def missing(peer: Peer) -> str:
    """Return why a peer cannot be timed here, or nothing."""
    if peer.backend and peer.backend not in tb.default_registry().backends:
        return f"tensorbp has no backend '{peer.backend}'"
    return "" if find_spec(peer.package) else f"'{peer.package}' is not installed"
