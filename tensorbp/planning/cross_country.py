"""Cross-country elimination: an order for the vertices of a linearised graph, found by search.

Along a single path nothing is decided by the order of elimination: products stay unevaluated, and
are ordered as one network later. What is searched is the order of the junctions that are left.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from tensorbp.expression.linearization import LinearizedGraph, Vertex
from tensorbp.planning.vertex_elimination import (
    ANNEALING_LIMIT,
    EliminationGraph,
    exact,
    improved,
    searched,
    simple,
)

__all__ = ["CrossCountry"]

QUICKLY_EXACT = 8
"""The most junctions for which all orders are tried where no time is given."""

MOVES = 2_000
"""How many moves of annealing are tried where no time is given."""


@dataclass(frozen=True)
class CrossCountry:
    """A search for the order of elimination: Markowitz's, improved, exact for few junctions.

    Attributes:
        seed: of the random numbers.
        seconds: how long the search may take; by default a fixed number of moves is tried.
    """

    seed: int = 0
    seconds: float | None = None

    def __call__(self, graph: LinearizedGraph) -> list[Vertex]:
        """Return the inner vertices in the order in which they are eliminated."""
        vertices = [*graph.sources, *graph.inner, *graph.sinks]
        number = {vertex: k for k, vertex in enumerate(vertices)}
        before: list[set[int]] = [set() for _ in vertices]
        after: list[set[int]] = [set() for _ in vertices]
        for u, v in graph.edges:
            before[number[v]].add(number[u])
            after[number[u]].add(number[v])
        first = len(graph.sources)
        alone = _eliminated_alone(range(first, first + len(graph.inner)), before, after)
        kept = {*range(first), *range(first + len(graph.inner), len(vertices)), *alone}
        junctions = EliminationGraph.of(
            dict(enumerate(before)), len(vertices), kept, _weights(graph, vertices, number)
        )
        return [vertices[k] for k in (*alone, *self._order(junctions))]

    def _order(self, graph: EliminationGraph) -> tuple[int, ...]:
        if not graph.inner:
            return ()
        if self.seconds is not None:
            return searched(graph, self.seed, self.seconds).vertices
        if len(graph.inner) <= QUICKLY_EXACT:
            return exact(graph).vertices
        start = simple(graph)
        if len(graph.inner) > ANNEALING_LIMIT:
            return start.vertices
        found = improved(graph, start, self.seed, steps=MOVES)
        return min(start, found, key=lambda each: each.multiplications).vertices


def _eliminated_alone(inner: range, before: list[set[int]], after: list[set[int]]) -> list[int]:
    """Eliminate the vertices between one other and one other, in both sets of neighbours."""
    order: list[int] = []
    left = set(inner)
    pending = list(inner)[::-1]
    while pending:
        vertex = pending.pop()
        if vertex not in left or len(before[vertex]) > 1 or len(after[vertex]) > 1:
            continue
        left.discard(vertex)
        order.append(vertex)
        sources, targets = before[vertex], after[vertex]
        for u in sources:
            after[u] = (after[u] | targets) - {vertex}
        for v in targets:
            before[v] = (before[v] | sources) - {vertex}
        before[vertex], after[vertex] = set(), set()
        pending += [*sources, *targets]
    return order


def _weights(
    graph: LinearizedGraph, vertices: list[Vertex], number: dict[Vertex, int]
) -> list[int]:
    """Return how many numbers each vertex has, without the axes that all Jacobians share.

    A batch is a delta of each Jacobian, and multiplies all prices alike.
    """
    sizes = [1] * len(vertices)
    shared: int | None = None
    for (u, v), terms in graph.edges.items():
        for term in terms:
            outside = {axis for dimension in term.output for axis in dimension}
            inside = {axis for dimension in term.input for axis in dimension}
            deltas = prod([term.sizes[axis] for axis in outside & inside])
            shared = deltas if shared is None else min(shared, deltas)
            sizes[number[v]] = prod([term.sizes[axis] for axis in outside])
            sizes[number[u]] = prod([term.sizes[axis] for axis in inside])
    return [max(1, size // (shared or 1)) for size in sizes]
