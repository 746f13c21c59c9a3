"""The built-in backends, registered through the same hook as any other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tensorbp.execution.backends import NumpyBackend
from tensorbp.execution.jax.backend import JaxBackend
from tensorbp.execution.torch.backend import TorchBackend
from tensorbp.registry.hookspecs import hookimpl


@hookimpl
def tensorbp_register_backends(register: Callable[[str, Any], None]) -> None:
    """Register numpy, and torch and JAX, which are imported when they are needed."""
    for backend in (
        NumpyBackend(),
        TorchBackend("torch", is_compiled=False),
        TorchBackend("torch-compile", is_compiled=True),
        JaxBackend(),
    ):
        register(backend.name, backend)
