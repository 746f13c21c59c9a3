"""Derivatives of random graphs against PyTorch: Jacobians, Hessians, what is made of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from graph_zoo import SHAPES, Graph, graphs, run
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.func import grad, jacrev, vjp

import tensorbp as tb
from tensorbp.errors import ShapeError
from tensorbp.expression.resolution import Resolution

names = st.lists(st.sampled_from(sorted(SHAPES)), min_size=1, max_size=3, unique=True)


def close(one: Any, other: Any) -> bool:
    one, other = np.asarray(one), np.asarray(other)
    scale = max(1.0, np.abs(other).max(initial=0.0))
    return one.shape == other.shape and bool(np.abs(one - other).max(initial=0) < 1e-10 * scale)


def matrix(jacobians: Any, rows: int) -> Any:
    return np.concatenate([np.asarray(each).reshape(rows, -1) for each in jacobians], axis=1)


def oracle(graph: Graph, sources: list[str], what: Any) -> Any:
    """Apply a transformation of torch to the last node as a function of some variables."""
    return what(function_of(graph, sources))(*[graph.tensors()[name] for name in sources])


def function_of(graph: Graph, sources: list[str]) -> Any:
    tensors = graph.tensors()
    return lambda *chosen: graph.evaluate(tensors | dict(zip(sources, chosen, strict=True)))[-1]


def hessian(function: Any, argnums: Any = 0) -> Any:
    return jacrev(jacrev(function, argnums), argnums)


def pushforward(function: Any, at: Any, tangents: Any) -> Any:
    """Transpose what pulls back, which is linear: a Jacobian times tangents."""
    value, pull = vjp(function, *at)
    return vjp(pull, value)[1](tangents)[0]


def scalar(function: Any) -> Any:
    return lambda *chosen: function(*chosen).sum()


def variables(sources: list[str]) -> list[tb.Expression]:
    return [tb.variable(name, *SHAPES[name]) for name in sources]


@given(graphs())
def test_values(graph: Graph) -> None:
    expected = graph.evaluate(graph.tensors())
    for value, other in zip(run(graph.nodes, graph.values()), expected, strict=True):
        assert close(value, other)


@given(graphs(), names)
def test_jacobians(graph: Graph, sources: list[str]) -> None:
    y = graph.nodes[-1]
    expected = oracle(graph, sources, lambda f: jacrev(f, argnums=tuple(range(len(sources)))))
    J = tb.jacobian(y, variables(sources))
    (structured, *dense) = run([J, *J.to_dense()], graph.values())
    joined = matrix(expected, y.size)
    assert close(structured.to_dense().reshape(joined.shape), joined)
    for value, other in zip(dense, expected, strict=True):
        assert close(value, other)


@given(graphs(), names, st.sampled_from(["reverse", "forward"]))
def test_every_order_gives_the_same_jacobian(graph: Graph, sources: list[str], order: str) -> None:
    y = graph.nodes[-1]
    J = tb.jacobian(y, variables(sources))
    expected = run([J], graph.values())[0].to_dense()
    assert close(run([J], graph.values(), order=order)[0].to_dense(), expected)
    worked_out = Resolution([J], lambda wanted: order).map(J)  # type: ignore[arg-type, return-value]
    blocks = [worked_out.block(0, k) for k in range(len(sources))]
    tensors = [tb.expression.map_expression.Explicit(block).to_dense() for block in blocks]
    assert close(matrix(run(tensors, graph.values()), y.size), expected.reshape(y.size, -1))


@given(graphs(), names)
def test_gradients_and_hessians(graph: Graph, sources: list[str]) -> None:
    f = graph.scalar()
    parameters = variables(sources)
    everything = tuple(range(len(sources)))
    gradient, curvature = run(
        [tb.gradient(f, parameters), tb.hessian(f, parameters)], graph.values()
    )
    expected = oracle(graph, sources, lambda g: grad(scalar(g), argnums=everything))
    for value, other in zip(gradient, expected, strict=True):
        assert close(value, other)
    blocks = oracle(graph, sources, lambda g: hessian(scalar(g), everything))
    rows = [matrix(row, p.size) for row, p in zip(blocks, parameters, strict=True)]
    assert close(curvature.to_dense(), np.concatenate(rows))


@settings(max_examples=30)
@given(graphs(most=5), names, st.sampled_from([None, "reverse", "forward"]))
def test_products_of_maps(graph: Graph, sources: list[str], order: Any) -> None:
    """J Jᵀ, Jᵀ J, Jᵀ H J, their diagonals and traces, each a network that is planned anew."""
    y = graph.nodes[-1]
    parameters = variables(sources)
    J = tb.jacobian(y, parameters)
    H = tb.hessian(tb.sum(tb.softplus(y) * tb.sin(y)), y)
    queries = [
        J @ J.T,
        (J @ J.T).diagonal(),
        (J @ J.T).trace(),
        J.T @ J,
        (J.T @ J).diagonal(),
        (J.T @ H @ J).diagonal(),
        J.T @ H @ J,
        2 * (J @ J.T) - H / 4,
    ]
    found = run(queries, graph.values(), order=order)
    everything = tuple(range(len(sources)))
    j = matrix(oracle(graph, sources, lambda f: jacrev(f, argnums=everything)), y.size)
    loss = scalar(lambda v: torch.logaddexp(v, torch.zeros_like(v)) * torch.sin(v))
    h = np.asarray(hessian(loss)(graph.evaluate(graph.tensors())[-1])).reshape(y.size, y.size)
    square = (y.size, y.size)
    assert close(found[0].to_dense().reshape(square), j @ j.T)
    assert close(found[1].ravel(), (j @ j.T).diagonal())
    assert close(found[2], (j @ j.T).trace())
    assert close(found[3].to_dense(), j.T @ j)
    assert close(np.concatenate([each.ravel() for each in found[4]]), (j.T @ j).diagonal())
    assert close(np.concatenate([each.ravel() for each in found[5]]), (j.T @ h @ j).diagonal())
    assert close(found[6].to_dense(), j.T @ h @ j)
    assert close(found[7].to_dense().reshape(square), 2 * j @ j.T - h / 4)


@given(graphs(), names)
def test_directional_derivatives(graph: Graph, sources: list[str]) -> None:
    y, parameters = graph.nodes[-1], variables(sources)
    tangents = [tb.variable(f"t_{name}", *SHAPES[name]) for name in sources]
    cotangent = tb.variable("cotangent", *y.shape)
    random = np.random.default_rng(0)
    extra = {t.operator.name: random.normal(size=t.shape) for t in [*tangents, cotangent]}
    curvature = tb.hessian(graph.scalar(), parameters) @ tangents
    found = run(
        [tb.jvp(y, parameters, tangents), tb.vjp(y, parameters, cotangent), curvature],
        graph.values() | extra,
    )
    pushed = tuple(torch.tensor(extra[f"t_{name}"]) for name in sources)
    at = tuple(graph.tensors()[name] for name in sources)
    function = function_of(graph, sources)
    assert close(found[0], pushforward(function, at, pushed))
    pulled = vjp(function, *at)[1](torch.tensor(extra["cotangent"]))
    for value, other in zip(found[1], pulled, strict=True):
        assert close(value, other)
    gradient = grad(scalar(function), argnums=tuple(range(len(sources))))
    for value, other in zip(found[2], pushforward(gradient, at, pushed), strict=True):
        assert close(value, other)


@given(graphs(least=3), st.data())
def test_with_respect_to_a_node_inside(graph: Graph, data: st.DataObject) -> None:
    """The rest of the graph is a function of the node, with all that does not pass through it.

    A node may be a view of another; it stays whole all the same.
    """
    # a difference of equals is the constant zero, on which nothing depends
    inside = [k for k, node in enumerate(graph.nodes) if k >= len(SHAPES) and node.operands]
    at = data.draw(st.sampled_from(inside)) if inside else 0
    values = graph.evaluate(graph.tensors())

    def rest(value: Any) -> Any:
        known = {graph.nodes[k]: each for k, each in enumerate(values[: len(SHAPES)])}
        known[graph.nodes[at]] = value
        for k, (function, operands) in enumerate(graph.steps, start=len(SHAPES)):
            if graph.nodes[k] not in known:
                known[graph.nodes[k]] = function(*[known[graph.nodes[o]] for o in operands])
        return known[graph.nodes[-1]]

    J = tb.jacobian(graph.nodes[-1], graph.nodes[at])
    assert close(run([J.to_dense()], graph.values())[0], jacrev(rest)(values[at]))


@pytest.mark.parametrize("view", [lambda x: x.T, lambda x: 2 * x, lambda x: tb.reshape(x, (6,))])
def test_a_view_inside_is_never_taken_for_something_on_which_nothing_depends(view: Any) -> None:
    x = tb.variable("x", 2, 3)
    h = view(x)
    try:
        J = tb.jacobian(tb.sin(h) * h, h)
    except ShapeError:
        return
    values = {"x": np.arange(6.0).reshape(2, 3)}
    at = run(h, values)[0]
    expected = np.diag((np.cos(at) * at + np.sin(at)).ravel()).reshape(h.shape * 2)
    assert close(run(J.to_dense(), values)[0], expected)


@given(graphs(most=4), st.sampled_from(["x", "c", "s"]))
def test_third_derivatives(graph: Graph, source: str) -> None:
    f, x = graph.scalar(), tb.variable(source, *SHAPES[source])
    third = tb.jacobian(tb.hessian(f, x).to_dense(), x)
    expected = oracle(graph, [source], lambda g: jacrev(hessian(scalar(g))))
    assert close(run([third.to_dense()], graph.values())[0], expected)


@given(graphs(), st.sampled_from(sorted(SHAPES)))
def test_several_targets(graph: Graph, source: str) -> None:
    targets = graph.nodes[len(SHAPES) - 1 :]
    x = tb.variable(source, *SHAPES[source])
    together = run([tb.jacobian(targets, x)], graph.values())[0].to_dense()
    alone = run([tb.jacobian(target, x) for target in targets], graph.values())
    rows = [
        each.to_dense().reshape(target.size, *x.shape)
        for each, target in zip(alone, targets, strict=True)
    ]
    assert close(together, np.concatenate(rows))


# ----- structure -----


@pytest.mark.parametrize(("rows", "columns"), [(64, 32), (7, 5), (1, 3), (0, 4)])
def test_the_jacobian_of_an_activation_is_diagonal(rows: int, columns: int) -> None:
    x = tb.variable("x", rows, columns)
    J = tb.jacobian(tb.tanh(x), x)
    assert J.size == rows * columns
    assert run(J, {"x": np.zeros((rows, columns))})[0].size == rows * columns


@pytest.mark.parametrize(("rows", "columns"), [(64, 10), (7, 5)])
def test_the_jacobian_of_softmax_keeps_the_batch_apart(rows: int, columns: int) -> None:
    x = tb.variable("x", rows, columns)
    J = tb.jacobian(tb.softmax(x), x)
    assert J.size == rows * columns * columns
    assert run(J, {"x": np.zeros((rows, columns))})[0].size == rows * columns * columns


def test_the_hessian_of_matrix_factorisation_is_compressed() -> None:
    T, U, V = tb.variable("T", 200, 90), tb.variable("U", 200, 5), tb.variable("V", 90, 5)
    H = tb.hessian(tb.sum((T - U @ V.T) ** 2), U)
    assert H.size <= 5 * 5
    found = run(H, {"V": np.ones((90, 5)), "T": np.ones((200, 90)), "U": np.ones((200, 5))})[0]
    assert found.size <= 5 * 5


@pytest.mark.parametrize("order", [None, "reverse", "forward"])
def test_a_chain_of_activations_and_biases_stays_diagonal(order: Any) -> None:
    x, b = tb.variable("x", 17, 13), tb.variable("b", 13)
    y = tb.sin(tb.tanh(x + b) * 3) + tb.exp(-x)
    found = run(tb.jacobian(y, x), {"x": np.zeros((17, 13)), "b": np.zeros(13)}, order=order)[0]
    assert found.size == 17 * 13


def test_a_value_that_several_blocks_share_is_counted_once() -> None:
    x = tb.variable("x", 17)
    J = tb.jacobian([tb.tanh(x), tb.tanh(x)], x)
    assert J.size == 17
    found = run(J, {"x": np.zeros(17)})[0]
    assert found.size == 17
    assert found.nbytes == 17 * 8


def test_what_does_not_depend_has_a_zero_jacobian_that_holds_nothing() -> None:
    x, y = tb.variable("x", 3, 5), tb.variable("y", 7)
    J = tb.jacobian(tb.sin(y), x)
    assert J.size == 0
    assert close(run(J.to_dense(), {"x": 0, "y": np.ones(7)})[0], np.zeros((7, 3, 5)))
    assert close(run(tb.gradient(tb.sum(y), x), {})[0], np.zeros((3, 5)))


def permutation() -> tuple[tb.Expression, tb.Expression, Any]:
    """A reshape, transposed and flattened: its two sides group the axes in different ways."""
    x = tb.variable("x", 24)
    y = tb.reshape(tb.reshape(x, (4, 6)).T, (24,))
    return x, y, np.eye(24)[np.arange(24).reshape(4, 6).T.ravel()]


@pytest.mark.parametrize("order", [None, "reverse", "forward"])
def test_groupings_without_common_refinement(order: Any) -> None:
    x, y, P = permutation()
    J = tb.jacobian(y, x)
    queries = [J.to_dense(), J.diagonal(), J.trace(), (J @ J).to_dense(), (J @ J.T).to_dense()]
    found = run([*queries, (J @ J).diagonal()], {}, order=order)
    for value, other in zip(found, [P, P.diagonal(), P.trace(), P @ P, P @ P.T], strict=False):
        assert close(value, other)
    assert close(found[-1], (P @ P).diagonal())
    curved = tb.jacobian(tb.reshape(tb.sin(tb.reshape(x, (4, 6))), (6, 4)) * 2, x)
    values = {"x": np.arange(24.0)}
    expected = np.diag(2 * np.cos(np.arange(24.0))).reshape(6, 4, 24)
    assert close(run(curved.to_dense(), values, order=order)[0], expected)


# ----- what is refused -----


def refused(text: str, act: Any) -> None:
    with pytest.raises(ShapeError) as caught:
        act()
    assert str(caught.value) == text


def test_only_a_scalar_has_a_gradient() -> None:
    x = tb.variable("x", 5)
    message = (
        "the gradient is that of a scalar, found an expression of shape (5,); sum or average it "
        "first, or ask for its jacobian"
    )
    refused(message, lambda: tb.gradient(x * x, x))
    refused(message, lambda: tb.hessian(x * x, x))


def test_nothing_is_derived_with_respect_to_integers() -> None:
    k, x = tb.variable("k", 5, kind="integer"), tb.variable("x", 5)
    refused(
        "variable 'k' holds integers: nothing is derived with respect to it",
        lambda: tb.jacobian(x * k, [x, k]),
    )


@pytest.mark.parametrize("wrong", [[], {}, [1.0], 3, "x", np.zeros(3), None])
def test_what_is_no_expression_cannot_be_derived(wrong: Any) -> None:
    x = tb.variable("x", 5)
    with pytest.raises(
        tb.OperandError, match="there must be an expression, or a list of expressions"
    ):
        tb.jacobian(x, wrong)
    with pytest.raises(
        tb.OperandError, match="there must be an expression, or a list of expressions"
    ):
        tb.jacobian(wrong, x)


def test_directions_must_have_the_shape_of_what_moves() -> None:
    x, v = tb.variable("x", 5), tb.variable("v", 7)
    refused("expected an element of (5,), found one of (7,)", lambda: tb.jvp(tb.sin(x), x, v))
    refused("expected an element of (5,), found one of (7,)", lambda: tb.vjp(tb.sin(x), x, v))
    refused("expected an element of (5,), found one of (5,) ⊕ (5,)", lambda: tb.jvp(x, x, [x, x]))


def _heads_joined(x: Any) -> Any:
    return tb.reshape(tb.einsum("bshd->bhsd", tb.reshape(x, (1, 2, 3, 1))), (3, 2))


VIEWS: dict[str, Any] = {
    "reshaped": lambda x: tb.reshape(x.T, (6,)),
    "heads joined": _heads_joined,
    "of a function": lambda x: tb.reshape(tb.tanh(x).T, (6,)),
    "a size of one": lambda x: tb.reshape(tb.reshape(x, (1, 6)).T, (6,)),
    "tiled once": lambda x: tb.tile(x, (1, 1)),
    "repeated": lambda x: tb.tile(x, (1, 3)),
}


@pytest.mark.parametrize("name", VIEWS)
def test_with_respect_to_views_of_views(name: str) -> None:
    """What is derived by an inner view is what is derived by a variable in its place."""
    x = tb.variable("x", 2, 3)
    inner = VIEWS[name](x)
    outer = tb.variable("v", *inner.shape)

    def wanted(n: Any) -> list[Any]:
        return [
            tb.jacobian(n + 3 * n, n).to_dense(),
            tb.hessian(tb.sum(n * n), n).to_dense(),
            tb.hessian(tb.sin(tb.sum(n * n)), n).to_dense(),
        ]

    values = {"x": np.random.default_rng(0).normal(size=(2, 3))}
    (at,) = run([inner], values)
    for found, expected in zip(
        run(wanted(inner), values), run(wanted(outer), {"v": at}), strict=True
    ):
        assert close(found, expected)


def test_a_map_that_is_built_twice_is_one_map() -> None:
    x, v = tb.variable("x", 5), tb.variable("v", 5)

    def maps() -> list[Any]:
        J = tb.jacobian(tb.tanh(tb.variable("W", 3, 5) @ x), x)
        return [J.T @ J, J + J, 2 * J, J.T, J @ v, J.block(0, 0), (J.T @ J).diagonal()]

    assert all(one is other for one, other in zip(maps(), maps(), strict=True))
    J = tb.jacobian(tb.tanh(x), x)
    assert 2 * J is not 2.0 * J
    assert J @ J is not J + J
    once, twice = tb.plan(maps()[0]), tb.plan([maps()[0], maps()[0]])
    assert once.flops == twice.flops
