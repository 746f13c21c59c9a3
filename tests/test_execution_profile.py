"""Profiles and reports: what is observed computes the same, and everything is accounted for."""

from __future__ import annotations

from itertools import product
from math import prod
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plan_zoo import QUESTIONS, cases

import tensorbp as tb
from tensorbp.errors import CompileError, LayerError
from tensorbp.execution import profile as profiles
from tensorbp.execution.numpy.instructions import Apply, Copy, Loop, Stored
from tensorbp.execution.numpy.lowering import lower
from tensorbp.execution.numpy.observed import moved_bytes
from tensorbp.execution.numpy.view import View
from tensorbp.execution.speed import Speed, measured_speed
from tensorbp.execution.structured_map import StructuredMap


@pytest.fixture(autouse=True)
def _called_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(profiles, "SECONDS", 0.0)


def arrays_for(program: tb.Program) -> dict[str, Any]:
    random = np.random.default_rng(0)
    return {each.name: random.normal(size=each.shape) for each in program.plan.inputs}


def numbers(values: list[Any]) -> list[Any]:
    """Return all arrays among the results."""
    found: list[Any] = []
    for each in values:
        if isinstance(each, list):
            found += numbers(each)
        else:
            found.append(each.to_dense() if isinstance(each, StructuredMap) else each)
    return found


@settings(max_examples=40, deadline=None)
@given(cases(), st.sampled_from(["gradient", "value and gradient", "second moment", "norms"]))
def test_a_profile_accounts_for_everything_and_computes_the_same(case: Any, question: str) -> None:
    program = tb.compile(QUESTIONS[question](*case))
    arrays = arrays_for(program)
    source = program.source
    profile = program.profile(arrays)
    for one, other in zip(numbers(profile.values), numbers(program(arrays)), strict=True):
        assert np.array_equal(one, other, equal_nan=True)
    assert program.source == source
    timed = [each.step for each in profile.steps]
    assert timed == [step for step in program.plan.steps if step in timed]
    lowered = lower(program.plan)
    inputs = {each.value for each in program.plan.inputs}
    assert sum(each.calls for each in profile.steps) == sum(
        origin not in inputs for origin in lowered.origins
    )
    assert all(each.seconds >= 0 and each.bytes >= 0 for each in profile.steps)
    assert profile.step_seconds == pytest.approx(sum(each.seconds for each in profile.steps))
    assert profile.seconds > 0


def test_maps_and_lists_come_back_as_the_program_returns_them() -> None:
    x, A = tb.variable("x", 3), tb.variable("A", 5, 3)
    program = tb.compile([[tb.sin(A @ x), A @ x], tb.jacobian(tb.sin(A @ x), x)])
    arrays = arrays_for(program)
    (pair, jacobian), (found, other) = program(arrays), program.profile(arrays).values
    assert all(map(np.array_equal, pair, found))
    assert np.array_equal(jacobian.to_dense(), other.to_dense())


def test_a_program_that_does_nothing_has_an_empty_profile() -> None:
    profile = tb.compile(tb.variable("x", 0, 3).T).profile(x=np.ones((0, 3)))
    assert profile.step_seconds == sum(each.seconds for each in profile.steps)
    assert profile.values[0].shape == (3, 0)


def test_other_libraries_have_profilers_of_their_own() -> None:
    x = tb.variable("x", 3)
    program = tb.compile(tb.sin(x), backend="torch")
    with pytest.raises(CompileError) as error:
        program.profile(x=np.ones(3))
    assert str(error.value) == (
        "programs are profiled on numpy, this one runs on torch; give it arrays of numpy and "
        "compile it without a backend, or use the profiler of torch"
    )
    assert program.reporting(lambda part: None) is program


# ----- what is read and written -----


@given(st.lists(st.tuples(st.integers(0, 4), st.booleans()), max_size=4))
def test_the_distinct_numbers_of_a_view_are_counted(dimensions: list[tuple[int, bool]]) -> None:
    stride, strides = 1, []
    for size, repeats in dimensions:
        strides.append(0 if repeats else stride)
        stride *= 1 if repeats else max(size, 1)
    shape = tuple([size for size, _ in dimensions])
    places = {
        sum(s * k for s, k in zip(strides, index, strict=True))
        for index in product(*map(range, shape))
    }
    values = [Stored(stride, np.dtype("float64")), Stored(prod(shape), np.dtype("float32"))]
    copy = Copy((View(0, shape, tuple(strides), 0),), View.whole(1, shape))
    assert moved_bytes(copy, values) == 8 * len(places) + 4 * prod(shape)


def test_a_loop_moves_what_its_body_moves_each_time() -> None:
    values = [Stored(15, np.dtype("float64")) for _ in range(3)]
    first, second, result = (View.whole(k, (5,)) for k in range(3))
    body = Apply("add", (first, second), result)
    assert moved_bytes(body, values) == 3 * 5 * 8
    assert moved_bytes(Loop(3, (body,), {first: 5, result: 5}), values) == 3 * 3 * 5 * 8


# ----- reports -----


@settings(max_examples=30, deadline=None)
@given(cases(), st.sampled_from(["gradient", "norms"]))
def test_a_program_that_reports_computes_the_same(case: Any, question: str) -> None:
    program = tb.compile(QUESTIONS[question](*case))
    arrays = arrays_for(program)
    parts: list[float] = []
    reporting = program.reporting(parts.append)
    for one, other in zip(numbers(program(arrays)), numbers(reporting(arrays)), strict=True):
        assert np.array_equal(one, other, equal_nan=True)
    assert parts[0] == 0
    assert parts == sorted(set(parts))
    assert len(parts) <= 101
    assert parts[-1] == (1 if len(parts) > 1 else 0)
    first = list(parts)
    reporting(arrays)
    assert parts == first + first
    assert "mark" in reporting.source or len(first) == 1
    assert "mark" not in program.source


def test_after_a_call_that_failed_reports_begin_anew() -> None:
    x, k = tb.variable("x", 4, 3), tb.variable("k", 2, kind="integer")
    parts: list[float] = []
    reporting = tb.compile(tb.sin(tb.take(tb.exp(x), k))).reporting(parts.append)
    rows = np.arange(12.0).reshape(4, 3)
    with pytest.raises(LayerError, match="found 9"):
        reporting(x=rows, k=np.array([1, 9]))
    assert parts[-1] < 1
    reporting(x=rows, k=np.array([1, 2]))
    assert parts[-1] == 1
    assert parts.count(0) == 2


# ----- the machine -----


@given(st.integers(0, 10**15), st.integers(0, 10**15), st.integers(1, 9))
def test_the_roofline_is_the_slower_of_two_limits(flops: int, moved: int, times: int) -> None:
    speed = Speed(4e10, 1e10)
    least = speed.least_seconds(flops, moved)
    assert least >= speed.least_seconds(flops, 0)
    assert least >= speed.least_seconds(0, moved)
    assert least in (speed.least_seconds(flops, 0), speed.least_seconds(0, moved))
    assert Speed(4e10 * times, 1e10 * times).least_seconds(flops, moved) * times == pytest.approx(
        least
    )


def test_the_speed_of_the_machine_is_measured_once() -> None:
    assert measured_speed("float32") is measured_speed("float32")
    assert measured_speed("float32").flops_per_second > 0
    assert measured_speed("float32").bytes_per_second > 0
