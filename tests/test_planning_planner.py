"""The planner: never worse than the textbook orders, and it finds what should be found."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from graph_zoo import SHAPES, Graph, graphs
from hypothesis import given, settings
from hypothesis import strategies as st
from plan_zoo import QUESTIONS, cases, network, questions

import tensorbp as tb
from tensorbp.errors import CompileError
from tensorbp.expression.graph import topological_order
from tensorbp.expression.resolution import Resolution
from tensorbp.planning import Figures, Plan

# ----- guarantees -----


@settings(max_examples=80)
@given(cases(), questions)
def test_no_plan_costs_more_than_plain_forward_or_reverse(case: Any, question: str) -> None:
    plan = tb.plan(QUESTIONS[question](*case))
    assert plan.flops <= min(plan.baselines.forward.flops, plan.baselines.reverse.flops)


@settings(max_examples=30)
@given(graphs(), st.sampled_from(["jacobian", "hessian", "gram", "diagonal"]))
def test_the_same_for_any_graph(graph: Graph, question: str) -> None:
    y = graph.nodes[-1]
    sources = [tb.variable(name, *SHAPES[name]) for name in ("x", "W", "s")]
    J = tb.jacobian(y, sources)
    wanted: Any = {
        "jacobian": J,
        "hessian": tb.hessian(tb.sum(y), sources),
        "gram": J @ J.T,
        "diagonal": (J.T @ J).diagonal(),
    }[question]
    plan = tb.plan(wanted)
    assert plan.flops <= min(plan.baselines.forward.flops, plan.baselines.reverse.flops)


@settings(max_examples=40)
@given(cases(), questions)
def test_the_figures_are_the_sum_of_the_steps(case: Any, question: str) -> None:
    plan = tb.plan(QUESTIONS[question](*case))
    assert plan.flops == sum(step.flops for step in plan.steps)
    assert plan.multiplications == sum(step.multiplications for step in plan.steps)
    assert all(0 <= step.multiplications <= step.flops for step in plan.steps)


@settings(max_examples=40)
@given(cases(), questions)
def test_no_step_contracts_more_than_two_tensors(case: Any, question: str) -> None:
    plan = tb.plan(QUESTIONS[question](*case))
    assert all(len(step.operands) <= 2 for step in plan.steps if step.operation == "einsum")


@settings(max_examples=40)
@given(cases(), questions)
def test_every_value_is_made_once_before_it_is_read(case: Any, question: str) -> None:
    plan = tb.plan(QUESTIONS[question](*case))
    made = {each.value for each in plan.inputs}
    read: set[int] = set()
    for step in plan.steps:
        assert made.issuperset(step.operands)
        assert step.result not in made
        made.add(step.result)
        read.update(step.operands)
    wanted: set[int] = set()
    for output in plan.outputs:
        wanted.update([output] if isinstance(output, int) else output.numbers)
    assert wanted <= made
    assert made == wanted | read | {each.value for each in plan.inputs}


@settings(max_examples=30)
@given(cases(), questions)
def test_plain_orders_are_what_the_baselines_say(case: Any, question: str) -> None:
    wanted = QUESTIONS[question](*case)
    plan = tb.plan(wanted)
    reverse, forward = tb.plan(wanted, order="reverse"), tb.plan(wanted, order="forward")
    one, two, three = (each.baselines for each in (reverse, forward, plan))
    in_reverse = [one.reverse, two.reverse, three.reverse, reverse.figures]
    assert len(set(map(operations, in_reverse))) == 1
    assert operations(one.forward) == operations(two.forward) == operations(three.forward)
    assert plan.flops <= forward.flops


def operations(figures: Figures) -> tuple[int, int, int]:
    # of two orders of one cost, which it is depends on what was planned before, and the peak on it
    return figures.flops, figures.multiplications, figures.multiply_adds


# ----- what must be found -----


def mlp(batch: int, *sizes: int) -> Any:
    return network(batch, list(sizes), ["tanh"] * (len(sizes) - 1), [False] * (len(sizes) - 1))


@pytest.mark.parametrize(("batch", "sizes"), [(32, (17, 9, 33, 5)), (100, (7, 64, 3, 12, 2))])
def test_reverse_mode_comes_out_for_a_scalar_loss(batch: int, sizes: tuple[int, ...]) -> None:
    y, weights, _ = mlp(batch, *sizes)
    plan = tb.plan(tb.gradient(tb.mean(y * y), weights))
    assert plan.order == "reverse"
    assert plan.flops <= plan.baselines.reverse.flops < plan.baselines.forward.flops


def vector_net(*sizes: int) -> tuple[tb.Expression, tb.Expression]:
    h = x = tb.variable("x", sizes[0])
    for k, (a, b) in enumerate(pairwise(sizes)):
        h = tb.tanh(tb.variable(f"A{k}", b, a) @ h)
    return h, x


def test_forward_mode_comes_out_where_a_network_widens() -> None:
    y, x = vector_net(2, 9, 65, 310)
    plan = tb.plan(tb.jacobian(y, x))
    assert plan.order == "forward"
    assert plan.flops <= plan.baselines.forward.flops < plan.baselines.reverse.flops


def test_reverse_mode_comes_out_where_a_network_narrows() -> None:
    y, x = vector_net(310, 65, 9, 2)
    plan = tb.plan(tb.jacobian(y, x))
    assert plan.order == "reverse"
    assert plan.flops <= plan.baselines.reverse.flops < plan.baselines.forward.flops


def test_a_bottleneck_is_approached_from_both_sides() -> None:
    y, x = vector_net(120, 90, 3, 70, 110)
    plan = tb.plan(tb.jacobian(y, x))
    assert plan.order == "mixed"
    assert plan.flops < min(plan.baselines.reverse.flops, plan.baselines.forward.flops)
    forward_pass = tb.plan(y).flops
    best = 2 * (90 * 120 * 3 + 110 * 70 * 3 + 110 * 3 * 120)
    scalings = 3 * (120 + 90 + 3 + 70 + 110) * 2 + 110 * 3 + 3 * 120 + 90 * 3 + 70 * 3
    assert plan.flops <= forward_pass + best + 3 * scalings


def test_norms_of_per_sample_gradients_cost_less_than_the_gradients() -> None:
    y, weights, _ = mlp(50, 90, 70, 30)
    J = tb.jacobian(tb.sum(y * y, axis=1), weights)
    norms, gradients = tb.plan((J @ J.T).diagonal()), tb.plan(J)
    stored = 50 * sum(weight.size for weight in weights)
    assert J.size == stored
    assert norms.flops < gradients.flops
    largest = max(int(np.prod(step.shape, dtype=object)) for step in norms.steps)
    assert largest < stored // 10


def test_hessian_times_vector_never_becomes_the_hessian() -> None:
    y, weights, _ = mlp(20, 30, 25, 1)
    loss = tb.mean(y * y)
    v = tb.variable("v", *weights[0].shape)
    plan = tb.plan(tb.hessian(loss, weights[0]) @ v)
    assert all(np.prod(step.shape) <= 20 * 30 * 25 for step in plan.steps)
    assert plan.flops <= 6 * tb.plan(tb.gradient(loss, weights[0])).flops


@pytest.mark.parametrize("is_transposed", [False, True])
def test_a_product_of_jacobians_is_as_cheap_as_the_jacobian_that_it_is(is_transposed: bool) -> None:
    """The chain rule written out by hand, through junctions: ∂L/∂h ∂h/∂x is ∂L/∂x.

    To work out each Jacobian by itself would cost as much as h has numbers.
    """
    h = x = tb.variable("x", 37)
    for k in range(3):
        h = h + tb.tanh(tb.variable(f"A{k}", 37, 37) @ h)
    loss = tb.sum(tb.sin(h))
    product = tb.jacobian(loss, h) @ tb.jacobian(h, x)
    whole = tb.jacobian(loss, x)
    if is_transposed:
        product, whole = product.T, whole.T
    assert tb.plan(product).flops <= 1.1 * tb.plan(whole).flops


def test_value_gradient_and_hessian_compute_nothing_twice() -> None:
    """Every step is run on random arrays: no two make the same numbers, but for views."""
    y, weights, _ = mlp(6, 7, 5, 4)
    loss = tb.mean(y * y)
    plan = tb.plan([loss, *tb.gradient(loss, weights), tb.hessian(loss, weights)])
    assert Counter(step.operation for step in plan.steps)["tanh"] == 2
    random = np.random.default_rng(0)
    program = tb.compile(replace(plan, outputs=tuple(step.result for step in plan.steps)))
    values = program({each.name: random.normal(size=each.shape) for each in plan.inputs})
    seen: dict[bytes, Any] = {}
    for step, value in zip(plan.steps, values, strict=True):
        if step.flops and np.size(value) > 1:
            key = np.sort(np.round(value, 9).ravel()).tobytes()
            assert key not in seen, (step, seen[key])
            seen[key] = step


def test_the_gradients_of_all_parameters_are_one_job() -> None:
    y, weights, _ = mlp(32, 17, 9, 33, 5)
    loss = tb.mean(y * y)
    together = tb.plan(tb.gradient(loss, weights)).flops
    alone = [tb.plan(tb.gradient(loss, weight)).flops for weight in weights]
    assert together < sum(alone)
    assert together <= 4 * tb.plan(loss).flops


# ----- depth -----


def residual(depth: int) -> tuple[tb.Expression, list[tb.Expression]]:
    h = tb.variable("x", 3, 5)
    weights = []
    for k in range(depth):
        U, V = tb.variable(f"U{k}", 5, 7), tb.variable(f"V{k}", 7, 5)
        weights += [U, V]
        h = h + tb.tanh(h @ U) @ V
    return tb.mean(h * h), weights


def counts(depth: int) -> tuple[int, ...]:
    loss, weights = residual(depth)
    gradients = tb.gradient(loss, weights)
    resolution = Resolution(gradients)
    resolved = [resolution.expression(each) for each in gradients]
    plan = tb.plan(gradients)
    terms = sum(len(node.operands) for node in topological_order(resolved))
    return len(topological_order(resolved)), terms, len(plan.steps), plan.flops


def test_residual_networks_cost_as_much_for_every_block() -> None:
    small, middle, large = counts(16), counts(32), counts(64)
    for a, b, c in zip(small, middle, large, strict=True):
        assert c - b == 2 * (b - a) > 0


def test_the_curvature_of_a_residual_network_along_a_vector_is_linear_in_depth() -> None:
    found = []
    for depth in (4, 8, 16):
        loss, weights = residual(depth)
        tangents = [tb.variable(f"t{k}", *each.shape) for k, each in enumerate(weights)]
        plan = tb.plan(tb.hessian(loss, weights) @ tangents)
        found.append((len(plan.steps), plan.flops))
    for a, b, c in zip(*found, strict=True):
        assert c - b == 2 * (b - a) > 0


# ----- no arrays -----


def test_planning_imports_no_library_of_tensors_and_allocates_nothing() -> None:
    script = (
        "import sys\n"
        "import tensorbp.expression as t\n"
        "from tensorbp.planning import plan\n"
        "x, W = t.variable('x', 10**7, 10**6), t.variable('W', 10**6, 10**8)\n"
        "y = t.tanh(x @ W)\n"
        "p = plan([t.gradient(t.sum(y), W), t.jacobian(y, x)])\n"
        "assert p.peak_bytes > 10**15, p.peak_bytes\n"
        "print([n for n in ('jax', 'torch', 'scipy') if n in sys.modules])"
    )
    printed = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert printed.stdout.strip() == "[]"


# ----- what is refused -----


def refused(text: str, act: Any) -> None:
    with pytest.raises(CompileError) as caught:
        act()
    assert str(caught.value) == text


def test_what_cannot_be_planned() -> None:
    x = tb.variable("x", 5)
    refused("there is nothing to compute: the list of outputs is empty", lambda: tb.plan([]))
    refused(
        "dtype must be one of float16, bfloat16, float32, float64, complex128; found 'int32'",
        lambda: tb.plan(x, dtype="int32"),
    )
    refused(
        "order must be 'reverse', 'forward' or None, found 'sideways'",
        lambda: tb.plan(x, order="sideways"),  # type: ignore[arg-type]
    )
    for wrong in ([3.0], [x, None], [[x, "x"]], None, 3, "x"):
        with pytest.raises(CompileError, match="expected expressions and linear maps to compute"):
            tb.plan(wrong)  # type: ignore[arg-type]


def test_equal_questions_have_equal_plans() -> None:
    def made() -> Plan:
        y, weights, _ = mlp(6, 7, 5, 4)
        return tb.plan(tb.hessian(tb.mean(y * y), weights))

    assert made() == made()


def test_what_a_view_repeats_is_summed_before_it_is_multiplied() -> None:
    """The number s is repeated along an axis over which the product with x is summed."""
    x, s = tb.variable("x", 2, 3), tb.variable("s")
    y = x * s
    J = tb.jacobian(tb.tanh(tb.sum(y, axis=0, keepdims=True)), y).to_dense()
    (found,) = tb.compile([J])(x=np.ones((2, 3)), s=0.25)
    assert found.shape == (1, 3, 2, 3)
    expected = np.einsum("ij,k->ijk", np.eye(3), np.full(2, 1 - np.tanh(0.5) ** 2))
    np.testing.assert_allclose(found[0], expected.transpose(0, 2, 1), rtol=1e-12)
