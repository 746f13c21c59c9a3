"""Vertex elimination: from a linearised graph to one linear map.

Eliminating a vertex v multiplies every edge into v with every edge out of v and adds the products
to the edges that bypass it (Griewank and Naumann, "Accumulating Jacobians by vertex, edge, or face
elimination", 2003). Which vertex goes first is the elimination order: from the sinks to the
sources it is reverse mode, from the sources to the sinks forward mode.

Chains fuse, junctions merge: along a single path products stay unevaluated einsums; where paths
have met, the sum of the terms becomes one tensor before it is used again, so that no product of
sums is ever expanded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Literal

from tensorbp.algebra import Block, LinearMap, Space, Term, collect, compose
from tensorbp.expression.linearization import LinearizedGraph, Terms, Vertex
from tensorbp.expression.node import Expression
from tensorbp.expression.selection import idempotent, merged_beside

__all__ = ["ORDERS", "Order", "eliminate", "elimination_order"]

VertexTotal = Callable[[Vertex, Sequence[Term[Expression]]], Expression]

OrderSearch = Callable[[LinearizedGraph], list[Vertex]]
"""Finds the order in which the inner vertices of a graph are eliminated."""

Order = Literal["reverse", "forward", "separate"] | OrderSearch
"""``separate`` works out each Jacobian of a product by itself before it multiplies them."""

ORDERS: tuple[Literal["reverse", "forward", "separate"], ...] = ("reverse", "forward", "separate")

MOST_DISTRIBUTED = 4
"""How many terms a sum may have if products are distributed over it."""


def elimination_order(graph: LinearizedGraph, order: Order) -> list[Vertex]:
    """Return the inner vertices in the order in which they are eliminated."""
    if callable(order):
        return order(graph)
    if order == "reverse":
        return graph.inner[::-1]
    if order == "forward":
        return list(graph.inner)
    inside = [vertex for part in graph.parts for vertex in part]
    seams = set(graph.inner) - set(inside)
    return inside + [vertex for vertex in graph.inner if vertex in seams]


def eliminate(
    graph: LinearizedGraph,
    order: Iterable[Vertex],
    total: VertexTotal,
    spaces: tuple[Space, Space],
    wanted: Callable[[Block], bool] = lambda block: True,
    distributes: bool = False,
) -> LinearMap[Expression]:
    """Return the map from the sources to the sinks, its blocks as unmerged sums of terms.

    Args:
        graph: the linearised graph; it is left as it is.
        order: all its inner vertices, in the order of elimination.
        total: makes the value of a sum of tensors, to which the elimination of a vertex led.
        spaces: output and input space of the map.
        wanted: which blocks are asked for; the others are left out.
        distributes: whether products are distributed over short sums, instead of merging each sum
            into one tensor before it is used.
    """
    elimination = _Elimination(graph, total, wanted, distributes)
    for vertex in order:
        elimination.eliminate(vertex)
    return LinearMap(*spaces, elimination.blocks())


class _Elimination:
    """The edges that are left, and for products of others the vertex that made them."""

    def __init__(
        self,
        graph: LinearizedGraph,
        total: VertexTotal,
        wanted: Callable[[Block], bool],
        distributes: bool,
    ) -> None:
        self.total = total
        self.distributes = distributes
        self.edges: dict[tuple[Vertex, Vertex], list[Term[Expression]]] = {
            edge: list(terms) for edge, terms in graph.edges.items()
        }
        self.makers: dict[tuple[Vertex, Vertex], Vertex] = {}
        self.before: dict[Vertex, dict[Vertex, None]] = {}
        self.after: dict[Vertex, dict[Vertex, None]] = {}
        for u, v in graph.edges:
            self._note(u, v)
        self.column = {source: k for k, source in enumerate(graph.sources)}
        self.row = {sink: k for k, sink in enumerate(graph.sinks)}
        self.wanted = wanted

    def _note(self, u: Vertex, v: Vertex) -> None:
        self.after.setdefault(u, {})[v] = None
        self.before.setdefault(v, {})[u] = None

    def eliminate(self, vertex: Vertex) -> None:
        """Replace the edges into and out of a vertex by their products."""
        before = list(self.before.pop(vertex, {}))
        after = list(self.after.pop(vertex, {}))
        for v in after:
            del self.before[v][vertex]
        for u in before:
            del self.after[u][vertex]
        is_between = bool(before and after)
        incoming = {u: self._taken((u, vertex), is_between) for u in before}
        outgoing = {v: self._taken((vertex, v), is_between) for v in after}
        total = partial(self.total, vertex)
        for u, inward in incoming.items():
            for v, outward in outgoing.items():
                if inward and outward and self._is_wanted(u, v):
                    self.edges.setdefault((u, v), []).extend(
                        [idempotent(compose(a, b, total)) for a in outward for b in inward]
                    )
                    self.makers[u, v] = vertex
                    self._note(u, v)

    def _taken(self, edge: tuple[Vertex, Vertex], merged: bool) -> Terms:
        """Remove an edge and return its terms, merged into one tensor if they are sums of products.

        Only here are equal terms collected: a weight that a thousand steps share has an edge to
        which each of them adds.
        """
        terms = collect(self.edges.pop(edge))
        if not (terms and merged and edge in self.makers):
            return terms
        if self.distributes and 1 < len(terms) <= MOST_DISTRIBUTED:
            return terms
        total = partial(self.total, self.makers[edge])
        return (merged_beside(terms, total),)

    def _is_wanted(self, u: Vertex, v: Vertex) -> bool:
        row, column = self.row.get(v), self.column.get(u)
        return row is None or column is None or self.wanted((row, column))

    def blocks(self) -> dict[Block, Terms]:
        """Return what is left: the edges from sources to sinks."""
        return {
            (self.row[v], self.column[u]): tuple(terms)
            for (u, v), terms in self.edges.items()
            if self.wanted((self.row[v], self.column[u]))
        }
