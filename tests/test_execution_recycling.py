"""Recycling: results are written where nobody looks any more, and nowhere else."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import torch

import tensorbp as tb
from tensorbp.execution.numpy.recycling import KEPT, LARGEST, SMALLEST, Recycled

ROWS, COLUMNS = 1200, 2000
"""A product of so many numbers has as many bytes as are kept."""

a, b = tb.variable("a", ROWS), tb.variable("b", COLUMNS)
program = tb.compile(tb.einsum("i,j->ij", a, b))
ARRAYS = {"a": np.linspace(0, 1, ROWS), "b": np.linspace(1, 2, COLUMNS)}
PRODUCT = np.outer(*ARRAYS.values())

HOLDERS: dict[str, Callable[[Any], Any]] = {
    "itself": lambda array: array,
    "view": lambda array: array.T[3:5],
    "view of a view": lambda array: array.reshape(-1)[7:].reshape(-1, 1),
    "iterator": lambda array: array.flat,
    "memoryview": memoryview,
    "torch": torch.from_numpy,
    "frame": lambda array: lambda: array,
}


def address(array: Any) -> int:
    return int(array.ctypes.data)


def result() -> Any:
    return program(ARRAYS)[0]


@pytest.mark.parametrize("hold", HOLDERS.values(), ids=HOLDERS)
def test_what_is_held_is_never_written_again(hold: Callable[[Any], Any]) -> None:
    held = hold(result())
    for _ in range(KEPT + 1):
        program(a=ARRAYS["a"], b=-ARRAYS["b"])
    found, expected = (
        each() if callable(each) else np.asarray(each) for each in (held, hold(PRODUCT.copy()))
    )
    np.testing.assert_array_equal(found, expected)


def test_what_nobody_holds_is_written_again() -> None:
    first = address(result())
    assert address(result()) == first
    one = result()
    other = result()
    places = {address(one), address(other)}
    assert len(places) == 2
    for _ in range(3):
        # while one call runs, the result of the call before is still held
        one = other
        other = result()
        assert {address(one), address(other)} == places
    np.testing.assert_array_equal(other, PRODUCT)


def test_threads_have_results_of_their_own() -> None:
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda k: program(a=k * ARRAYS["a"], b=ARRAYS["b"])[0], range(12)))
    for k, each in enumerate(found):
        np.testing.assert_allclose(each, k * PRODUCT)


@pytest.mark.parametrize("size", [SMALLEST - 8, LARGEST + 8])
def test_small_and_very_large_results_are_new_each_time(size: int) -> None:
    x = tb.variable("x", size // 8)
    assert "Recycled" not in tb.compile(2 * x).source


def test_no_more_than_the_last_arrays_are_kept() -> None:
    recycled = Recycled((3,), np.dtype("float64"))
    held = [recycled() for _ in range(5)]
    last = {address(each) for each in held[-KEPT:]}
    del held
    assert {address(recycled()) for _ in range(5)} <= last
