"""Array libraries: what a program needs of each, and which of them given arrays are of.

A backend takes arrays in, and makes a function of a plan. Those that are built in and those that
others bring come through the plugin hook.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib import import_module
from typing import Any, Protocol

from tensorbp.errors import CompileError, suggestion
from tensorbp.planning import Plan
from tensorbp.registry import default_registry

__all__ = [
    "Backend",
    "Executable",
    "NumpyBackend",
    "decided",
    "find_backend",
    "optional_library",
]


class Executable(Protocol):
    """A plan as a function of arrays.

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
        packages: the top-level packages that the classes of its arrays are in.
    """

    name: str
    packages: tuple[str, ...]

    @property
    def as_input(self) -> Callable[[str, Any, str, str], Any]:
        """What returns an argument as an array, or raises `CompileError`.

        It is given the name, the value, the dtype of the program, and ``"real"`` or ``"integer"``.
        """

    def program(self, plan: Plan) -> Executable:
        """Return a plan as a function of a list of arrays.

        Raises:
            CompileError: the library is not there, or has no such type of numbers.
        """


class NumpyBackend:
    """numpy, always there; it is imported when the first program is made."""

    name = "numpy"
    packages = ("numpy",)

    @property
    def as_input(self) -> Callable[[str, Any, str, str], Any]:
        """What returns an argument as an array."""
        from tensorbp.execution.numpy.inputs import as_input

        return as_input

    def program(self, plan: Plan) -> Executable:
        """Return a plan as a function of a list of arrays.

        Raises:
            CompileError: numpy has no such type of numbers, or is too slow in it.
        """
        from tensorbp.execution.numpy.inputs import DTYPES
        from tensorbp.execution.numpy.lowering import lower
        from tensorbp.execution.numpy.program import NumpyProgram

        if plan.dtype not in DTYPES:
            raise CompileError(
                f"numpy does not compute in {plan.dtype}; give the program arrays of torch or JAX, "
                f'compile it with backend="torch" or "jax", or in one of {", ".join(DTYPES)}'
            )
        return NumpyProgram(lower(plan))


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


def decided(given: Mapping[str, Any], fixed: Backend | None) -> Backend:
    """Return the backend that given arrays are for; lists and numbers are for any.

    Args:
        given: the arrays, by name.
        fixed: the backend that was asked for. It also takes arrays of numpy.

    Raises:
        CompileError: they are of different libraries, or not of the one that was asked for.
    """
    backends: Iterable[Backend] = default_registry().backends.values()
    first: dict[str, str] = {}
    for name, value in given.items():
        found = _backend_of(type(value), backends)
        if found is not None:
            first.setdefault(found.name, name)
    if len(first) > 1:
        (one, one_name), (two, two_name) = list(first.items())[:2]
        raise CompileError(
            f"input '{one_name}' is an array of {one}, input '{two_name}' one of {two}; a program "
            "takes arrays of one library: convert one of them"
        )
    library = find_backend(next(iter(first), fixed.name if fixed else NumpyBackend.name))
    if fixed is None:
        return library
    if library.name != NumpyBackend.name and not set(library.packages) & set(fixed.packages):
        raise CompileError(
            f"input '{first[library.name]}' is an array of {library.name}, the program runs on "
            f"{fixed.name}; convert it, or compile without a backend: then the arrays decide"
        )
    return fixed


def _backend_of(kind: type, backends: Iterable[Backend]) -> Backend | None:
    """Return the first backend with arrays of a class; none for numbers, also those of numpy."""
    tops = [base.__module__.partition(".")[0] for base in kind.__mro__]
    if any(base.__name__ == "generic" and base.__module__ == "numpy" for base in kind.__mro__):
        return None
    return next((each for each in backends if set(tops) & set(each.packages)), None)


def optional_library(module: str, library: str) -> Any:
    """Return a library that need not be there.

    Raises:
        CompileError: it cannot be imported.
    """
    try:
        return import_module(module)
    except ImportError as error:
        raise CompileError(
            f'backend "{module}" needs {library}, which cannot be imported ({error}); install it '
            f'with: pip install "tensorbp[{module}]"'
        ) from error
