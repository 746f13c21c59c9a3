"""Memory: what a plan says it needs, against what is alive and what is really allocated."""

from __future__ import annotations

import inspect
import tracemalloc
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from memory_zoo import OBJECTS, ZOO, arrays_for, taken, traced_peak
from plan_zoo import QUESTIONS, cases, questions

import tensorbp as tb
from tensorbp.execution.numpy.builder import Builder
from tensorbp.execution.numpy.tracing import NotTraceableError, traced
from tensorbp.execution.numpy.view import View
from tensorbp.expression import Expression
from tensorbp.expression.layer import Example, Primitive
from tensorbp.expression.leaves import Variable
from tensorbp.planning.arena import ALIGNMENT
from tensorbp.planning.memory.liveness import bytes_needed, peak_bytes, there_always
from tensorbp.planning.memory.reordering import Reordering, reordered
from tensorbp.planning.memory.storage import Storage
from tensorbp.registry import default_registry
from tensorbp.testing.case import Case

EXAMPLES = ["digits", "lenet5", "graph_network", "character_gpt", "character_lstm", "resnet18"]
"""Models of `docs/examples`."""

# ----- liveness, against a count at each place of everything that is still needed -----


def counted(sequence: Sequence[Expression], storage: Storage) -> list[int]:
    """Ask at every place of every value whether it was made and will still be needed."""
    read: list[list[int]] = []
    for k, node in enumerate(sequence):
        copies = [[j for j in range(k) if sequence[j] is each] for each in node.operands]
        read.append([each[-1] for each in copies])

    def base(k: int) -> int:
        return base(read[k][0]) if read[k] and storage.is_view(sequence[k]) else k

    def is_alive(j: int, k: int) -> bool:
        """Say whether the value of place j takes memory while place k is computed."""
        if isinstance(sequence[j].operator, Variable) or storage.is_result(sequence[j]):
            return False
        needed = [i for i in range(k, len(sequence)) if any(base(each) == j for each in read[i])]
        # a view that is made at k keeps what it views
        return base(j) == j and j <= k and (j == k or bool(needed) or base(k) == j)

    # inputs and results are there always, and an input that is a result twice
    always = max(storage.allocated_by(each) for each in sequence) + sum(
        storage.bytes_of(each) * (isinstance(each.operator, Variable) + storage.is_result(each))
        for each in set(sequence)
    )
    return [
        sum(storage.bytes_of(sequence[j]) for j in range(len(sequence)) if is_alive(j, k))
        + storage.scratch_of(node)
        + always
        for k, node in enumerate(sequence)
    ]


@st.composite
def sequences(draw: Any) -> tuple[list[Expression], Storage]:
    """Draw a graph, and an order of its nodes in which some are computed again."""
    nodes = [tb.variable("x", 5, 7), tb.variable("y", 7, 5)]
    for _ in range(draw(st.integers(1, 9))):
        a, b = (draw(st.sampled_from(nodes)) for _ in range(2))
        made = {"tanh": tb.tanh(a), "softmax": tb.softmax(a), "transpose": a.T, "part": a[:4]}
        if a.shape == b.shape:
            made |= {"sum": a + 3 * b, "product": 2 * a * b}
        if a.shape[-1] == b.shape[0]:
            made["matmul"] = a @ b
        nodes.append(made[draw(st.sampled_from(sorted(made)))])
    results = draw(st.lists(st.sampled_from(nodes), min_size=1, max_size=3, unique=True))
    storage = Storage(results, "float32")
    order, _ = reordered(results, storage)
    for _ in range(draw(st.integers(0, 5))):
        node = draw(st.sampled_from(order))
        if not isinstance(node.operator, Variable) and not storage.is_result(node):
            first = order.index(node)
            order.insert(draw(st.integers(first + 1, len(order))), node)
    return order, storage


@given(sequences())
def test_bytes_are_those_of_what_is_made_and_still_needed(case: Any) -> None:
    sequence, storage = case
    assert bytes_needed(sequence, storage) == counted(sequence, storage)


@given(sequences())
def test_what_is_laid_out_takes_no_less_than_is_alive_at_one_time(case: Any) -> None:
    sequence, storage = case
    assert peak_bytes(sequence, storage) >= max(bytes_needed(sequence, storage))


@given(sequences())
def test_float64_takes_twice_the_memory(case: Any) -> None:
    sequence, storage = case
    results = [each for each in sequence if storage.is_result(each)]
    double = bytes_needed(sequence, Storage(results, "float64"))
    assert double == [2 * each for each in bytes_needed(sequence, storage)]


