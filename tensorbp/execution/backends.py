"""Array libraries: what a program needs of each.

A backend takes arrays in, and carries out instructions. numpy is built in; others come through the
plugin hook.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from tensorbp.errors import CompileError, suggestion
from tensorbp.registry import default_registry

__all__ = ["Backend", "Executable", "NumpyBackend", "find_backend"]


if TYPE_CHECKING:
    from tensorbp.execution.lowering import Lowered


class Executable(Protocol):
    """Instructions as a function of arrays.

    Attributes:
        source: the code that is run, to be read.
    """

    source: str

    def __call__(self, arrays: Sequence[Any]) -> list[Any]:
        """Return the results: arrays that share memory with nothing."""


class Backend(Protocol):
    """An array library.

    Attributes:
        name: how `compile` calls it.
    """

    name: str

    @property
    def as_input(self) -> Callable[[str, Any, str, str], Any]:
        """What returns an argument as an array, or raises `CompileError`.

        It is given the name, the value, the dtype of the program, and ``"real"`` or ``"integer"``.
        """

    def program(self, lowered: Lowered) -> Executable:
        """Return instructions as a function of a list of arrays."""


class NumpyBackend:
    """numpy, always there; it is imported when the first program is made."""

    name = "numpy"

    @property
    def as_input(self) -> Callable[[str, Any, str, str], Any]:
        """What returns an argument as an array."""
        from tensorbp.execution.numpy_program import as_input

        return as_input

    def program(self, lowered: Lowered) -> Executable:
        """Return instructions as a function of a list of arrays."""
        from tensorbp.execution.numpy_program import NumpyProgram

        return NumpyProgram(lowered)


def find_backend(name: str) -> Backend:
    """Return a backend by name.

    Raises:
        CompileError: no such backend is there.
    """
    backends = default_registry().backends
    if name not in backends:
        raise CompileError(f"there is no backend '{name}'{suggestion(name, backends)}")
    backend: Backend = backends[name]
    return backend
