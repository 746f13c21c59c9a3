"""Structured maps: every method equals the same one on the dense array."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from graph_zoo import Graph, graphs, run
from hypothesis import given, settings
from hypothesis import strategies as st

import tensorbp as tb
from tensorbp.errors import ShapeError
from tensorbp.execution import StructuredMap

few = settings(max_examples=25)


def close(one: Any, other: Any) -> bool:
    one, other = np.asarray(one), np.asarray(other)
    scale = max(1.0, np.abs(other).max(initial=0.0))
    return one.shape == other.shape and bool(np.abs(one - other).max(initial=0) < 1e-10 * scale)


def as_matrix(structured: StructuredMap) -> Any:
    return structured.to_dense().reshape(structured.output.size, structured.input.size)


def as_vector(element: Any) -> Any:
    if isinstance(element, list):
        return np.concatenate([np.ravel(each) for each in element])
    return np.ravel(element)


def element_of(space: Any) -> Any:
    random = np.random.default_rng(1)
    element = [random.normal(size=shape) for shape in space.shapes]
    return element if space.is_sum else element[0]


@st.composite
def maps(draw: Any) -> tuple[StructuredMap, StructuredMap]:
    """Draw J, from one space or a direct sum, and a square map on its output space."""
    graph: Graph = draw(graphs(most=4))
    y, nodes = graph.nodes[-1], graph.nodes
    sources = draw(st.sampled_from([nodes[0], nodes[:3], [nodes[3]], nodes[5]]))
    targets = draw(st.sampled_from([y, [y, nodes[1]]]))
    J = tb.jacobian(targets, sources)
    J, square = run([J, J @ J.T], graph.values())
    return J, square


@few
@given(maps())
def test_application(pair: Any) -> None:
    for A in (*pair, pair[0].T):
        x = element_of(A.input)
        assert close(as_vector(A @ x), as_matrix(A) @ as_vector(x))


@few
@given(maps())
def test_composition_and_transposes(pair: Any) -> None:
    J, S = pair
    assert close(as_matrix(J.T), as_matrix(J).T)
    assert close(as_matrix(J.T.T), as_matrix(J))
    assert close(as_matrix(S @ J), as_matrix(S) @ as_matrix(J))
    assert close(as_matrix((S @ J).T), as_matrix(J).T @ as_matrix(S).T)
    assert close(as_matrix(J.T @ S @ J), as_matrix(J).T @ as_matrix(S) @ as_matrix(J))


@few
@given(maps(), st.sampled_from([3, 0.5, -1, 0]))
def test_sums_and_multiples(pair: Any, number: Any) -> None:
    for A in pair:
        assert close(as_matrix(A + A), 2 * as_matrix(A))
        assert close(as_matrix(A - A), 0 * as_matrix(A))
        assert close(as_matrix(number * A), number * as_matrix(A))
        assert close(as_matrix(-A / 4), as_matrix(A) / -4)
    S = pair[1]
    assert close(as_matrix(S + S.T @ S), as_matrix(S) + as_matrix(S).T @ as_matrix(S))


@few
@given(maps())
def test_diagonal_and_trace(pair: Any) -> None:
    for S in (pair[1], pair[0].T @ pair[0]):
        assert close(as_vector(S.diagonal()), as_matrix(S).diagonal())
        assert close(S.trace(), as_matrix(S).trace())


@few
@given(maps())
def test_blocks(pair: Any) -> None:
    J = pair[0]
    rows = [
        np.concatenate([as_matrix(J.block(i, j)) for j in range(len(J.input.shapes))], axis=1)
        for i in range(len(J.output.shapes))
    ]
    assert close(np.concatenate(rows), as_matrix(J))


@few
@given(maps())
def test_size_and_bytes_are_those_of_the_arrays(pair: Any) -> None:
    for A in pair:
        arrays = {id(f.value): f.value for term in A.map.terms for f in term.factors}
        assert A.size == sum(array.size for array in arrays.values())
        assert A.nbytes == 8 * A.size
        assert str(A.size) in repr(A)


@few
@given(maps())
def test_a_direct_sum_is_one_dimension_of_the_dense_array(pair: Any) -> None:
    for A in pair:
        sides = [
            (space.size,) if space.is_sum else space.shapes[0] for space in (A.output, A.input)
        ]
        assert A.to_dense().shape == sides[0] + sides[1]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_what_is_made_of_a_map_has_its_dtype(dtype: str) -> None:
    x = tb.variable("x", 5)
    J = run(tb.jacobian(tb.sin(x), x), {"x": np.ones(5, dtype)}, dtype=dtype)[0]
    assert J.nbytes == 5 * np.dtype(dtype).itemsize
    for made in (J.to_dense(), J @ np.ones(5, dtype), J.diagonal(), J.trace(), (J @ J).to_dense()):
        assert made.dtype == dtype


def test_results_share_no_memory_with_the_map() -> None:
    W = tb.variable("W", 5, 7)
    J = run(tb.jacobian(W @ tb.variable("x", 7), tb.variable("x", 7)), {"W": np.ones((5, 7))})[0]
    dense = J.to_dense()
    dense[...] = 3
    assert np.array_equal(J.to_dense(), np.ones((5, 7)))


def test_groupings_without_common_refinement_are_composed_as_well() -> None:
    x = tb.variable("x", 24)
    J = run(tb.jacobian(tb.reshape(tb.reshape(x, (4, 6)).T, (24,)), x), {"x": np.zeros(24)})[0]
    P = np.eye(24)[np.arange(24).reshape(4, 6).T.ravel()]
    assert np.array_equal(J.to_dense(), P)
    assert np.array_equal((J @ J).to_dense(), P @ P)
    assert np.array_equal(J.diagonal(), P.diagonal())
    assert J.trace() == P.trace()
    assert np.array_equal((J + J.T).to_dense(), P + P.T)


def test_what_does_not_fit_is_refused() -> None:
    x, W = tb.variable("x", 7), tb.variable("W", 5, 7)
    J = run(tb.jacobian(tb.sin(W @ x), x), {"x": np.ones(7), "W": np.ones((5, 7))})[0]
    for text, act in [
        ("cannot compose: the left map takes (7,), the right one gives (5,)", lambda: J @ J),
        ("cannot add a map (7,) → (5,) and a map (5,) → (7,)", lambda: J + J.T),
        (
            "diagonal() needs a map from a space to itself, this one goes (7,) → (5,)",
            lambda: J.diagonal(),
        ),
        (
            "trace() needs a map from a space to itself, this one goes (7,) → (5,)",
            lambda: J.trace(),
        ),
        ("expected an element of (7,), found one of (4,)", lambda: J @ np.ones(4)),
    ]:
        with pytest.raises(ShapeError) as caught:
            act()
        assert str(caught.value) == text
    for act in (lambda: J + 1, lambda: J - 1, lambda: J * J, lambda: J * np.ones(3)):
        with pytest.raises(TypeError):
            act()


def test_a_list_is_an_element_like_an_array() -> None:
    x = tb.variable("x", 3)
    J = run(tb.jacobian(tb.sin(x), x), {"x": np.zeros(3)})[0]
    assert np.array_equal(J @ [1.0, 2.0, 3.0], [1, 2, 3])
    assert np.array_equal(J @ np.arange(3), [0, 1, 2])
