"""A layer with inputs: what the laws are checked on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, fields
from functools import cached_property
from typing import Any, NoReturn

import numpy as np

from tensorbp.execution import compile
from tensorbp.expression.derivative import jacobian
from tensorbp.expression.layer import Input, Layer, Shape
from tensorbp.expression.leaves import variable
from tensorbp.expression.node import Expression
from tensorbp.testing.numerical import Array, central_differences, complex_step

__all__ = ["Case", "CheckFailure"]


Jacobians = dict[tuple[int, str], Array]


class CheckFailure(AssertionError):  # noqa: N818 - pytest calls it a failure too
    """A law that a layer breaks: which, where, what was expected and what was found."""


@dataclass(frozen=True)
class Case:
    """A layer applied to variables, and arrays to give them.

    Attributes:
        layer: the layer.
        shapes: the shapes of its inputs.
        seed: of the random numbers.
    """

    layer: Layer
    shapes: tuple[Shape, ...]
    seed: int = 0

    @property
    def label(self) -> str:
        """The layer with those of its arguments that are not the default."""
        given = [
            f"{each.name}={value!r}"
            for each in fields(self.layer)  # type: ignore[arg-type]
            if (value := getattr(self.layer, each.name)) != each.default or each.default is MISSING
        ]
        return self.layer.name + (f"({', '.join(given)})" if given else "")

    @cached_property
    def inputs(self) -> dict[str, Input]:
        """What the layer says of its inputs, by name; the last may be repeated."""
        names = self.layer.input_names(len(self.shapes))
        declared = self.layer.inputs
        return {name: declared[min(k, len(declared) - 1)] for k, name in enumerate(names)}

    @cached_property
    def operands(self) -> dict[str, Expression]:
        """A variable for each input and each parameter."""
        inputs = {
            name: variable(name, *shape, kind=each.kind)
            for (name, each), shape in zip(self.inputs.items(), self.shapes, strict=True)
        }
        parameters = self.layer.parameters(*self.shapes)
        return inputs | {name: variable(name, *each.shape) for name, each in parameters.items()}

    @cached_property
    def output(self) -> Expression:
        """The layer applied to the variables."""
        return self.applied(self.layer)

    def applied(self, layer: Layer) -> Expression:
        """Return a layer applied to the variables."""
        inputs = [self.operands[name] for name in self.inputs]
        parameters = {name: x for name, x in self.operands.items() if name not in self.inputs}
        return layer(*inputs, **parameters)

    @cached_property
    def real(self) -> dict[str, Expression]:
        """The operands with respect to which something is derived."""
        return {
            name: x
            for name, x in self.operands.items()
            if name not in self.inputs or self.inputs[name].kind == "real"
        }

    @cached_property
    def arrays(self) -> dict[str, Array]:
        """A random array for each operand, from the range in which the layer is smooth."""
        random = np.random.default_rng(self.seed)
        return {name: self._drawn(name, random) for name in self.operands}

    def _drawn(self, name: str, random: np.random.Generator) -> Array:
        shape = self.operands[name].shape
        declared = self.inputs.get(name, Input(name))
        if declared.kind == "integer":
            low, high = int(declared.low), int(declared.high)
            return random.integers(low, high, shape, endpoint=True)
        return random.uniform(declared.low, declared.high, shape)

    def cotangent(self) -> Array:
        """Return a random array of the shape of the output."""
        return np.random.default_rng(self.seed + 1).normal(size=self.output.shape)

    def tangents(self) -> dict[str, Array]:
        """Return a random array of the shape of each real operand."""
        random = np.random.default_rng(self.seed + 2)
        return {name: random.normal(size=x.shape) for name, x in self.real.items()}

    def values(
        self,
        wanted: Sequence[Expression],
        more: Mapping[str, Array] | None = None,
        **options: Any,
    ) -> list[Array]:
        """Return the values of expressions in the operands.

        Args:
            wanted: the expressions.
            more: arrays for other variables that they contain.
            **options: those of `tensorbp.compile`.
        """
        arrays = self.arrays | dict(more or {})
        program = compile(list(wanted), **options)
        return [np.asarray(value) for value in program(**_used(program, arrays))]

    def jacobians(
        self, wanted: Sequence[Expression], more: Mapping[str, Array] | None = None, **options: Any
    ) -> Jacobians:
        """Return the Jacobians of expressions by the real operands, all planned as one map.

        Args:
            wanted: the expressions.
            more: arrays for other variables that they contain.
            **options: those of `tensorbp.compile`.

        Returns:
            By the position of the expression and the name of the operand, an array of shape
            output + input.
        """
        if not self.real:
            return {}
        arrays = self.arrays | dict(more or {})
        program = compile([jacobian(list(wanted), list(self.real.values()))], **options)
        (found,) = program(**_used(program, arrays))
        return {
            (row, name): np.asarray(found.block(row, column).to_dense())
            for row in range(len(wanted))
            for column, name in enumerate(self.real)
        }

    def numerical_jacobians(
        self, wanted: Sequence[Expression], more: Mapping[str, Array] | None = None
    ) -> Jacobians:
        """Return the same Jacobians without the layer's rules.

        They are found by complex step where the layer is analytic, else by central differences.
        """
        if not self.real:
            return {}
        analytic = self.layer.analytic
        program = compile(list(wanted), dtype="complex128" if analytic else "float64")
        arrays = _used(program, self.arrays | dict(more or {}))
        differentiate = complex_step if analytic else central_differences
        ends = np.cumsum([each.size for each in wanted])[:-1]

        def along(name: str) -> list[Array]:
            def f(x: Array) -> Array:
                values = program(**(arrays | {name: x} if name in arrays else arrays))
                return np.concatenate([np.ravel(value) for value in values])

            return np.split(differentiate(f, self.arrays[name]), ends)

        return {
            (row, name): numbers.reshape(wanted[row].shape + x.shape)
            for name, x in self.real.items()
            for row, numbers in enumerate(along(name))
        }

    @property
    def tolerance(self) -> float:
        """How exact a numerical Jacobian is, relative to its largest entry."""
        return 1e-10 if self.layer.analytic else 1e-6

    def require_equal(
        self,
        quantity: str,
        expected: Array,
        found: Array,
        tolerance: float,
        output_rank: int = 0,
    ) -> None:
        """Raise `CheckFailure` unless two arrays agree, relative to the largest entry.

        Args:
            quantity: what the arrays are.
            expected: what is right.
            found: what the layer gives.
            tolerance: the largest deviation allowed, relative to the largest entry from one up.
            output_rank: how many dimensions of a derivative belong to what is differentiated.
        """
        if expected.shape != found.shape:
            self.fail(f"{quantity} has shape {found.shape}, expected {expected.shape}")
        if not expected.size:
            return
        deviation = np.abs(found - expected)
        allowed = tolerance * max(1.0, float(np.max(np.abs(expected))))
        worst = np.unravel_index(np.argmax(np.nan_to_num(deviation, nan=np.inf)), deviation.shape)
        if not deviation[worst] <= allowed:
            index = tuple(int(k) for k in worst)
            place = f" at {index}" if index else ""
            if output_rank:
                place = f" at output {index[:output_rank]}, input {index[output_rank:]}"
            self.fail(
                f"{quantity} is {found[worst]:.10g}{place}, expected {expected[worst]:.10g} "
                f"(deviation {deviation[worst]:.2g}, allowed {allowed:.2g})"
            )

    def fail(self, reason: str) -> NoReturn:
        """Raise `CheckFailure` for the layer on these inputs."""
        raise CheckFailure(f"on {', '.join(map(str, self.shapes))}, {reason}")


def _used(program: Any, arrays: Mapping[str, Array]) -> dict[str, Array]:
    """Return the arrays that a program takes."""
    return {name: array for name, array in arrays.items() if name in program.names}
