"""Programs: a plan lowered onto an array library, ready to be called."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import copy
from functools import lru_cache, partial
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from tensorbp.algebra import LinearMap
from tensorbp.errors import CompileError, suggestion
from tensorbp.execution.backends import (
    Backend,
    Executable,
    NumpyBackend,
    decided,
    find_backend,
)
from tensorbp.execution.structured_map import HeldSelection, StructuredMap
from tensorbp.expression import Expression, MapExpression
from tensorbp.expression.graph import variables
from tensorbp.planning import (
    MapOutput,
    Outputs,
    Plan,
    PlannedInput,
    PlannedSelection,
    PlannedValue,
)
from tensorbp.planning import plan as make_plan
from tensorbp.planning.memory.amounts import check_peak
from tensorbp.planning.plan import PlainOrder
from tensorbp.planning.planner import flattened

if TYPE_CHECKING:
    from tensorbp.execution.profile import Profile

__all__ = ["Program", "compile"]


class _Lowered(NamedTuple):
    """A plan on an array library: what runs it, what takes arrays in, and the backend's name."""

    run: Executable
    take: Callable[[Mapping[str, Any]], list[Any]]
    backend: str


class Program:
    """A function from named arrays to values, made by `tensorbp.compile`.

    Attributes:
        plan: the plan that it carries out.
        dtype: the type of numbers that it computes with.
        backend: the name of the array library; None where the arrays that are given decide.
    """

    def __init__(
        self,
        plan: Plan,
        dtype: str,
        backend: Backend | None,
        groups: Sequence[int | None] = (),
        unread: Sequence[str] = (),
    ) -> None:
        self.plan = plan
        self.dtype = dtype
        self.backend = None if backend is None else backend.name
        self._backend = backend
        self._unread = frozenset(unread)
        self._groups = groups or [None] * len(plan.outputs)
        self._inputs = {each.name: each for each in plan.inputs}
        if len(self._inputs) < len(plan.inputs):
            names = [each.name for each in plan.inputs]
            twice = sorted({name for name in names if names.count(name) > 1})
            raise CompileError(
                f"several variables of different shape or kind are named '{twice[0]}'; a program "
                "takes its arrays by name, give each variable its own"
            )
        self._lowered: dict[str, _Lowered] = {}
        self._by_types: dict[tuple[type, ...], _Lowered] = {}
        if backend is not None:
            self._on(backend)
        self._has_only_arrays = all(each is None for each in self._groups) and not any(
            isinstance(each, MapOutput) for each in plan.outputs
        )

    @property
    def source(self) -> str:
        """The code that is run, on numpy where the arrays decide."""
        return self._on(self._backend or find_backend("numpy")).run.source

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the inputs."""
        return tuple(self._inputs)

    def __call__(self, arrays: Mapping[str, Any] | None = None, /, **named: Any) -> list[Any]:
        """Compute the outputs, in the order in which they were asked for.

        Args:
            arrays: the inputs by name; needed where a name is no Python identifier.
            **named: the inputs by name.

        Returns:
            For each output an array, a numpy scalar where it has no dimensions and the library is
            numpy, a `StructuredMap`, or a list of these. Results are arrays of the library and on
            the device of the inputs, and share memory neither with these nor with each other.

        Raises:
            CompileError: an input is missing, unknown, of the wrong shape or dtype, or of another
                library than another one.
        """
        given = {**arrays, **named} if arrays else named
        types = tuple(map(type, given.values()))
        run, take, backend = self._by_types.get(types) or self._decided(types, given)
        return self._grouped(run(take(given)), backend)

    def profile(self, arrays: Mapping[str, Any] | None = None, /, **named: Any) -> Profile:
        """Compute the outputs in numpy, and return how long each step takes.

        The program is called twice or more often, until half a second has passed, then again with
        a clock between its instructions; the least time of each counts.

        Args:
            arrays: the inputs by name.
            **named: the inputs by name.

        Raises:
            CompileError: an input is wrong, or the library is another one than numpy.
        """
        from tensorbp.execution.numpy.program import NumpyProgram
        from tensorbp.execution.profile import profiled

        given = {**arrays, **named} if arrays else named
        backend = decided(given, self._backend)
        if backend.name != "numpy":
            raise CompileError(
                f"programs are profiled on numpy, this one runs on {backend.name}; give it arrays "
                f"of numpy and compile it without a backend, or use the profiler of {backend.name}"
            )
        plain = self._on(backend).run
        assert isinstance(plain, NumpyProgram), "the backend of this name is built in"
        return profiled(self.plan, plain, lambda run: self._with(run)(given))

    def reporting(self, report: Callable[[float], None]) -> Program:
        """Return the same program, which says on numpy how far it is; elsewhere it says nothing.

        Args:
            report: is given the part of the work that is done, from 0 to 1, at most a hundred times
                a call.
        """
        if self.backend not in (None, "numpy"):
            return self
        from tensorbp.execution.numpy.observed import reporting

        return self._with(reporting(self.plan, report))

    def _with(self, run: Executable) -> Program:
        """Return the same program with another way to run it in numpy."""
        numpy = find_backend("numpy")
        program = copy(self)
        program._lowered = {numpy.name: _Lowered(run, self._taking(numpy), numpy.name)}
        program._by_types = {}
        return program

    def _decided(self, types: tuple[type, ...], given: Mapping[str, Any]) -> _Lowered:
        """Return the plan lowered for the library that has arrays of these types."""
        lowered = self._on(decided(given, self._backend))
        if lowered.backend == NumpyBackend.name:
            from tensorbp.execution.numpy.inputs import taking_at_once

            at_once = taking_at_once(types, self.plan.inputs, self.dtype, lowered.take)
            lowered = lowered._replace(take=at_once)
        self._by_types[types] = lowered
        return lowered

    def _on(self, backend: Backend) -> _Lowered:
        """Return the plan lowered for a library, which is done once."""
        name = backend.name
        if name not in self._lowered:
            run = backend.program(self.plan)
            self._lowered[name] = _Lowered(run, self._taking(backend), name)
        return self._lowered[name]

    def _taking(self, backend: Backend) -> Callable[[Mapping[str, Any]], list[Any]]:
        """Return what takes named arguments in, as arrays of a library in the order of inputs."""
        as_input = backend.as_input

        def take(given: Mapping[str, Any]) -> list[Any]:
            if len(given) != len(self._inputs) or not given.keys() >= self._inputs.keys():
                self._check_names(given)
            values = []
            for each in self.plan.inputs:
                array = as_input(each.name, given[each.name], self.dtype, each.kind)
                if array.shape != each.shape:
                    _refuse_shape(each, array)
                values.append(array)
            return values

        return take

    def _check_names(self, given: Mapping[str, Any]) -> None:
        for name in given:
            if name not in self._inputs and name not in self._unread:
                raise CompileError(
                    f"the program takes no input '{name}'{suggestion(name, self._inputs)}"
                )
        missing = [name for name in self._inputs if name not in given]
        if missing:
            raise CompileError(
                f"the program needs its input '{missing[0]}' of shape "
                f"{self._inputs[missing[0]].shape}"
                + (f" (and {', '.join(missing[1:])})" if missing[1:] else "")
            )

    def _grouped(self, values: list[Any], backend: str) -> list[Any]:
        """Return the outputs in the lists in which they were asked for."""
        if self._has_only_arrays:
            return values
        arrays = iter(values)
        results = iter(
            [
                next(arrays) if isinstance(each, int) else self._map(each, arrays, backend)
                for each in self.plan.outputs
            ]
        )
        return [
            next(results) if length is None else list(islice(results, length))
            for length in self._groups
        ]

    def _map(self, output: MapOutput, arrays: Iterator[Any], backend: str) -> StructuredMap:
        planned: LinearMap[PlannedValue | PlannedSelection] = LinearMap(
            output.output, output.input, output.blocks
        )
        own = {number: next(arrays) for number in dict.fromkeys(output.numbers)}

        def held(value: PlannedValue | PlannedSelection) -> Any:
            if isinstance(value, PlannedValue):
                return own[value.number]
            return HeldSelection(value.selection, tuple([own[k] for k in value.operands]))

        held_map: LinearMap[Any] = planned.with_values(held)
        return StructuredMap(held_map, partial(_compute, self.dtype, backend))


def _refuse_shape(planned: PlannedInput, array: Any) -> None:
    """Raise `CompileError` for an array of the wrong shape."""
    if tuple(array.shape) != planned.shape:
        raise CompileError(
            f"input '{planned.name}' must have shape {planned.shape}, found {tuple(array.shape)}"
        )


def _compute(
    dtype: str, backend: str, outputs: tuple[Expression, ...], arrays: Mapping[str, Any]
) -> list[Any]:
    """Compute what is asked of a structured map; the same question is planned once."""
    program = _compiled(outputs, dtype, backend)
    return program({name: array for name, array in arrays.items() if name in program.names})


@lru_cache(maxsize=256)
def _compiled(outputs: tuple[Expression, ...], dtype: str, backend: str) -> Program:
    return compile(list(outputs), dtype, backend)


def compile(
    outputs: Outputs | Plan,
    dtype: str | None = None,
    backend: str | None = None,
    order: PlainOrder | None = None,
    memory_limit: int | str | None = None,
) -> Program:
    """Return a program that computes all the outputs together, each shared value once.

    >>> import numpy as np, tensorbp as tb
    >>> x, W = tb.variable("x", 3), tb.variable("W", 2, 3)
    >>> f = tb.compile([tb.sum(tb.sin(W @ x)), tb.jacobian(W @ x, x)])
    >>> value, J = f(x=np.ones(3), W=np.zeros((2, 3)))
    >>> float(value), J.to_dense().shape
    (0.0, (2, 3))

    Args:
        outputs: expressions and linear maps, or one of them; a list among them comes back as one.
            Or a plan, made before or read from a file: nothing is searched then.
        dtype: ``"float32"`` or ``"float64"``, on torch and JAX also ``"float16"`` or
            ``"bfloat16"``; by default that of the plan, else float64.
        backend: the array library: ``"numpy"``, ``"torch"``, ``"torch-compile"`` or ``"jax"``. By
            default the arrays that are given decide: the plan is lowered for a library when its
            arrays are given for the first time.
        order: ``"reverse"`` or ``"forward"`` for the plain order instead of a search.
        memory_limit: the bytes that the program may need at one time, as for `tensorbp.plan`.

    Raises:
        CompileError: nothing to compute, an unknown dtype or backend, a library that is not
            installed, two variables of one name, a plan that is for another dtype or has another
            order.
        MemoryLimitError: no plan was found to keep the limit, or the plan does not.
    """
    library = None if backend is None else find_backend(backend)
    if isinstance(outputs, Plan):
        if dtype not in (None, outputs.dtype) or order not in (None, outputs.order):
            raise CompileError(
                f"the plan is for {outputs.dtype} in {outputs.order} order; leave out dtype and "
                "order, or plan again"
            )
        if memory_limit is not None:
            check_peak(outputs.peak_bytes, memory_limit)
        return Program(outputs, outputs.dtype, library)
    dtype = dtype or "float64"
    plan = make_plan(outputs, dtype, order=order, memory_limit=memory_limit)
    return Program(plan, dtype, library, _groups(outputs), _names(outputs))


def _names(outputs: Outputs) -> list[str]:
    """Return the names of all variables; some may drop out, and may be given all the same."""
    roots: list[Expression] = []
    for each in flattened(outputs):
        roots += each.dependencies if isinstance(each, MapExpression) else [each]
    return [each.name for each in variables(roots)]


def _groups(outputs: Outputs) -> list[int | None]:
    """Return, for each output, the length of the list that it is, or None for a single one."""
    if isinstance(outputs, Expression | MapExpression):
        return [None]
    return [len(each) if isinstance(each, list | tuple) else None for each in outputs]
