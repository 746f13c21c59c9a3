"""Sums as products with ones: the numbers of numpy, in every layout, and where they are written."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations, permutations
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tensorbp as tb
from tensorbp.execution.numpy.sums import LONGEST, LONGEST_ROW, as_matrix
from tensorbp.execution.numpy.view import Shape, View
from tensorbp.expression import Expression
from tensorbp.expression.declaration import Declaration
from tensorbp.expression.layer import Input, Primitive

AXES = "abc"


@given(
    st.tuples(*[st.integers(0, 5)] * 3),
    st.sampled_from(["".join(each) for n in range(3) for each in combinations(AXES, n)]),
    st.sampled_from(["".join(each) for each in permutations(AXES)]),
    st.sampled_from(["float32", "float64"]),
)
def test_every_sum_has_the_numbers_of_numpy(
    shape: tuple[int, ...], kept: str, stored: str, dtype: str
) -> None:
    sizes = dict(zip(AXES, shape, strict=True))
    x = np.random.default_rng(0).normal(size=[sizes[axis] for axis in stored]).astype(dtype)
    equation = f"{stored}->{kept}"
    program = tb.compile(tb.einsum(equation, tb.variable("x", *x.shape)), dtype=dtype)
    (found,) = program(x=x)
    expected = np.einsum(equation, x.astype("float64"))
    assert found.dtype == dtype
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, atol=1e-5 if dtype == "float32" else 1e-13)


@pytest.mark.parametrize("equation", ["ab->a", "ab->b", "abc->a", "abc->c", "abc->ab", "abc->bc"])
def test_sums_over_neighbouring_dimensions_are_products(equation: str) -> None:
    x = tb.variable("x", *(3, 4, 5)[: equation.index("-")])
    assert ".dot(" in tb.compile(tb.einsum(equation, x)).source


@pytest.mark.parametrize("equation", ["abc->b", "abc->ac"])
def test_other_sums_are_numpys(equation: str) -> None:
    """BLAS reads no matrix whose rows and columns both lie apart."""
    source = tb.compile(tb.einsum(equation, tb.variable("x", 30, 40, 50))).source
    assert "add_reduce" in source
    assert ".dot(" not in source


def test_long_rows_are_added_up_as_numpy_does_it() -> None:
    """The more numbers, the more digits are lost by adding one after the other."""
    count = 2**20
    x = tb.variable("x", 1, count)
    program = tb.compile(tb.sum(tb.cos(x)), dtype="float32")
    ones = np.zeros((1, count), "float32")
    assert program(x=ones) == [count]
    tenths = tb.compile(tb.einsum("ab->a", x), dtype="float32")
    (found,) = tenths(x=np.full((1, count), 0.1, "float32"))
    assert abs(found[0] / (0.1 * count) - 1) < 1e-6


@pytest.mark.parametrize(("rows", "columns"), [(LONGEST, 3), (LONGEST + 1, 3)])
def test_no_more_ones_than_few(rows: int, columns: int) -> None:
    matrix = as_matrix(View.whole(0, (rows, columns)), (0,))
    assert (matrix is None) == (rows > LONGEST)


@pytest.mark.parametrize("length", [LONGEST_ROW, LONGEST_ROW + 1])
def test_no_longer_rows(length: int) -> None:
    assert (as_matrix(View.whole(0, (3, length)), (1,)) is None) == (length > LONGEST_ROW)
    assert (as_matrix(View.whole(0, (length,)), (0,)) is None) == (length > LONGEST_ROW)


def test_what_is_no_number_stays_none() -> None:
    x = np.array([[1.0, np.nan, np.inf], [2.0, 0.0, 0.0]])
    (found,) = tb.compile(tb.einsum("ab->b", tb.variable("x", 2, 3)))(x=x)
    np.testing.assert_array_equal(found, [3.0, np.nan, np.inf])


@dataclass(frozen=True)
class Doubled(Primitive):
    """A rule that computes in double precision in between: y_a = Σ_b x_ab + Σ_b 2 x_ab."""

    name = "doubled"
    formula = "y = 3 Σ x"
    inputs = (Input("x"),)

    def shape(self, *shapes: Shape) -> Shape:
        return shapes[0][:-1]

    def forward(self, xp: Any, *arrays: Any) -> Any:
        (x,) = arrays
        table = np.full(x.shape[-1], 2.0)
        return xp.sum(x, axis=-1) + xp.sum(x * table, axis=-1)

    def jacobian(self, y: Expression, *operands: Expression) -> dict[str, Declaration]:
        return {}


def test_sums_of_two_types_have_ones_of_their_own() -> None:
    program = tb.compile(Doubled()(tb.variable("x", 3, 4)), dtype="float32")
    assert "ones_4.dot" in program.source
    assert "ones_4_float64.dot" in program.source
    x = np.arange(12, dtype="float32").reshape(3, 4)
    (found,) = program(x=x)
    assert found.dtype == "float32"
    np.testing.assert_array_equal(found, 3 * x.sum(axis=-1))
