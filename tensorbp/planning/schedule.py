"""The schedule: a graph of pairs becomes a list of steps, with its memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tensorbp.algebra import written
from tensorbp.expression.arithmetic import Add
from tensorbp.expression.einsum import Einsum
from tensorbp.expression.graph import topological_order
from tensorbp.expression.layer import Layer
from tensorbp.expression.leaves import Variable
from tensorbp.expression.node import Expression
from tensorbp.planning.cost import Cost, cost_of, is_free
from tensorbp.planning.labels import spread
from tensorbp.planning.plan import Figures, PlannedInput, Step
from tensorbp.planning.selecting import Selected, SummedUp

__all__ = ["Schedule", "Seed"]

ITEM_BYTES = {"float32": 4, "float64": 8, "complex128": 16}
"""The bytes of one number, by dtype."""


class Seed:
    """The operator of a leaf that stands for a block of the identity; it takes no memory."""

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
        nodes: all of them, inputs included.
        figures: what the whole costs.
    """

    def __init__(self, roots: Sequence[Expression], dtype: str) -> None:
        self.roots = list(roots)
        self._results = frozenset(roots)
        self.item_bytes = ITEM_BYTES[dtype]
        self.nodes = topological_order(roots)
        cost = sum((cost_of(node) for node in self.nodes), Cost())
        self.figures = Figures(
            cost.flops, cost.multiplications, cost.multiply_adds, self._peak_bytes()
        )

    def bytes_of(self, node: Expression) -> int:
        """Return the bytes that a node's value takes of its own."""
        if self._is_view(node) or isinstance(node.operator, Seed):
            return 0
        if self._is_padded(node) and isinstance(node.operator, Selected):
            return node.operator.padded * self.item_bytes
        if getattr(node.operator, "kind", "real") == "integer":
            return node.size * 8
        return node.size * self.item_bytes

    def _is_view(self, node: Expression) -> bool:
        """Say whether a node's value has no memory of its own; a result always has."""
        operator = node.operator
        is_window = isinstance(operator, Selected) and operator.is_view and not operator.padded
        return (is_window or is_free(node)) and node not in self._results

    def _is_padded(self, node: Expression) -> bool:
        """Say whether a node's value is a view of its operand's padded copy."""
        operator = node.operator
        return isinstance(operator, Selected) and operator.is_view and node not in self._results

    def _unfolded_bytes(self, node: Expression) -> int:
        """Return what a product takes while it is computed: windows are written out for it."""
        if not isinstance(node.operator, Einsum) or len(node.operands) < 2:
            return 0
        windows = [each for each in set(node.operands) if self._is_padded(each)]
        return sum(each.size for each in windows) * self.item_bytes

    def _peak_bytes(self) -> int:
        """Walk through the steps and keep account of what is alive.

        Inputs are alive throughout, results from their making on; a view keeps what it views.
        """
        base: dict[Expression, Expression] = {}
        last_use: dict[Expression, int] = {}
        for position, node in enumerate(self.nodes):
            base[node] = base[node.operands[0]] if self._is_view(node) and node.operands else node
            for operand in node.operands:
                last_use[base[operand]] = position
        for root in self.roots:
            last_use[base[root]] = len(self.nodes)
        alive = peak = sum(self.bytes_of(n) for n in self.nodes if isinstance(n.operator, Variable))
        for position, node in enumerate(self.nodes):
            if not isinstance(node.operator, Variable):
                alive += self.bytes_of(node)
                peak = max(peak, alive + self._unfolded_bytes(node))
            for freed in {base[each] for each in node.operands}:
                if last_use[freed] == position and not isinstance(freed.operator, Variable):
                    alive -= self.bytes_of(freed)
        return peak

    def numbered(
        self, labels: Mapping[Expression, str]
    ) -> tuple[tuple[PlannedInput, ...], tuple[Step, ...], dict[Expression, int]]:
        """Return inputs and steps as plain data, and the number of each node's value."""
        inputs = sorted(
            (node for node in self.nodes if isinstance(node.operator, Variable)),
            key=lambda node: node.serial,
        )
        number = {node: k for k, node in enumerate(inputs)}
        steps = []
        complete = spread(labels, self.nodes)
        for node in self.nodes:
            if node not in number:
                number[node] = len(number)
                steps.append(self._step(node, number, complete.get(node)))
        return tuple(_planned_input(node, number[node]) for node in inputs), tuple(steps), number

    def _step(self, node: Expression, number: Mapping[Expression, int], label: str | None) -> Step:
        cost = cost_of(node)
        operation, equation, arguments = describe(node)
        return Step(
            operation,
            equation,
            tuple([number[each] for each in node.operands]),
            number[node],
            node.shape,
            cost.flops,
            cost.multiplications,
            cost.multiply_adds,
            self.bytes_of(node),
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
        factors = ",".join(written(dimensions) for dimensions in operator.factors)
        equation = f"{factors}->{written(operator.output)}"
        return "einsum", equation, {"coefficient": operator.coefficient}
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
