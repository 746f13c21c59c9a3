"""What single nodes cost."""

from __future__ import annotations

from math import prod
from typing import Any

import opt_einsum
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plan_zoo import QUESTIONS, cases, questions

import tensorbp as tb
from tensorbp.planning.cost import Cost, cost_of, is_free, total_cost

letters = st.lists(st.sampled_from("abcde"), max_size=3, unique=True)


@given(letters, letters, st.data(), st.lists(st.integers(2, 30), min_size=5, max_size=5))
def test_a_contraction_of_two_costs_what_opt_einsum_says(
    left: list[str], right: list[str], data: Any, sizes: list[int]
) -> None:
    """Axes of one operand alone are kept, as those that are summed are summed beforehand."""
    size = dict(zip("abcde", sizes, strict=True))
    shared = [letter for letter in left if letter in right]
    summed = data.draw(st.lists(st.sampled_from(shared), unique=True)) if shared else []
    output = [letter for letter in dict.fromkeys(left + right) if letter not in summed]
    spec = f"{''.join(left)},{''.join(right)}->{''.join(output)}"
    x = tb.variable("x", *[size[letter] for letter in left])
    y = tb.variable("y", *[size[letter] for letter in right])
    _, info = opt_einsum.contract_path(spec, x.shape, y.shape, shapes=True)
    assert cost_of(tb.einsum(spec, x, y)).flops == info.opt_cost


@settings(max_examples=40)
@given(cases(), questions)
def test_no_step_costs_less_than_nothing(case: Any, question: str) -> None:
    for step in tb.plan(QUESTIONS[question](*case)).steps:
        assert 0 <= step.multiplications <= step.flops
        assert 0 <= step.bytes <= 8 * prod(step.shape)


def test_views_cost_nothing() -> None:
    x = tb.variable("x", 4, 6)
    views = [
        x.T,
        tb.reshape(x, (2, 12)),
        tb.broadcast_to(x, (5, 4, 6)),
        tb.constant(3, (7, 8)),
        tb.einsum("ii->i", tb.variable("s", 9, 9)),
    ]
    for view in views:
        assert is_free(view)
        assert cost_of(view) == Cost(0, 0)


def test_sums_cost_one_addition_for_each_number_but_for_the_first_operand() -> None:
    x, y, z = (tb.variable(name, 7, 11) for name in "xyz")
    assert cost_of(x + y) == Cost(77, 0)
    assert cost_of(x - y) == Cost(77, 0)
    assert tb.plan(x + 3 * y).flops == 154
    assert tb.plan(x - 3 * y + z / 2).flops == 4 * 77


def test_scaling_costs_one_multiplication_for_each_number() -> None:
    x = tb.variable("x", 7, 11)
    assert cost_of(2 * x) == cost_of(-x) == Cost(77, 77)


def test_costs_are_added() -> None:
    x, y, W = tb.variable("x", 7, 11), tb.variable("y", 7, 11), tb.variable("W", 11, 5)
    assert total_cost([x, y, W, x + y, x @ W]) == Cost(77 + 770, 385, 385)


@pytest.mark.parametrize(("function", "each"), [(tb.tanh, 1), (tb.softmax, 5), (tb.logsumexp, 4)])
def test_layers_say_their_own_cost(function: Any, each: int) -> None:
    assert cost_of(function(tb.variable("x", 7, 11))).flops == each * 77


def test_a_written_delta_costs_no_arithmetic() -> None:
    x = tb.variable("x", 7)
    for delta in (tb.einsum("i->ii", x), tb.jacobian(x, x).to_dense()):
        plan = tb.plan(delta)
        assert plan.flops == 0
        assert plan.peak_bytes >= 49 * 8
