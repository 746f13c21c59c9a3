"""Networks and paths: what a path costs, and how paths are put together."""

from __future__ import annotations

from typing import Any

import opt_einsum
from hypothesis import given
from hypothesis import strategies as st
from network_zoo import networks, paths_of, tree

from tensorbp.planning.network import Network, in_sequence, pair_flops


def equation(network: Network) -> str:
    letters = {axis: opt_einsum.get_symbol(axis) for axis in network.sizes}
    inputs = ",".join("".join(letters[axis] for axis in sorted(axes)) for axes in network.inputs)
    return f"{inputs}->{''.join(letters[axis] for axis in sorted(network.output))}"


def shapes(network: Network) -> list[tuple[int, ...]]:
    return [tuple(network.sizes[axis] for axis in sorted(axes)) for axes in network.inputs]


def without_lonely_axes(network: Network) -> Network:
    """Axes of one factor alone are summed beforehand; the comparison starts after that."""
    uses = [axis for axes in (*network.inputs, network.output) for axis in axes]
    inputs = tuple(frozenset(a for a in axes if uses.count(a) > 1) for axes in network.inputs)
    return Network(inputs, network.output, network.sizes)


@given(networks(2, 6), st.data())
def test_pairs_are_counted_as_opt_einsum_counts_them(network: Network, data: Any) -> None:
    network = without_lonely_axes(network)
    path = data.draw(paths_of(len(network.inputs)))
    _, info = opt_einsum.contract_path(
        equation(network),
        *shapes(network),
        shapes=True,
        optimize=opt_einsum.paths.ssa_to_linear(path),
    )
    assert network.flops(path) == info.opt_cost


@given(networks(1, 6), st.data())
def test_what_is_left_of_a_path_is_the_output(network: Network, data: Any) -> None:
    path = data.draw(paths_of(len(network.inputs)))
    kept = [kept for _, _, kept in network.contractions(path)]
    made = frozenset().union(*network.inputs)
    if kept:
        assert kept[-1] == network.output & made
    assert all(axes <= made for axes in kept)


@given(st.integers(0, 10**30), st.booleans())
def test_a_sum_adds_an_addition_to_each_multiplication(volume: int, sums: bool) -> None:
    assert pair_flops(volume, sums) == volume + sums * volume


@given(st.integers(2, 8))
def test_in_sequence_takes_every_factor_in_turn(count: int) -> None:
    expected: Any = 0
    for number in range(1, count):
        expected = frozenset([expected, number])
    assert tree(in_sequence(count), count) == expected


def test_in_sequence_of_fewer_than_two_is_nothing() -> None:
    assert in_sequence(0) == in_sequence(1) == ()
