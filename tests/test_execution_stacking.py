"""Stacking: one call for small instructions that are alike has the numbers of one call for each."""

from __future__ import annotations

from itertools import combinations, pairwise
from typing import Any

import numpy as np
import pytest
from graph_zoo import SHAPES, Graph, graphs
from hypothesis import given, settings

import tensorbp as tb
from tensorbp.execution.numpy import stacking
from tensorbp.execution.numpy.instructions import Apply, Matmul, Reduce, reads, writes
from tensorbp.execution.numpy.lowering import Lowered, lower
from tensorbp.execution.numpy.memory import laid_out
from tensorbp.execution.numpy.program import SPARE, NumpyProgram
from tensorbp.execution.numpy.repetition import without_repetition
from tensorbp.execution.numpy.stacking import LARGEST_STACK, SMALL, stacked
from tensorbp.expression import Expression

DEPTH, BATCH, WIDTH = 6, 3, 5


def gradients(widths: list[int], batch: int = BATCH) -> list[Expression]:
    """Return value and gradients of a network with biases."""
    h = tb.variable("x", batch, widths[0])
    parameters: list[Expression] = []
    for k, pair in enumerate(pairwise(widths)):
        W, b = tb.variable(f"W{k}", *pair), tb.variable(f"b{k}", pair[1])
        h = tb.tanh(h @ W + b)
        parameters += [W, b]
    loss = tb.mean(h * h)
    return [loss, *tb.gradient(loss, parameters)]


def arrays_of(plan: tb.Plan) -> list[Any]:
    rng = np.random.default_rng(0)
    return [rng.normal(size=each.shape) for each in plan.inputs]


def assert_same_numbers(plan: tb.Plan) -> None:
    """Compare a program with one in which every instruction is marked, and none is changed."""
    lowered, arrays = lower(plan), arrays_of(plan)
    apart = NumpyProgram(lowered, range(len(lowered.instructions)))([lambda: None, *arrays])
    program = NumpyProgram(lowered)
    for _ in range(2):
        for one, other in zip(program(arrays), apart, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-12)
            assert np.shape(one) == np.shape(other)


def assert_in_order(lowered: Lowered) -> None:
    """Everything is written, and what is read has been written whole before, or is given."""
    there: dict[int, set[int]] = {}
    for instruction in lowered.instructions:
        for view in reads(instruction):
            if lowered.values[view.value].kind in ("buffer", "result"):
                assert places(view) <= there.get(view.value, set())
        for view in writes(instruction):
            there.setdefault(view.value, set()).update(places(view))
    for view in lowered.results:
        assert places(view) <= there.get(view.value, set())


def places(view: Any) -> set[int]:
    """Return which numbers of a value a view shows."""
    steps = np.zeros(view.shape, int)
    for axis, stride in enumerate(view.strides):
        shape = [-1 if k == axis else 1 for k in range(len(view.shape))]
        steps = steps + stride * np.arange(view.shape[axis]).reshape(shape)
    return set((steps + view.offset).ravel().tolist())


def test_what_layers_do_alike_is_one_call() -> None:
    plan = tb.plan(gradients([WIDTH] * (DEPTH + 1)))
    before, after = lower(plan), stacked(lower(plan))
    stacks = {
        type(each)
        for each in after.instructions
        if any(len(view.shape) > 2 for view in reads(each))
    }
    assert stacks == {Apply, Reduce, Matmul}
    assert len(before.instructions) - len(after.instructions) >= 4 * (DEPTH - 3)
    assert_in_order(after)
    assert_same_numbers(plan)


@pytest.mark.parametrize("widths", [[7, 5, 5, 5, 5, 4], [5, 4, 5, 4, 5, 4, 5, 4], [1] * 6, [3, 2]])
@pytest.mark.parametrize("batch", [0, 1, 3])
def test_any_widths_have_the_same_numbers(widths: list[int], batch: int) -> None:
    assert_same_numbers(tb.plan(gradients(widths, batch)))


@settings(max_examples=80)
@given(graphs())
def test_random_graphs_have_the_same_numbers(graph: Graph) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stacking, "FEWEST", 2)
        wanted = tb.gradient(graph.scalar(), graph.nodes[: len(SHAPES)])
        plan = tb.plan([*graph.nodes[len(SHAPES) :], *wanted])
        assert_in_order(stacked(without_repetition(lower(plan))))
        assert_same_numbers(plan)


