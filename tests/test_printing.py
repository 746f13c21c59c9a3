"""Printing: what is written means what is computed.

The formulas are read back by a small reader of their own, which knows the notation from its
description only: juxtaposition is the matrix product, ⊙ the elementwise one, ᵀ the transpose.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from graph_zoo import Graph, graphs, run
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import tensorbp as tb

TOKENS = re.compile(
    r"\s*(?:(?P<number>\d+(?:\.\d+)?(?:e[-+]?\d+)?)|(?P<call>[a-zσ_][a-z0-9_]*)\("
    r"|(?P<name>[A-Za-z_][A-Za-z0-9_]*)|(?P<text>\"[^\"]*\")|(?P<sign>[()+\-⊙/ᵀ²,=]))"
)


class Value:
    """An array in a formula; a vector stands upright until it is transposed."""

    def __init__(self, array: Any, is_row: bool = False) -> None:
        self.array = np.asarray(array, dtype=float)
        self.is_row = is_row

    @property
    def T(self) -> Value:  # noqa: N802
        if self.array.ndim == 1:
            return Value(self.array, not self.is_row)
        return Value(self.array.T)

    def __matmul__(self, other: Value) -> Value:
        a, b = self.array, other.array
        if not a.ndim or not b.ndim:
            return Value(a * b, self.is_row or other.is_row)
        if a.ndim == b.ndim == 1 and other.is_row and not self.is_row:
            return Value(np.outer(a, b))
        return Value(a @ b, self.is_row and b.ndim == 2)


class Reader:
    """Reads sum := product {± product}; product := chain {⊙ chain}; chain := postfix postfix..."""

    def __init__(self, text: str, names: dict[str, Value]) -> None:
        self.tokens: list[tuple[str, str]] = []
        position = 0
        text = text.strip()
        while position < len(text):
            match = TOKENS.match(text, position)
            assert match, text[position:]
            assert match.lastgroup
            self.tokens.append((match.lastgroup, match.group(match.lastgroup)))
            position = match.end()
        self.tokens.append(("end", ""))
        self.names = names

    def whole(self) -> Value:
        value = self.sum()
        assert self.tokens == [("end", "")], self.tokens
        return value

    def take(self, token: str) -> bool:
        if self.tokens[0] == ("sign", token):
            self.tokens.pop(0)
            return True
        return False

    def sum(self) -> Value:
        sign = -1 if self.take("-") else 1
        value = self.quotient()
        value = Value(sign * value.array, value.is_row)
        while True:
            if self.take("+"):
                sign = 1
            elif self.take("-"):
                sign = -1
            else:
                return value
            value = Value(value.array + sign * self.quotient().array, value.is_row)

    def quotient(self) -> Value:
        value = self.hadamard()
        while self.take("/"):
            value = Value(value.array / self.chain().array, value.is_row)
        return value

    def hadamard(self) -> Value:
        number = Value(1.0)
        if self.tokens[0][0] == "number":
            number = Value(float(self.tokens.pop(0)[1]))
            if not self.starts_a_piece():
                return number
        value = self.chain()
        while self.take("⊙"):
            value = Value(value.array * self.chain().array, value.is_row)
        return Value(number.array * value.array, value.is_row)

    def starts_a_piece(self) -> bool:
        return self.tokens[0][0] in ("number", "name", "call") or self.tokens[0] == ("sign", "(")

    def chain(self) -> Value:
        pieces = [self.postfix()]
        while self.starts_a_piece():
            pieces.append(self.postfix())
        value = pieces[0]
        for each in pieces[1:]:
            value = value @ each
        return value

    def postfix(self) -> Value:
        value = self.atom()
        while True:
            if self.take("ᵀ"):
                # 1ᵀ is a row of ones, to repeat what stands before it
                value = value.T if value.array.ndim else Value(np.ones(1), is_row=True)
            elif self.take("²"):
                value = Value(value.array**2, value.is_row)
            else:
                return value

    def atom(self) -> Value:
        kind, text = self.tokens.pop(0)
        if kind == "number":
            return Value(float(text))
        if text == "(":
            value = self.sum()
            assert self.take(")")
            return value
        if kind == "name":
            return self.names[text]
        assert kind == "call", (kind, text)
        arguments: list[Any] = []
        axis = None
        while not self.take(")"):
            if self.tokens[0][0] == "text":
                arguments.append(self.tokens.pop(0)[1].strip('"'))
            elif self.tokens[0] == ("name", "axis"):
                self.tokens.pop(0)
                assert self.take("=")
                axis = int(self.tokens.pop(0)[1])
            elif self.tokens[0][0] == "number" and axis is not None:
                axis = (*np.atleast_1d(axis), int(self.tokens.pop(0)[1]))
            else:
                arguments.append(self.sum().array)
            self.take(",")
        return Value(FUNCTIONS[text](*arguments, **({} if axis is None else {"axis": axis})))


def softmax(x: Any) -> Any:
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


FUNCTIONS: dict[str, Any] = {
    "sum": np.sum,
    "mean": np.mean,
    "diag": np.diag,
    "tanh": np.tanh,
    "sin": np.sin,
    "cos": np.cos,
    "exp": np.exp,
    "softplus": lambda x: np.logaddexp(x, 0),
    "σ": lambda x: 1 / (1 + np.exp(-x)),
    "softmax": softmax,
    "einsum": np.einsum,
}


def read(text: str, arrays: dict[str, Any]) -> Any:
    """Return the value of a formula, its parts after ``where`` worked out first."""
    names = {name: Value(array) for name, array in arrays.items()}
    main, *parts = text.split("\n")
    for part in parts:
        name, _, formula = part.strip().removeprefix("where ").partition(" = ")
        names[name] = Reader(formula, names).whole()
    return Reader(main, names).whole().array


def close(one: Any, other: Any) -> bool:
    one, other = np.asarray(one), np.asarray(other)
    shape = np.broadcast_shapes(one.shape, other.shape)
    return shape == other.shape and np.allclose(one, other, rtol=1e-8, atol=1e-8)


MATRICES = {"A": (3, 4), "B": (4, 5), "C": (3, 5), "D": (3, 4)}
VECTORS = {"u": (3,), "v": (4,), "w": (5,)}
SIZES = {**MATRICES, **VECTORS, "s": ()}


@st.composite
def formulas(draw: Any) -> tb.Expression:
    """Draw an expression in matrices and vectors that all have an index-free form."""
    pool = [tb.variable(name, *shape) for name, shape in SIZES.items()]
    for _ in range(draw(st.integers(1, 6))):
        a = draw(st.sampled_from(pool))
        options: list[Any] = [
            a.T,
            -a,
            2 * a,
            a / 3,
            1 - a,
            tb.tanh(a),
            tb.sigmoid(a),
            a * a,
            tb.sum(a),
            tb.mean(a),
        ]
        if a.ndim == 2:
            options += [tb.sum(a, axis=0), tb.sum(a, axis=1)]
        for b in pool:
            if a.shape == b.shape:
                options += [a + b, a - 2 * b, a * b]
            if a.ndim and b.ndim and a.shape[-1] == b.shape[0]:
                options.append(a @ b)
            if a.ndim == b.ndim == 1:
                options.append(tb.einsum("i,j->ij", a, b))
            if b.ndim == 0:
                options.append(a * b)
            if a.ndim == 2 and b.shape == a.shape[:1]:
                options.append(tb.einsum("ij,i->ij", a, b))
            if a.ndim == 2 and b.shape == a.shape[1:]:
                options.append(a * b)
        pool.append(draw(st.sampled_from(options)))
    return pool[-1]


VALUES = {
    name: np.random.default_rng(k).normal(size=shape) / 2
    for k, (name, shape) in enumerate(SIZES.items())
}


@settings(max_examples=150)
@given(formulas())
def test_a_formula_means_what_is_computed(y: tb.Expression) -> None:
    assert close(read(str(y), VALUES), run(y, VALUES)[0]), str(y)


A, B, U, S = (tb.variable(name, *SIZES[name]) for name in "ABus")


@pytest.mark.parametrize(
    "y",
    [
        tb.sum(A) ** 2,
        tb.sum(A) * tb.mean(A),
        tb.mean(A) * tb.mean(A),
        S * tb.sum(U),
        tb.sum(U) ** 2 / 3,
        (U @ U) ** 2,
        tb.einsum("i,i,i,i->", U, U, U, U),
        tb.einsum("ij,i->ij", A, U),
        tb.gradient(tb.sum(A @ B), A),
        tb.gradient(tb.sum(A @ B), B),
        (1 - U) ** 2 / 3 - 2 * U,
        U @ A @ B,
        -(U - 1) / 3,
    ],
    ids=str,
)
def test_what_is_easily_misread(y: tb.Expression) -> None:
    assert close(read(str(y), VALUES), run(y, VALUES)[0])


def test_what_differs_is_printed_differently() -> None:
    assert str(tb.power(U, 3)) != str(tb.power(U, 5))
    assert str(tb.leaky_relu(U, 0.1)) != str(tb.leaky_relu(U, 0.2))
    assert str(tb.softmax(A, 0)) != str(tb.softmax(A, 1))


@settings(max_examples=60)
@given(formulas(), st.sampled_from(sorted(SIZES)))
def test_so_does_the_formula_of_a_gradient(y: tb.Expression, name: str) -> None:
    g = tb.gradient(tb.sum(y), tb.variable(name, *SIZES[name]))
    assume("... and" not in str(g))
    assert close(read(str(g), VALUES), run(g, VALUES)[0]), str(g)


@settings(max_examples=60)
@given(graphs())
def test_any_graph_has_a_text(graph: Graph) -> None:
    for node in graph.nodes:
        assert str(node)
    assert "linear map" in str(tb.jacobian(graph.nodes[-1], graph.nodes[:2]))


def test_the_gradient_of_logistic_regression_has_no_index() -> None:
    X, y, w = tb.variable("X", 100, 30), tb.variable("y", 100), tb.variable("w", 30)
    J = tb.mean(tb.softplus(-y * (X @ w)))
    for text in (str(J), str(tb.gradient(J, w)), str(tb.hessian(J, w) @ w)):
        assert "einsum" not in text
        assert "Xᵀ" in text or text == str(J)


def test_a_map_is_printed_with_its_signature() -> None:
    x = tb.variable("x", 64, 32)
    text = str(tb.jacobian(tb.tanh(x), x))
    assert text.splitlines()[0] == "linear map (64, 32) → (64, 32), 2048 numbers"
    assert '"ab -> ab/ab"' in text
    assert "tanh(x)²" in text


def test_what_is_read_several_times_is_named_once() -> None:
    x, W = tb.variable("x", 6, 7), tb.variable("W", 7, 5)
    z = tb.tanh(x @ W) @ W.T + tb.sin(x) - 3 * tb.exp(x)
    text = str(tb.sin(z) * tb.cos(z))
    assert text.count("tanh") == 1
    assert "where t1 = " in text


def test_a_text_does_not_grow_without_end() -> None:
    y = tb.variable("x", 5)
    for _ in range(200):
        y = tb.sin(y) * tb.cos(y) + y
    text = str(y)
    assert "more" in text.splitlines()[-1]
    assert len(text.splitlines()) < 60


@pytest.mark.parametrize("number", [1, 0, -1, 2.5])
def test_constants_are_printed_as_numbers(number: Any) -> None:
    assert str(tb.constant(number)) == str(number)
