"""Chains of matrices: the exact programme against all trees, and the heuristic beside it."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from network_zoo import least_flops

from tensorbp.planning.chains import (
    EXACT_LIMIT,
    Splits,
    chain,
    chain_order,
    chain_sizes,
    chin,
    exact_splits,
)
from tensorbp.planning.finders import BUILT_IN_FINDERS, best_path
from tensorbp.planning.network import Network, in_sequence

SIZES = st.lists(st.integers(1, 1024), min_size=3, max_size=8)


def cost(dims: Sequence[int], splits: Splits) -> int:
    total, pending, seen = 0, [(0, len(dims) - 1)], 0
    while pending:
        i, j = pending.pop()
        if j - i > 1:
            k = splits[i, j]
            assert i < k < j
            total += dims[i] * dims[k] * dims[j]
            pending += [(i, k), (k, j)]
            seen += 1
    assert seen == len(splits) == len(dims) - 2
    return total


def network(dims: Sequence[int], order: Sequence[int] | None = None) -> Network:
    """Return a chain of matrices, its factors in some order."""
    factors = [frozenset([k, k + 1]) for k in range(len(dims) - 1)]
    given = [factors[k] for k in order] if order else factors
    return Network(tuple(given), frozenset([0, len(dims) - 1]), dict(enumerate(dims)))


@given(SIZES)
def test_the_exact_splits_cost_as_little_as_any_tree(dims: list[int]) -> None:
    least = min_cost(dims)
    assert cost(dims, exact_splits(dims)) == least <= cost(dims, chin(dims))


def min_cost(dims: list[int]) -> int:
    if len(dims) < 3:
        return 0
    return min(
        min_cost(dims[: k + 1]) + min_cost(dims[k:]) + dims[0] * dims[k] * dims[-1]
        for k in range(1, len(dims) - 1)
    )


@pytest.mark.parametrize(("count", "chains"), [(50, 20), (100, 20), (200, 20), (1000, 1)])
def test_the_heuristic_is_within_two_thousandths_of_the_optimum(count: int, chains: int) -> None:
    random = Random(count)
    for _ in range(chains):
        dims = [random.randint(1, 1024) for _ in range(count + 1)]
        assert cost(dims, chin(dims)) <= 1.002 * cost(dims, exact_splits(dims))


@given(st.lists(st.integers(8, 1024), min_size=4, max_size=7), st.data())
def test_a_chain_is_found_in_any_order_of_its_factors(dims: list[int], data: st.DataObject) -> None:
    order = data.draw(st.permutations(range(len(dims) - 1)))
    shuffled = network(dims, order)
    path = best_path(shuffled, in_sequence(len(order)), {"chain": chain})
    assert shuffled.flops(path) == least_flops(network(dims), is_contiguous=True)


def test_chains_that_are_too_long_for_the_programme_are_ordered_by_the_heuristic() -> None:
    random = Random(0)
    dims = [random.randint(1, 1024) for _ in range(EXACT_LIMIT + 2)]
    long = network(dims)
    path = best_path(long, in_sequence(EXACT_LIMIT + 1))
    assert long.flops(path) == 2 * cost(dims, chin(dims))


def test_what_is_no_chain_of_matrices() -> None:
    ring = (frozenset([0, 1]), frozenset([1, 2]), frozenset([2, 0]))
    assert chain_order(ring, frozenset()) is None
    batch = (frozenset([9, 0, 1]), frozenset([9, 1, 2]), frozenset([9, 2, 3]))
    order = chain_order(batch, frozenset([9, 0, 3]))
    assert order == [0, 1, 2]
    assert chain_sizes(batch, frozenset([9, 0, 3]), dict.fromkeys([0, 1, 2, 3, 9], 5)) is None


def test_a_chain_that_ends_in_vectors() -> None:
    vectors = (frozenset([1]), frozenset([1, 2]), frozenset([2]))
    assert chain_sizes(vectors, frozenset(), {1: 4, 2: 6}) == [1, 4, 6, 1]


def test_the_finder_is_built_in() -> None:
    assert BUILT_IN_FINDERS["chain"] is chain
