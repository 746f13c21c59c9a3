"""The schedule: a graph of pairs becomes a list of steps, with its memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache, cached_property, lru_cache
from typing import Any, ClassVar

from tensorbp.algebra import Pattern, written
from tensorbp.algebra.pattern import REMEMBERED
from tensorbp.expression.arithmetic import Add
from tensorbp.expression.einsum import Einsum
from tensorbp.expression.graph import topological_order
from tensorbp.expression.layer import Layer
from tensorbp.expression.leaves import Variable
from tensorbp.expression.node import Expression
from tensorbp.planning.cost import Cost, cost_of, total_cost
from tensorbp.planning.labels import spread
from tensorbp.planning.memory.liveness import peak_bytes
from tensorbp.planning.memory.reordering import reordered
from tensorbp.planning.memory.storage import ITEM_BYTES, Storage
from tensorbp.planning.plan import Figures, PlannedInput, Step
from tensorbp.planning.selecting import Selected, SummedUp

__all__ = ["ITEM_BYTES", "Schedule", "Seed", "describe"]


class Seed:
    """The operator of a leaf that stands for a block of the identity; it takes no memory."""

    takes_no_memory: ClassVar[bool] = True

    def __init__(self, shape: tuple[int, ...], offset: int) -> None:
        self._key = (shape, offset)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Seed) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)

    def shape(self, *shapes: tuple[int, ...]) -> tuple[int, ...]:
        """Return the shape of the block."""
        del shapes
        return self._key[0]


class Schedule:
    """The nodes below some roots, in the order in which they are computed.

    Attributes:
        roots: what is computed.
        storage: what each node takes.
    """

    def __init__(
        self,
        roots: Sequence[Expression],
        dtype: str,
        nodes: Sequence[Expression] | None = None,
    ) -> None:
        """Put nodes in order.

        Args:
            roots: what is computed.
            dtype: the type of numbers.
            nodes: all nodes, inputs included, in an order in which they can be computed; one that
                occurs again is computed again. By default the order, among some, that needs the
                least memory.
        """
        self.roots = list(roots)
        self.dtype = dtype
        self.storage = Storage(roots, dtype)
        self._nodes = nodes
        self._cost_of = cache(cost_of)

    @cached_property
    def cost(self) -> Cost:
        """What all nodes cost."""
        return total_cost(self.derived if self._nodes is None else self._nodes, self._cost_of)

    @cached_property
    def derived(self) -> list[Expression]:
        """All nodes, each once, as they were derived: nothing moved to save memory."""
        return topological_order(self.roots)

    @property
    def nodes(self) -> list[Expression]:
        """All nodes, inputs included, in the order in which they are computed."""
        return self._nodes_and_peak[0]

    @property
    def peak_bytes(self) -> int:
        """The most bytes that are needed at one time, inputs and results included."""
        return self._nodes_and_peak[1]

    @cached_property
    def _nodes_and_peak(self) -> tuple[list[Expression], int]:
        if self._nodes is None:
            return reordered(self.roots, self.storage)
        return list(self._nodes), peak_bytes(self._nodes, self.storage)

    @property
    def figures(self) -> Figures:
        """What the whole costs."""
        cost = self.cost
        return Figures(cost.flops, cost.multiplications, cost.multiply_adds, self.peak_bytes)

    def numbered(
        self, labels: Mapping[Expression, str]
    ) -> tuple[tuple[PlannedInput, ...], tuple[Step, ...], dict[Expression, int]]:
        """Return inputs and steps as plain data, and the number of each node's value."""
        inputs = sorted(
            {node for node in self.nodes if isinstance(node.operator, Variable)},
            key=lambda node: node.serial,
        )
        number = {node: k for k, node in enumerate(inputs)}
        steps: list[Step] = []
        complete = spread(labels, self.nodes)
        for node in self.nodes:
            if not isinstance(node.operator, Variable):
                operands = tuple([number[each] for each in node.operands])
                # a node that is computed again gets a new number, which later steps refer to
                number[node] = len(inputs) + len(steps)
                steps.append(self._step(node, operands, number[node], complete.get(node)))
        return tuple(_planned_input(node, number[node]) for node in inputs), tuple(steps), number

    def _step(
        self, node: Expression, operands: tuple[int, ...], result: int, label: str | None
    ) -> Step:
        cost = self._cost_of(node)
        operation, equation, arguments = describe(node)
        return Step(
            operation,
            equation,
            operands,
            result,
            node.shape,
            cost.flops,
            cost.multiplications,
            cost.multiply_adds,
            self.storage.bytes_of(node),
            label,
            arguments,
            node.operator,
        )


def _planned_input(node: Expression, number: int) -> PlannedInput:
    operator = node.operator
    assert isinstance(operator, Variable)
    return PlannedInput(operator.name, node.shape, operator.kind, number)


def describe(node: Expression) -> tuple[str, str, dict[str, Any]]:
    """Return the operation, the equation and the arguments of a node, as they are written."""
    operator = node.operator
    if isinstance(operator, Einsum):
        return "einsum", _equation(operator.pattern), {"coefficient": operator.coefficient}
    if isinstance(operator, Add):
        return "add", _sum_of(operator.coefficients), {"coefficients": operator.coefficients}
    if isinstance(operator, Selected):
        return "select", _selecting(operator), {"coefficient": operator.coefficient}
    if isinstance(operator, SummedUp):
        parts = [
            str(k + 1) if each is None else _selecting(each)
            for k, each in enumerate(operator.parts)
        ]
        return "sum_up", "; ".join(parts), {"coefficients": operator.coefficients}
    if isinstance(operator, Layer):
        return operator.name, operator.formula, operator.arguments()
    return "seed", "a block of the identity", {}


@lru_cache(maxsize=REMEMBERED)
def _equation(pattern: Pattern) -> str:
    """Return a pattern as it stands in an einsum; the layers of a model repeat few."""
    factors = ",".join([written(dimensions) for dimensions in pattern.factors])
    return f"{factors}->{written(pattern.output)}"


def _selecting(operator: Selected) -> str:
    """Return a product with selections as an einsum equation, those in brackets."""
    factors = [written(operator.factor)]
    factors += [f"[{written(each.dimensions)}]" for each in operator.selections]
    return f"{','.join(factors)}->{written(operator.output)}"


def _sum_of(coefficients: Sequence[object]) -> str:
    text = ""
    for k, number in enumerate(coefficients, start=1):
        sign = "-" if str(number).startswith("-") else "+" if text else ""
        size = str(number).removeprefix("-")
        text += f" {sign} " if text else sign
        text += f"x{k}" if size == "1" else f"{size} x{k}"
    return text
