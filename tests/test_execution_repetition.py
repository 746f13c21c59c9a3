"""Repetition: what several instructions would compute alike is computed once, and only that."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import tensorbp as tb
from tensorbp.execution.numpy.builder import Builder
from tensorbp.execution.numpy.instructions import Apply, Check, Copy, reads
from tensorbp.execution.numpy.lowering import Lowered, lower
from tensorbp.execution.numpy.memory import laid_out
from tensorbp.execution.numpy.program import NumpyProgram
from tensorbp.execution.numpy.repetition import without_repetition
from tensorbp.execution.numpy.view import View

SHAPE = (3, 4)


def built(builder: Builder, *results: View) -> Lowered:
    """Return what was built as a program with results."""
    for view in results:
        builder.values[view.value].kind = "result"
    origins = [0] * len(builder.instructions)
    return Lowered(builder.values, builder.instructions, origins, list(results), {0: SHAPE})


@pytest.fixture
def builder() -> Builder:
    builder = Builder("float64")
    builder.value(12, kind="input")
    return builder


X = View.whole(0, SHAPE)


def test_a_loss_and_its_gradient_share_the_softmax() -> None:
    x, target = tb.variable("x", 5, 4), tb.variable("target", 5, kind="integer")
    loss = tb.sum(tb.softmax_cross_entropy(x, target))
    program = tb.compile([loss, tb.gradient(loss, x)])
    for once in ("exp(", "maximum_reduce(", "equal(", "check_"):
        assert program.source.count(once) == 1
    logits, labels = np.random.default_rng(0).normal(size=(5, 4)), np.array([0, 3, 1, 1, 2])
    value, gradient = program(x=logits, target=labels)
    softmax = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    assert value == pytest.approx(-np.log(softmax[range(5), labels]).sum(), rel=1e-12)
    np.testing.assert_allclose(gradient, softmax - np.eye(4)[labels], atol=1e-14)
    with pytest.raises(tb.LayerError, match="layer 'softmax_cross_entropy': labels must be from 0"):
        program(x=logits, target=np.array([0, 3, -1, 1, 2]))


def test_chains_of_equal_instructions_are_one(builder: Builder) -> None:
    ends = []
    for _ in range(3):
        doubled = builder.apply("multiply", [X, 2.0], SHAPE)
        ends.append(builder.apply("exp", [doubled], SHAPE))
    total = builder.apply("add", [builder.apply("add", ends[:2], SHAPE), ends[2]], SHAPE)
    after = without_repetition(built(builder, total))
    names = [each.function for each in after.instructions if isinstance(each, Apply)]
    assert names == ["multiply", "exp", "add", "add"]
    assert len(after.origins) == 4
    last = after.instructions[-2:]
    assert [view.value for view in reads(last[0])] == [ends[0].value] * 2
    assert [view.value for view in reads(last[1])] == [last[0].result.value, ends[0].value]  # type: ignore[union-attr]


@pytest.mark.parametrize("between", [0, 3])
def test_a_value_is_kept_for_another_as_long_as_is_said(builder: Builder, between: int) -> None:
    one = builder.apply("exp", [X], SHAPE)
    total = builder.apply("sin", [one], SHAPE)
    for _ in range(between):
        total = builder.apply("add", [total, X], SHAPE)
    other = builder.apply("exp", [X], SHAPE)
    lowered = built(builder, builder.apply("add", [total, other], SHAPE))
    assert without_repetition(lowered, between) is lowered
    assert len(without_repetition(lowered, between + 1).instructions) == between + 3


def test_a_value_that_is_read_again_is_kept_anyway(builder: Builder) -> None:
    one, other = [builder.apply("exp", [X], SHAPE) for _ in range(2)]
    lowered = built(builder, builder.apply("add", [one, other], SHAPE))
    assert len(without_repetition(lowered, 0).instructions) == 2


def test_no_memory_is_taken_that_was_not_planned(
    builder: Builder, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = builder.apply("exp", [X], SHAPE)
    sine = builder.apply("sin", [one], SHAPE)
    both = builder.apply("multiply", [sine, builder.apply("cos", [sine], SHAPE)], SHAPE)
    for _ in range(40):
        both = builder.apply("add", [both, X], SHAPE)
    other = builder.apply("exp", [X], SHAPE)
    lowered = built(builder, builder.apply("add", [both, other], SHAPE))
    once = without_repetition(lowered)
    own, needed = (laid_out(e.values, e.instructions).size for e in (lowered, once))
    monkeypatch.setattr("tensorbp.execution.numpy.program.SPARE", 0)
    tight, wide = (NumpyProgram(replace(lowered, planned_bytes=size)) for size in (0, needed))
    assert tight.arena_bytes == own < wide.arena_bytes == needed
    assert (tight.source.count("exp("), wide.source.count("exp(")) == (2, 1)


def test_results_are_values_of_their_own(builder: Builder) -> None:
    both = [builder.apply("exp", [X], SHAPE) for _ in range(2)]
    lowered = built(builder, *both)
    assert without_repetition(lowered) is lowered


@pytest.mark.parametrize(
    "other",
    [("sin", [X]), ("multiply", [X, -0.0]), ("multiply", [X, 1.0]), ("multiply", [0.0, X])],
    ids=["function", "sign", "number", "position"],
)
def test_what_differs_stays(builder: Builder, other: tuple[str, list[Any]]) -> None:
    one = builder.apply("multiply", [X, 0.0], SHAPE)
    two = builder.apply(*other, SHAPE)
    lowered = built(builder, builder.apply("add", [one, two], SHAPE))
    assert without_repetition(lowered) is lowered


@pytest.mark.parametrize("changes", ["type", "order"])
def test_what_is_stored_otherwise_stays(builder: Builder, changes: str) -> None:
    one = builder.apply("exp", [X], SHAPE)
    if changes == "type":
        two = builder.apply("exp", [X], SHAPE, dtype=np.dtype("float32"))
    else:
        two = builder.apply("exp", [X], SHAPE, order=(1, 0))
    lowered = built(builder, builder.apply("add", [one, two], SHAPE))
    assert without_repetition(lowered) is lowered


def test_what_is_written_again_in_between_stays(builder: Builder) -> None:
    total = builder.apply("exp", [X], SHAPE)
    first = builder.apply("sin", [total], SHAPE)
    builder.emit(Apply("add", (total, X), total))
    second = builder.apply("sin", [total], SHAPE)
    lowered = built(builder, builder.apply("add", [first, second], SHAPE))
    assert without_repetition(lowered) is lowered


def test_what_is_written_in_part_stays(builder: Builder) -> None:
    parts = []
    for _ in range(2):
        whole = builder.new(SHAPE)
        builder.emit(Copy((0.0,), replace(whole, shape=(2, 4))))
        builder.emit(Copy((1.0,), replace(whole, shape=(1, 4), offset=8)))
        parts.append(whole)
    lowered = built(builder, builder.apply("add", parts, SHAPE))
    assert without_repetition(lowered) is lowered


def test_checks_that_cannot_be_compared_are_all_made(builder: Builder) -> None:
    class Unhashable:
        __hash__ = None  # type: ignore[assignment]

        def __call__(self, array: Any) -> None:
            raise AssertionError

    check = Unhashable()
    for _ in range(2):
        builder.emit(Check(check, (X,)))
    lowered = built(builder, builder.apply("exp", [X], SHAPE))
    assert without_repetition(lowered) is lowered


def test_a_plan_without_repetition_is_the_same() -> None:
    x, W = tb.variable("x", 5, 3), tb.variable("W", 3, 4)
    lowered = lower(tb.plan(tb.gradient(tb.sum(tb.tanh(x @ W)), W)))
    assert without_repetition(lowered) is lowered
