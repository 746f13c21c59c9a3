"""JAX: plans as functions of arrays, each compiled as a whole."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

from tensorbp.errors import CompileError
from tensorbp.execution.backends import optional_library
from tensorbp.execution.functional.inputs import check_dtype, from_numpy
from tensorbp.execution.functional.program import functional_program, source_of
from tensorbp.execution.jax.namespace import JaxNamespace
from tensorbp.planning import Plan

__all__ = ["JaxBackend", "JaxProgram"]

Array = Any


class JaxBackend:
    """JAX; imported when it is needed.

    Attributes:
        name: ``"jax"``.
        packages: where the classes of its arrays are.
    """

    name = "jax"
    packages = ("jax", "jaxlib")

    @property
    def as_input(self) -> Callable[[str, Any, str, str], Array]:
        """What returns an argument as an array of JAX."""
        return _as_input

    def program(self, plan: Plan) -> JaxProgram:
        """Return a plan as a function of a list of arrays."""
        return JaxProgram(plan)


class JaxProgram:
    """A plan as a function of arrays that is compiled when it is called for the first time.

    Inside of ``jax.jit`` it becomes part of what is compiled.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._dtype = plan.dtype
        self._jax = _jax()
        self._check_width()
        run, _ = functional_program(plan, JaxNamespace(self._jax))

        def compiled(*arrays: Array) -> list[Array]:
            given = {id(each) for each in arrays}
            copy = self._jax.numpy.copy
            return [copy(each) if id(each) in given else each for each in run(*arrays)]

        self._run = self._jax.jit(compiled)

    @cached_property
    def source(self) -> str:
        """The code that JAX traces."""
        return source_of(self._plan)

    def __call__(self, arrays: Sequence[Array]) -> list[Array]:
        """Return the results.

        Raises:
            CompileError: JAX is not set to compute with as many digits.
        """
        self._check_width()
        results: list[Array] = self._run(*arrays)
        return results

    def _check_width(self) -> None:
        if self._dtype in ("float64", "complex128") and not self._jax.config.jax_enable_x64:
            raise CompileError(
                f"the program computes in {self._dtype}, which JAX does only after "
                'jax.config.update("jax_enable_x64", True), or with JAX_ENABLE_X64=1 in the '
                "environment; do that first, or compute in float32"
            )


def _as_input(name: str, value: Any, dtype: str, kind: str) -> Array:
    """Return an array of JAX as it is, and what is none as one.

    Raises:
        CompileError: it holds another type of numbers.
    """
    jax = _jax()
    if isinstance(value, jax.Array):
        check_dtype(name, str(value.dtype), dtype, kind, f'{name}.astype("{{}}")')
        return value
    array = from_numpy(name, value, dtype, kind)
    return jax.numpy.array(array, None if kind == "integer" else dtype)


def _jax() -> Any:
    return optional_library("jax", "JAX")
