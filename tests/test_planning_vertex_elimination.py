"""Orders of vertex elimination: brute force over all orders is the oracle."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import permutations
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from tensorbp.planning import vertex_elimination
from tensorbp.planning.vertex_elimination import (
    EliminationGraph,
    exact,
    forward,
    improved,
    markowitz,
    reverse,
    searched,
)

Edges = dict[int, list[int]]


def multiplications(edges: Edges, order: Iterable[int]) -> int:
    """Eliminate vertices on plain sets of edges."""
    pairs = {(source, vertex) for vertex, sources in edges.items() for source in sources}
    total = 0
    for vertex in order:
        sources = [a for a, b in pairs if b == vertex]
        targets = [b for a, b in pairs if a == vertex]
        total += len(sources) * len(targets)
        pairs = {(a, b) for a, b in pairs if vertex not in (a, b)}
        pairs |= {(a, b) for a in sources for b in targets}
    return total


@st.composite
def graphs(draw: st.DrawFn, most: int) -> tuple[Edges, int, list[int]]:
    """Draw a graph: two or three inputs, some inner vertices, one to three outputs."""
    inputs = draw(st.integers(2, 3))
    inner = draw(st.integers(1, most))
    outputs = draw(st.integers(1, 3))
    count = inputs + inner + outputs
    edges = {
        vertex: draw(st.lists(st.integers(0, vertex - 1), unique=True, max_size=4))
        for vertex in range(inputs, count)
    }
    return edges, count, [*range(inputs), *range(inputs + inner, count)]


@settings(max_examples=60, deadline=None)
@given(graphs(most=6))
def test_the_exact_order_is_the_best_of_all(drawn: tuple[Edges, int, list[int]]) -> None:
    edges, count, kept = drawn
    graph = EliminationGraph.of(edges, count, kept)
    found = exact(graph)
    assert found.multiplications == multiplications(edges, found.vertices)
    least = min(multiplications(edges, order) for order in permutations(graph.inner))
    assert found.multiplications == least


@settings(max_examples=60, deadline=None)
@given(graphs(most=30))
def test_what_an_order_is_said_to_cost(drawn: tuple[Edges, int, list[int]]) -> None:
    edges, count, kept = drawn
    graph = EliminationGraph.of(edges, count, kept)
    for found in (forward(graph), reverse(graph), markowitz(graph)):
        assert sorted(found.vertices) == sorted(graph.inner)
        assert found.multiplications == multiplications(edges, found.vertices)


def woven(rungs: int) -> EliminationGraph:
    """Return a graph whose vertices read two of the eight before them, drawn once."""
    random = Random(1)
    edges = {k: sorted(random.sample(range(max(0, k - 8), k), 2)) for k in range(4, 4 + rungs)}
    return EliminationGraph.of(edges, 4 + rungs, [*range(4), *range(1 + rungs, 4 + rungs)])


def test_annealing_starts_from_the_best_and_gains() -> None:
    graph = woven(40)
    start = min((forward(graph), reverse(graph), markowitz(graph)), key=lambda o: o.multiplications)
    found = improved(graph, start, seed=0)
    assert found.multiplications == graph.cost(found.vertices) < start.multiplications
    assert sorted(found.vertices) == sorted(graph.inner)
    assert improved(graph, start, seed=0) == found


def test_a_search_without_time_has_an_answer() -> None:
    graph = woven(40)
    found = searched(graph, seconds=1e-9)
    plain = min(each(graph).multiplications for each in (forward, reverse, markowitz))
    assert found.multiplications <= plain
    assert not found.is_complete


def test_large_graphs_are_not_annealed() -> None:
    graph = woven(vertex_elimination.ANNEALING_LIMIT + 10)
    assert searched(graph).method in ("markowitz", "forward", "reverse")
