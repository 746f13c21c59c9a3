"""Path finders: the exact ones against all binary trees, every one for being a path at all."""

from __future__ import annotations

from typing import Any

import opt_einsum
import pytest
from finder_plugin import registry_with
from hypothesis import given, settings
from hypothesis import strategies as st
from network_zoo import least_flops, networks, paths_of, tree

from tensorbp.errors import CompileError, PluginWarning
from tensorbp.planning import finders
from tensorbp.planning.chains import chain
from tensorbp.planning.finders import BUILT_IN_FINDERS, answer, best_path, checked, path_of
from tensorbp.planning.improvement import improved
from tensorbp.planning.intervals import interval
from tensorbp.planning.network import Network, in_sequence
from tensorbp.planning.paths import pairs_of_tree
from tensorbp.planning.programmes import SUBSET_LIMIT, subset
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


@settings(max_examples=30)
@given(networks(3, 15), st.data())
def test_no_finder_makes_it_worse(network: Network, data: Any) -> None:
    first = data.draw(paths_of(len(network.inputs)))
    found = [path_of(finder, network, name) for name, finder in BUILT_IN_FINDERS.items()]
    costs = [network.flops(path) for path in (first, *found) if path is not None]
    assert len(costs) > len(BUILT_IN_FINDERS) - 2
    assert network.flops(best_path(network, first)) <= min(costs)


@settings(max_examples=20)
@given(networks(3, 14), st.data())
def test_a_path_that_is_improved_is_a_path_that_costs_no_more(network: Network, data: Any) -> None:
    first = data.draw(paths_of(len(network.inputs)))
    path = improved(network, first)
    assert tree(path, len(network.inputs))
    assert network.cost(path) <= network.cost(first)
    assert improved(network, path) == path == improved(network, first)


@settings(max_examples=20)
@given(networks(3, 7), st.data())
def test_a_small_network_is_one_part_of_its_own_tree(network: Network, data: Any) -> None:
    first = data.draw(paths_of(len(network.inputs)))
    assert network.flops(improved(network, first)) == least_flops(network)


@pytest.mark.parametrize("name", sorted(BUILT_IN_FINDERS))
@pytest.mark.parametrize("count", [3, 8, 9, 47, 48, 49, 60])
def test_every_finder_takes_networks_of_every_size(name: str, count: int) -> None:
    links = tuple(frozenset([k, k + 1]) for k in range(count))
    sizes = {k: 2 + (k * 7) % 11 for k in range(count + 1)}
    network = Network(links, frozenset([0, count]), sizes)
    path = answer(BUILT_IN_FINDERS[name], network)
    assert (path is None) == (name == "subset" and count > SUBSET_LIMIT)
    assert path is None or tree(path, count)


def test_a_finder_may_have_nothing_to_offer() -> None:
    ring = Network((frozenset([0, 1]), frozenset([1, 2]), frozenset([2, 0])), frozenset(), SIZES)
    assert answer(chain, ring) is None
    assert best_path(ring, ((1, 2), (0, 3)), {"chain": chain}) == ((1, 2), (0, 3))


def test_a_matrix_chain_is_contracted_from_its_narrow_end() -> None:
    """The chain of a thesis's textbook: (A B) C against A (B C), widths 10, 100, 5, 50."""
    chain = (frozenset([0, 1]), frozenset([1, 2]), frozenset([2, 3]))
    network = Network(chain, frozenset([0, 3]), {0: 10, 1: 100, 2: 5, 3: 50})
    path = best_path(network, ((1, 2), (0, 3)))
    assert tree(path, 3) == frozenset([frozenset([0, 1]), 2])
    assert network.flops(path) == 2 * (10 * 100 * 5 + 10 * 5 * 50)


SIZES = {0: 10, 1: 100, 2: 5, 3: 50}
CHAIN = Network(
    (frozenset([0, 1]), frozenset([1, 2]), frozenset([2, 3])),
    frozenset([0, 3]),
    SIZES,
)


def test_a_finder_is_asked_as_opt_einsum_asks() -> None:
    asked = []

    def all_at_once(*arguments: Any) -> list[tuple[int, ...]]:
        asked.append(arguments)
        return [(0, 1, 2)]

    assert best_path(CHAIN, ((1, 2), (0, 3)), {"strange": all_at_once}) == ((0, 1), (3, 2))
    assert asked == [(list(CHAIN.inputs), CHAIN.output, dict(CHAIN.sizes), None)]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (3, "ValueError: expected a list of tuples of positions, found int"),
        ([(0, 1)], "ValueError: the path leaves 2 tensors instead of one"),
        ([(0, 3), (0, 1)], "ValueError: step (0, 3) has a position outside of the 3 that are left"),
        ([(0, 0), (0, 1)], "ValueError: step (0, 0) must name one tensor or several different on"),
        ([("a", 0)], "ValueError: step ('a', 0) has a position outside of the 3 that are left"),
        (ZeroDivisionError("by nothing"), "ZeroDivisionError: by nothing"),
    ],
)
def test_a_finder_that_fails_is_named_and_the_others_go_on(answer: Any, reason: str) -> None:
    def broken(*arguments: Any) -> Any:
        if isinstance(answer, Exception):
            raise answer
        return answer

    with pytest.warns(PluginWarning) as caught:
        path = best_path(CHAIN, ((1, 2), (0, 3)), {"broken": broken, "interval": interval})
    assert tree(path, 3) == frozenset([frozenset([0, 1]), 2])
    (warning,) = caught
    start = "order finder 'broken' gave no path for a network of 3 factors: "
    assert str(warning.message).startswith(start + reason)
    assert str(warning.message).endswith("; the other finders go on")


def test_the_plugin_of_a_finder_that_fails_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*arguments: Any) -> Any:
        raise OSError("no disk")

    registry = registry_with(broken, "slow")
    monkeypatch.setattr(finders, "default_registry", lambda: registry)
    with pytest.warns(PluginWarning, match="'slow' of plugin 'tensorbp_slow' gave no path"):
        assert best_path(CHAIN, ((0, 1), (3, 2)), {"slow": registry.path_finders["slow"]})


@pytest.mark.parametrize("optimizer", ["RandomGreedy", "BranchBound", "DynamicProgramming"])
def test_path_optimizers_of_opt_einsum_are_finders(optimizer: str) -> None:
    """RandomGreedy remembers its first network, so that each network needs one of its own."""
    finder = getattr(opt_einsum, optimizer)()
    first = ((1, 2), (0, 3))
    for narrow in (5, 3):
        network = Network(CHAIN.inputs, CHAIN.output, {**SIZES, 2: narrow})
        path = best_path(network, first, {"theirs": finder})
        assert network.flops(path) == least_flops(network)


def test_path_functions_of_opt_einsum_are_finders() -> None:
    for name in ("greedy", "optimal", "auto", "dp"):
        found = opt_einsum.paths.get_path_fn(name)
        assert CHAIN.flops(best_path(CHAIN, ((1, 2), (0, 3)), {name: found})) == least_flops(CHAIN)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (["greedy"], "finders must be a mapping from names to order finders, for example"),
        ({"x": "greedy"}, "finder 'x' must be a function or a PathOptimizer of opt_einsum; found"),
        ({"x": opt_einsum.RandomGreedy}, "finder 'x' must be a function or a PathOptimizer"),
    ],
)
def test_what_is_no_finder_is_refused(wrong: Any, message: str) -> None:
    with pytest.raises(CompileError, match=message):
        checked(wrong)


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
    path = answer(subset, network)
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
