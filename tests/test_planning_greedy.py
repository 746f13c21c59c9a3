"""Greedy finders: what they take first, and that chance comes from a seed."""

from __future__ import annotations

from math import exp, fsum, log
from random import Random, getstate

import opt_einsum
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from network_zoo import networks, tree

from tensorbp.planning.finders import answer
from tensorbp.planning.greedy import MOST_NEIGHBOURS, RandomGreedy, greedy, greedy_path
from tensorbp.planning.network import Network
from tensorbp.testing.orders import random_network


@settings(max_examples=60)
@given(networks(1, 12), st.floats(0, 3), st.floats(0, 3), st.integers(0, 99))
def test_any_weight_and_temperature_give_a_path(
    network: Network, weight: float, temperature: float, seed: int
) -> None:
    for random in (None, Random(seed)):
        path = greedy_path(network, weight, temperature, random)
        assert tree(path, len(network.inputs)) is not None


def test_the_pair_that_shrinks_most_comes_first() -> None:
    """A vector at the end of a chain of matrices is what greedy is right about."""
    links = (*[frozenset([k, k + 1]) for k in range(6)], frozenset([6]))
    network = Network(links, frozenset([0]), {k: 10 + k for k in range(7)})
    assert greedy_path(network) == ((5, 6), (4, 7), (3, 8), (2, 9), (1, 10), (0, 11))


def test_it_is_as_good_as_the_finder_of_opt_einsum_by_and_large() -> None:
    random, ratios = Random(0), []
    for _ in range(200):
        network = random_network(random, most=12)
        theirs = answer(opt_einsum.paths.greedy, network)
        assert theirs is not None
        ours = greedy_path(network)
        ratios.append(log((network.flops(ours) + 1) / (network.flops(theirs) + 1)))
    assert exp(fsum(ratios) / len(ratios)) < 1.1


def test_tensors_with_equal_axes_are_multiplied_before_anything_else() -> None:
    inputs = [frozenset([0, 1]), frozenset([1, 2]), frozenset([1]), frozenset([1, 2])]
    network = Network(tuple(inputs), frozenset([0, 2]), {0: 50, 1: 60, 2: 70})
    assert greedy_path(network)[0] == (1, 3)


@settings(max_examples=30)
@given(networks(3, 12))
def test_more_trials_are_never_dearer(network: Network) -> None:
    costs = []
    for trials in (0, 1, 8, 20):
        path = answer(RandomGreedy(trials), network)
        assert path is not None
        costs.append(network.cost(path))
    assert costs == sorted(costs, reverse=True)
    assert costs[0] == network.cost(greedy_path(network))


def test_equal_seeds_give_equal_paths_and_nobody_else_draws_differently() -> None:
    network = random_network(Random(8), most=30)
    before = getstate()
    first, second = (answer(RandomGreedy(seed=3), network) for _ in range(2))
    assert first == second
    assert getstate() == before


def test_no_trial_begins_when_the_time_is_over() -> None:
    network = random_network(Random(8), most=30)
    assert answer(RandomGreedy(10**9, seconds=-1), network) == answer(greedy, network)


@pytest.mark.parametrize("count", [2, 40, 400])
def test_an_axis_that_all_have_does_not_make_all_pairs_candidates(count: int) -> None:
    """Each factor has only two others besides the batch; those come first."""
    links = tuple(frozenset([k, k + 1, -1]) for k in range(count))
    network = Network(links, frozenset([0, count, -1]), dict.fromkeys(range(-1, count + 1), 3))
    path = greedy_path(network)
    assert tree(path, count)
    assert MOST_NEIGHBOURS < 40
    assert network.flops(path) == 2 * 3**4 * (count - 1)
