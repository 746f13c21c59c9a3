"""Nodes: equal expressions are one object, and depth is no limit."""

from __future__ import annotations

import copy
import gc
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from graph_zoo import Graph, graphs, run
from hypothesis import given

import tensorbp as tb
from tensorbp.algebra import Unifier
from tensorbp.errors import ShapeError, TensorbpError
from tensorbp.expression import Expression
from tensorbp.expression.graph import between, topological_order, variables
from tensorbp.expression.node import _interned


@given(graphs())
def test_building_the_same_again_gives_the_same_objects(graph: Graph) -> None:
    again = [Expression.of(node.operator, *node.operands) for node in graph.nodes]
    assert all(one is other for one, other in zip(again, graph.nodes, strict=True))
    assert len({*again, *graph.nodes}) == len(set(graph.nodes))


def test_equal_texts_are_one_expression() -> None:
    def loss() -> Expression:
        x, W = tb.variable("x", 5, 7), tb.variable("W", 7, 3)
        return tb.mean(tb.softplus(-2 * tb.tanh(x @ W) + 1) ** 3)

    assert loss() is loss()
    W = tb.variable("W", 7, 3)
    assert tb.gradient(loss(), W) is tb.gradient(loss(), W)
    assert tb.jacobian(loss(), W) == tb.jacobian(loss(), W)
    assert tb.variable("x", 5) is not tb.variable("x", 6)
    assert tb.variable("x", 5) is not tb.variable("x", 5, kind="integer")


def test_threads_agree_on_one_object() -> None:
    def build(_: int) -> int:
        x = tb.variable("threaded", 5)
        return id(tb.sin(tb.cos(x) * 2 + x))

    keep = tb.sin(tb.cos(tb.variable("threaded", 5)) * 2 + tb.variable("threaded", 5))
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(build, range(200))) == {id(keep)}


def test_nodes_that_nobody_holds_are_forgotten() -> None:
    gc.collect()
    before = len(_interned)
    x = tb.variable("forgotten", 3)
    for k in range(50):
        tb.sin(x * (k + 2))
    del x
    gc.collect()
    assert len(_interned) <= before


@given(graphs())
def test_operands_come_before_what_is_made_of_them(graph: Graph) -> None:
    order = topological_order(graph.nodes)
    position = {node: k for k, node in enumerate(order)}
    assert len(position) == len(order)
    for node in order:
        assert all(position[operand] < position[node] for operand in node.operands)
        assert all(operand.serial < node.serial for operand in node.operands)


@given(graphs())
def test_between_is_what_a_change_of_the_sources_reaches(graph: Graph) -> None:
    """The naive way: a node is between if it is a source or an operand of it is."""

    def reaches(node: Expression) -> bool:
        return node is source or any(reaches(each) for each in node.operands)

    source, target = graph.nodes[0], graph.nodes[-1]
    expected = {node for node in topological_order([target]) if reaches(node)}
    assert set(between([target], [source])) == expected


@given(graphs())
def test_variables_are_the_leaves_that_have_a_name(graph: Graph) -> None:
    found = variables([graph.nodes[-1]])
    below = set(topological_order([graph.nodes[-1]]))
    assert len(found) == len(set(found))
    assert set(found) == {node.operator for node in graph.nodes[:7] if node in below}


DEEP = 5000


def deep(kind: str, depth: int = DEEP) -> tuple[Expression, Expression]:
    x = y = tb.variable("x", 3)
    for k in range(depth):
        y = {
            "sin": lambda y: tb.sin(y),
            "sum": lambda y: y + x,
            "product": lambda y: y * x,
            "skip": lambda y: y + tb.sin(y),
            "shift": lambda y, k=k: y + k,
        }[kind](y)
    return x, y


@pytest.mark.parametrize("kind", ["sin", "sum", "skip", "shift"])
def test_deep_graphs_are_printed_planned_and_run(kind: str) -> None:
    _, y = deep(kind)
    assert repr(y)
    assert len(topological_order([y])) > DEEP
    value = run(y, {"x": np.full(3, 1e-9)})[0]
    assert value.shape == (3,)


def test_deep_graphs_are_differentiated() -> None:
    x, y = deep("sin", 600)
    g = tb.gradient(tb.sum(y), x)
    value = run(g, {"x": np.full(3, 1e-9)})[0]
    assert np.allclose(value, 1)


