"""Vertex elimination: any order of the vertices gives the same map, and paths are merged."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from graph_zoo import SHAPES, Graph, graphs, run
from hypothesis import given, settings
from hypothesis import strategies as st

import tensorbp as tb
from tensorbp.expression.arithmetic import total
from tensorbp.expression.elimination import ORDERS, eliminate, elimination_order
from tensorbp.expression.linearization import LinearizedGraph, linearize
from tensorbp.expression.map_expression import Explicit
from tensorbp.expression.resolution import Resolution, natural_order

few = settings(max_examples=30)


def linearized(wanted: tb.MapExpression) -> LinearizedGraph:
    return linearize(wanted, Resolution([wanted]))


def value_of(linear_map: Any, arrays: dict[str, Any]) -> Any:
    return run(Explicit(linear_map), arrays)[0].to_dense()


def sources_of(graph: Graph, count: int) -> list[tb.Expression]:
    return [tb.variable(name, *SHAPES[name]) for name in list(SHAPES)[:count]]


def close(one: Any, other: Any) -> bool:
    scale = max(1.0, np.abs(other).max(initial=0.0))
    return one.shape == other.shape and bool(np.abs(one - other).max(initial=0) < 1e-10 * scale)


@few
@given(graphs(), st.integers(1, 3), st.data())
def test_every_permutation_of_the_vertices_gives_the_same_map(
    graph: Graph, count: int, data: Any
) -> None:
    J = tb.jacobian(graph.nodes[-1], sources_of(graph, count))
    network = linearized(J)
    order = data.draw(st.permutations(network.inner))
    spaces = (J.output, J.input)
    found = eliminate(network, order, lambda vertex, terms: total(terms), spaces)
    expected = run(J, graph.values())[0].to_dense()
    assert close(value_of(found.merged(total), graph.values()), expected)


@few
@given(graphs(most=4), st.data())
def test_every_permutation_works_for_products_of_maps(graph: Graph, data: Any) -> None:
    J = tb.jacobian(graph.nodes[-1], sources_of(graph, 2))
    product = J @ J.T
    network = linearized(product)
    order = data.draw(st.permutations(network.inner))
    spaces = (product.output, product.input)
    found = eliminate(network, order, lambda vertex, terms: total(terms), spaces)
    expected = run(J, graph.values())[0].to_dense().reshape(J.output.size, J.input.size)
    dense = value_of(found.merged(total), graph.values())
    assert close(dense.reshape(J.output.size, J.output.size), expected @ expected.T)


@few
@given(graphs(), st.sampled_from(ORDERS))
def test_an_order_names_every_inner_vertex_once(graph: Graph, order: Any) -> None:
    J = tb.jacobian(graph.nodes[-1], sources_of(graph, 3))
    for wanted in (J, J.T, J @ J.T, 2 * J + J):
        network = linearized(wanted)
        named = elimination_order(network, order)
        assert len(named) == len(set(named)) == len(network.inner)
        assert set(named) == set(network.inner)


@few
@given(graphs())
def test_edges_go_forwards(graph: Graph) -> None:
    """Sources, inner vertices, sinks: a topological order, so forward and reverse are orders."""
    J = tb.jacobian(graph.nodes[-1], sources_of(graph, 3))
    for wanted in (J, J.T, J @ J.T, J + J):
        network = linearized(wanted)
        position = {
            vertex: k for k, vertex in enumerate([*network.sources, *network.inner, *network.sinks])
        }
        assert all(position[u] < position[v] for u, v in network.edges)


@few
@given(graphs())
def test_the_graph_is_left_as_it_is(graph: Graph) -> None:
    J = tb.jacobian(graph.nodes[-1], sources_of(graph, 2))
    network = linearized(J)
    before = (dict(network.edges), list(network.inner))
    for _ in range(2):
        eliminate(network, network.inner, lambda v, terms: total(terms), (J.output, J.input))
    assert (network.edges, network.inner) == before


@few
@given(graphs(most=4), st.sampled_from(ORDERS))
def test_blocks_that_nobody_wants_are_left_out(graph: Graph, order: Any) -> None:
    J = tb.jacobian(graph.nodes[-1], sources_of(graph, 3))
    square = J.T @ J
    network = linearized(square)
    named = elimination_order(network, order)
    spaces = (square.output, square.input)
    everything = eliminate(network, named, lambda v, terms: total(terms), spaces)
    diagonal = eliminate(
        network, named, lambda v, terms: total(terms), spaces, lambda at: at[0] == at[1]
    )
    assert set(diagonal.blocks) == {at for at in everything.blocks if at[0] == at[1]}
    for k, _ in diagonal.blocks:
        one, other = (
            value_of(each.block(k, k).merged(total), graph.values())
            for each in (diagonal, everything)
        )
        assert close(one, other)


@pytest.mark.parametrize("order", ["reverse", "forward"])
def test_products_of_sums_are_not_expanded(order: Any) -> None:
    """A residual network of depth n has 2^n paths; the terms that are left do not grow with n."""
    h = x = tb.variable("x", 3, 5)
    for k in range(20):
        h = h + tb.tanh(h @ tb.variable(f"W{k}", 5, 5))
    J = tb.jacobian(h, x)
    network = linearized(J)
    found = eliminate(
        network,
        elimination_order(network, order),
        lambda v, terms: total(terms),
        (J.output, J.input),
    )
    assert len(found.terms) <= 2


def test_the_natural_order_starts_from_the_smaller_side() -> None:
    x, W = tb.variable("x", 7), tb.variable("W", 3, 7)
    J = tb.jacobian(tb.tanh(W @ x), x)
    assert natural_order(J) == "reverse"
    assert natural_order(tb.jacobian(tb.sin(x @ W.T * 1), W)) == "reverse"
    assert natural_order(tb.jacobian(tb.sin(tb.einsum("i,j->ij", x, x)), x)) == "forward"
