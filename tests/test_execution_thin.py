"""Thin products: strip by strip they are the same, and few rows lie one after the other."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tensorbp as tb
from tensorbp.execution.numpy import blas, products, thin
from tensorbp.execution.numpy.instructions import Copy, Loop, Matmul, writes
from tensorbp.execution.numpy.lowering import Lowered, lower
from tensorbp.execution.numpy.program import NumpyProgram
from tensorbp.execution.numpy.thin import in_strips

FEW, MANY, TERMS = 3, 17, 5
SIZES = {"t": FEW, "n": MANY, "k": TERMS, "b": 2}

EQUATIONS = [f"{x},{w}->{y}" for x in ("tk", "kt") for w in ("kn", "nk") for y in ("tn", "nt")]
"""A few rows t times a large matrix with n columns, in every order."""


@pytest.fixture
def of_any_size(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small products count as large, in a process whose BLAS copies matrices."""
    monkeypatch.setattr(thin, "LARGEST_SMALL", 4 * FEW * TERMS)
    monkeypatch.setattr(thin, "MULTIPLE", 2)
    monkeypatch.setattr(thin, "NARROWEST", 2)
    find_blas(monkeypatch, "SkylakeX", 1)
    monkeypatch.setattr(products, "LARGE_OPERAND", MANY * TERMS)


def find_blas(patch: pytest.MonkeyPatch, architecture: str, threads: int) -> None:
    """Have OpenBLAS of an architecture, with so many threads."""
    found = {"internal_api": "openblas", "architecture": architecture, "num_threads": threads}
    patch.setattr(blas, "threadpool_info", lambda: [found])
    uncached = blas.is_openblas_for_avx512.__wrapped__
    for module in (products, thin):
        patch.setattr(module, "is_openblas_for_avx512", uncached)


def lowered_product(equation: str, sizes: dict[str, int], dtype: str = "float64") -> Lowered:
    operands = equation.split("->")[0].split(",")
    x, w = (tb.variable(axes, *[sizes[axis] for axis in axes]) for axes in operands)
    return lower(tb.plan([tb.einsum(equation, x, w), x, w], dtype))


def assert_same_numbers(lowered: Lowered, equation: str) -> None:
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=shape) for shape in lowered.input_shapes.values()]
    marks = range(len(lowered.instructions))
    found, x, w = NumpyProgram(lowered, marks)([lambda: None, *arrays])
    np.testing.assert_allclose(found, np.einsum(equation, x, w), rtol=1e-12, atol=1e-12)


@given(
    equation=st.sampled_from([*EQUATIONS, "btk,kn->btn", "btk,bkn->btn"]),
    few=st.integers(1, 5),
    many=st.integers(1, 40),
    terms=st.integers(1, 7),
)
@pytest.mark.usefixtures("of_any_size")
def test_strips_are_the_product(equation: str, few: int, many: int, terms: int) -> None:
    lowered = lowered_product(equation, {"t": few, "n": many, "k": terms, "b": 2})
    assert_same_numbers(in_strips(lowered), equation)


@pytest.mark.usefixtures("of_any_size")
@pytest.mark.parametrize("equation", EQUATIONS)
def test_a_thin_product_is_made_in_strips_that_write_all_of_it(equation: str) -> None:
    whole = lowered_product(equation, SIZES)
    cut = in_strips(whole)
    (loop,) = [each for each in cut.instructions if isinstance(each, Loop)]
    (rest,) = [each for each in cut.instructions if isinstance(each, Matmul)]
    (strip,) = loop.body
    sizes = [view.size for view in (*writes(strip), *writes(rest))]
    assert loop.count * sizes[0] + sizes[1] == FEW * MANY
    assert_same_numbers(cut, equation)


@pytest.mark.usefixtures("of_any_size")
@pytest.mark.parametrize("equation", EQUATIONS)
def test_few_rows_are_written_one_after_the_other(equation: str) -> None:
    lowered = lowered_product(equation, SIZES)
    (product,) = [each for each in lowered.instructions if isinstance(each, Matmul)]
    rows = sorted(zip(product.result.strides, product.result.shape, strict=True))
    assert rows == [(1, MANY), (MANY, FEW)]
    copies = [each for each in lowered.instructions if isinstance(each, Copy)]
    assert len(copies) == 2 + equation.endswith("nt")


@pytest.mark.usefixtures("of_any_size")
@pytest.mark.parametrize(("architecture", "threads"), [("Haswell", 1), ("SkylakeX", 2)])
def test_with_other_kernels_or_more_threads_a_product_is_made_whole(
    architecture: str, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    lowered = lowered_product("tk,kn->tn", SIZES)
    assert in_strips(lowered) is not lowered
    find_blas(monkeypatch, architecture, threads)
    assert in_strips(lowered) is lowered


@pytest.mark.usefixtures("of_any_size")
@pytest.mark.parametrize(
    ("name", "value"), [("LARGEST_SMALL", FEW * TERMS * MANY), ("THIN_MATRIX", FEW)]
)
def test_a_product_that_is_small_or_not_thin_is_made_whole(
    name: str, value: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    lowered = lowered_product("tk,kn->tn", SIZES)
    assert in_strips(lowered) is not lowered
    monkeypatch.setattr(thin, name, value)
    assert in_strips(lowered) is lowered


@pytest.mark.usefixtures("of_any_size")
def test_across_the_rows_of_a_matrix_strips_are_wide_and_it_is_small(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    along, across = (lowered_product(f"tk,{w}->tn", SIZES) for w in ("nk", "kn"))
    for name, value in (("NARROWEST", 6), ("LARGEST_ACROSS", 8 * MANY * TERMS - 1)):
        with monkeypatch.context() as patched:
            patched.setattr(thin, name, value)
            assert in_strips(across) is across
            assert in_strips(along) is not along


@pytest.mark.parametrize("equation", EQUATIONS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("architecture", ["SkylakeX", "Haswell"])
def test_rows_times_a_transposed_matrix_are_made_as_columns(
    equation: str, dtype: str, architecture: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(products, "THIN_MATRIX", FEW)
    monkeypatch.setattr(products, "LARGE_TRANSPOSED", MANY * TERMS)
    find_blas(monkeypatch, architecture, 2)
    lowered = lowered_product(equation, SIZES, dtype)
    (product,) = [each for each in lowered.instructions if isinstance(each, Matmul)]
    is_slow = dtype == "float32" and architecture == "SkylakeX" and ",nk" in equation
    are_columns = product.result.shape == (MANY, FEW)
    # of what is wanted as columns the matrix comes first anyway
    assert are_columns == (is_slow or equation.endswith("nt"))
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=shape).astype(dtype) for shape in lowered.input_shapes.values()]
    found, x, w = NumpyProgram(lowered)(arrays)
    np.testing.assert_allclose(found, np.einsum(equation, x, w), rtol=1e-5, atol=1e-5)
