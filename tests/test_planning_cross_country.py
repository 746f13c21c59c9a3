"""Elimination orders of maps: cross-country where neither end is a single number, sums or parts."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import numpy as np
import pytest
from graph_zoo import SHAPES, Graph, graphs
from hypothesis import given, settings
from hypothesis import strategies as st

import tensorbp as tb
from tensorbp.expression.linearization import linearize
from tensorbp.expression.resolution import Resolution
from tensorbp.planning.cross_country import CrossCountry
from tensorbp.planning.vertex_elimination import (
    EliminationGraph,
    exact,
    improved,
    markowitz,
    searched,
    simple,
)


@st.composite
def weighted_graphs(draw: Any, most: int = 6) -> EliminationGraph:
    """Draw a graph whose vertices are spaces of unequal sizes."""
    inputs, inner, outputs = (draw(st.integers(1, 2)), draw(st.integers(1, most)), 1)
    count = inputs + inner + outputs
    predecessors = {
        vertex: draw(
            st.sets(st.integers(0, min(vertex, inputs + inner) - 1), min_size=1, max_size=3)
        )
        for vertex in range(inputs, count)
    }
    weights = [draw(st.sampled_from([1, 2, 3, 5, 17, 64])) for _ in range(count)]
    kept = [*range(inputs), count - 1]
    return EliminationGraph.of(predecessors, count, kept, weights)


@settings(max_examples=60)
@given(weighted_graphs())
def test_spaces_count_with_all_their_numbers(graph: EliminationGraph) -> None:
    """All orders of a small graph, priced by multiplying matrices that are made for it."""
    costs = [multiplied(graph, order) for order in permutations(graph.inner)]
    assert exact(graph).multiplications == min(costs)
    assert markowitz(graph).multiplications in costs
    assert simple(graph).multiplications >= min(costs)


def multiplied(graph: EliminationGraph, order: tuple[int, ...]) -> int:
    """Return the multiplications of eliminating vertices, with a matrix on each edge."""
    size = graph.weights
    edges = {
        (u, v): np.ones((size[v], size[u]))
        for v, bits in enumerate(graph.before)
        for u in range(len(size))
        if bits >> u & 1
    }
    total = 0
    for vertex in order:
        into = [edge for edge in edges if edge[1] == vertex]
        out = [edge for edge in edges if edge[0] == vertex]
        for u, _ in into:
            for _, w in out:
                left, right = edges[vertex, w], edges[u, vertex]
                total += left.shape[0] * left.shape[1] * right.shape[1]
                edges[u, w] = edges.get((u, w), 0) + left @ right
        for edge in (*into, *out):
            del edges[edge]
    return total


@settings(max_examples=20)
@given(weighted_graphs(most=9), st.integers(0, 5))
def test_annealing_is_no_worse_than_its_start_and_the_same_for_a_seed(
    graph: EliminationGraph, seed: int
) -> None:
    start = simple(graph)
    found = improved(graph, start, seed, steps=300)
    assert exact(graph).multiplications <= found.multiplications <= start.multiplications
    assert graph.cost(found.vertices) == found.multiplications
    assert improved(graph, start, seed, steps=300) == found
    assert searched(graph, seed).multiplications <= start.multiplications


@settings(max_examples=40)
@given(graphs(), st.integers(0, 3))
def test_every_vertex_is_eliminated_once(graph: Graph, seed: int) -> None:
    sources = [tb.variable(name, *SHAPES[name]) for name in ("x", "W", "V")]
    wanted = tb.jacobian(graph.nodes[-1], sources)
    linearized = linearize(wanted, Resolution([wanted]))
    order = CrossCountry(seed)(linearized)
    assert len(order) == len(linearized.inner)
    assert set(order) == set(linearized.inner)


def narrow_between_wide() -> tuple[tb.Expression, tb.Expression]:
    """Return a network that is narrow in two places, with paths that part and meet in between."""
    x = tb.variable("x", 90)
    a = tb.tanh(tb.variable("A", 3, 90) @ x)
    wide = tb.tanh(tb.variable("B", 70, 3) @ a)
    other = tb.sin(tb.variable("C", 70, 3) @ a)
    b = tb.tanh(tb.variable("D", 2, 70) @ (wide * other))
    return tb.tanh(tb.variable("E", 80, 2) @ b), x


def test_a_cross_country_order_is_taken_where_it_is_cheapest() -> None:
    y, x = narrow_between_wide()
    plan = tb.plan(tb.jacobian(y, x))
    assert plan.order == "mixed"
    # the Jacobian itself has 7,200 numbers; between the narrow places nothing is wider than 70 x 3
    cheaper = min(plan.baselines.reverse.flops, plan.baselines.forward.flops)
    assert plan.flops < 0.7 * cheaper


@pytest.mark.parametrize("rank", [1, 3])
def test_products_are_distributed_over_a_sum_where_that_is_cheaper(rank: int) -> None:
    """J = A (I + U Vᵀ) B: merged, the sum is a matrix of 200 x 200; distributed, U and V stay."""
    x, B = tb.variable("x", 150), tb.variable("B", 200, 150)
    U, V = tb.variable("U", 200, rank), tb.variable("V", 200, rank)
    A = tb.variable("A", 170, 200)
    h = B @ x
    plan = tb.plan(tb.jacobian(A @ (h + U @ (V.T @ h)), x))
    # A B, and the thin products
    assert plan.flops < 2 * 170 * 200 * 150 + 10 * rank * (200 * 150 + 170 * 200 + 170 * 150)
    random = np.random.default_rng(0)
    arrays = {each.name: random.normal(size=each.shape) for each in plan.inputs}
    (J,) = tb.compile(plan)(arrays)
    a, b, u, v = (arrays[name] for name in "ABUV")
    np.testing.assert_allclose(J.to_dense(), a @ (np.eye(200) + u @ v.T) @ b, rtol=1e-10)


def test_no_product_of_sums_is_expanded() -> None:
    """Sixteen residual blocks have 2^16 paths; the steps grow with the blocks."""
    counts = []
    for blocks in (4, 8, 16):
        h = x = tb.variable("x", 11)
        for k in range(blocks):
            thin = tb.variable(f"V{k}", 2, 11) @ h
            h = h + tb.variable(f"U{k}", 11, 2) @ thin
        counts.append(len(tb.plan(tb.jacobian(h, x)).steps))
    assert counts[2] - counts[1] <= 2.5 * (counts[1] - counts[0])
