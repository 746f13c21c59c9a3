"""Joint planning: products with intermediates in common, against the exhaustive optimum."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, pairwise
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

import tensorbp as tb
from tensorbp.algebra import Factor, Term
from tensorbp.planning.joint import Effort, ordered_jointly
from tensorbp.planning.sharing import joint_flops

Interval = tuple[int, int]


def chain(sizes: Sequence[int]) -> list[tb.Expression]:
    """Return matrices, the k-th from a space of sizes[k] numbers to one of sizes[k + 1]."""
    return [tb.variable(f"M{k}", n, m) for k, (m, n) in enumerate(pairwise(sizes))]


def least_flops(sizes: Sequence[int], wanted: Sequence[Interval]) -> int:
    """Return what some products of neighbours cost together at least, all families tried.

    A family is a set of intervals; each costs its cheapest split into two that are in the family.
    """
    count = len(sizes) - 1
    others = [(i, j) for i in range(count) for j in range(i + 2, count + 1) if (i, j) not in wanted]
    best: int | None = None
    for chosen in (c for k in range(len(others) + 1) for c in combinations(others, k)):
        family = {*wanted, *chosen, *((k, k + 1) for k in range(count))}
        costs = [
            min(
                [
                    2 * sizes[i] * sizes[k] * sizes[j]
                    for k in range(i + 1, j)
                    if (i, k) in family and (k, j) in family
                ],
                default=None,
            )
            for i, j in family
            if j - i > 1
        ]
        if None not in costs:
            total = sum(cost for cost in costs if cost is not None)
            best = total if best is None else min(best, total)
    assert best is not None
    return best


# an axis of size one is none, and takes no additions: its products cost half of what is counted
widths = st.one_of(st.integers(2, 512), st.sampled_from([2, 3, 8, 64, 512]))


@settings(max_examples=25)
@given(st.lists(widths, min_size=5, max_size=6))
def test_jacobians_with_respect_to_every_layer_are_as_cheap_as_can_be(sizes: list[int]) -> None:
    spaces = [tb.variable("x", sizes[0])]
    for matrix in chain(sizes):
        spaces.append(matrix @ spaces[-1])
    plan = tb.plan(tb.jacobian(spaces[-1], spaces[:-1]))
    last = len(sizes) - 1
    best = least_flops(sizes, [(k, last) for k in range(last - 1)])
    assert best <= plan.flops <= 1.001 * best


@settings(max_examples=25)
@given(st.lists(widths, min_size=5, max_size=6), st.data())
def test_products_of_neighbours_are_nearly_as_cheap_as_can_be(sizes: list[int], data: Any) -> None:
    """Intervals of any kind, not only those that begin at one end; the worst seen was 1.5."""
    count = len(sizes) - 1
    intervals = [(i, j) for i in range(count) for j in range(i + 2, count + 1)]
    wanted = data.draw(st.lists(st.sampled_from(intervals), min_size=1, max_size=4, unique=True))
    wanted.sort(key=lambda each: each[1] - each[0])
    matrices = chain(sizes)
    terms = [product(matrices[i:j]) for i, j in wanted]
    paths = ordered_jointly(terms, Effort())
    together = joint_flops(zip(terms, paths, strict=True))
    alone = sum(joint_flops([(t, ordered_jointly([t])[0])]) for t in terms)
    assert least_flops(sizes, wanted) <= together <= alone


def product(matrices: Sequence[tb.Expression]) -> Term[tb.Expression]:
    """Return the product of matrices, the first applied first."""
    count = len(matrices)
    factors = [Factor(each, ((k + 1,), (k,))) for k, each in enumerate(matrices)]
    sizes = [matrices[0].shape[1], *[each.shape[0] for each in matrices]]
    return Term.of(1, factors, ((count,), (0,)), (), dict(enumerate(sizes)))


def test_what_only_pays_when_two_change_their_minds_is_found() -> None:
    """One product after the other, each stays as it is; the pair M2 M3 must be offered to all."""
    sizes = [311, 252, 343, 104, 95, 512]
    matrices = chain(sizes)
    terms = [product(matrices[k:]) for k in range(3, -1, -1)]
    paths = ordered_jointly(terms, Effort())
    best = least_flops(sizes, [(k, 5) for k in range(4)])
    assert joint_flops(zip(terms, paths, strict=True)) == best


def linear_net(widths: Sequence[int], batch: int) -> tuple[tb.Expression, list[tb.Expression]]:
    weights = [tb.variable(f"W{k}", m, n) for k, (m, n) in enumerate(pairwise(widths))]
    h = tb.variable("x", batch, widths[0])
    for weight in weights:
        h = h @ weight
    return tb.sum(h * tb.variable("t", batch, widths[-1])), weights


@settings(max_examples=5)
@given(st.lists(st.integers(32, 256), min_size=3, max_size=5))
def test_a_linear_net_on_a_large_batch_contracts_the_batch_first(inner: list[int]) -> None:
    widths = [9, *inner, 8]
    loss, weights = linear_net(widths, 20_000)
    plan = tb.plan(tb.gradient(loss, weights))
    assert plan.order == "mixed"
    assert plan.flops < 0.5 * plan.baselines.reverse.flops
    # xᵀ t, which all gradients have in common, is the only step on the batch
    batched = {each.value for each in plan.inputs if each.name in ("x", "t")}
    (step,) = [step for step in plan.steps if batched & set(step.operands)]
    assert sorted(step.shape) == sorted((widths[0], widths[-1]))


def test_a_tensor_that_is_wanted_is_used_only_where_that_is_cheapest() -> None:
    x, A, B = tb.variable("x", 40, 7), tb.variable("A", 7, 30), tb.variable("B", 30, 5)
    once = tb.plan(x @ A)
    both = tb.plan([x @ A, (x @ A) @ B])
    assert both.flops == once.flops + 2 * 7 * 30 * 5 + 2 * 40 * 7 * 5 < 2 * 40 * 30 * (7 + 5)
    wide = tb.variable("wide", 30, 300)
    both = tb.plan([x @ A, (x @ A) @ wide])
    # A wide has as many columns, but seven rows
    assert both.flops == once.flops + 2 * 7 * 30 * 300 + 2 * 40 * 7 * 300
    few = tb.variable("few", 3, 7)
    both = tb.plan([few @ A, (few @ A) @ B])
    assert both.flops == 2 * 3 * 7 * 30 + 2 * 3 * 30 * 5
