"""Programs: what they take, what they give, and what they refuse."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from graph_zoo import SHAPES, Graph, graphs, run
from hypothesis import given, settings
from hypothesis import strategies as st

import tensorbp as tb
from tensorbp.errors import CompileError
from tensorbp.execution import StructuredMap

few = settings(max_examples=30)


def arrays_in(result: Any) -> list[Any]:
    if isinstance(result, StructuredMap):
        return [factor.value for term in result.map.terms for factor in term.factors]
    if isinstance(result, list):
        return [array for each in result for array in arrays_in(each)]
    return [result]


def queries(graph: Graph) -> list[Any]:
    """Ask for the variables themselves, views of them, one thing twice, and derivatives."""
    nodes = graph.nodes
    return [
        *nodes,
        nodes[-1],
        nodes[-1].T,
        nodes[0].T,
        tb.jacobian(nodes[-1], nodes[:3]),
        tb.gradient(tb.sum(nodes[-1]), nodes[:3]),
        tb.hessian(tb.sum(nodes[0]), nodes[0]),
    ]


@few
@given(graphs(), st.sampled_from(["float32", "float64"]))
def test_results_have_the_dtype_of_the_program(graph: Graph, dtype: str) -> None:
    values = {name: value.astype(dtype) for name, value in graph.values().items()}
    for array in arrays_in(run(queries(graph), values, dtype=dtype)):
        assert array.dtype == dtype


@few
@given(graphs())
def test_both_dtypes_agree(graph: Graph) -> None:
    wanted = [graph.nodes[-1], *tb.gradient(tb.sum(graph.nodes[-1]), graph.nodes[:3])]
    values = graph.values()
    narrow = run(wanted, {k: v.astype("float32") for k, v in values.items()}, dtype="float32")
    for one, other in zip(narrow, run(wanted, values), strict=True):
        scale = max(1.0, np.abs(other).max(initial=0))
        assert np.allclose(one, other, rtol=1e-3, atol=1e-4 * scale)


@few
@given(graphs())
def test_results_share_memory_with_nothing(graph: Graph) -> None:
    values = graph.values()
    results = arrays_in(run(queries(graph), values))
    arrays = [array for array in results if isinstance(array, np.ndarray)]
    for k, array in enumerate(arrays):
        assert array.flags.writeable
        for other in (*arrays[:k], *values.values()):
            assert not np.shares_memory(array, other)


@few
@given(graphs())
def test_a_program_may_be_called_again_and_changes_no_input(graph: Graph) -> None:
    program = tb.compile(queries(graph))
    values = {name: graph.values()[name] for name in program.names}
    before = {name: value.copy() for name, value in values.items()}
    first = arrays_in(program(values))
    copies = [np.copy(array) for array in first]
    for array in first:
        if isinstance(array, np.ndarray):
            array[...] = np.nan
    second = arrays_in(program(values))
    for copy, again in zip(copies, second, strict=True):
        assert np.array_equal(copy, again)
    for name, value in values.items():
        assert np.array_equal(value, before[name])


@few
@given(graphs())
def test_the_layout_of_an_input_does_not_matter(graph: Graph) -> None:
    y = graph.nodes[-1]
    values = graph.values()
    strange = {
        name: np.repeat(np.asfortranarray(value), 2, axis=-1)[..., ::2] if value.ndim else value
        for name, value in values.items()
    }
    assert np.allclose(run(y, strange)[0], run(y, values)[0], rtol=1e-12, atol=1e-12)


def test_results_come_in_the_order_and_the_lists_asked_for() -> None:
    x, W = tb.variable("x", 3), tb.variable("W", 3, 4)
    y = tb.sum(tb.sin(x @ W))
    f = tb.compile([tb.gradient(y, [W, x]), y, tb.jacobian(y, x), []])
    lists, value, J, nothing = f(x=np.ones(3), W=np.ones((3, 4)))
    assert [each.shape for each in lists] == [(3, 4), (3,)]
    assert isinstance(value, np.float64)
    assert isinstance(J, StructuredMap)
    assert nothing == []


def test_inputs_may_be_lists_numbers_and_narrower_arrays() -> None:
    x, s = tb.variable("x", 3), tb.variable("s")
    f = tb.compile(s * x)
    for given_x in ([1, 2, 3], (1.0, 2.0, 3.0), np.arange(1, 4), np.float32([1, 2, 3])):
        (result,) = f(x=given_x, s=2)
        assert result.dtype == "float64"
        assert np.array_equal(result, [2, 4, 6])
    g = tb.compile(s * x, dtype="float32")
    assert g(x=np.float32([1, 2, 3]), s=0.5)[0].dtype == "float32"


def test_names_that_are_no_identifiers_are_given_in_a_mapping() -> None:
    x, y = tb.variable("dense 1/W", 2), tb.variable("arrays", 2)
    f = tb.compile(x * y)
    assert f.names == ("dense 1/W", "arrays")
    assert np.array_equal(f({"dense 1/W": np.ones(2)}, arrays=np.ones(2))[0], np.ones(2))


def test_integers_stay_integers() -> None:
    k = tb.variable("k", 3, kind="integer")
    f = tb.compile(tb.one_hot(k, 4))
    assert np.array_equal(f(k=[0, 3, 1])[0], np.eye(4)[[0, 3, 1]])
    refused(
        "input 'k' holds integers, found dtype float64; convert it with .astype(int)",
        lambda: f(k=[0.0, 3.0, 1.0]),
    )


def test_arrays_of_no_numbers() -> None:
    x = tb.variable("x", 0, 3)
    f = tb.compile([tb.sin(x) @ tb.variable("W", 3, 2), tb.sum(x, axis=0), tb.jacobian(x, x)])
    product, sums, J = f(x=np.zeros((0, 3)), W=np.ones((3, 2)))
    assert product.shape == (0, 2)
    assert np.array_equal(sums, np.zeros(3))
    assert J.to_dense().shape == (0, 3, 0, 3)


# ----- what is refused -----


def refused(text: str, act: Any) -> None:
    with pytest.raises(CompileError) as caught:
        act()
    assert str(caught.value) == text


def test_wrong_arrays_are_refused() -> None:
    x, W = tb.variable("x", 3), tb.variable("Weight", 3, 2)
    f = tb.compile(x @ W)
    good = {"x": np.ones(3), "Weight": np.ones((3, 2))}
    refused(
        "the program needs its input 'x' of shape (3,) (and Weight)",
        lambda: f(),
    )
    refused("the program needs its input 'Weight' of shape (3, 2)", lambda: f(x=np.ones(3)))
    refused(
        "the program takes no input 'Wieght'; did you mean 'Weight'?",
        lambda: f(good, Wieght=1),
    )
    refused(
        "input 'x' must have shape (3,), found (1, 3)", lambda: f({**good, "x": np.ones((1, 3))})
    )
    refused("input 'x' must hold numbers, found dtype <U3", lambda: f({**good, "x": ["abc"] * 3}))
    refused(
        "input 'x' must hold numbers, found dtype object",
        lambda: f({**good, "x": np.array([None] * 3)}),
    )
    with pytest.raises(CompileError, match="input 'x' has dtype complex128"):
        f({**good, "x": np.ones(3) * 1j})
    narrow = tb.compile(x @ W, dtype="float32")
    refused(
        "input 'x' has dtype float64, the program computes in float32; compile it with "
        'dtype="float64", or convert the array with .astype("float32")',
        lambda: narrow({**good}),
    )


def test_a_complex_number_is_no_real_input() -> None:
    s = tb.variable("s")
    with pytest.raises(CompileError, match="input 's' has dtype complex128"):
        tb.compile(tb.sin(s))(s=1j)


def test_a_nested_list_that_is_no_array_is_refused_by_name() -> None:
    x = tb.variable("x", 3)
    with pytest.raises(CompileError, match="input 'x'"):
        tb.compile(tb.sin(x))(x=[[1], [1, 2]])


def test_two_variables_of_one_name_are_refused() -> None:
    refused(
        "several variables of different shape or kind are named 'x'; a program takes its arrays "
        "by name, give each variable its own",
        lambda: tb.compile([tb.variable("x", 3), tb.variable("x", 4)]),
    )


def test_unknown_backends_and_dtypes_are_refused() -> None:
    x = tb.variable("x", 3)
    refused(
        "there is no backend 'nunpy'; did you mean 'numpy'?",
        lambda: tb.compile(x, backend="nunpy"),
    )
    refused(
        "dtype must be one of float16, bfloat16, float32, float64, complex128; found 'double'",
        lambda: tb.compile(x, dtype="double"),
    )


def test_an_input_that_drops_out_may_still_be_given() -> None:
    """The Hessian of a quadratic form does not depend on where it is taken."""
    x, A = tb.variable("x", 3), tb.variable("A", 3, 3)
    f = tb.compile(tb.hessian(x @ A @ x, x))
    (H,) = f(x=np.ones(3), A=np.arange(9.0).reshape(3, 3))
    assert np.array_equal(H.to_dense(), np.arange(9.0).reshape(3, 3) + np.arange(9).reshape(3, 3).T)


@settings(max_examples=20)
@given(st.sampled_from(sorted(SHAPES)), st.sampled_from(["float32", "float64"]))
def test_a_variable_alone_comes_back(name: str, dtype: str) -> None:
    x = tb.variable(name, *SHAPES[name])
    value = np.random.default_rng(0).normal(size=x.shape).astype(dtype)
    assert np.array_equal(run(x, {name: value}, dtype=dtype)[0], value)
