"""``optimize="tensorbp"`` in opt_einsum: the paths it gets, and the numbers that they give."""

from __future__ import annotations

import numpy as np
import opt_einsum
import pytest

import tensorbp as tb
from tensorbp.errors import CompileError

EQUATION = "bij,bjk,kl,lm,bm->bi"
SHAPES = [(5, 3, 8), (5, 8, 200), (200, 7), (7, 60), (5, 60)]


def test_the_path_costs_no_more_than_the_exhaustive_one_of_opt_einsum() -> None:
    ours = opt_einsum.contract_path(EQUATION, *SHAPES, shapes=True, optimize=tb.Optimizer())[1]
    theirs = opt_einsum.contract_path(EQUATION, *SHAPES, shapes=True, optimize="dp")[1]
    assert ours.opt_cost <= theirs.opt_cost


def test_the_name_is_known_once_the_optimizer_is_loaded() -> None:
    assert tb.Optimizer
    arrays = [np.random.default_rng(0).normal(size=shape) for shape in SHAPES]
    found = opt_einsum.contract(EQUATION, *arrays, optimize="tensorbp")
    np.testing.assert_allclose(found, np.einsum(EQUATION, *arrays, optimize=True), rtol=1e-10)


def test_one_operand() -> None:
    found = opt_einsum.contract("ij->j", np.ones((2, 3)), optimize=tb.Optimizer())
    np.testing.assert_array_equal(found, [2, 2, 2])


def test_a_limit_that_the_best_path_exceeds_is_an_error() -> None:
    with pytest.raises(CompileError) as caught:
        opt_einsum.contract_path(
            "ab,cd,d->abcd",
            (10, 20),
            (30, 40),
            (40,),
            shapes=True,
            optimize=tb.Optimizer(),
            memory_limit=100,
        )
    assert "has an intermediate of 240000 numbers, more than the memory limit of 100" in str(
        caught.value
    )
