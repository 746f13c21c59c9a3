"""Orders of vertex elimination on general graphs: the two plain ones, and the best that is found.

Eliminating a vertex v multiplies each edge into it with each edge out of it:
|predecessors(v)| · |successors(v)| multiplications (Griewank and Naumann, "Accumulating Jacobians
by vertex, edge, or face elimination", 2003). Where vertices are spaces, an edge from u to v is a
matrix, and that is |v| · Σ |u| · Σ |w| over its predecessors u and successors w. What a vertex
costs depends on which vertices are gone already, not on the order in which they went: a search may
therefore move a vertex within an order and price again only what lies between the two places, and a
small graph is solved exactly, by dynamic programming over sets of vertices.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from heapq import heapify, heappop, heappush
from math import log
from random import Random
from time import monotonic

from tensorbp.planning.bits import members_of

__all__ = [
    "EliminationGraph",
    "EliminationOrder",
    "exact",
    "forward",
    "improved",
    "markowitz",
    "reverse",
    "searched",
    "simple",
]

EXACT_LIMIT = 14
"""Graphs of up to this number of inner vertices are solved exactly: 2^n sets of them."""

ANNEALING_LIMIT = 2000
"""Orders of more vertices than this are not annealed: it keeps a copy of the graph for each."""

STEPS = 100_000
"""How many moves a round of annealing tries."""

ROUNDS = 3
"""How many rounds of annealing start from the best order of all."""

HOTTEST, COLDEST = 2.0, 0.15
"""The temperatures, in multiplications, with which a round of annealing begins and ends."""

REACHES = (1, 3, 10, 30)
"""By how many places, times a normal number, a move takes a vertex away."""

State = tuple[list[int], list[int]]
"""For each vertex the sets of its predecessors and of its successors, as bits of integers."""


@dataclass(frozen=True)
class EliminationGraph:
    """A directed graph without cycles, of which the inner vertices are to be eliminated.

    Attributes:
        before: for each vertex the set of its predecessors, as the bits of an integer.
        after: for each vertex the set of its successors.
        inner: the vertices to eliminate, in topological order.
        weights: how many numbers each vertex has; empty where each is one.
    """

    before: tuple[int, ...]
    after: tuple[int, ...]
    inner: tuple[int, ...]
    weights: tuple[int, ...] = ()

    @staticmethod
    def of(
        predecessors: Mapping[int, Iterable[int]],
        count: int,
        kept: Iterable[int],
        weights: Sequence[int] = (),
    ) -> EliminationGraph:
        """Return a graph.

        Args:
            predecessors: for each vertex that has any, numbers of the vertices that it reads; a
                vertex reads only vertices with smaller numbers.
            count: how many vertices there are.
            kept: vertices that are not eliminated: inputs and outputs.
            weights: how many numbers each vertex has; by default one.
        """
        before, after = [0] * count, [0] * count
        for vertex, sources in predecessors.items():
            for source in sources:
                before[vertex] |= 1 << source
                after[source] |= 1 << vertex
        is_kept = set(kept)
        inner = tuple([vertex for vertex in range(count) if vertex not in is_kept])
        return EliminationGraph(tuple(before), tuple(after), inner, tuple(weights))

    def state(self) -> State:
        """Return the graph as lists that elimination may change."""
        return list(self.before), list(self.after)

    def cost(self, order: Iterable[int]) -> int:
        """Return the multiplications of eliminating vertices in an order."""
        state = self.state()
        return sum(self.eliminate(state, vertex) for vertex in order)

    def price(self, state: State, vertex: int) -> int:
        """Return the multiplications of eliminating a vertex."""
        before, after = state[0][vertex], state[1][vertex]
        if not self.weights:
            return before.bit_count() * after.bit_count()
        sources = sum([self.weights[each] for each in members_of(before)])
        return sources * self.weights[vertex] * sum([self.weights[k] for k in members_of(after)])

    def eliminate(self, state: State, vertex: int) -> int:
        """Eliminate a vertex, and return its multiplications."""
        cost = self.price(state, vertex)
        before, after = state
        sources, targets = before[vertex], after[vertex]
        others = ~(1 << vertex)
        for source in members_of(sources):
            after[source] = (after[source] | targets) & others
        for target in members_of(targets):
            before[target] = (before[target] | sources) & others
        return cost


@dataclass(frozen=True)
class EliminationOrder:
    """An order with its cost.

    Attributes:
        vertices: the inner vertices in the order in which they go.
        multiplications: what that costs.
        method: how it was found.
        is_optimal: whether it is proven that no order costs less.
        is_complete: whether the search came to its end before its time did.
    """

    vertices: tuple[int, ...]
    multiplications: int
    method: str
    is_optimal: bool = False
    is_complete: bool = True


def forward(graph: EliminationGraph) -> EliminationOrder:
    """Return the order from the inputs to the outputs: forward mode."""
    return _priced(graph, graph.inner, "forward")


def reverse(graph: EliminationGraph) -> EliminationOrder:
    """Return the order from the outputs to the inputs: reverse mode."""
    return _priced(graph, graph.inner[::-1], "reverse")


def markowitz(graph: EliminationGraph) -> EliminationOrder:
    """Return the order that takes the cheapest vertex each time, of equals the last.

    Markowitz 1957, "The elimination form of the inverse and its application"...
    """
    state = graph.state()
    before, after = state
    left = set(graph.inner)
    queue = [(graph.price(state, vertex), -vertex) for vertex in graph.inner]
    heapify(queue)
    order: list[int] = []
    total = 0
    while queue:
        cost, negative = heappop(queue)
        vertex = -negative
        if vertex not in left or cost != graph.price(state, vertex):
            continue
        left.remove(vertex)
        order.append(vertex)
        neighbours = before[vertex] | after[vertex]
        total += graph.eliminate(state, vertex)
        for each in members_of(neighbours):
            if each in left:
                heappush(queue, (graph.price(state, each), -each))
    return EliminationOrder(tuple(order), total, "markowitz")


def simple(graph: EliminationGraph) -> EliminationOrder:
    """Return the cheapest of the orders that take no search."""
    orders = (markowitz(graph), reverse(graph), forward(graph))
    return min(orders, key=lambda each: each.multiplications)


def exact(graph: EliminationGraph) -> EliminationOrder:
    """Return an order than which none is cheaper, by dynamic programming over sets of vertices.

    best(S) = min over v in S of best(S without v) + the cost of v when the others of S are gone.
    O(2^n n^2); for small graphs only.
    """
    inner = graph.inner
    count = len(inner)
    best = [0] + [-1] * ((1 << count) - 1)
    last = [0] * (1 << count)
    states: dict[int, State] = {0: graph.state()}
    for _ in inner:
        grown: dict[int, State] = {}
        for members, state in states.items():
            for k, vertex in enumerate(inner):
                if members >> k & 1:
                    continue
                larger = members | 1 << k
                cost = best[members] + graph.price(state, vertex)
                if best[larger] < 0 or cost < best[larger]:
                    best[larger], last[larger] = cost, k
                if larger not in grown:
                    grown[larger] = (list(state[0]), list(state[1]))
                    graph.eliminate(grown[larger], vertex)
        states = grown
    order: list[int] = []
    members = (1 << count) - 1
    while members:
        order.append(inner[last[members]])
        members ^= 1 << last[members]
    return EliminationOrder(tuple(order[::-1]), best[-1], "exact", is_optimal=True)


def improved(
    graph: EliminationGraph,
    start: EliminationOrder,
    seed: int,
    deadline: float | None = None,
    steps: int = STEPS,
) -> EliminationOrder:
    """Return the best order that a round of simulated annealing meets.

    A move takes one vertex to another place. Only what lies between the two places is priced again.
    Kirkpatrick, Gelatt and Vecchi, "Optimization by simulated annealing", 1983.

    Args:
        graph: the graph.
        start: where the round begins.
        seed: of the random numbers; the same seed gives the same order.
        deadline: when to stop, by `time.monotonic`; a round that is cut short says so.
        steps: how many moves it tries.
    """
    annealing = _Annealing(graph, start.vertices)
    random = Random(seed)
    cooling = (COLDEST / HOTTEST) ** (1 / steps)
    # a vertex of a scalar graph costs three multiplications or so
    unit = start.multiplications / (3 * len(graph.inner)) if graph.weights else 1
    temperature = HOTTEST * unit
    for step in range(steps):
        temperature *= cooling
        annealing.move(random, temperature)
        if deadline is not None and step % 256 == 0 and monotonic() > deadline:
            return annealing.best(is_complete=False)
    return annealing.best(is_complete=True)


def searched(
    graph: EliminationGraph, seed: int = 0, seconds: float | None = None
) -> EliminationOrder:
    """Return the cheapest order that is found for a graph.

    A small graph is solved exactly. For a larger one the best of forward, reverse and Markowitz is
    improved by rounds of annealing; the answer is never dearer than the best of the three.

    Args:
        graph: the graph.
        seed: of the random numbers; the same seed gives the same order unless time runs out.
        seconds: how long the search may take; an order is there from the beginning.
    """
    deadline = None if seconds is None else monotonic() + seconds
    if len(graph.inner) <= EXACT_LIMIT:
        return exact(graph)
    best = simple(graph)
    if len(graph.inner) > ANNEALING_LIMIT:
        return best
    start = best
    for k in range(ROUNDS):
        found = improved(graph, start, seed * ROUNDS + k, deadline)
        if found.multiplications < best.multiplications:
            best = found
        if not found.is_complete:
            return replace(best, is_complete=False)
    return best


class _Annealing:
    """An order under change: what each place costs, and the graph as it is before each place."""

    def __init__(self, graph: EliminationGraph, order: Sequence[int]) -> None:
        self.graph = graph
        self.order = list(order)
        self.states: list[State] = []
        self.costs: list[int] = []
        state = graph.state()
        for vertex in order:
            self.states.append((list(state[0]), list(state[1])))
            self.costs.append(graph.eliminate(state, vertex))
        self.total = self.fewest = sum(self.costs)
        self.best_order = tuple(order)

    def move(self, random: Random, temperature: float) -> None:
        """Take a vertex to another place, if the total falls or is allowed to rise that much."""
        last = len(self.order) - 1
        origin = random.randint(0, last)
        reach = round(random.gauss(0, 1) * random.choice(REACHES))
        target = min(last, max(0, origin + reach))
        if origin == target:
            return
        first, end = min(origin, target), max(origin, target) + 1
        window = self.order[first:end]
        window = window[1:] + window[:1] if origin < target else window[-1:] + window[:-1]
        before = sum(self.costs[first:end])
        most = before - temperature * log(1 - random.random())
        state = (list(self.states[first][0]), list(self.states[first][1]))
        states: list[State] = []
        costs: list[int] = []
        after = 0
        for vertex in window:
            states.append((list(state[0]), list(state[1])))
            costs.append(self.graph.eliminate(state, vertex))
            after += costs[-1]
            if after > most:
                return
        self.order[first:end] = window
        self.states[first:end] = states
        self.costs[first:end] = costs
        self.total += after - before
        if self.total < self.fewest:
            self.fewest, self.best_order = self.total, tuple(self.order)

    def best(self, is_complete: bool) -> EliminationOrder:
        """Return the best order that was met."""
        return EliminationOrder(self.best_order, self.fewest, "annealing", is_complete=is_complete)


def _priced(graph: EliminationGraph, order: Sequence[int], method: str) -> EliminationOrder:
    return EliminationOrder(tuple(order), graph.cost(order), method)
