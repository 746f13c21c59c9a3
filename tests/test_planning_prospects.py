"""Which orders are tried: those that can gain, and the natural one always."""

from __future__ import annotations

from typing import Any

import pytest

import tensorbp as tb
from tensorbp.planning.prospects import Prospects


def net(depth: int, function: Any) -> tuple[Any, list[Any]]:
    """Return a loss of a network whose widths are all different, and its parameters."""
    h = tb.variable("x", 4, 20)
    parameters = []
    for k in range(depth):
        W, b = tb.variable(f"W{k}", 20 + k, 21 + k), tb.variable(f"b{k}", 21 + k)
        parameters += [W, b]
        h = function(h @ W + b)
    return tb.sum(h * h), parameters


@pytest.mark.parametrize("depth", [1, 2, 12, 40])
def test_the_natural_order_is_always_tried(depth: int) -> None:
    loss, parameters = net(depth, tb.tanh)
    assert Prospects(tb.jacobian(loss, parameters)).allow("reverse")
    assert Prospects(tb.jacobian(loss, parameters).T).allow("forward")


def test_functions_between_all_products_leave_little_hope_for_the_other_order() -> None:
    loss, parameters = net(10, tb.tanh)
    assert not Prospects(tb.jacobian(loss, parameters)).allow("forward")
    small, parameters = net(2, tb.tanh)
    assert Prospects(tb.jacobian(small, parameters)).allow("forward")


def test_matrices_in_a_row_are_a_reason_to_try_the_other_order() -> None:
    loss, parameters = net(10, lambda h: h)
    assert Prospects(tb.jacobian(loss, parameters)).allow("forward")
    deep, parameters = net(60, lambda h: h)
    assert not Prospects(tb.jacobian(deep, parameters)).allow("forward")


def test_what_multiplies_two_tensors_that_vary_is_a_function_and_no_matrix() -> None:
    h = tb.variable("x", 7, 5)
    parameters = []
    for k in range(8):
        W = tb.variable(f"W{k}", 5, 5)
        parameters.append(W)
        h = tb.tanh(h @ W)
        h = tb.tanh(h @ h.T) @ h
        h = tb.tanh(h)
    assert not Prospects(tb.jacobian(tb.sum(h), parameters)).allow("forward")


def test_there_are_sums_where_paths_meet() -> None:
    x = tb.variable("x", 3)
    chain = tb.sin(tb.tanh(x))
    assert not Prospects(tb.jacobian(chain, x)).have_sums
    assert Prospects(tb.jacobian(chain + tb.exp(x), x)).have_sums
    assert Prospects(tb.jacobian(chain * x, x)).have_sums


def test_sums_inside_a_gradient_are_merged_before_they_meet_matrices() -> None:
    """Σ_b x_bi d_b x_bj, d the second derivative: a sum, as long as the batch and no larger."""
    x, w, z = tb.variable("x", 150, 140), tb.variable("w", 140), tb.variable("z", 150)
    hessian = tb.hessian(tb.sum(tb.tanh(x @ w) ** 2), w)
    assert Prospects(hessian).have_sums
    d = tb.hessian(tb.sum(tb.tanh(z) ** 2), z).diagonal()
    by_hand = tb.plan([tb.einsum("bi,b,bj->ij", x, d, x)])
    forward = tb.plan([x @ w])
    assert tb.plan([hessian]).figures.flops <= by_hand.figures.flops + forward.figures.flops
