"""Lowering: every einsum of one or two operands against numpy, and what it becomes."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
from dense_oracle import Array, dense_term, shapes, terms
from hypothesis import given, settings
from hypothesis import strategies as st

import tensorbp as tb
from tensorbp.algebra import Term
from tensorbp.execution.numpy.instructions import Copy, EinsumCall, Instruction, Loop, Matmul
from tensorbp.execution.numpy.lowering import lower
from tensorbp.execution.numpy.program import NumpyProgram
from tensorbp.expression.einsum import Einsum
from tensorbp.planning.plan import Baselines, Figures, Plan, PlannedInput, Step

NOTHING = Figures(0, 0, 0, 0)


def plan_of(operator: Einsum, operands: list[Any]) -> Plan:
    """Return a plan of one step."""
    inputs = [PlannedInput(f"x{k}", x.shape, "real", k) for k, x in enumerate(operands)]
    count = len(inputs)
    step = Step(
        "einsum", "", tuple(range(count)), count, operator.shape(), 0, 0, 0, 0, None, {}, operator
    )
    baselines = Baselines(NOTHING, NOTHING)
    return Plan("float64", tuple(inputs), (step,), (count,), "mixed", NOTHING, baselines)


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
    arrays = [factor.value.array for factor in term.factors]
    (result,) = NumpyProgram(lower(plan_of(operator_of(term), arrays)))(arrays)
    expected = dense_term(term)
    assert result.shape == expected.shape
    assert np.allclose(result, expected)


SIZE = dict(zip("abcdijknoq", [2, 3, 4, 5, 6, 7, 8, 9, 10, 11], strict=True))


def lowered(spec: str) -> tuple[list[Instruction], Any, list[Any]]:
    """Return the instructions of an einsum, its result, and its operands."""
    random = np.random.default_rng(0)
    words = spec.split("->")[0].split(",")
    arrays = [random.normal(size=[SIZE[letter] for letter in word]) for word in words]
    variables = [tb.variable(f"x{k}", *array.shape) for k, array in enumerate(arrays)]
    plan = tb.plan(tb.einsum(spec, *variables))
    low = lower(plan)
    (result,) = NumpyProgram(low)([arrays[int(each.name[1:])] for each in plan.inputs])
    return low.instructions, result, arrays


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
    "i,ij->j",
    "ij,j->i",
]


@pytest.mark.parametrize("spec", PRODUCTS)
@pytest.mark.parametrize("is_swapped", [False, True])
def test_batched_products_are_one_product_of_matrices_without_a_copy(
    spec: str, is_swapped: bool
) -> None:
    operands, output = spec.split("->")
    left, right = operands.split(",")[:: -1 if is_swapped else 1]
    spec = f"{left},{right}->{output}"
    instructions, result, arrays = lowered(spec)
    assert np.allclose(result, np.einsum(spec, *arrays))
    assert [type(each) for each in instructions] == [Matmul]


@pytest.mark.parametrize("spec", ["ab,bcd->acd", "abc,cbd->da"])
def test_products_over_groups_of_axes_are_products_of_matrices(spec: str) -> None:
    instructions, result, arrays = lowered(spec)
    assert np.allclose(result, np.einsum(spec, *arrays))
    kinds = Counter(type(each) for each in instructions)
    assert kinds[Matmul] == 1
    assert set(kinds) <= {Matmul, Copy}


@pytest.mark.parametrize("spec", ["bi,i->bi", "i,j->ij", "bi,bj->bij"])
def test_products_without_a_sum_are_elementwise(spec: str) -> None:
    instructions, result, arrays = lowered(spec)
    assert np.allclose(result, np.einsum(spec, *arrays))
    assert not [each for each in instructions if isinstance(each, Matmul | EinsumCall)]


def test_cotangents_are_stored_as_the_activations_that_they_meet() -> None:
    """Whatever the plan calls rows, a deep network is differentiated without a single copy."""
    x = h = tb.variable("x", 7, 6)
    weights = [tb.variable(f"W{k}", a, b) for k, (a, b) in enumerate([(6, 5), (5, 4), (4, 3)])]
    for W in weights:
        h = tb.tanh(h @ W)
    low = lower(tb.plan([tb.sum(h), tb.gradient(tb.sum(h), [x, *weights])]))
    for each in low.instructions:
        assert not isinstance(each, Copy | EinsumCall)
        for view in (*each.operands, each.result):  # type: ignore[union-attr]
            if not isinstance(each, Matmul) and hasattr(view, "order") and len(view.shape) == 2:
                ranks = {v.order for v in each.operands if getattr(v, "strides", (0,))[0]}  # type: ignore[union-attr]
                assert len(ranks) <= 1


def test_large_windows_are_copied_one_image_after_the_other() -> None:
    x, W = tb.variable("x", 3, 5, 120, 124), tb.variable("W", 7, 5, 3, 3)
    y = tb.conv(x, W, padding=1)
    plan = tb.plan([y, tb.gradient(tb.sum(y * y), W)], dtype="float64")
    low = lower(plan)
    loops = [each for each in low.instructions if isinstance(each, Loop)]
    assert [each.count for each in loops] == [3, 3]
    random = np.random.default_rng(0)
    arrays = {"x": random.normal(size=x.shape), "W": random.normal(size=W.shape)}
    forward, gradient = NumpyProgram(low)([arrays[each.name] for each in plan.inputs])
    padded = np.pad(arrays["x"], [(0, 0), (0, 0), (1, 1), (1, 1)])
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), (2, 3))
    assert np.allclose(forward, np.einsum("bcpqkl,ockl->bopq", windows, arrays["W"], optimize=True))
    expected = 2 * np.einsum("bcpqkl,bopq->ockl", windows, forward, optimize=True)
    assert np.allclose(gradient, expected)


@given(st.integers(0, 5), st.sampled_from(["float32", "float64"]))
def test_constants_have_the_dtype(size: int, dtype: str) -> None:
    (result,) = tb.compile(tb.constant(1.5, (size, 3)), dtype=dtype)()
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


@pytest.mark.parametrize(
    ("spec", "sizes"),
    [
        # the result is larger than the copy
        ("ad,bdc->abc", {"a": 70, "b": 3, "c": 300, "d": 310}),
        # three rows at a time are few where there could be hundreds
        ("afe,bfg->abeg", {"a": 40, "b": 50, "e": 3, "f": 48, "g": 60}),
    ],
)
def test_products_are_not_cut_into_thin_ones(spec: str, sizes: dict[str, int]) -> None:
    words = spec.split("->")[0].split(",")
    shapes = [[sizes[letter] for letter in word] for word in words]
    variables = [tb.variable(f"x{k}", *shape) for k, shape in enumerate(shapes)]
    low = lower(tb.plan(tb.einsum(spec, *variables)))
    products = [each for each in low.instructions if isinstance(each, Matmul)]
    assert not [each for each in low.instructions if isinstance(each, Loop)]
    assert all(min(each.result.shape[-2:]) >= 16 for each in products)
    random = np.random.default_rng(0)
    arrays = [random.normal(size=shape) for shape in shapes]
    (result,) = NumpyProgram(low)(arrays)
    assert np.allclose(result, np.einsum(spec, *arrays, optimize=True))


@pytest.mark.parametrize(
    ("spec", "x", "w"),
    [
        ("tk,nkb->btn", (0, 1100), (256, 1100, 2)),
        ("kut,nbk->tbnu", (1100, 2, 0), (256, 2, 1100)),
        ("kmtu,mnkb->ubnt", (300, 1, 0, 1), (1, 1200, 300, 2)),
    ],
)
def test_nothing_times_a_matrix_that_would_be_copied_in_slices(
    spec: str, x: tuple[int, ...], w: tuple[int, ...]
) -> None:
    X, W = tb.variable("x", *x), tb.variable("w", *w)
    y = tb.einsum(spec, X, W)
    arrays = {"x": np.ones(x), "w": np.ones(w)}
    value, *gradients = tb.compile([y, *tb.gradient(tb.sum(y), [X, W])])(arrays)
    assert value.shape == y.shape
    assert [each.shape for each in gradients] == [x, w] and not gradients[1].any()
