"""The interval programme: against all trees of neighbours, and in its windowed and priced forms."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from network_zoo import least_flops, networks, paths_of, tree

from tensorbp.planning import intervals
from tensorbp.planning.improvement import improved
from tensorbp.planning.intervals import INTERVAL_LIMIT, interval_path
from tensorbp.planning.network import Moves, Network, Path, SelectionAxes, in_sequence
from tensorbp.testing.orders import random_network


def jacobian_chain(length: int, batch: int, seed: int) -> Network:
    """Matrices with the diagonals of activations between them, for each sample of a batch."""
    random = Random(seed)
    inputs = []
    for k in range(length):
        inputs += [frozenset([k, k + 1]), frozenset([k + 1, -1])]
    sizes = {k: random.randint(8, 1024) for k in range(length + 1)} | {-1: batch}
    return Network(tuple(inputs), frozenset([-1, 0, length]), sizes)


@settings(max_examples=60)
@given(networks(2, 7))
def test_it_is_as_good_as_all_trees_of_neighbours(network: Network) -> None:
    path = interval_path(network)
    assert tree(path, len(network.inputs))
    assert network.flops(path) == least_flops(network, is_contiguous=True)


@settings(max_examples=60)
@given(networks(2, 12))
def test_all_at_once_or_one_by_one(network: Network) -> None:
    """The vectors over all splits, and the prices of one split after the other: the same cost."""
    count = len(network.inputs)
    paths = [
        intervals._pairs(count, splits(network))
        for splits in (intervals._splits, intervals._priced_splits)
    ]
    assert network.cost(paths[0]) == network.cost(paths[1])


@settings(max_examples=40)
@given(networks(3, 12), st.data())
def test_no_path_that_joins_neighbours_is_cheaper(network: Network, data: Any) -> None:
    """Any such path: leaves are joined with what stands beside them, in any order."""
    count = len(network.inputs)
    left, pairs = list(range(count)), []
    while len(left) > 1:
        k = data.draw(st.integers(0, len(left) - 2))
        pairs.append((left[k], left.pop(k + 1)))
        left[k] = count + len(pairs) - 1
    assert network.cost(interval_path(network)) <= network.cost(tuple(pairs))


@pytest.mark.parametrize("batch", [9, 64, 512])
def test_where_widths_exceed_the_batch_neighbours_are_all_there_is_to_join(batch: int) -> None:
    """With narrow axes or a wide batch an order that joins others may be cheaper by a little."""
    random = Random(batch)
    for seed in range(15):
        network = jacobian_chain(3, batch, seed)
        sizes = {axis: random.randint(batch, 2 * batch) for axis in range(4)} | {-1: batch}
        wide = Network(network.inputs, network.output, sizes)
        assert wide.flops(interval_path(wide)) == least_flops(wide)


@pytest.mark.parametrize("length", [60, 149])
def test_long_chains_with_diagonals_cost_no_more_than_either_sweep(length: int) -> None:
    network = jacobian_chain(length, 32, length)
    forwards = in_sequence(2 * length)
    path = interval_path(network)
    assert tree(path, 2 * length)
    assert network.flops(path) < network.flops(forwards)


def swept_backwards(count: int) -> Path:
    """The last two factors first, then the others from the end."""
    return ((count - 2, count - 1), *[(count - 3 - k, count + k) for k in range(count - 2)])


@pytest.mark.parametrize("is_turned", [False, True])
def test_what_is_too_long_is_worked_out_in_windows_from_the_better_end(is_turned: bool) -> None:
    """A sweep along the whole is among what the windows may do."""
    length = INTERVAL_LIMIT // 2 + 30
    network = jacobian_chain(length, 16, 1)
    sizes = network.sizes | {0: 1, length: 4000}
    inputs = network.inputs[::-1] if is_turned else network.inputs
    network = Network(inputs, network.output, sizes)
    path = interval_path(network)
    assert tree(path, 2 * length)
    sweeps = in_sequence(2 * length), swept_backwards(2 * length)
    assert network.cost(path) <= min(map(network.cost, sweeps))


def test_many_selections_are_worked_out_in_windows_too() -> None:
    inputs = []
    for k in range(40):
        selection = SelectionAxes([2 * k, 2 * k + 1])
        selection.moves = Moves(frozenset([2 * k + 1]), True)
        inputs += [selection, frozenset([2 * k + 1, 2 * k + 2])]
    sizes = {k: 3 + k % 5 for k in range(81)}
    network = Network(tuple(inputs), frozenset([0, 80]), sizes)
    path = interval_path(network)
    assert tree(path, 80)
    assert network.cost(path) <= network.cost(in_sequence(80))


@pytest.mark.parametrize("size", [0, 10**40])
def test_sizes_that_no_float_can_tell_apart_give_a_path_all_the_same(size: int) -> None:
    links = tuple(frozenset([k, k + 1, k + 30]) for k in range(30))
    network = Network(links, frozenset([0, 30]), dict.fromkeys(range(60), size))
    assert tree(interval_path(network), 30)


@settings(max_examples=30)
@given(st.integers(0, 10**6), st.data())
def test_the_order_of_a_tree_has_no_tree_that_is_dearer_than_itself(seed: int, data: Any) -> None:
    """What improvement rests on: over a tree's own order of factors, the tree is one of many."""
    network = random_network(Random(seed), most=14)
    path = data.draw(paths_of(len(network.inputs)))
    assert network.cost(improved(network, path, parts=0)) <= network.cost(path)
