import random

import pytest
from tensorbp_cotengra import FINDERS

import tensorbp as tb
from tensorbp.planning.finders import answer, best_path
from tensorbp.planning.network import Network, in_sequence
from tensorbp.testing.orders import check_finder


def ring(length: int, batch: int = 2000) -> Network:
    """A chain of matrices, both of whose ends have a batch."""
    drawn = random.Random(length)
    sizes = {k: drawn.randint(8, 100) for k in range(length - 1)} | {length: batch}
    links = [frozenset([k, k + 1]) for k in range(length - 2)]
    ends = [frozenset([length, 0]), frozenset([length, length - 2])]
    return Network((ends[0], *links, ends[1]), frozenset(), sizes)


@pytest.mark.parametrize("name", FINDERS)
def test_answers_are_paths_and_no_better_than_brute_force(name: str) -> None:
    found = check_finder(FINDERS[name], networks=8, most=5)
    assert found.networks == 8
    assert 1 <= found.mean <= found.worst


@pytest.mark.parametrize("name", FINDERS)
def test_equal_questions_get_equal_answers(name: str) -> None:
    network, state = ring(14), random.getstate()
    found = answer(FINDERS[name], network)
    assert found is not None
    assert random.getstate() == state
    random.random()
    assert answer(FINDERS[name], network) == found


@pytest.mark.parametrize("name", ["cotengra-optimal", "cotengra-hyper"])
def test_a_search_that_would_take_long_is_not_begun(name: str) -> None:
    assert answer(FINDERS[name], ring(80)) is None


def test_the_plan_is_no_dearer_with_them_than_without() -> None:
    network = ring(15)
    first = in_sequence(15)
    both = tb.default_registry().path_finders
    assert set(FINDERS) < set(both)
    ours = {name: finder for name, finder in both.items() if name not in FINDERS}
    assert network.flops(best_path(network, first, both)) <= network.flops(
        best_path(network, first, ours)
    )


def test_the_comparison_says_where_they_come_from() -> None:
    x, W, V = tb.variable("x", 30, 4), tb.variable("W", 4, 9), tb.variable("V", 9, 2)
    comparison = tb.compare(tb.gradient(tb.sum(tb.tanh(x @ W) @ V), [W, V]))
    priced = [each for each in comparison.entries if each.source == "tensorbp-cotengra"]
    assert [each.name for each in priced] == sorted(FINDERS)
    assert all(each.figures is not None for each in priced)
