"""Limits on memory: kept by a plan with the same values, or refused with what would do."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from graph_zoo import Graph, graphs
from hypothesis import given, settings
from hypothesis import strategies as st
from memory_zoo import ZOO, arrays_for, taken
from test_planning_memory import examples

import tensorbp as tb
from tensorbp.execution import Program
from tensorbp.execution.backends import find_backend
from tensorbp.expression import Expression
from tensorbp.expression.layer import Example
from tensorbp.planning import Baselines, Plan
from tensorbp.planning.arena import ALIGNMENT
from tensorbp.planning.memory import limit as memory_limit
from tensorbp.planning.memory import recomputing
from tensorbp.planning.memory.amounts import UNITS, byte_text, bytes_from
from tensorbp.planning.memory.cuts import cuts
from tensorbp.planning.memory.liveness import bytes_needed, handed_over
from tensorbp.planning.memory.recomputing import recomputed
from tensorbp.planning.memory.reordering import orders
from tensorbp.planning.memory.slicing import Slicer
from tensorbp.planning.query import Query
from tensorbp.planning.schedule import Schedule
from tensorbp.planning.search import Search
from tensorbp.registry import default_registry
from tensorbp.testing.case import Case

# ----- what is kept, from end to end -----


@settings(max_examples=40, deadline=None)
@given(graphs(), st.floats(0.3, 1.0), st.booleans())
def test_a_limit_is_kept_with_the_same_values_or_refused(
    graph: Graph, part: float, is_derived: bool
) -> None:
    y = graph.nodes[-1]
    sources = [each for each in graph.nodes[:3] if each is not y]
    wanted = [y, *tb.gradient(graph.scalar(), sources)] if is_derived else [y, tb.sin(y)]
    whole = tb.compile(wanted)
    limit = max(1, int(part * whole.plan.peak_bytes))
    try:
        limited = tb.compile(wanted, memory_limit=limit)
    except tb.MemoryLimitError as error:
        assert error.limit == limit < error.least <= whole.plan.peak_bytes
        assert tb.plan(wanted, memory_limit=error.least).peak_bytes <= error.least
        return
    assert limited.plan.peak_bytes <= limit
    arrays = graph.values()
    for found, expected in zip(
        limited({name: arrays[name] for name in limited.names}),
        whole({name: arrays[name] for name in whole.names}),
        strict=True,
    ):
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", ZOO)
def test_a_limited_program_has_places_for_no_more_than_its_limit(name: str) -> None:
    whole = tb.compile(ZOO[name](6))
    limit = whole.plan.peak_bytes * 3 // 5
    limited = tb.compile(ZOO[name](6), memory_limit=limit)
    arrays = arrays_for(whole)
    assert taken(limited) <= limit
    assert limited.plan.kept_by
    assert limited.plan.flops <= 1.05 * whole.plan.flops
    for found, expected in zip(limited(arrays), whole(arrays), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)


def chain(depth: int, batch: int, function: Callable[[Expression], Expression]) -> list[Expression]:
    """Return the gradients of a chain of layers, which are narrow against the batch."""
    widths = [23 + 7 * k % 13 for k in range(depth + 1)]
    h = tb.variable("x", batch, widths[0])
    weights = [tb.variable(f"W{k}", *pair) for k, pair in enumerate(pairwise(widths))]
    for W in weights:
        h = function(h @ W)
    return tb.gradient(tb.mean(h * h), weights)


def test_a_third_of_the_memory_of_a_long_chain_costs_next_to_nothing_in_slices() -> None:
    whole = tb.plan(chain(48, 1500, tb.tanh))
    limited = tb.plan(chain(48, 1500, tb.tanh), memory_limit=whole.peak_bytes // 3)
    assert limited.peak_bytes <= whole.peak_bytes // 3
    assert limited.flops <= 1.01 * whole.flops


def test_another_order_is_tried_before_anything_that_costs() -> None:
    h, weights = tb.variable("x", 400, 20), []
    for k in range(24):
        weights.append(tb.variable(f"W{k}", 20 + k, 21 + k))
        h = tb.tanh(h @ weights[-1])
    wanted = [tb.mean(h), *tb.gradient(tb.mean(h), weights)]
    plain = tb.plan(wanted, order="reverse")
    limited = tb.plan(wanted, order="reverse", memory_limit=plain.peak_bytes * 2 // 3)
    assert limited.flops == plain.flops
    assert limited.kept_by == ("steps reordered",)


def test_a_plan_that_fits_is_left_as_it_is() -> None:
    wanted = chain(3, 100, tb.tanh)
    plan = tb.plan(wanted)
    assert tb.plan(wanted, memory_limit="1 TB") == plan
    assert plan.kept_by == ()


def test_a_plan_in_slices_keeps_the_labels_of_its_layers_and_can_be_read_back() -> None:
    import io

    x, W = tb.variable("x", 400, 30), tb.variable("W", 30, 20)
    y = tb.tanh(x @ W)
    labels = {y: "dense"}
    wanted = tb.gradient(tb.sum(y * y), W)
    whole = tb.plan(wanted, labels=labels)
    limited = tb.plan(wanted, labels=labels, memory_limit=whole.peak_bytes * 2 // 3)
    assert "slices" in limited.kept_by[0]
    assert {step.layer for step in limited.steps} == {step.layer for step in whole.steps}
    assert tb.read_plan(io.StringIO(limited.to_json())) == limited


# ----- slices -----


def program(schedule: Schedule, results: Sequence[Expression]) -> Program:
    """Return what computes a schedule."""
    inputs, steps, number = schedule.numbered({})
    figures = schedule.figures
    outputs = tuple([number[each] for each in results])
    baselines = Baselines(figures, figures)
    plan = Plan(schedule.dtype, inputs, steps, outputs, "mixed", figures, baselines)
    return Program(plan, schedule.dtype, find_backend("numpy"))


def paired(wanted: list[Expression]) -> Schedule:
    """Return the schedule that a plan is made of."""
    query = Query(wanted, "float64", {}, default_registry().path_finders)
    return Search(query, 0, None).best()[0].schedule


@settings(max_examples=30, deadline=None)
@given(graphs(), st.data())
def test_slices_of_any_axis_give_the_same_values(graph: Graph, data: Any) -> None:
    schedule = paired([graph.nodes[-1], *tb.gradient(graph.scalar(), graph.nodes[:3])])
    arrays = graph.values()
    roots = schedule.roots
    whole = program(schedule, roots)
    expected = whole({name: arrays[name] for name in whole.names})
    slicer = Slicer(schedule.nodes, roots)
    places = [(node, k) for node in schedule.nodes for k in range(node.ndim)]
    if not places:
        return
    axis = slicer.axis_of(*data.draw(st.sampled_from(places)))
    if axis is None:
        return
    made = slicer.sliced(axis, data.draw(st.integers(2, axis.size)))
    new = [made.roots[each] for each in roots]
    sliced = program(Schedule(list(dict.fromkeys(new)), "float64", made.order), new)
    for found, value in zip(
        sliced({name: arrays[name] for name in sliced.names}), expected, strict=True
    ):
        np.testing.assert_allclose(found, value, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("example", list(examples()), ids=lambda each: str(each.layer))
def test_a_layer_computes_each_part_of_an_axis_that_can_be_cut_by_itself(example: Example) -> None:
    case = Case(example.layer, example.shapes)
    arrays = list(case.arrays.values())
    node = case.output
    assert node.operator == example.layer or not cuts(node)
    for cut in cuts(node):
        middle = node.shape[cut.output] // 2 if cut.output is not None else 0
        for part in (slice(0, middle), slice(middle, None)):
            cut_arrays = [
                np.take(each, range(*part.indices(each.shape[k])), k) if k is not None else each
                for each, k in zip(arrays, cut.operands, strict=True)
            ]
            found = example.layer.forward(np, *cut_arrays)  # type: ignore[attr-defined]
            whole = example.layer.forward(np, *arrays)  # type: ignore[attr-defined]
            assert cut.output is not None
            expected = np.take(whole, range(*part.indices(whole.shape[cut.output])), cut.output)
            np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_the_batch_can_be_cut_in_the_layers_of_a_network() -> None:
    """What no law would miss: a layer that says of no axis that it can be cut."""
    x, target = tb.variable("x", 6, 4), tb.variable("t", 6, kind="integer")
    losses = tb.softmax_cross_entropy(x, target)
    for y in (tb.tanh(x), tb.softmax(x), tb.log_softmax(x), tb.logsumexp(x), losses):
        schedule = paired([y])
        axis = Slicer(schedule.nodes, schedule.roots).axis_of(schedule.roots[0], 0)
        assert axis is not None and axis.sources[x] == 0


# ----- values computed again -----


@settings(max_examples=60, deadline=None)
@given(graphs(3, 9), st.floats(0.4, 1.0))
def test_values_computed_again_keep_the_limit_and_are_the_same(graph: Graph, part: float) -> None:
    schedule = paired(tb.gradient(graph.scalar(), graph.nodes[:3]))
    limit = int(part * schedule.peak_bytes)
    arrays = graph.values()
    for order in orders(schedule.roots, schedule.storage):
        sequence = recomputed(order, schedule.storage, limit)
        if sequence is None:
            continue
        assert max(bytes_needed(sequence, schedule.storage)) <= limit
        assert set(sequence) == set(order)
        for k, node in enumerate(sequence):
            assert set(node.operands) <= set(sequence[:k])
        again = program(Schedule(schedule.roots, "float64", sequence), schedule.roots)
        whole = program(schedule, schedule.roots)
        given_arrays = {name: arrays[name] for name in whole.names}
        for found, expected in zip(again(given_arrays), whole(given_arrays), strict=True):
            # numbers that lie in another order in memory may be added up in another order
            np.testing.assert_allclose(found, expected, rtol=1e-13, atol=1e-13)


def test_what_takes_too_long_to_look_through_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    schedule = paired(chain(48, 1500, tb.tanh))
    order, limit = schedule.nodes, schedule.peak_bytes * 3 // 4
    assert recomputed(order, schedule.storage, limit) is not None
    monkeypatch.setattr(recomputing, "MOST_LOOKED_AT", 100)
    assert recomputed(order, schedule.storage, limit) is None
    # what needs no room made is not looked through
    assert recomputed(order, schedule.storage, schedule.peak_bytes) is not None


def test_of_a_large_graph_the_least_limit_is_that_of_its_slices(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(memory_limit, "LOOKED_THROUGH", 10)
    outputs = chain(20, 1500, tb.tanh)
    schedule = paired(outputs)
    unavoidable = handed_over(schedule.nodes, schedule.storage)
    with pytest.raises(tb.MemoryLimitError, match="the least found to be enough is") as caught:
        tb.plan(outputs, memory_limit=unavoidable + 1000)
    assert tb.plan(outputs, memory_limit=caught.value.least).peak_bytes <= caught.value.least


@pytest.mark.parametrize("function", [tb.tanh, tb.gelu, tb.sin])
def test_a_third_of_the_memory_of_a_long_chain_costs_few_flops_without_slices(
    function: Callable[[Expression], Expression],
) -> None:
    schedule = paired(chain(48, 1500, function))
    limit = schedule.peak_bytes // 3
    found = [
        Schedule(schedule.roots, "float64", sequence)
        for order in orders(schedule.roots, schedule.storage)
        if (sequence := recomputed(order, schedule.storage, limit)) is not None
    ]
    assert min(each.cost.flops for each in found) <= 1.4 * schedule.cost.flops
    assert all(max(bytes_needed(each.nodes, each.storage)) <= limit for each in found)


# ----- amounts and refusals -----


@given(st.integers(1, 10**6), st.sampled_from(sorted(UNITS)))
def test_amounts_are_read_with_their_unit(number: int, unit: str) -> None:
    assert bytes_from(f"{number}{unit}") == bytes_from(f" {number} {unit.lower()} ")
    assert bytes_from(f"{number} {unit}") == number * UNITS[unit]


@given(st.integers(1, 2**60))
def test_an_amount_that_is_written_is_no_less(amount: int) -> None:
    assert amount <= bytes_from(byte_text(amount)) <= amount * 1.02 + 1


@pytest.mark.parametrize(
    ("limit", "message"),
    [
        ("2 GX", "memory limit '2 GX': 'GX' is no unit; known: B, kB, KiB, MB, MiB"),
        ("1.2.3GB", "memory limit '1.2.3GB': '1.2.3' is no number"),
        ("much", "memory limit: expected a number of bytes above 0, or a text such as '2GiB' or"),
        (0, "memory limit: expected a number of bytes above 0, or a text such as '2GiB' or"),
        (True, "memory limit: expected a number of bytes above 0, or a text such as '2GiB' or"),
        ("0.1 B", "memory limit: expected a number of bytes above 0, or a text such as '2GiB' or"),
    ],
)
def test_what_is_no_amount_of_memory_is_refused(limit: Any, message: str) -> None:
    with pytest.raises(tb.CompileError) as caught:
        tb.plan(tb.variable("x", 3), memory_limit=limit)
    assert str(caught.value).startswith(message)


def test_a_refusal_names_the_worst_step_and_what_would_do() -> None:
    x, A = tb.variable("x", 50, 70), tb.variable("A", 70, 90)
    y = tb.tanh(x @ A)
    handed_over = (50 * 70 + 70 * 90 + 50) * 8
    total = handed_over + 2 * ALIGNMENT * math.ceil(50 * 90 * 8 / ALIGNMENT)
    with pytest.raises(tb.MemoryLimitError) as caught:
        tb.plan(tb.sum(y, axis=1), labels={y: "dense"}, memory_limit=handed_over + 1)
    assert handed_over < caught.value.least < total
    assert str(caught.value) == (
        f"the memory limit of {byte_text(handed_over + 1)} cannot be kept: the least found to be "
        f"enough is {byte_text(caught.value.least)}, with slices and values computed again. "
        "Without a limit the worst step is tanh 'y = tanh(x)' of layer 'dense': its result of "
        f"shape (50, 90) takes 35.16 KiB, and {byte_text(total)} are needed in all. Raise the "
        f"limit to {byte_text(caught.value.least)}, choose smaller dimensions, or dtype float32"
    )


def test_a_limit_below_inputs_and_results_is_refused_at_once() -> None:
    A, B = tb.variable("A", 70, 90), tb.variable("B", 90, 50)
    C = A @ B
    with pytest.raises(tb.MemoryLimitError) as caught:
        tb.plan(C, labels={C: "dense"}, memory_limit=1000)
    total = (70 * 90 + 90 * 50 + 70 * 50) * 8
    assert caught.value.least == total
    assert str(caught.value).startswith(
        f"the memory limit of 1000 B cannot be kept: inputs and results alone take "
        f"{byte_text(total)}. Without a limit "
    )
    assert (
        "the worst step is einsum 'ac,cb->ab' of layer 'dense': its result of shape (70, 50) "
        f"takes 27.35 KiB, and {byte_text(total)} are needed in all. Raise the limit to "
    ) in str(caught.value)


def test_a_plan_made_before_is_refused_if_it_needs_more() -> None:
    plan = tb.plan(tb.variable("x", 100) + 1)
    assert tb.compile(plan, memory_limit=plan.peak_bytes).plan == plan
    with pytest.raises(tb.MemoryLimitError, match="plan again with that limit"):
        tb.compile(plan, memory_limit=plan.peak_bytes - 1)
