"""Kernels: every einsum of one or two operands against numpy, and by which call it is done."""

from __future__ import annotations

from collections import Counter
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from dense_oracle import Array, dense_term, shapes, terms
from hypothesis import given, settings
from hypothesis import strategies as st

import tensorbp as tb
from tensorbp.algebra import Term
from tensorbp.execution.kernels import kernel
from tensorbp.expression.einsum import Einsum


def counting() -> tuple[Any, Counter[str]]:
    """Return numpy with its calls counted."""
    calls: Counter[str] = Counter()

    def counted(name: str) -> Any:
        def call(*arguments: Any, **named: Any) -> Any:
            calls[name] += 1
            return getattr(np, name)(*arguments, **named)

        return call

    names = ["matmul", "einsum", "transpose", "broadcast_to", "sum", "zeros", "asarray"]
    return SimpleNamespace(**{name: counted(name) for name in names}), calls


def operator_of(term: Term[Array]) -> Einsum:
    return Einsum(term.coefficient, term.pattern, term.sizes)


def is_a_step(term: Term[Array]) -> bool:
    """Say whether a plan may hold the term: axes of one of two operands alone are not summed."""
    kept = {axis for dimension in term.output for axis in dimension}
    if len(term.factors) < 2:
        return True
    left, right = (set(factor.axes) for factor in term.factors)
    return (left ^ right) <= kept


@settings(max_examples=300)
@given(shapes.flatmap(lambda shape: terms(shape, ())).filter(is_a_step))
def test_every_einsum_is_what_it_says(term: Term[Array]) -> None:
    run = kernel(operator_of(term), np, "float64")
    result = run(*[factor.value.array for factor in term.factors])
    expected = dense_term(term)
    assert result.shape == expected.shape
    assert np.allclose(result, expected)


PRODUCTS = [
    "bi,io->bo",
    "bo,io->bi",
    "bi,bo->io",
    "bo,bi->io",
    "nbi,nio->nbo",
    "nbi,noi->nbo",
    "bnqd,bnkd->bnqk",
    "bqnd,bknd->bnqk",
    "bnqk,bknd->bqnd",
    "bi,boi->bo",
    "bi,bio->bo",
    "ab,bcd->acd",
    "abc,cbd->da",
    "i,ij->j",
    "ij,j->i",
]


@pytest.mark.parametrize("spec", PRODUCTS)
@pytest.mark.parametrize("is_swapped", [False, True])
def test_batched_products_are_matrix_products(spec: str, is_swapped: bool) -> None:
    size = dict(zip("abcdijknoq", [2, 3, 4, 5, 6, 7, 8, 9, 10, 11], strict=True))
    operands, output = spec.split("->")
    left, right = operands.split(",")[:: -1 if is_swapped else 1]
    random = np.random.default_rng(0)
    x, y = (random.normal(size=[size[letter] for letter in word]) for word in (left, right))
    node = tb.einsum(
        f"{left},{right}->{output}", tb.variable("x", *x.shape), tb.variable("y", *y.shape)
    )
    xp, calls = counting()
    result = kernel(node.operator, xp, "float64")(x, y)
    assert np.allclose(result, np.einsum(f"{left},{right}->{output}", x, y))
    assert calls["matmul"] == 1
    assert calls["einsum"] == 0


@pytest.mark.parametrize(("spec", "x", "y"), [("bi,i->bi", (5, 7), (7,)), ("i,j->ij", (5,), (7,))])
def test_products_without_a_sum_are_elementwise(spec: str, x: Any, y: Any) -> None:
    node = tb.einsum(spec, tb.variable("x", *x), tb.variable("y", *y))
    xp, calls = counting()
    result = kernel(node.operator, xp, "float64")(np.ones(x), np.ones(y))
    assert result.shape == (5, 7)
    assert calls["matmul"] == calls["einsum"] == calls["sum"] == 0


@given(st.integers(0, 5), st.sampled_from(["float32", "float64"]))
def test_constants_have_the_dtype(size: int, dtype: str) -> None:
    result = kernel(tb.constant(1.5, (size, 3)).operator, np, dtype)()
    assert result.shape == (size, 3)
    assert result.dtype == dtype
    assert (result == 1.5).all()


@given(st.lists(st.sampled_from([1, -1, 2, 0.5]), min_size=2, max_size=4))
def test_sums(numbers: list[Any]) -> None:
    variables = [tb.variable(f"x{k}", 3) for k in range(len(numbers))]
    node = sum(n * x for n, x in zip(numbers[1:], variables[1:], strict=True)) + (
        numbers[0] * variables[0]
    )
    values = {f"x{k}": np.arange(3.0) + k for k in range(len(numbers))}
    expected = sum(n * v for n, v in zip(numbers, values.values(), strict=True))
    assert np.allclose(tb.compile(node)(values)[0], expected)
