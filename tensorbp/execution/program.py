"""Programs: a plan lowered onto an array library, ready to be called."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache, partial
from itertools import islice
from typing import Any

from tensorbp.algebra import LinearMap
from tensorbp.errors import CompileError, suggestion
from tensorbp.execution.backends import Backend, find_backend
from tensorbp.execution.kernels import Kernel, kernel
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
    Step,
)
from tensorbp.planning import plan as make_plan
from tensorbp.planning.memory.amounts import check_peak
from tensorbp.planning.plan import PlainOrder
from tensorbp.planning.planner import flattened

__all__ = ["Program", "compile"]


class Program:
    """A function from named arrays to values, made by `tensorbp.compile`.

    Attributes:
        plan: the plan that it carries out.
        dtype: the type of numbers that it computes with.
        backend: the name of the array library.
    """

    def __init__(
        self,
        plan: Plan,
        dtype: str,
        backend: Backend,
        groups: Sequence[int | None] = (),
        unread: Sequence[str] = (),
    ) -> None:
        self.plan = plan
        self.dtype = dtype
        self.backend = backend.name
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
        results = {number for each in plan.outputs for number in _numbers(each)}
        self._steps = [
            (step, self._kernel(step, step.result in results), dead)
            for step, dead in zip(plan.steps, _dead_after(plan), strict=True)
        ]

    def _kernel(self, step: Step, is_result: bool) -> Kernel:
        """Return what carries out a step; a result gets memory of its own."""
        run = kernel(step.operator, self._backend.namespace, self.dtype)
        if not is_result:
            return run
        owned = self._backend.owned
        return lambda *operands: owned(run(*operands), operands)

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
            For each output an array, a numpy scalar where it has no dimensions, a
            `StructuredMap`, or a list of these. Results share memory neither with the inputs nor
            with each other.

        Raises:
            CompileError: an input is missing, unknown, or of the wrong shape or dtype.
        """
        values = self._checked({**(arrays or {}), **named})
        given = {id(value) for value in values.values()}
        for step, run, dead in self._steps:
            values[step.result] = run(*[values[number] for number in step.operands])
            for number in dead:
                del values[number]
        return self._results(values, given)

    def _checked(self, arrays: Mapping[str, Any]) -> dict[int, Any]:
        for name in arrays:
            if name not in self._inputs and name not in self._unread:
                raise CompileError(
                    f"the program takes no input '{name}'{suggestion(name, self._inputs)}"
                )
        missing = [name for name in self._inputs if name not in arrays]
        if missing:
            raise CompileError(
                f"the program needs its input '{missing[0]}' of shape "
                f"{self._inputs[missing[0]].shape}"
                + (f" (and {', '.join(missing[1:])})" if missing[1:] else "")
            )
        return {each.value: self._input(each, arrays[each.name]) for each in self.plan.inputs}

    def _input(self, planned: PlannedInput, value: Any) -> Any:
        array = self._backend.as_input(planned.name, value, self.dtype, planned.kind)
        if tuple(array.shape) != planned.shape:
            raise CompileError(
                f"input '{planned.name}' must have shape {planned.shape}, found "
                f"{tuple(array.shape)}"
            )
        return array

    def _results(self, values: Mapping[int, Any], given: set[int]) -> list[Any]:
        taken = set(given)

        def result(number: int) -> Any:
            value = values[number]
            is_shared = id(value) in taken
            taken.add(id(value))
            return self._backend.as_result(value, is_shared)

        results = iter(
            [
                result(each) if isinstance(each, int) else self._map(each, result)
                for each in self.plan.outputs
            ]
        )
        return [
            next(results) if length is None else list(islice(results, length))
            for length in self._groups
        ]

    def _map(self, output: MapOutput, result: Any) -> StructuredMap:
        planned: LinearMap[PlannedValue | PlannedSelection] = LinearMap(
            output.output, output.input, output.blocks
        )
        own = {number: result(number) for number in dict.fromkeys(output.numbers)}

        def held(value: PlannedValue | PlannedSelection) -> Any:
            if isinstance(value, PlannedValue):
                return own[value.number]
            return HeldSelection(value.selection, tuple([own[k] for k in value.operands]))

        arrays: LinearMap[Any] = planned.with_values(held)
        return StructuredMap(arrays, partial(_compute, self.dtype, self.backend))


def _compute(
    dtype: str, backend: str, outputs: tuple[Expression, ...], arrays: Mapping[str, Any]
) -> list[Any]:
    """Compute what is asked of a structured map; the same question is planned once."""
    program = _compiled(outputs, dtype, backend)
    return program({name: array for name, array in arrays.items() if name in program.names})


@lru_cache(maxsize=256)
def _compiled(outputs: tuple[Expression, ...], dtype: str, backend: str) -> Program:
    return compile(list(outputs), dtype, backend)


def _numbers(output: int | MapOutput) -> list[int]:
    """Return the numbers of the values that make up an output."""
    return [output] if isinstance(output, int) else output.numbers


def _dead_after(plan: Plan) -> list[list[int]]:
    """Return, for each step, the values that nothing reads any more once it is done."""
    last: dict[int, int] = {}
    for position, step in enumerate(plan.steps):
        last[step.result] = position
        for number in step.operands:
            last[number] = position
    for output in plan.outputs:
        for number in _numbers(output):
            last.pop(number, None)
    for each in plan.inputs:
        last.pop(each.value, None)
    dead: list[list[int]] = [[] for _ in plan.steps]
    for number, position in last.items():
        dead[position].append(number)
    return dead


def compile(
    outputs: Outputs | Plan,
    dtype: str | None = None,
    backend: str = "numpy",
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
        dtype: ``"float32"`` or ``"float64"``; by default that of the plan, else float64.
        backend: the array library.
        order: ``"reverse"`` or ``"forward"`` for the plain order instead of a search.
        memory_limit: the bytes that the program may need at one time, as for `tensorbp.plan`.

    Raises:
        CompileError: nothing to compute, an unknown dtype or backend, two variables of one name, a
            plan that is for another dtype or has another order.
        MemoryLimitError: no plan was found to keep the limit, or the plan does not.
    """
    if isinstance(outputs, Plan):
        if dtype not in (None, outputs.dtype) or order not in (None, outputs.order):
            raise CompileError(
                f"the plan is for {outputs.dtype} in {outputs.order} order; leave out dtype and "
                "order, or plan again"
            )
        if memory_limit is not None:
            check_peak(outputs.peak_bytes, memory_limit)
        return Program(outputs, outputs.dtype, find_backend(backend))
    dtype = dtype or "float64"
    plan = make_plan(outputs, dtype, order=order, memory_limit=memory_limit)
    return Program(plan, dtype, find_backend(backend), _groups(outputs), _names(outputs))


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
