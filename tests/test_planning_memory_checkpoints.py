"""Checkpoints: the programme against all ways there are, and what becomes of graphs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from heapq import heappop, heappush
from itertools import count, pairwise
from math import comb, inf
from typing import Any, NamedTuple

import numpy as np
import pytest
from graph_zoo import Graph, graphs
from hypothesis import example, given, settings
from hypothesis import strategies as st
from test_planning_memory_limit import chain, paired, program

import tensorbp as tb
from tensorbp.expression import Expression
from tensorbp.planning.memory.checkpointing import Checkpointing
from tensorbp.planning.memory.checkpoints import Stage, cheapest
from tensorbp.planning.memory.liveness import bytes_needed, there_always
from tensorbp.planning.memory.reordering import orders
from tensorbp.planning.memory.stages import MOST_STAGES, Chain
from tensorbp.planning.schedule import Schedule

# ----- the programme, against a shortest path through all that a program can do -----


class State(NamedTuple):
    """Which outputs and stages are kept, whose input is there for now, and what is gone back to."""

    outputs: frozenset[int]
    kept: frozenset[int]
    current: int | None
    last: int


def least_flops(stages: Sequence[Stage], budget: int, may_drop: bool) -> float:
    """Return the fewest FLOPs of all ways, by Dijkstra's algorithm over what can be held.

    Args:
        stages: the chain.
        budget: the bytes that there are.
        may_drop: whether what is kept may be given up before the way back has read it.
    """
    number = count()
    start = State(frozenset(), frozenset(), None, len(stages) - 1)
    queue: list[tuple[float, int, State]] = [(0, next(number), start)]
    done: set[State] = set()
    while queue:
        flops, _, state = heappop(queue)
        if state.last < 0:
            return flops
        if state in done:
            continue
        done.add(state)
        for price, needed, following in moves(stages, state, may_drop):
            if held(stages, following) <= budget and needed <= budget:
                heappush(queue, (flops + price, next(number), following))
    return inf


def held(stages: Sequence[Stage], state: State) -> int:
    """Return the bytes of what is kept."""
    outputs = sum(stages[k].output for k in state.outputs)
    return outputs + sum(stages[k].kept for k in state.kept)


def moves(
    stages: Sequence[Stage], state: State, may_drop: bool
) -> Iterator[tuple[int, int, State]]:
    """Yield what can be done: its FLOPs, the bytes needed meanwhile, and what comes of it."""
    outputs, kept, current, last = state
    there = held(stages, state)
    waiting = there + stages[last].waiting
    inputs = {0} | {k + 1 for k in outputs | kept}
    for s in range(last):
        if s in inputs:
            after = state._replace(current=s + 1)
            yield stages[s].forward, waiting + stages[s].passing, after
            if s not in kept:
                # what was in hand has no place meanwhile
                after = state._replace(kept=kept | {s}, current=None)
                yield stages[s].forward, waiting + stages[s].keeping, after
    if current is not None and current < last:
        after = state._replace(current=current + 1)
        yield stages[current].forward, waiting + stages[current].passing_on, after
    if current is not None:
        yield 0, 0, state._replace(outputs=outputs | {current - 1}, current=None)
    if last in inputs:
        stage = stages[last]
        after = State(outputs - {last - 1}, kept - {last}, None, last - 1)
        if last in kept:
            yield 0, there - stage.kept + stage.backward, after
        else:
            needed = max(waiting + stage.repeating, there + stage.backward)
            yield stage.again, needed, after
    if may_drop:
        for k in outputs:
            yield 0, 0, state._replace(outputs=outputs - {k})
        for k in kept:
            yield 0, 0, state._replace(kept=kept - {k})


def flops_of(stages: Sequence[Stage], budget: int) -> float:
    """Return the FLOPs of what the programme finds, infinite if it finds nothing."""
    visits = cheapest(stages, budget)
    if visits is None:
        return inf
    price = {"forward": "forward", "again": "again"}
    return sum(getattr(stages[k], price[what]) for what, k in visits if what in price)


@st.composite
def unequal_stages(draw: Any) -> list[Stage]:
    """Draw stages, no less for the whole of what they do than for a part."""
    stages = []
    for _ in range(draw(st.integers(1, 5))):
        again, more, output, asked, passing, longer, back = (
            draw(st.integers(0, most)) for most in (5, 5, 5, 3, 3, 3, 8)
        )
        repeating = draw(st.integers(0, output + asked))
        stages.append(
            Stage(
                again + more,
                again,
                output,
                output + asked,
                output + passing,
                output + passing + longer,
                output + asked + passing,
                repeating,
                back,
                draw(st.integers(0, 4)),
            )
        )
    return stages


@settings(max_examples=300, deadline=None)
@given(unequal_stages(), st.integers(0, 30))
@example(
    [
        Stage(0, 0, 4, 4, 7, 7, 7, 0, 0, 0),
        Stage(0, 0, 1, 1, 4, 4, 4, 0, 0, 1),
        Stage(0, 0, 0, 0, 0, 0, 0, 0, 0, 0),
    ],
    7,
)
def test_no_way_in_which_what_is_kept_stays_costs_less(stages: list[Stage], budget: int) -> None:
    found = flops_of(stages, budget)
    assert found == least_flops(stages, budget, may_drop=False)
    assert found >= least_flops(stages, budget, may_drop=True)


@given(unequal_stages())
def test_more_memory_never_costs_more(stages: list[Stage]) -> None:
    flops = [flops_of(stages, budget) for budget in range(40)]
    assert all(more <= less for less, more in pairwise(flops))


EQUAL = Stage(1, 0, 1, 1, 1, 1, 1, 0, 0, 0)
"""What revolve knows: steps that take the place of their inputs, and are read by the next alone."""


@pytest.mark.parametrize("snapshots", [1, 2, 3, 5, 8])
@pytest.mark.parametrize("length", [1, 2, 3, 4, 7, 10, 21, 40])
def test_equal_stages_cost_what_revolve_does(length: int, snapshots: int) -> None:
    """Griewank and Walther: r l - β(s + 1, r - 1) steps for β(s, r - 1) < l <= β(s, r)."""
    r = next(r for r in count() if length <= comb(snapshots + r, snapshots))
    expected = r * length - (comb(snapshots + r, snapshots + 1) if r else 0)
    # the first input is one of the snapshots, and what is worked on is none
    assert flops_of([EQUAL] * length, snapshots) == expected


@pytest.mark.parametrize("budget", range(4))
@pytest.mark.parametrize("length", range(1, 7))
def test_no_way_at_all_costs_less_for_equal_stages(length: int, budget: int) -> None:
    stages = [EQUAL] * length
    assert flops_of(stages, budget) == least_flops(stages, budget, may_drop=True)


def test_what_does_not_fit_is_no_way() -> None:
    assert cheapest([replace(EQUAL, backward=3)], 2) is None
    assert cheapest([EQUAL], -1) is None


def test_nothing_is_done_where_there_is_nothing_to_do() -> None:
    assert cheapest([], 0) == []


# ----- graphs as chains of stages -----


def residual(depth: int, batch: int = 700) -> list[Expression]:
    """Return the gradients of a residual network, of which no two blocks are equally wide."""
    h = tb.variable("x", batch, 31)
    weights: list[Expression] = []
    for k in range(depth):
        inner = 40 + 17 * k % 23
        A, B = tb.variable(f"A{k}", 31, inner), tb.variable(f"B{k}", inner, 31)
        h = h + tb.gelu(h @ A) @ B
        weights += [A, B]
    return tb.gradient(tb.sum(tb.softplus(h)), weights)


def masked(depth: int, tokens: int = 300) -> list[Expression]:
    """Return the gradients of attention over attention, with one mask for all."""
    h = tb.variable("x", tokens, 23)
    mask = tb.causal_mask(tokens)
    weights = [tb.variable(f"W{k}", 23, 23) for k in range(depth)]
    for W in weights:
        h = h + tb.softmax(h @ W @ h.T) * mask @ h
    return tb.gradient(tb.mean(h * h), weights)


def checked(schedule: Schedule, limit: int) -> Schedule | None:
    """Return a schedule that was found to keep a limit, after looking whether it does."""
    storage = schedule.storage
    sequence = Checkpointing(list(orders(schedule.roots, storage)), storage).sequence(limit)
    if sequence is None:
        return None
    assert max(bytes_needed(sequence, storage)) <= limit
    assert set(sequence) == set(schedule.nodes)
    seen: set[Expression] = set()
    for node in sequence:
        assert seen.issuperset(node.operands)
        seen.add(node)
    results = [each for each in sequence if storage.is_result(each)]
    assert len(results) == len(set(results))
    return Schedule(schedule.roots, schedule.dtype, sequence)


@settings(max_examples=100, deadline=None)
@given(graphs(3, 9), st.floats(0.3, 1.1))
def test_stages_keep_the_limit_and_the_values_of_any_graph(graph: Graph, part: float) -> None:
    schedule = paired([graph.scalar(), *tb.gradient(graph.scalar(), graph.nodes[:3])])
    made = checked(schedule, int(part * schedule.peak_bytes))
    if made is not None:
        whole = program(schedule, schedule.roots)
        arrays = {name: array for name, array in graph.values().items() if name in whole.names}
        found = program(made, schedule.roots)(arrays)
        for value, expected in zip(found, whole(arrays), strict=True):
            # numbers that lie in another order in memory may be added up in another order
            np.testing.assert_allclose(value, expected, rtol=1e-13, atol=1e-13)


@settings(max_examples=60, deadline=None)
@given(graphs(3, 9))
def test_a_stage_knows_the_last_one_by_its_output_alone(graph: Graph) -> None:
    schedule = paired(tb.gradient(graph.scalar(), graph.nodes[:3]))
    cut = Chain(schedule.nodes, schedule.storage)
    before: set[Expression] = set(cut.given)
    back_done: set[Expression] = set()
    for stage in reversed(cut.parts):
        back_done.update(stage.back)
    steps = [each for part in cut.parts for each in (*part.forward, *part.back)]
    assert sorted(steps, key=id) == sorted(set(schedule.nodes) - before, key=id)
    known: list[Expression] = []
    for part in cut.parts:
        assert all({*part.forward, *known, *before}.issuperset(x.operands) for x in part.forward)
        allowed = {*part.forward, *known, *before, *back_done}
        assert all(allowed.issuperset(each.operands) for each in part.back)
        known = [part.output]


@pytest.mark.parametrize("build", [chain, residual, masked])
def test_more_memory_for_a_deep_network_never_costs_more(build: Callable[..., Any]) -> None:
    arguments = (12, 300, tb.gelu) if build is chain else (6,)
    schedule = paired(build(*arguments))
    flops = []
    for tenths in range(11, 2, -1):
        made = checked(schedule, schedule.peak_bytes * tenths // 10)
        flops.append(inf if made is None else made.cost.flops)
    assert flops[0] == schedule.cost.flops
    assert flops[4] < inf
    # sizes are rounded up to slots, which are larger where there is more room
    assert all(more <= 1.01 * less for more, less in pairwise(flops))


@pytest.mark.parametrize("function", [tb.tanh, tb.gelu])
def test_a_third_of_a_long_chain_costs_what_the_best_checkpoints_do(
    function: Callable[[Expression], Expression],
) -> None:
    schedule = paired(chain(48, 1500, function))
    made = checked(schedule, schedule.peak_bytes // 3)
    assert made is not None
    assert made.cost.flops <= 1.26 * schedule.cost.flops


def test_a_third_of_a_residual_network_is_kept_without_slices() -> None:
    schedule = paired(residual(16))
    made = checked(schedule, schedule.peak_bytes // 3)
    assert made is not None
    assert made.cost.flops <= 1.25 * schedule.cost.flops


def test_a_plan_keeps_a_third_by_checkpoints_where_there_is_nothing_to_slice() -> None:
    wanted = masked(8)
    whole = tb.plan(wanted)
    limited = tb.plan(wanted, memory_limit=whole.peak_bytes // 3)
    assert limited.peak_bytes <= whole.peak_bytes // 3
    assert limited.flops <= 1.2 * whole.flops
    assert limited.kept_by[0].endswith("values computed again")


def test_many_stages_are_taken_together() -> None:
    schedule = paired(chain(300, 200, tb.tanh))
    assert len(Chain(schedule.nodes, schedule.storage).parts) == MOST_STAGES
    made = checked(schedule, schedule.peak_bytes // 2)
    assert made is not None and made.cost.flops <= 1.25 * schedule.cost.flops
    always = there_always(schedule.nodes, schedule.storage)
    assert checked(schedule, always + 1) is None