@pytest.mark.parametrize("depth", [1, 2, 7, 20])
def test_values_that_nothing_reads_any_more_are_given_back(depth: int) -> None:
    """Beside input and result there are two values at most."""
    y = tb.variable("x", 100, 40)
    for _ in range(depth):
        y = tb.sin(y)
    one = 100 * 40 * 8
    assert tb.plan(y).peak_bytes == one * (2 + min(depth - 1, 2))


def test_integers_take_eight_bytes() -> None:
    k = tb.variable("k", 7, kind="integer")
    assert Storage([], "float32").bytes_of(k) == 7 * 8


@pytest.mark.parametrize("result", [lambda x: x, lambda x: x.T], ids=["itself", "transposed"])
def test_a_result_that_is_an_input_or_a_view_of_it_is_copied_when_it_leaves(result: Any) -> None:
    """Results share memory with nothing."""
    x = tb.variable("x", 30, 40)
    assert tb.plan(result(x)).peak_bytes == 2 * 30 * 40 * 8


# ----- the order of steps -----


@given(sequences())
def test_an_order_holds_every_node_once_after_its_operands(case: Any) -> None:
    sequence, storage = case
    results = [each for each in dict.fromkeys(sequence) if storage.is_result(each)]
    order, _ = reordered(results, storage)
    assert set(order) == set(sequence) and len(set(order)) == len(order)
    for k, node in enumerate(order):
        assert set(node.operands) <= set(order[:k])


@given(sequences())
def test_orders_are_compared_by_the_bytes_that_they_need(case: Any) -> None:
    sequence, storage = case
    results = [each for each in dict.fromkeys(sequence) if storage.is_result(each)]
    graph = Reordering(results, storage)
    always = there_always(graph.nodes, storage)
    for numbers in graph.orders():
        needed = bytes_needed(graph.named(numbers), storage)
        assert always + graph.most_added(numbers) == max(needed)


def test_gradients_are_worked_out_where_their_cotangents_are() -> None:
    """Depth first from the first weight would keep every cotangent until the end."""
    depth, one = 12, 900 * 50 * 8
    h = tb.variable("x", 900, 50)
    weights = [tb.variable(f"W{k}", 50, 50) for k in range(depth)]
    for W in weights:
        h = tb.tanh(h @ W)
    plan = tb.plan(tb.gradient(tb.sum(h), weights))
    assert plan.peak_bytes < (depth + 5) * one


# ----- what is predicted, and what is really allocated -----


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ZOO)
def test_a_plan_counts_what_its_program_has_places_for(name: str, dtype: str) -> None:
    program = tb.compile(ZOO[name](25), dtype)
    assert taken(program) <= program.plan.peak_bytes <= 1.25 * taken(program)


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_plan_of_a_model_counts_what_its_program_has_places_for(name: str) -> None:
    model = tb.load(f"docs/examples/{name}.yaml")
    program = tb.compile([model.loss, *model.gradient.values()], "float32")
    assert taken(program) <= program.plan.peak_bytes


@settings(max_examples=100)
@given(cases(), questions)
def test_no_program_has_places_for_more_than_its_plan_counts(case: Any, question: str) -> None:
    program = tb.compile(QUESTIONS[question](*case))
    # what a step needs for a while may be several buffers, each of which begins at a cache line
    assert taken(program) <= program.plan.peak_bytes + ALIGNMENT * len(program.plan.steps)


@settings(max_examples=100)
@given(st.permutations("ijb"), st.permutations("jkb"), st.permutations("ikb"), st.booleans())
def test_a_batch_may_lie_anywhere_in_what_a_product_of_matrices_reads(
    left: list[str], right: list[str], result: list[str], is_made: bool
) -> None:
    sizes = {"i": 30, "j": 40, "k": 60, "b": 50}
    a, b = (
        tb.variable(name, *[sizes[axis] for axis in axes])
        for name, axes in (("a", left), ("b", right))
    )
    spec = f"{''.join(left)},{''.join(right)}->{''.join(result)}"
    program = tb.compile(tb.einsum(spec, tb.tanh(a) if is_made else a, b))
    assert taken(program) <= program.plan.peak_bytes + ALIGNMENT * len(program.plan.steps)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ZOO)
