"""Merging and collecting: the value stays, and nothing is stored that a delta says."""

from __future__ import annotations

from math import prod

import numpy as np
from dense_oracle import Array, close, dense_term, dense_terms, shapes, terms, total
from hypothesis import given
from hypothesis import strategies as st

from tensorbp.algebra import Factor, LinearMap, Term, collect, dense, merge

Terms = list[Term[Array]]


def sums(is_grouped: bool) -> st.SearchStrategy[Terms]:
    return st.tuples(shapes, shapes).flatmap(
        lambda s: st.lists(terms(*s, is_grouped), min_size=1, max_size=3)
    )


def shape_of_sum(several: Terms) -> tuple[int, ...]:
    return several[0].output_shape + several[0].input_shape


@given(sums(is_grouped=True))
def test_merging_keeps_the_value(several: Terms) -> None:
    merged = merge(several, total)
    assert close(dense_term(merged), dense_terms(several, shape_of_sum(several)))
    assert len(merged.factors) <= 1


@given(sums(is_grouped=False))
def test_a_merged_tensor_is_no_larger_than_the_deltas_of_all_terms_allow(several: Terms) -> None:
    """Positions that every term ties have one axis; one along which nothing changes has none."""
    columns = [tuple(term.sides[k][0] for term in several) for k in range(len(several[0].sides))]
    needed = 1
    for labels in set(columns):
        is_constant = all(
            axis not in {a for factor in term.factors for a in factor.axes}
            and sum(other[t] == axis for other in set(columns)) == 1
            for t, (axis, term) in enumerate(zip(labels, several, strict=True))
        )
        if not is_constant:
            needed *= several[0].sizes[labels[0]]
    merged = merge(several, total)
    assert sum(prod(factor.value.shape) for factor in merged.factors) <= needed
    for k, side in enumerate(merged.sides):
        for m, other in enumerate(merged.sides):
            assert (side == other) == (columns[k] == columns[m])


@given(sums(is_grouped=True))
def test_the_order_of_terms_does_not_matter(several: Terms) -> None:
    forwards, backwards = merge(several, total), merge(several[::-1], total)
    assert close(dense_term(forwards), dense_term(backwards))
    sizes = [sum(prod(f.value.shape) for f in each.factors) for each in (forwards, backwards)]
    assert sizes[0] == sizes[1]


@given(sums(is_grouped=True))
def test_merging_again_changes_no_size(several: Terms) -> None:
    once = merge(several, total)
    twice = merge([once], total)
    assert close(dense_term(twice), dense_term(once))
    assert [f.value.shape for f in twice.factors] == [f.value.shape for f in once.factors]


@given(sums(is_grouped=True), st.lists(st.integers(-2, 2), min_size=1, max_size=4))
def test_collecting_keeps_the_value_and_each_term_once(several: Terms, numbers: list[int]) -> None:
    copies = [term.scaled(number) for number in numbers for term in several]
    collected = collect(copies)
    expected = sum(numbers) * dense_terms(several, shape_of_sum(several))
    assert close(dense_terms(collected, shape_of_sum(several)), expected)
    assert len(collected) <= (len(several) if sum(numbers) else 0)
    assert all(term.coefficient != 0 for term in collected)


@given(sums(is_grouped=False), st.randoms())
def test_the_order_of_factors_does_not_hide_that_terms_are_equal(several: Terms, random) -> None:
    term = several[0]
    factors = list(term.factors)
    random.shuffle(factors)
    other = Term.of(term.coefficient, factors, term.output, term.input, term.sizes)
    assert len(collect([term, other])) == 1


@given(st.tuples(shapes, shapes).flatmap(lambda s: terms(*s)))
def test_dense_writes_all_deltas_out(term: Term[Array]) -> None:
    written = dense(term, total)
    assert close(dense_term(written), dense_term(term))
    assert written.factors[0].value.shape == term.output_shape + term.input_shape


def test_softmax_on_a_batch_keeps_the_delta_of_the_batch() -> None:
    y = Array(np.random.default_rng(0).normal(size=(7, 5)))
    scaling = LinearMap.from_signature("bp -> bp/bp", y)
    jacobian = scaling - LinearMap.from_signature("bp,bq -> bp/bq", y, y)
    merged = jacobian.merged(total)
    assert merged.size == 7 * 5 * 5
    assert scaling.merged(total).size == 7 * 5


def test_terms_that_group_axes_without_common_refinement_are_merged_as_well() -> None:
    random = np.random.default_rng(0)
    several = []
    for sizes in ((4, 6), (6, 4)):
        value = Array(random.normal(size=sizes))
        several.append(Term.of(1, [Factor(value, ((0,), (1,)))], [(0, 1)], [(1, 0)], sizes))
    merged = merge(several, total)
    assert close(dense_term(merged), dense_terms(several, (24, 24)))


def test_constants_are_added_without_a_tensor() -> None:
    ones = Term.of(3, (), [(0,)], [(1,)], [5, 7])
    merged = merge([ones, ones.scaled(4)], total)
    assert (merged.coefficient, merged.factors) == (15, ())
