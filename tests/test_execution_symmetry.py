"""Symmetry: half of Xᵀ D X, and a copy of it, are all of it; nothing else is taken for it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tensorbp as tb
from tensorbp.execution.numpy import symmetry
from tensorbp.execution.numpy.instructions import Copy, Matmul
from tensorbp.execution.numpy.lowering import Lowered, lower
from tensorbp.execution.numpy.program import NumpyProgram
from tensorbp.execution.numpy.symmetry import STRIPS, with_symmetry
from tensorbp.expression import Expression

SIZES = {"g": 3, "s": 5, "t": 2, "i": 3, "j": 3, "k": 4, "l": 4, "z": 7}


@pytest.fixture
def of_any_size(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small matrices count as large."""
    monkeypatch.setattr(symmetry, "SMALLEST", STRIPS)
    monkeypatch.setattr(symmetry, "FEWEST_SUMMANDS", 2)


def lowered_product(x: str, d: str, y: str, output: str, is_same: bool = True) -> Lowered:
    """Return (x ∘ d) y, where y is x if the two are the same."""

    def variable(name: str, axes: str) -> Expression:
        return tb.variable(name, *[SIZES[axis] for axis in axes])

    left, right = variable("x", x), variable("x" if is_same else "y", y)
    scaled = tb.einsum(f"{x},{d}->{x}", left, variable("d", d))
    return lower(tb.plan([tb.einsum(f"{x},{y}->{output}", scaled, right)]))


def copies(lowered: Lowered) -> int:
    return sum(isinstance(each, Copy) for each in lowered.instructions)


def strips(lowered: Lowered) -> int:
    return sum(isinstance(each, Matmul) for each in lowered.instructions)


def numbers(lowered: Lowered) -> Any:
    """Return the result for random arguments, without any of the changes that programs undergo."""
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=shape) for shape in lowered.input_shapes.values()]
    marks = range(len(lowered.instructions))
    return NumpyProgram(lowered, marks)([lambda: None, *arrays])[0]


@st.composite
def products(draw: st.DrawFn) -> tuple[str, str, str, str]:
    """Return Xᵀ D X as the axes of X, D, X again and the result, each in any order."""
    batch, summed = draw(st.sampled_from(["", "g"])), draw(st.sampled_from(["s", "st"]))
    own, again = draw(st.sampled_from([("k", "l"), ("ik", "jl")]))
    x = "".join(draw(st.permutations(batch + summed + own)))
    y = x.translate(str.maketrans(own, again))
    kept = draw(st.lists(st.sampled_from(batch + summed), min_size=1, unique=True))
    output = batch + "".join(draw(st.sampled_from([own + again, again + own])))
    return x, "".join(kept), y, output


@given(products())
@pytest.mark.usefixtures("of_any_size")
def test_half_of_a_product_and_its_copy_are_the_product(product: tuple[str, str, str, str]) -> None:
    whole = lowered_product(*product)
    halved = with_symmetry(whole)
    np.testing.assert_allclose(numbers(halved), numbers(whole), rtol=1e-12, atol=1e-12)


@pytest.mark.usefixtures("of_any_size")
@pytest.mark.parametrize(
    ("x", "d", "y", "output"),
    [
        ("sk", "s", "sl", "kl"),
        ("ks", "s", "ls", "kl"),
        ("sk", "s", "sl", "lk"),
        ("stk", "st", "stl", "kl"),
        ("sik", "s", "sjl", "ikjl"),
        ("gsk", "gs", "gsl", "gkl"),
    ],
)
def test_a_symmetric_product_is_made_in_strips(x: str, d: str, y: str, output: str) -> None:
    whole = lowered_product(x, d, y, output)
    halved = with_symmetry(whole)
    assert strips(halved) == STRIPS
    assert copies(halved) == copies(whole) + STRIPS - 1
    result = numbers(halved)
    side = int(np.sqrt(result.size // SIZES["g"] ** output.count("g")))
    matrices = result.reshape(-1, side, side)
    edge = side // STRIPS
    above, below = matrices[:, :edge, edge:], matrices[:, edge:, :edge]
    np.testing.assert_array_equal(above, below.swapaxes(1, 2))
    np.testing.assert_allclose(result, numbers(whole), rtol=1e-12, atol=1e-12)


@pytest.mark.usefixtures("of_any_size")
@pytest.mark.parametrize(
    ("x", "d", "y", "output", "is_same"),
    [
        ("sk", "k", "sl", "kl", True),
        ("sk", "sk", "sl", "kl", True),
        ("sk", "s", "sl", "kl", False),
        ("sk", "s", "sz", "kz", False),
        ("gsk", "gs", "gsl", "gkl", False),
        # of the two matrices of each place in k, one is the transposed of no other
        ("sik", "s", "sjl", "iljk", True),
    ],
)
def test_what_is_not_symmetric_is_left_alone(
    x: str, d: str, y: str, output: str, is_same: bool
) -> None:
    whole = lowered_product(x, d, y, output, is_same)
    assert with_symmetry(whole) is whole


def test_small_products_are_made_whole() -> None:
    whole = lowered_product("sk", "s", "sl", "kl")
    assert with_symmetry(whole) is whole


def test_the_hessian_of_logistic_regression_is_made_in_strips() -> None:
    x, w = tb.variable("x", 150, 140), tb.variable("w", 140)
    program = tb.compile(tb.hessian(tb.sum(tb.softplus(x @ w)), w), dtype="float64")
    rng = np.random.default_rng(0)
    arrays = {"x": rng.normal(size=(150, 140)), "w": rng.normal(size=140)}
    (hessian,) = program(arrays)
    slope = 1 / (1 + np.exp(-arrays["x"] @ arrays["w"]))
    expected = arrays["x"].T @ ((slope * (1 - slope))[:, None] * arrays["x"])
    np.testing.assert_allclose(hessian.to_dense(), expected, rtol=1e-11, atol=1e-11)
    assert program.source.count("matmul(") == STRIPS


def test_a_sum_of_weighted_matrices_is_weighted() -> None:
    """The second derivative of tanh² is a sum, of which some weights are negative."""
    x, w = tb.variable("x", 150, 140), tb.variable("w", 140)
    program = tb.compile(tb.hessian(tb.sum(tb.tanh(x @ w) ** 2), w))
    rng = np.random.default_rng(0)
    arrays = {"x": rng.normal(size=(150, 140)), "w": rng.normal(size=140)}
    (hessian,) = program(arrays)
    squares = np.tanh(arrays["x"] @ arrays["w"]) ** 2
    weights = 2 * (1 - squares) * (1 - 3 * squares)
    expected = arrays["x"].T @ (weights[:, None] * arrays["x"])
    np.testing.assert_allclose(hessian.to_dense(), expected, rtol=1e-11, atol=1e-11)
    assert program.source.count("matmul(") == STRIPS
