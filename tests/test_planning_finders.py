"""Path finders: the exact ones against all binary trees, every one for being a path at all."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from network_zoo import least_flops, networks, paths_of, tree

from tensorbp.planning.finders import BUILT_IN_FINDERS, best_path, interval, subset
from tensorbp.planning.network import Network, in_sequence
from tensorbp.planning.paths import numbered, pairs_of_tree
from tensorbp.planning.subsets import SubsetProgramme


@settings(max_examples=40)
@given(networks(3, 6), st.data())
def test_the_subset_finder_is_as_good_as_all_trees(network: Network, data: Any) -> None:
    first = data.draw(paths_of(len(network.inputs)))
    path = best_path(network, first, {"subset": subset})
    assert network.flops(path) == least_flops(network)


@given(networks(3, 6))
def test_the_interval_finder_is_as_good_as_all_trees_of_neighbours(network: Network) -> None:
    first = in_sequence(len(network.inputs))
    path = best_path(network, first, {"interval": interval})
    assert network.flops(path) == least_flops(network, is_contiguous=True)


@given(networks(3, 12), st.data())
def test_no_finder_makes_it_worse(network: Network, data: Any) -> None:
    first = data.draw(paths_of(len(network.inputs)))
    alone = [network.flops(best_path(network, first, {n: f})) for n, f in BUILT_IN_FINDERS.items()]
    together = network.flops(best_path(network, first))
    assert together == min(alone) <= network.flops(first)


@pytest.mark.parametrize("name", sorted(BUILT_IN_FINDERS))
@pytest.mark.parametrize("count", [3, 8, 9, 47, 48, 49, 60])
def test_every_finder_takes_networks_of_every_size(name: str, count: int) -> None:
    chain = tuple(frozenset([k, k + 1]) for k in range(count))
    sizes = {k: 2 + (k * 7) % 11 for k in range(count + 1)}
    network = Network(chain, frozenset([0, count]), sizes)
    linear = BUILT_IN_FINDERS[name](list(chain), network.output, sizes, None)
    path = numbered(linear, count)
    assert path is not None
    assert tree(path, count)


def test_a_matrix_chain_is_contracted_from_its_narrow_end() -> None:
    """The chain of a thesis's textbook: (A B) C against A (B C), widths 10, 100, 5, 50."""
    chain = (frozenset([0, 1]), frozenset([1, 2]), frozenset([2, 3]))
    network = Network(chain, frozenset([0, 3]), {0: 10, 1: 100, 2: 5, 3: 50})
    path = best_path(network, ((1, 2), (0, 3)))
    assert tree(path, 3) == frozenset([frozenset([0, 1]), 2])
    assert network.flops(path) == 2 * (10 * 100 * 5 + 10 * 5 * 50)


def test_a_path_with_a_step_that_is_no_pair_is_not_taken() -> None:
    chain = (frozenset([0, 1]), frozenset([1, 2]), frozenset([2, 3]))
    network = Network(chain, frozenset([0, 3]), {0: 10, 1: 100, 2: 5, 3: 50})
    asked = []

    def all_at_once(*arguments: Any) -> list[tuple[int, ...]]:
        asked.append(arguments)
        return [(0, 1, 2)]

    assert best_path(network, ((1, 2), (0, 3)), {"strange": all_at_once}) == ((1, 2), (0, 3))
    assert asked == [(list(chain), network.output, dict(network.sizes), None)]


def test_small_networks_leave_no_choice() -> None:
    network = Network((frozenset([0]), frozenset([0])), frozenset(), {0: 5})
    assert best_path(network, ((0, 1),), {}) == ((0, 1),)


@given(networks(3, 4))
def test_wide_networks_are_searched_like_narrow_ones(network: Network) -> None:
    """All subsets of a size at a time, or one after the other: the same cost and writes."""
    count = len(network.inputs)
    asked = (list(network.inputs), network.output, dict(network.sizes))
    halves = SubsetProgramme(*asked).halves()
    pairs = pairs_of_tree(count, (1 << count) - 1, lambda m: (halves[m], m ^ halves[m]))
    path = numbered(subset(*asked), count)
    assert path is not None
    assert network.cost(tuple(pairs)) == network.cost(path)


def test_a_network_of_a_dozen_factors_is_tried_in_full() -> None:
    """A linear network on a large batch, which is a ring: the batch may be contracted first."""
    widths = [40, 7, 90, 12, 33, 8, 61, 21, 14, 50]
    batch = len(widths)
    chain = [frozenset([k, k + 1]) for k in range(len(widths) - 1)]
    ends = [frozenset([batch, 0]), frozenset([batch, len(widths) - 1])]
    network = Network((*ends, *chain), frozenset(), dict(enumerate([*widths, 5000])))
    best = best_path(network, in_sequence(len(network.inputs)))
    alone = best_path(network, in_sequence(len(network.inputs)), {"interval": interval})
    assert network.flops(best) < network.flops(alone)
    assert tree(best, len(network.inputs))