def test_a_chain_is_no_stack() -> None:
    h = tb.variable("x", BATCH, WIDTH)
    for _ in range(DEPTH):
        h = tb.tanh(h)
    lowered = lower(tb.plan(h))
    assert stacked(lowered) is lowered


def test_groups_that_need_each_other_are_not_both_joined(monkeypatch: pytest.MonkeyPatch) -> None:
    """Joined, tanh would need exp, and exp tanh."""
    monkeypatch.setattr(stacking, "FEWEST", 2)
    x, y = (tb.sin(tb.variable(name, BATCH, WIDTH)) for name in "xy")
    plan = tb.plan([tb.sqrt(tb.exp(tb.tanh(x))), tb.cos(tb.tanh(tb.exp(y)))])
    before, after = lower(plan), stacked(lower(plan))
    assert len(after.instructions) == len(before.instructions) - 1
    assert_in_order(after)
    assert_same_numbers(plan)


def test_large_values_are_left_alone() -> None:
    small, large = [gradients([width] * (DEPTH + 1), 1) for width in (SMALL, SMALL + 1)]
    for wanted, is_stacked in ((small, True), (large, False)):
        lowered = lower(tb.plan(wanted[:1] + wanted[2::2]))
        after = stacked(lowered)
        assert (after is not lowered) == is_stacked
        sizes = [each.size for each in after.values[len(lowered.values) :]]
        assert all(size * 8 <= LARGEST_STACK for size in sizes)


def test_long_programs_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    lowered = lower(tb.plan(gradients([WIDTH] * (DEPTH + 1))))
    monkeypatch.setattr(stacking, "LONGEST", len(lowered.instructions) - 1)
    assert stacked(lowered) is lowered


def test_results_in_a_stack_are_arrays_of_their_own() -> None:
    plan = tb.plan(gradients([WIDTH] * (DEPTH + 1)))
    program, arrays = NumpyProgram(lower(plan)), arrays_of(plan)
    results = program(arrays)
    assert any(result.base is not None for result in results[1:])
    kept = [result.copy() for result in results]
    assert not any(np.shares_memory(a, b) for a, b in combinations([*results[1:], *arrays], 2))
    results[1][...] = 0
    program([2 * each for each in arrays])
    for result, copy in zip(results[2:], kept[2:], strict=True):
        np.testing.assert_array_equal(result, copy)


def test_results_of_several_shapes_may_be_in_one_stack() -> None:
    """Products of equal matrices that are asked for in other shapes."""
    h = tb.sin(tb.variable("x", 4, 6))
    shapes = [(6, 6), (36,), (4, 9), (2, 3, 6), (9, 4)]
    products = [tb.cos(k * h).T @ tb.cos(k * h) for k in range(1, 6)]
    wanted = [tb.reshape(each, shape) for each, shape in zip(products, shapes, strict=True)]
    plan = tb.plan(wanted)
    assert ".reshape((2, 3, 6))" in NumpyProgram(lower(plan)).source
    assert_same_numbers(plan)


@pytest.mark.parametrize("first", [(), (1,)])
def test_numbers_and_arrays_of_one_may_be_in_one_stack(first: tuple[int, ...]) -> None:
    h = tb.sin(tb.variable("x", 4, 6))
    sums = [tb.sum(tb.cos(k * h)) for k in range(1, 6)]
    shapes = [first, (), (1,), (1, 1), ()]
    plan = tb.plan([tb.reshape(each, s) for each, s in zip(sums, shapes, strict=True)])
    lowered = lower(plan)
    assert len(stacked(lowered).instructions) < len(lowered.instructions)
    results = NumpyProgram(lowered)(arrays_of(plan))
    assert [isinstance(each, np.ndarray) for each in results] == [bool(s) for s in shapes]
    assert_same_numbers(plan)


@settings(max_examples=40)
@given(graphs())
def test_no_more_memory_than_planned_and_spare(graph: Graph) -> None:
    lowered = lower(tb.plan(tb.gradient(graph.scalar(), graph.nodes[: len(SHAPES)])))
    needed = laid_out(lowered.values, lowered.instructions).size
    most = max(needed, lowered.planned_bytes)
    assert NumpyProgram(lowered).arena_bytes <= most + SPARE
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tensorbp.execution.numpy.program.SPARE", 0)
        assert NumpyProgram(lowered).arena_bytes <= most