def test_the_predicted_peak_is_the_real_one(name: str, dtype: str) -> None:
    program = tb.compile(ZOO[name](25), dtype)
    real = traced_peak(program, arrays_for(program))
    assert real - OBJECTS <= program.plan.peak_bytes <= 1.2 * real


@st.composite
def tangled(draw: Any) -> list[Expression]:
    """Draw results in which arrays of some 2 MB are turned, regrouped, cut and multiplied."""
    x = tb.variable("x", 61, 58, 60)
    nodes = [x, tb.variable("y", 61, 58, 60)]
    for _ in range(draw(st.integers(1, 5))):
        a, b = (draw(st.sampled_from(nodes)) for _ in range(2))
        size = a.shape[-1]
        made = {
            "tanh": tb.tanh(a),
            "gelu": tb.gelu(a),
            "softmax": tb.softmax(a),
            "scaled": 3 * a,
            "transpose": tb.transpose(a, (*range(1, a.ndim), 0)),
            "flat": tb.reshape(a, (a.shape[0], a.size // a.shape[0])),
            "rows": tb.reshape(a, (a.size // size, size)),
            "mean": a - tb.mean(a, axis=0, keepdims=True),
            "part": a[2:-2],
            "product": a @ tb.variable(f"W{size}", size, size),
            "joined": tb.concatenate([a, a], axis=-1),
        }
        if a.shape == b.shape:
            made |= {"sum": a - 2 * b, "times": 2 * a * b}
        chosen = made[draw(st.sampled_from(sorted(made)))]
        if chosen.size < 600_000:
            nodes.append(chosen)
    y = nodes[-1]
    return [tb.gradient(tb.sum(y * y), x), y] if draw(st.booleans()) else [y]


@settings(max_examples=40)
@given(tangled(), st.sampled_from(["float32", "float64"]))
def test_no_more_is_allocated_than_predicted(wanted: list[Expression], dtype: str) -> None:
    program = tb.compile(wanted, dtype)
    real = traced_peak(program, arrays_for(program))
    assert real - OBJECTS <= program.plan.peak_bytes


def primitives(kind: type[Primitive] = Primitive) -> Iterator[type[Primitive]]:
    """Yield all layers that have a forward rule of their own."""
    for each in kind.__subclasses__():
        if not inspect.isabstract(each) and each.__module__.startswith("tensorbp."):
            yield each
        yield from primitives(each)


def examples() -> Iterator[Example]:
    """Yield all examples of layers with a forward rule, with large inputs where these fit."""
    assert default_registry().layers
    for kind in dict.fromkeys(primitives()):
        try:
            found = kind.examples()
        except TypeError:  # selections are made by layers, and have no arguments by default
            continue
        for each in found:
            yield _enlarged(each)


def _enlarged(example: Example) -> Example:
    large = tuple([tuple([30 * size for size in shape]) for shape in example.shapes])
    try:
        example.layer.shape(*large)  # type: ignore[attr-defined]
    except tb.LayerError:
        return example
    return Example(example.layer, large)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("example", list(examples()), ids=lambda each: str(each.layer))
def test_a_layer_holds_no_more_temporaries_than_it_declares(example: Example, dtype: str) -> None:
    case, layer = Case(example.layer, example.shapes), example.layer
    assert isinstance(layer, Primitive)
    arrays = [x.astype(dtype) if x.dtype == float else x for x in case.arrays.values()]
    layer.forward(np, *arrays)
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        result = layer.forward(np, *arrays)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    declared = layer.scratch(result.shape, *example.shapes) * np.dtype(dtype).itemsize
    # ufuncs work on what they must convert in buffers
    assert most - before - result.nbytes <= declared + 2**17


@pytest.mark.parametrize("example", list(examples()), ids=lambda each: str(each.layer))
def test_a_layer_says_whether_its_rule_is_recorded(example: Example) -> None:
    """What is recorded has its temporaries in the arena; a plan must know which are not."""
    case, layer = Case(example.layer, example.shapes), example.layer
    assert isinstance(layer, Primitive)
    builder = Builder("float64")
    views = [
        View.whole(builder.value(x.size, x.dtype, "input"), x.shape) for x in case.arrays.values()
    ]
    shape = layer.shape(*example.shapes)
    dtype = np.dtype(int) if getattr(layer, "kind", "real") == "integer" else builder.dtype
    try:
        traced(builder, layer, views, shape, None, dtype)
        is_recorded = True
    except NotTraceableError:
        is_recorded = False
    assert layer.is_recorded == is_recorded
