"""Programs in numpy: threads share them, and calls leave nothing behind."""

from __future__ import annotations

import gc
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

import tensorbp as tb
from tensorbp.errors import LayerError


def deep(width: int, depth: int) -> tuple[Any, list[Any]]:
    h = tb.variable("x", 5, width)
    weights = [tb.variable(f"W{k}", width, width) for k in range(depth)]
    for W in weights:
        h = tb.tanh(h @ W)
    return tb.sum(h * h), weights


def arrays_for(program: tb.Program, seed: int) -> dict[str, Any]:
    random = np.random.default_rng(seed)
    return {each.name: random.normal(size=each.shape) for each in program.plan.inputs}


def test_threads_that_call_one_program_do_not_disturb_each_other() -> None:
    loss, weights = deep(40, 6)
    program = tb.compile([loss, *tb.gradient(loss, weights)])
    given = [arrays_for(program, seed) for seed in range(8)]
    expected = [program(arrays) for arrays in given]

    def repeatedly(k: int) -> bool:
        return all(
            np.array_equal(one, other)
            for _ in range(30)
            for one, other in zip(program(given[k]), expected[k], strict=True)
        )

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(repeatedly, range(8)))


def test_a_call_that_fails_leaves_the_program_as_it_was() -> None:
    x, k = tb.variable("x", 4, 3), tb.variable("k", 2, kind="integer")
    program = tb.compile(tb.take(x, k))
    rows = np.arange(12.0).reshape(4, 3)
    with pytest.raises(LayerError, match="found 9"):
        program(x=rows, k=np.array([1, 9]))
    assert np.array_equal(program(x=rows, k=np.array([3, 1]))[0], rows[[3, 1]])


def test_calls_leave_nothing_behind() -> None:
    loss, weights = deep(8, 3)
    program = tb.compile([loss, *tb.gradient(loss, weights)])
    arrays = arrays_for(program, 0)

    def traced_bytes(calls: int) -> int:
        for _ in range(calls):
            program(arrays)
        gc.collect()
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    try:
        before = traced_bytes(50)
        # a single array kept for each call would be a hundred times as much
        assert traced_bytes(2000) - before < 4096
    finally:
        tracemalloc.stop()


def test_a_second_call_allocates_its_results_and_no_other_array() -> None:
    loss, weights = deep(64, 8)
    program = tb.compile([loss, *tb.gradient(loss, weights)])
    arrays = arrays_for(program, 0)
    results = sum(each.nbytes for each in program(arrays))
    tracemalloc.start()
    try:
        program(arrays)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # what is more are the objects of Python that hold results and views
    assert peak < results + 16_384


def test_the_code_of_a_program_can_be_read() -> None:
    x, W = tb.variable("x", 3, 4), tb.variable("W", 4, 2)
    source = tb.compile(tb.tanh(x @ W)).source
    assert "x0.dot(x1, " in source
    assert "tanh(" in source
    compile(source, "<source>", "exec")


def test_a_rule_of_plain_numpy_runs_without_temporary_arrays() -> None:
    """What a rule does is recorded, whatever numpy it is written in; what cannot be is called."""

    def plain(xp: Any, x: Any) -> Any:
        y = xp.where(x > 0, x, 0.1 * x) ** 2
        return (y / xp.sqrt(1 + xp.sum(y, axis=-1, keepdims=True))).astype(x.dtype)

    def looking(xp: Any, x: Any) -> Any:
        return 2 * x if float(xp.sum(x)) > 0 else 3 * x

    random = np.random.default_rng(0).normal(size=(4, 5))
    x = tb.variable("x", 4, 5)
    for forward, is_called in ((plain, False), (looking, True)):
        rule = tb.elementwise("rule", "y", "dy/dx", forward, lambda y, x: None)
        program = tb.compile(rule()(x))
        assert np.allclose(program(x=random)[0], forward(np, random))
        assert np.allclose(program(x=-random)[0], forward(np, -random))
        assert ("rule_" in program.source) == is_called
