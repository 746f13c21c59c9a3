"""The oracles, held against counting, opt_einsum and each other."""

from __future__ import annotations

from itertools import pairwise
from math import prod
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opt_einsum import contract_path, get_symbol, paths
from tensorbp_bench.planning.gradients import independent_with_sharing
from tensorbp_bench.planning.jacobians import in_reverse, independent, planned, wanted
from tensorbp_bench.planning.models import linear_gradients
from tensorbp_bench.planning.oracle import (
    Einsum,
    best_chain,
    chain_with_batch,
    costs_of_trees,
    joint_chains,
    path_flops,
    random_einsum,
)

import tensorbp as tb

seeds = st.integers(0, 2**32)
chains = st.lists(st.integers(1, 30), min_size=3, max_size=7)


def chain_of(dims: list[int]) -> Einsum:
    inputs = tuple([frozenset([k, k + 1]) for k in range(len(dims) - 1)])
    return Einsum(inputs, frozenset([0, len(dims) - 1]), dict(enumerate(dims)))


@settings(max_examples=30)
@given(seeds)
def test_all_trees_are_tried(seed: int) -> None:
    einsum = random_einsum(Random(seed), 6)
    count = len(einsum.inputs)
    assert len(costs_of_trees(einsum)) == prod(range(1, 2 * count - 2, 2))


@settings(max_examples=30)
@given(seeds)
def test_every_path_is_one_of_the_trees(seed: int) -> None:
    random = Random(seed)
    einsum = random_einsum(random, 6)
    path, left = [], len(einsum.inputs)
    while left > 1:
        path.append(tuple(random.sample(range(left), 2)))
        left -= 1
    assert path_flops(einsum, path) in costs_of_trees(einsum)


@settings(max_examples=30)
@given(seeds)
def test_paths_are_priced_as_opt_einsum_prices_them(seed: int) -> None:
    einsum = random_einsum(Random(seed), 6)
    # opt_einsum also counts the sums over indices that one tensor alone has
    inputs = [sorted(einsum.kept(frozenset([k]))) for k in range(len(einsum.inputs))]
    sides = ["".join(map(get_symbol, axes)) for axes in [*inputs, sorted(einsum.output)]]
    spec = f"{','.join(sides[:-1])}->{sides[-1]}"
    shapes = [tuple([einsum.sizes[axis] for axis in axes]) for axes in inputs]
    path = paths.greedy(list(map(frozenset, inputs)), einsum.output, dict(einsum.sizes))
    pairs = [tuple(pair) for pair in path if len(pair) == 2]
    _, found = contract_path(spec, *shapes, shapes=True, optimize=pairs)
    assert path_flops(einsum, pairs) == found.opt_cost


@settings(max_examples=30)
@given(chains)
def test_a_chain_is_cheapest_among_all_its_trees(dims: list[int]) -> None:
    einsum = chain_of(dims)
    assert best_chain(dims) == costs_of_trees(einsum, is_contiguous=True).min()
    assert best_chain(dims) >= costs_of_trees(einsum).min()
    if min(dims) > 1:
        # with widths of one an outer product may spare an addition
        assert best_chain(dims) == costs_of_trees(einsum).min()
    assert best_chain(dims) == joint_chains(dims, [(0, len(dims) - 1)])


@settings(max_examples=30)
@given(chains)
def test_the_joint_optimum_is_between_its_bounds(dims: list[int]) -> None:
    optimum = joint_chains(dims, wanted(dims))
    alone = [best_chain(dims[: end + 1]) for _, end in wanted(dims)]
    assert max(alone) <= optimum <= min(independent(dims), in_reverse(dims), sum(alone))


@settings(max_examples=10)
@given(chains)
def test_plans_and_the_optimum_count_the_same_thing(dims: list[int]) -> None:
    assert joint_chains(dims, wanted(dims)) <= planned(dims) <= in_reverse(dims)


def test_sharing_makes_equal_products_once() -> None:
    """Three wide layers and a small batch: two products each way, and three gradients."""
    widths, batch = [100, 90, 110, 95], 3
    forward = [2 * batch * a * b for a, b in pairwise(widths)]
    assert independent_with_sharing(widths, batch) == 2 * sum(forward) + forward[1]


def test_in_chains_with_activations_every_factor_has_the_batch_or_is_a_weight() -> None:
    einsum = chain_with_batch(Random(1), 2, 9)
    batch = max(einsum.sizes)
    assert [batch in axes for axes in einsum.inputs] == [True, True, False, True, False, True, True]
    assert min(size for axis, size in einsum.sizes.items() if axis != batch) >= 9


@settings(max_examples=15)
@given(st.lists(st.integers(8, 256), min_size=4, max_size=9))
def test_linear_networks_cost_no_more_than_each_gradient_in_its_own_order(
    widths: list[int],
) -> None:
    plan = tb.plan(linear_gradients(widths, 1024))
    assert plan.flops <= independent_with_sharing(widths, 1024)


@pytest.mark.parametrize("dims", [[5, 4], [3, 4, 5]])
def test_chains_that_leave_no_choice(dims: list[int]) -> None:
    assert best_chain(dims) == (0 if len(dims) == 2 else 2 * prod(dims))
