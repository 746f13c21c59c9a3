"""Array libraries: what a program needs to know of each.

A backend hands out the namespace in which kernels and forward rules compute. numpy is built in;
others come through the plugin hook.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from tensorbp.errors import CompileError, suggestion
from tensorbp.registry import default_registry

__all__ = ["Backend", "NumpyBackend", "find_backend"]


class Backend(Protocol):
    """An array library.

    Attributes:
        name: how `compile` calls it.
    """

    name: str

    @property
    def namespace(self) -> Any:
        """The module with numpy's functions: the array library itself."""

    def as_input(self, name: str, value: Any, dtype: str, kind: str) -> Any:
        """Return an argument as an array of the program's dtype, or raise `CompileError`."""

    def owned(self, value: Any, operands: Sequence[Any]) -> Any:
        """Return a value that shares no memory with the operands it was made of."""

    def as_result(self, value: Any, is_shared: bool) -> Any:
        """Return a result that nothing else refers to; a shared value is copied."""


class NumpyBackend:
    """numpy, always there."""

    name = "numpy"

    @property
    def namespace(self) -> Any:
        """The module numpy."""
        import numpy

        return numpy

    def as_input(self, name: str, value: Any, dtype: str, kind: str) -> Any:
        """Return an argument as a numpy array of the program's dtype.

        Raises:
            CompileError: the argument holds no numbers, or more digits than the dtype keeps.
        """
        import numpy

        try:
            array = numpy.asarray(value)
        except ValueError as error:
            raise CompileError(f"input '{name}' is no array: {error}") from None
        if kind == "integer":
            if array.dtype.kind not in "iu":
                raise CompileError(
                    f"input '{name}' holds integers, found dtype {array.dtype}; convert it with "
                    ".astype(int)"
                )
            return array
        if array.dtype.kind not in "biufc":
            raise CompileError(f"input '{name}' must hold numbers, found dtype {array.dtype}")
        loses = array.dtype.kind in "fc" and not numpy.can_cast(array.dtype, dtype, "safe")
        # a number of Python is a float64 without dimensions, and welcome in a float32 program
        is_number = array.dtype.kind == "f" and not array.ndim
        if loses and not is_number:
            raise CompileError(
                f"input '{name}' has dtype {array.dtype}, the program computes in {dtype}; compile "
                f'it with dtype="{array.dtype}", or convert the array with .astype("{dtype}")'
            )
        return array.astype(dtype, copy=False)

    def owned(self, value: Any, operands: Sequence[Any]) -> Any:
        """Return the value, copied where it is a view of an operand or of a single number."""
        import numpy

        if not value.ndim:
            return value
        is_view = not value.flags.writeable or any(
            numpy.may_share_memory(value, each) for each in operands
        )
        return value.copy() if is_view else value

    def as_result(self, value: Any, is_shared: bool) -> Any:
        """Return an array of its own, or a numpy scalar."""
        import numpy

        array = numpy.asarray(value)
        if not array.ndim:
            return array[()]
        return array.copy() if is_shared else array


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
