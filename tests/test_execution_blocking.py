"""Blocking: loops over blocks have the numbers of whole arrays, in no more memory."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from graph_zoo import SHAPES, Graph, graphs
from hypothesis import given, settings
from hypothesis import strategies as st

import tensorbp as tb
from tensorbp.execution.numpy import blocking
from tensorbp.execution.numpy.blocking import blocked
from tensorbp.execution.numpy.instructions import Apply, Choose, Loop
from tensorbp.execution.numpy.lowering import lower
from tensorbp.execution.numpy.memory import laid_out
from tensorbp.execution.numpy.program import NumpyProgram

ROWS, COLUMNS = 12, 10


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let arrays be large, and blocks hold three rows of float64."""
    monkeypatch.setattr(blocking, "SMALLEST", 8 * 2)
    monkeypatch.setattr(blocking, "BLOCK", 8 * 3 * COLUMNS)


def variables(*shapes: tuple[int, ...]) -> list[Any]:
    return [tb.variable(f"x{k}", *shape) for k, shape in enumerate(shapes)]


def arrays_of(plan: tb.Plan) -> list[Any]:
    rng = np.random.default_rng(0)
    return [rng.normal(size=each.shape) for each in plan.inputs]


def loops_of(plan: tb.Plan) -> list[Loop]:
    return [each for each in blocked(lower(plan)).instructions if isinstance(each, Loop)]


def assert_same_numbers(plan: tb.Plan) -> None:
    """Compare a program in blocks with one in which every instruction is marked, and none is."""
    lowered = lower(plan)
    arrays = arrays_of(plan)
    whole = NumpyProgram(lowered, range(len(lowered.instructions)))([lambda: None, *arrays])
    found = NumpyProgram(lowered)(arrays)
    for one, other in zip(found, whole, strict=True):
        np.testing.assert_array_equal(one, other)


x, y, bias, column = variables((ROWS, COLUMNS), (ROWS, COLUMNS), (COLUMNS,), (ROWS, 1))

EXPRESSIONS = {
    "chain": tb.tanh(x + y) * x,
    "row": tb.tanh(x + bias) * y,
    "column": tb.exp(x - column) / y,
    "both": tb.tanh((x + bias) * column) + y,
    "choice": tb.relu(tb.tanh(x) + y) * x,
    "many": tb.sin(tb.tanh(x) * tb.exp(y) + tb.cos(x * y)) - tb.tanh(y) * tb.tanh(x + y),
    "first row": tb.tanh(x - x[0]) * x,
}


@pytest.mark.parametrize("expression", EXPRESSIONS.values(), ids=EXPRESSIONS)
def test_blocks_have_the_numbers_of_the_whole(expression: tb.Expression) -> None:
    plan = tb.plan(expression)
    assert loops_of(plan)
    assert_same_numbers(plan)


@pytest.mark.parametrize("expression", EXPRESSIONS.values(), ids=EXPRESSIONS)
def test_gradients_in_blocks_have_the_numbers_of_the_whole(expression: tb.Expression) -> None:
    assert_same_numbers(tb.plan(tb.gradient(tb.sum(expression), [x, y])))


@settings(max_examples=60)
@given(graphs(), st.sampled_from([8 * 4, 8 * 12, 8 * 60]))
def test_random_graphs_have_the_numbers_of_the_whole(graph: Graph, block: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocking, "BLOCK", block)
        gradients = tb.gradient(graph.scalar(), graph.nodes[: len(SHAPES)])
        assert_same_numbers(tb.plan([*graph.nodes[len(SHAPES) :], *gradients]))


def test_what_is_there_between_two_instructions_takes_a_block() -> None:
    plan = tb.plan(tb.tanh(tb.exp(x + bias) * y) - bias)
    before, after = lower(plan), blocked(lower(plan))
    (loop,) = after.instructions
    assert isinstance(loop, Loop)
    assert loop.count * 3 * COLUMNS == ROWS * COLUMNS
    assert laid_out(before.values, before.instructions).size == 0
    assert laid_out(after.values, after.instructions).size <= 2 * 64 * 4


def test_the_place_of_a_value_that_dies_is_used_again() -> None:
    """A product of matrices is made where its activation will be."""
    a, W = variables((ROWS, 5), (5, COLUMNS))
    plan = tb.plan(tb.exp(tb.tanh(a @ W) * y))
    lowered = blocked(lower(plan))
    assert sum(isinstance(each, Loop) for each in lowered.instructions) == 1
    memory = laid_out(lowered.values, lowered.instructions)
    assert memory.size < ROWS * COLUMNS * 8
    assert_same_numbers(plan)


def test_a_place_is_given_away_once() -> None:
    """Softmax is made in the place of its exponentials, and lives on; its square is made beside."""
    a, W = variables((ROWS, 5), (5, COLUMNS))
    loss = tb.sum(tb.softmax(a @ W) ** 2)
    assert_same_numbers(tb.plan(tb.gradient(loss, [W])))


def test_what_is_read_from_other_blocks_is_whole_before() -> None:
    assert_same_numbers(tb.plan(tb.tanh(tb.exp(x) + y) + tb.tanh(x[::-1]) * y))
    assert_same_numbers(tb.plan(tb.tanh(x.T) * y.T))
    h = tb.exp(x)
    assert_same_numbers(tb.plan(tb.tanh(h) + h[::-1]))
    assert_same_numbers(tb.plan(tb.tanh(h) * h[0]))


@pytest.mark.parametrize(("rows", "columns"), [(13, COLUMNS), (ROWS, 81), (1, 1)])
def test_what_has_no_good_blocks_stays_whole(
    rows: int, columns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blocking, "BLOCK", 8 * 8 * COLUMNS)
    a, b = variables((rows, columns), (columns,))
    plan = tb.plan(tb.exp(tb.tanh(a + b) + b) + b)
    assert not loops_of(plan)
    assert_same_numbers(plan)


def test_a_single_instruction_stays_whole() -> None:
    assert not loops_of(tb.plan(tb.tanh(x)))


def test_small_arrays_stay_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocking, "SMALLEST", 8 * ROWS * COLUMNS + 1)
    assert not loops_of(tb.plan(EXPRESSIONS["chain"]))


def test_choices_are_in_blocks_too() -> None:
    (loop,) = loops_of(tb.plan(EXPRESSIONS["choice"]))
    assert all(isinstance(each, Apply | Choose) for each in loop.body)


def test_a_profile_has_every_step() -> None:
    program = tb.compile(EXPRESSIONS["many"])
    assert "for " in program.source
    profile = program.profile(x0=np.ones((ROWS, COLUMNS)), x1=np.ones((ROWS, COLUMNS)))
    assert len(profile.steps) > 5