def test_the_work_of_planning_a_gradient_is_linear_in_depth(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A long chain of Jacobians must not be one product that is copied once a link."""
    looks: list[int] = []
    expand = Unifier.expand

    def counted(self: Unifier, dimension: Any) -> Any:
        looks.append(1)
        return expand(self, dimension)

    monkeypatch.setattr(Unifier, "expand", counted)
    found = []
    for depth in (100, 200, 400):
        x, y = deep("sin", depth)
        looks.clear()
        tb.plan(tb.gradient(tb.sum(y), x))
        found.append(len(looks))
    assert found[2] - found[1] < 2.5 * (found[1] - found[0])


def test_deep_graphs_are_forgotten_without_recursion() -> None:
    script = (
        "import gc, tensorbp as tb\n"
        "x = y = tb.variable('x', 3)\n"
        "for _ in range(100_000):\n"
        "    y = tb.sin(y)\n"
        "del x, y\n"
        "gc.collect()\n"
        "print('done')"
    )
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (ended.returncode, ended.stdout.strip()) == (0, "done")


def test_long_sums_and_products_of_maps_are_no_limit() -> None:
    x = tb.variable("x", 3)
    J = tb.jacobian(tb.sin(x), x)
    total = product = J
    for _ in range(1500):
        total, product = total + J, product @ J
    values = {"x": np.full(3, 0.1)}
    assert np.allclose(run(total.diagonal(), values)[0], 1501 * np.cos(0.1))
    assert np.allclose(run(product.diagonal(), values)[0], np.cos(0.1) ** 1501)


def test_copies_of_an_expression_are_the_expression() -> None:
    x = tb.sin(tb.variable("x", 3))
    assert copy.copy(x) is x
    assert copy.deepcopy(x) is x
    assert +x is x


# ----- what is refused -----


def refused(text: str, act: Any) -> None:
    with pytest.raises(TensorbpError) as caught:
        act()
    assert str(caught.value) == text


def test_an_expression_has_no_truth_value() -> None:
    x = tb.variable("x", 3)
    message = "an expression has no truth value: it holds no numbers before it is compiled"
    refused(message, lambda: bool(x))
    refused(message, lambda: 1 if x else 2)
    assert (x == x) is True
    assert (x == tb.variable("y", 3)) is False


ARRAY = "expected an expression or a number, found ndarray; an array is given by name to the "
ARRAY += "compiled program, in its place stands a variable"


@pytest.mark.parametrize(
    "act",
    [
        lambda x, a: x + a,
        lambda x, a: a + x,
        lambda x, a: x * a,
        lambda x, a: a * x,
        lambda x, a: x / a,
        lambda x, a: a - x,
        lambda x, a: x @ a,
        lambda x, a: tb.sin(a),
        lambda x, a: tb.maximum(x, a),
        lambda x, a: tb.einsum("i,i->", x, a),
    ],
)
def test_arrays_are_no_expressions(act: Any) -> None:
    x = tb.variable("x", 3)
    refused(ARRAY, lambda: act(x, np.ones(3)))


@pytest.mark.parametrize("wrong", ["text", None, [1.0], 1j])
def test_other_things_are_no_expressions(wrong: Any) -> None:
    x = tb.variable("x", 3)
    for act in (lambda: x + wrong, lambda: wrong * x, lambda: tb.sin(wrong)):
        with pytest.raises((TypeError, TensorbpError)):
            act()


@pytest.mark.parametrize("number", [np.float64(2), np.float32(2), np.int64(2), np.int8(2), True])
def test_the_numbers_of_numpy_are_numbers(number: Any) -> None:
    x = tb.variable("x", 3)
    assert number * x is x * number is int(number) * x
    assert x + number is x + int(number)
    assert x / number is x / int(number)


def test_variables_say_what_is_wrong_with_them() -> None:
    refused("a variable needs a name, found ''", lambda: tb.variable("", 3))
    refused(
        "variable 'x': sizes must be integers from 0, found (3, 4); write "
        'variable("x", 1000, 30)',
        lambda: tb.variable("x", (3, 4)),  # type: ignore[arg-type]
    )
    refused(
        "variable 'x': sizes must be integers from 0, found -1; write variable(\"x\", 1000, 30)",
        lambda: tb.variable("x", -1),
    )
    refused(
        "variable 'x': kind must be 'real' or 'integer', found 'complex'",
        lambda: tb.variable("x", 3, kind="complex"),  # type: ignore[arg-type]
    )
    with pytest.raises(ShapeError, match=r"found 3\.0"):
        tb.variable("x", 3.0)  # type: ignore[arg-type]


def test_sizes_may_be_integers_of_numpy() -> None:
    assert tb.variable("x", *np.array([3, 4])) is tb.variable("x", 3, 4)
