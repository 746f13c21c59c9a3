"""Terms: every operation equals the same one on arrays that are written out in full."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from fractions import Fraction
from math import prod

import numpy as np
import pytest
from dense_oracle import Array, close, dense_term, shapes, terms
from hypothesis import given
from hypothesis import strategies as st

from tensorbp.algebra import Factor, Term, reciprocal, simplify
from tensorbp.errors import ShapeError

pairs = st.tuples(shapes, shapes).flatmap(lambda s: terms(*s))
squares = shapes.flatmap(lambda s: terms(s, s))
chains = st.tuples(shapes, shapes, shapes).flatmap(
    lambda s: st.tuples(terms(s[0], s[1]), terms(s[1], s[2]))
)
threes = st.tuples(shapes, shapes, shapes, shapes).flatmap(
    lambda s: st.tuples(terms(s[0], s[1]), terms(s[1], s[2]), terms(s[2], s[3]))
)


def as_matrix(term: Term[Array]) -> np.ndarray:
    return dense_term(term).reshape(prod(term.output_shape), prod(term.input_shape))


@given(pairs)
def test_the_transpose_swaps_the_sides(term: Term[Array]) -> None:
    assert close(as_matrix(term.T), as_matrix(term).T)
    assert (term.T.output_shape, term.T.input_shape) == (term.input_shape, term.output_shape)


@given(pairs)
def test_transposing_twice_changes_nothing(term: Term[Array]) -> None:
    assert term == term.T.T


@given(chains)
def test_composition_is_the_matrix_product(chain: tuple[Term[Array], Term[Array]]) -> None:
    a, b = chain
    assert close(as_matrix(a.compose(b)), as_matrix(a) @ as_matrix(b))


@given(chains)
def test_composition_computes_nothing(chain: tuple[Term[Array], Term[Array]]) -> None:
    a, b = chain
    values = [factor.value for factor in a.compose(b).factors]
    assert values == [factor.value for factor in a.factors + b.factors]


@given(threes)
def test_composition_is_associative(
    chain: tuple[Term[Array], Term[Array], Term[Array]],
) -> None:
    a, b, c = chain
    assert close(dense_term(a.compose(b).compose(c)), dense_term(a.compose(b.compose(c))))


@given(chains)
def test_the_transpose_of_a_product_is_the_product_of_the_transposes_reversed(
    chain: tuple[Term[Array], Term[Array]],
) -> None:
    a, b = chain
    assert close(dense_term(a.compose(b).T), dense_term(b.T.compose(a.T)))


@given(squares)
def test_the_diagonal_is_where_both_sides_agree(term: Term[Array]) -> None:
    expected = np.diagonal(as_matrix(term)).reshape(term.output_shape)
    assert close(dense_term(term.diagonal()), expected)


@given(squares)
def test_the_trace_is_the_sum_of_the_diagonal(term: Term[Array]) -> None:
    assert close(dense_term(term.trace()), np.trace(as_matrix(term)))


@given(chains.filter(lambda chain: chain[0].output_shape == chain[1].input_shape) | squares)
def test_the_trace_does_not_see_who_comes_first(
    chain: tuple[Term[Array], Term[Array]] | Term[Array],
) -> None:
    a, b = chain if isinstance(chain, tuple) else (chain, chain)
    assert close(dense_term(a.compose(b).trace()), dense_term(b.compose(a).trace()))


@given(pairs, st.integers(-3, 3))
def test_scaling(term: Term[Array], number: int) -> None:
    assert close(dense_term(term.scaled(number)), number * dense_term(term))


@given(pairs, st.data())
def test_axes_may_have_any_names(term: Term[Array], data: st.DataObject) -> None:
    names = data.draw(st.permutations(range(10, 10 + len(term.sizes))))

    def renamed(dimensions: tuple[tuple[int, ...], ...]) -> list[tuple[int, ...]]:
        return [tuple(names[axis] for axis in dimension) for dimension in dimensions]

    factors = [Factor(f.value, tuple(renamed(f.dimensions))) for f in term.factors]
    sizes = {names[axis]: size for axis, size in enumerate(term.sizes)}
    again = Term.of(term.coefficient, factors, renamed(term.output), renamed(term.input), sizes)
    assert again == term
    assert hash(again) == hash(term)


@given(
    shapes.flatmap(lambda s: st.tuples(terms((), ()), terms(s, ()), st.just(s))), st.integers(0, 3)
)
def test_a_factor_may_be_replaced_by_the_product_that_it_equals(
    drawn: tuple[Term[Array], Term[Array], tuple[int, ...]], repeats: int
) -> None:
    outer, inner, shape = drawn
    dimensions = tuple((len(outer.sizes) + k,) for k in range(len(shape)))
    sizes = outer.sizes + shape
    whole = Factor(Array(dense_term(inner)), dimensions)
    kept = dimensions[:repeats]
    before = Term.of(outer.coefficient, (*outer.factors, whole), kept, kept[:1], sizes)
    after = before.inlined(len(before.factors) - 1, inner)
    assert close(dense_term(after), dense_term(before))
    assert len(after.factors) == len(outer.factors) + len(inner.factors)


def test_an_axis_that_falls_out_of_everything_becomes_its_size() -> None:
    ones = Term.of(1, (), [(0,)], [(1,)], [6, 7])
    assert ones.compose(ones.T) == Term.of(7, (), [(0,)], [(1,)], [6, 6])
    assert Term.of(1, (), [(0,)], [(0,)], [5]).trace().coefficient == 5
    assert Term.of(1, (), [(0,)], [(0,)], [0]).trace().coefficient == 0


def test_composition_splits_an_axis_where_the_other_groups_it() -> None:
    array = Array(np.arange(12.0).reshape(2, 6))
    flat = Term.of(1, [Factor(array, ((0,), (1,)))], [(0,)], [(1,)], [2, 6])
    opened = Term.of(1, (), [(0, 1)], [(0,), (1,)], [2, 3])
    composed = flat.compose(opened)
    assert composed.input_shape == (2, 3)
    assert close(dense_term(composed), array.array.reshape(2, 2, 3))


def test_shapes_must_agree_to_compose() -> None:
    one = Term.of(1, (), [(0,)], [(0,)], [5])
    other = Term.of(1, (), [(0,)], [(0,)], [7])
    with pytest.raises(ShapeError, match="a dimension of size 5 meets one of size 7"):
        one.compose(other)


def test_terms_do_not_change() -> None:
    term = Term.of(1, (), [(0,)], [(0,)], [5])
    with pytest.raises(FrozenInstanceError):
        term.coefficient = 2  # type: ignore[misc]
    with pytest.raises(FrozenInstanceError):
        Factor(Array(1.0), ()).value = Array(2.0)  # type: ignore[misc]


@given(st.fractions(), st.integers())
def test_numbers_stay_exact(fraction: Fraction, whole: int) -> None:
    assert simplify(fraction) == fraction
    assert isinstance(simplify(fraction), int) == (fraction.denominator == 1)
    if whole:
        assert reciprocal(whole) * whole == 1
    if fraction:
        assert reciprocal(fraction) * fraction == 1
    assert reciprocal(4.0) == 0.25
