"""Walks through the graph of an expression; none of them recurses, depth is no limit."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from tensorbp.expression.leaves import Variable
from tensorbp.expression.map_expression import Entries, MapExpression
from tensorbp.expression.node import Expression

Wanted = Expression | MapExpression
"""What a query may ask for."""

__all__ = [
    "Graph",
    "Wanted",
    "between",
    "dependencies",
    "each_map_once",
    "maps_of",
    "topological_order",
    "variables",
]


def dependencies(node: Expression) -> Sequence[Expression]:
    """Return the expressions that a node is made of, those inside its map included."""
    if isinstance(node.operator, Entries):
        return node.operator.map.dependencies
    return node.operands


def topological_order(
    roots: Iterable[Expression],
    needs: Callable[[Expression], Sequence[Expression]] | None = None,
) -> list[Expression]:
    """Return all nodes below the roots, each after what it is made of.

    Args:
        roots: where the walk starts.
        needs: what a node is made of; by default its operands, and what its map is made of.
    """
    needs = needs or each_map_once()
    order: dict[Expression, None] = {}
    begun: set[Expression] = set()
    for root in roots:
        pending = [root]
        while pending:
            node = pending[-1]
            if node in begun:
                # all that it needs stood above it
                order[pending.pop()] = None
                continue
            begun.add(node)
            missing = [each for each in needs(node)[::-1] if each not in begun]
            if missing:
                pending += missing
            else:
                order[pending.pop()] = None
    return list(order)


@dataclass(frozen=True)
class Graph:
    """What is computed, and everything that it is made of.

    Attributes:
        roots: what is computed; one may occur several times.
    """

    roots: Sequence[Expression]

    @cached_property
    def order(self) -> list[Expression]:
        """All nodes, each after what it is made of."""
        return topological_order(self.roots)


def each_map_once() -> Callable[[Expression], Sequence[Expression]]:
    """Return `dependencies`, but empty for a map that has been walked through already.

    The gradients of a model are the entries of one map: walking through its sources for each of
    them would take time quadratic in their number.
    """
    walked: set[MapExpression] = set()

    def needs(node: Expression) -> Sequence[Expression]:
        operator = node.operator
        if not isinstance(operator, Entries):
            return node.operands
        if operator.map in walked:
            return ()
        walked.add(operator.map)
        return operator.map.dependencies

    return needs


def between(targets: Iterable[Expression], sources: Iterable[Expression]) -> list[Expression]:
    """Return the nodes on paths from sources to targets, in topological order."""
    reached = set(sources)
    order = []
    for node in topological_order(targets, lambda node: node.operands):
        if node in reached or any(each in reached for each in node.operands):
            reached.add(node)
            order.append(node)
    return order


def maps_of(wanted: Iterable[Wanted]) -> list[MapExpression]:
    """Return all maps in a query, those inside the targets of others first."""
    found: dict[MapExpression, None] = {}
    direct: list[MapExpression] = []
    roots: list[Expression] = []
    for each in wanted:
        if isinstance(each, MapExpression):
            direct.append(each)
            roots += each.dependencies
        else:
            roots.append(each)
    for node in topological_order(roots):
        if isinstance(node.operator, Entries):
            found[node.operator.map] = None
    return [*found, *(each for each in dict.fromkeys(direct) if each not in found)]


def variables(roots: Iterable[Expression]) -> list[Variable]:
    """Return the variables below the roots, in the order of their making."""
    nodes = sorted(topological_order(roots), key=lambda node: node.serial)
    return [node.operator for node in nodes if isinstance(node.operator, Variable)]
