"""What finders are checked with: random networks, all orders of them, and the comparison."""

from __future__ import annotations

from math import comb, prod
from random import Random
from typing import Any

import pytest

from tensorbp.planning.greedy import greedy
from tensorbp.planning.network import Network, in_sequence
from tensorbp.planning.paths import linear
from tensorbp.planning.programmes import subset
from tensorbp.testing import CheckFailure
from tensorbp.testing.orders import check_finder, costs_of_all_orders, random_network


@pytest.mark.parametrize("count", range(2, 7))
def test_there_are_as_many_orders_as_trees(count: int) -> None:
    chain = tuple(frozenset([k, k + 1]) for k in range(count))
    network = Network(chain, frozenset([0, count]), dict.fromkeys(range(count + 1), 3))
    assert len(costs_of_all_orders(network)) == prod(range(1, 2 * count - 2, 2))
    catalan = comb(2 * count - 2, count - 1) // count
    assert len(costs_of_all_orders(network, is_contiguous=True)) == catalan
    assert costs_of_all_orders(network, largest=1) == ([] if count > 2 else [2 * 27])


def test_the_costs_of_the_textbook_chain() -> None:
    chain = (frozenset([0, 1]), frozenset([1, 2]), frozenset([2, 3]))
    network = Network(chain, frozenset([0, 3]), {0: 10, 1: 100, 2: 5, 3: 50})
    one, two = 2 * (10 * 100 * 5 + 10 * 5 * 50), 2 * (100 * 5 * 50 + 10 * 100 * 50)
    outer = 10 * 100 * 5 * 50 * (1 + 2)
    assert sorted(costs_of_all_orders(network)) == [one, two, outer]


def test_the_subset_programme_is_optimal_on_networks_of_seven_factors() -> None:
    found = check_finder(subset, networks=300, seed=11)
    assert (found.optimal, found.mean, found.worst) == (300, 1.0, 1.0)


def test_finders_that_guess_are_found_out() -> None:
    def as_given(inputs: Any, *others: Any) -> Any:
        return linear(in_sequence(len(inputs)))

    guess, rule = check_finder(as_given), check_finder(greedy)
    assert guess.optimal < rule.optimal < 100
    assert 1 < rule.mean < guess.mean < guess.worst


def test_an_answer_that_is_no_path_is_a_failure() -> None:
    with pytest.raises(CheckFailure, match=r"^\[\(0, 7\)\] is no path for Network\(.*outside of"):
        check_finder(lambda *arguments: [(0, 7)])


def test_networks_are_of_every_kind() -> None:
    networks = [random_network(Random(seed)) for seed in range(400)]
    assert {len(each.inputs) for each in networks} == set(range(2, 8))
    assert max(max(each.sizes.values(), default=0) for each in networks) > 1000
    assert any(not axes for each in networks for axes in each.inputs)
    shared = [frozenset.intersection(*each.inputs) for each in networks]
    assert any(shared)
    assert any(not each.output for each in networks)
    assert all(each.output <= frozenset().union(*each.inputs) for each in networks)
