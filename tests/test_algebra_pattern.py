"""Patterns: what is said of axes alone holds for all sizes, and is worked out once."""

from __future__ import annotations

from collections import Counter
from dataclasses import FrozenInstanceError

import numpy as np
import pytest
from dense_oracle import Array, close, dense_term, shapes, terms
from hypothesis import given
from hypothesis import strategies as st

from tensorbp.algebra import Factor, Pattern, Term
from tensorbp.algebra.pattern import composed, rewritten

pairs = st.tuples(shapes, shapes).flatmap(lambda s: terms(*s))
plain_chains = st.tuples(shapes, shapes, shapes).flatmap(
    lambda s: st.tuples(terms(s[0], s[1], False), terms(s[1], s[2], False))
)


def resized(term: Term[Array], sizes: list[int]) -> Term[Array]:
    """Return the term with other sizes and other numbers."""
    random = np.random.default_rng(0)
    factors = [
        Factor(Array(random.normal(size=[sizes[axis] for axis in each.axes])), each.dimensions)
        for each in term.factors
    ]
    return Term.of(term.coefficient, factors, term.output, term.input, sizes)


@given(pairs)
def test_axes_are_numbered_as_they_come(term: Term[Array]) -> None:
    pattern = term.pattern
    everything = (pattern.output, pattern.input, *pattern.factors)
    axes = [axis for dimensions in everything for dimension in dimensions for axis in dimension]
    assert list(dict.fromkeys(axes)) == list(range(pattern.count)) == list(range(len(term.sizes)))


@given(pairs, st.integers(1, 9))
def test_names_of_axes_make_no_difference(term: Term[Array], offset: int) -> None:
    moved = term.pattern.shifted(offset)
    again = rewritten(moved.factors, moved.output, moved.input)
    assert again.pattern == term.pattern
    assert hash(again.pattern) == hash(term.pattern)
    assert again.axes == tuple(range(offset, offset + term.pattern.count))


@given(pairs)
def test_uses_count_factors_and_sides(term: Term[Array]) -> None:
    sides = {axis for dimension in term.output + term.input for axis in dimension}
    counted = Counter(axis for factor in term.factors for axis in set(factor.axes))
    pattern = term.pattern
    assert pattern.uses == tuple([counted[a] + (a in sides) for a in range(len(term.sizes))])
    assert pattern.summed == {axis for axis in counted if axis not in sides}
    assert pattern.factor_axes == set(counted)


@given(pairs)
def test_an_identity_gives_its_factor_back(term: Term[Array]) -> None:
    tensor = term.with_sides(term.output + term.input)
    if tensor.pattern.is_identity:
        assert close(dense_term(tensor), tensor.coefficient * tensor.values[0].array)
    flat = tensor.pattern.output_axes
    assert tensor.pattern.has_delta == (len(set(flat)) < len(flat))


@given(plain_chains, st.data())
def test_plain_patterns_compose_alike_in_all_sizes(
    chain: tuple[Term[Array], Term[Array]], data: st.DataObject
) -> None:
    one, other = chain
    pattern = one.compose(other).pattern
    # axes that meet must agree in size, so all are given the same one
    size = data.draw(st.sampled_from([1, 2, 3]))
    left = resized(one, [size] * len(one.sizes))
    right = resized(other, [size] * len(other.sizes))
    both = left.compose(right)
    assert both.pattern == pattern
    matrices = [
        dense_term(each).reshape(size ** len(each.output), size ** len(each.input))
        for each in (left, right, both)
    ]
    assert close(matrices[0] @ matrices[1], matrices[2])


def test_what_is_known_is_not_worked_out_again() -> None:
    before = composed.cache_info()
    for width in (3, 5, 7):
        W = Term.of(
            1, [Factor(Array(np.ones((width, 2))), ((0,), (1,)))], [(0,)], [(1,)], [width, 2]
        )
        V = Term.of(
            1, [Factor(Array(np.ones((2, width))), ((0,), (1,)))], [(0,)], [(1,)], [2, width]
        )
        assert W.compose(V).sizes == (width, width, 2)
    after = composed.cache_info()
    assert after.misses - before.misses <= 1
    assert after.hits - before.hits >= 2


def test_patterns_do_not_change() -> None:
    with pytest.raises(FrozenInstanceError):
        Pattern((), ()).output = ((0,),)  # type: ignore[misc]
