"""Prospects: which orders of elimination are worth a try for a map, as its graph says."""

from __future__ import annotations

from functools import cached_property

from tensorbp.expression.arithmetic import Add
from tensorbp.expression.einsum import Einsum
from tensorbp.expression.elimination import Order
from tensorbp.expression.graph import between, topological_order
from tensorbp.expression.map_expression import Entries, Jacobian, MapExpression, Sum
from tensorbp.expression.node import Expression
from tensorbp.expression.resolution import natural_order
from tensorbp.planning.fusion import is_product

__all__ = ["Prospects"]

MOST_PUSHED = 4096
"""How many tangents or cotangents (summands times nodes) an order may push for it to be tried."""

FEW_PUSHED = 256
"""The same where there is little hope: with one number at an end, and functions between all
products."""

MOST_CROSSED = 512
"""How many nodes a map may have for a cross-country order to be tried where no time is given."""


class Prospects:
    """What the graph of a map says of the orders in which it could be worked out."""

    def __init__(self, wanted: MapExpression) -> None:
        self._wanted = wanted
        self._leaves = list(wanted.leaves)
        self._jacobians = [each for each in self._leaves if isinstance(each, Jacobian)]

    def allow(self, order: Order) -> bool:
        """Say whether an order is worth a try; the natural one always is."""
        if order not in self._pushed or order == natural_order(self._wanted):
            return order in self._pushed
        has_number = min(self._wanted.output.size, self._wanted.input.size) == 1
        is_hopeful = not has_number or any(map(_has_matrices_in_a_row, self._jacobians))
        return self._pushed[order] <= (MOST_PUSHED if is_hopeful else FEW_PUSHED)

    @property
    def are_small(self) -> bool:
        """Whether no order pushes much."""
        return max(self._pushed.values(), default=0) <= MOST_CROSSED

    @cached_property
    def have_sums(self) -> bool:
        """Whether paths meet somewhere in the map, so that there is an order to choose."""
        pending: list[MapExpression] = [self._wanted]
        while pending:
            current = pending.pop()
            if isinstance(current, Sum) or (
                isinstance(current, Jacobian) and _is_branched(current)
            ):
                return True
            pending.extend(current.parts)
        return False

    @cached_property
    def _pushed(self) -> dict[Order, int]:
        """For each order, how many tangents or cotangents it pushes through how many nodes."""
        nodes = {each: len(topological_order(each.targets)) for each in self._jacobians}
        if not nodes:
            return {}
        pushed: dict[Order, int] = {
            "reverse": len(self._wanted.output.shapes) * sum(nodes.values()),
            "forward": len(self._wanted.input.shapes) * sum(nodes.values()),
        }
        if len(self._leaves) > 1:
            pushed["separate"] = sum(
                min(len(each.output.shapes), len(each.input.shapes)) * count
                for each, count in nodes.items()
            )
        return pushed


def _has_matrices_in_a_row(jacobian: Jacobian) -> bool:
    """Say whether it multiplies by two matrices somewhere, and no function lies between them.

    Else each product but the last is scaled by numbers of every sample, and it never pays to
    multiply two matrices before a vector.
    """
    nodes = between(jacobian.targets, jacobian.sources)
    inner = set(nodes).difference(jacobian.sources)
    after_matrix: set[Expression] = set()
    for node in nodes:
        inside = [each for each in node.operands if each in inner]
        is_after = not after_matrix.isdisjoint(inside)
        # what multiplies two tensors that vary is a function of either
        is_matrix = is_product(node) and len(node.operands) > 1 and len(inside) < 2
        if is_matrix and is_after:
            return True
        if is_matrix or (is_after and isinstance(node.operator, Einsum | Add)):
            after_matrix.add(node)
    return False


def _is_branched(jacobian: Jacobian) -> bool:
    """Say whether a node between the ends of a Jacobian is read twice, or one reads two of them.

    In a derivative that is differentiated, nodes are read on the way there and on the way back.
    """
    if any(isinstance(node.operator, Entries) for node in topological_order(jacobian.targets)):
        return True
    nodes = between(jacobian.targets, jacobian.sources)
    varying, read = {*jacobian.sources, *nodes}, set[Expression]()
    for node in nodes:
        inside = varying.intersection(node.operands)
        if len(inside) > 1 or inside & read:
            return True
        read |= inside
    return False
