"""Unification of axes: what is made equal is equal, and nothing else is."""

from __future__ import annotations

from math import prod

import pytest
from dense_oracle import GROUPINGS
from hypothesis import given
from hypothesis import strategies as st

from tensorbp.algebra import GroupingConflict, Unifier, extent, shape_of
from tensorbp.errors import ShapeError

factorizations = st.sampled_from([0, 1, 2, 4, 6]).flatmap(
    lambda size: st.tuples(
        st.just(size), st.sampled_from(GROUPINGS[size]), st.sampled_from(GROUPINGS[size])
    )
)


@given(st.lists(factorizations, min_size=1, max_size=4))
def test_dimensions_made_equal_expand_to_the_same_axes(drawn: list[tuple]) -> None:
    unifier = Unifier({})
    pairs = [
        tuple(tuple(unifier.fresh(size) for size in sizes) for sizes in both) for _, *both in drawn
    ]
    for left, right in pairs:
        unifier.equate(left, right)
    for (size, *_), (left, right) in zip(drawn, pairs, strict=True):
        assert unifier.expand(left) == unifier.expand(right)
        assert extent(unifier.expand(left), unifier.sizes) == size


@given(st.integers(1, 4), st.data())
def test_what_is_not_made_equal_stays_apart(count: int, data: st.DataObject) -> None:
    """Random identifications of single axes give the classes that a naive closure gives."""
    axes = range(2 * count)
    unifier = Unifier(dict.fromkeys(axes, 5))
    links = data.draw(st.lists(st.tuples(st.sampled_from(axes), st.sampled_from(axes))))
    classes = {axis: {axis} for axis in axes}
    for a, b in links:
        unifier.equate((a,), (b,))
        joined = classes[a] | classes[b]
        for member in joined:
            classes[member] = joined
    for a in axes:
        for b in axes:
            assert (unifier.expand((a,)) == unifier.expand((b,))) == (b in classes[a])


@given(st.lists(st.integers(2, 4), min_size=1, max_size=4), st.data())
def test_a_group_is_split_into_the_axes_that_it_meets(
    sizes: list[int], data: st.DataObject
) -> None:
    unifier = Unifier({})
    whole = unifier.fresh(prod(sizes))
    parts = tuple(unifier.fresh(size) for size in sizes)
    unifier.equate(*data.draw(st.permutations([(whole,), parts])))
    assert unifier.expand((whole,)) == unifier.expand(parts)
    assert shape_of([(a,) for a in unifier.expand((whole,))], unifier.sizes) == tuple(sizes)


def test_two_groups_are_refined_to_what_both_can_be_made_of() -> None:
    unifier = Unifier({0: 4, 1: 6, 2: 2, 3: 12})
    unifier.equate((0, 1), (2, 3))
    assert unifier.expand((0, 1)) == unifier.expand((2, 3))
    assert [unifier.sizes[axis] for axis in unifier.expand((0, 1))] == [2, 2, 6]


@given(st.permutations([1, 1, 5, 7]), st.permutations([1, 5, 7]))
def test_axes_of_size_one_never_stand_in_the_way(left: list[int], right: list[int]) -> None:
    if [size for size in left if size > 1] != [size for size in right if size > 1]:
        return
    unifier = Unifier({})
    one = tuple(unifier.fresh(size) for size in left)
    other = tuple(unifier.fresh(size) for size in right)
    unifier.equate(one, other)
    assert unifier.expand(one) == unifier.expand(other)
    assert extent(unifier.expand(one), unifier.sizes) == 35


def test_an_axis_of_size_one_meets_nothing() -> None:
    unifier = Unifier({0: 1})
    unifier.equate((0,), ())
    assert unifier.expand((0,)) == ()


def test_groups_of_size_zero_either_meet_or_conflict() -> None:
    unifier = Unifier({0: 0, 1: 3, 2: 0})
    unifier.equate((0, 1), (2,))
    assert unifier.expand((2,)) == (0, 1)
    with pytest.raises(GroupingConflict):
        Unifier({0: 0, 1: 3, 2: 0, 3: 5}).equate((0, 1), (2, 3))


def test_different_sizes_do_not_meet() -> None:
    with pytest.raises(ShapeError) as caught:
        Unifier({0: 5, 1: 7}).equate((0,), (1,))
    assert str(caught.value) == "a dimension of size 5 meets one of size 7"
    with pytest.raises(ValueError, match="zip"):
        Unifier({0: 5}).equate_all([(0,)], [])


def test_groups_with_no_common_refinement_conflict() -> None:
    with pytest.raises(GroupingConflict) as caught:
        Unifier({0: 4, 1: 6, 2: 6, 3: 4}).equate((0, 1), (2, 3))
    expected = "dimensions grouped as (4, 6) and (6, 4) have no common refinement"
    assert str(caught.value) == expected


def test_the_given_sizes_are_left_alone() -> None:
    sizes = {0: 6, 1: 2, 2: 3}
    unifier = Unifier(sizes)
    unifier.fresh(5)
    assert sizes == {0: 6, 1: 2, 2: 3}
    assert unifier.expand_all([(0,), (1, 2)]) == ((0,), (1, 2))
