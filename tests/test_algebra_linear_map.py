"""Linear maps: the laws of linear algebra, against matrices that are written out in full."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import FrozenInstanceError
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from dense_oracle import (
    Array,
    close,
    dense_element,
    dense_map,
    elements,
    maps,
    spaces,
    total,
)
from hypothesis import given
from hypothesis import strategies as st

from tensorbp.algebra import LinearMap, Space
from tensorbp.errors import ShapeError, SignatureError

Map = LinearMap[Array]

singles = st.tuples(spaces, spaces).flatmap(lambda s: maps(*s))
doubles = st.tuples(spaces, spaces).flatmap(lambda s: st.tuples(maps(*s), maps(*s)))
chains = st.tuples(spaces, spaces, spaces).flatmap(
    lambda s: st.tuples(maps(s[0], s[1]), maps(s[1], s[2]))
)
forks = st.tuples(spaces, spaces, spaces).flatmap(
    lambda s: st.tuples(maps(s[0], s[1]), maps(s[1], s[2]), maps(s[1], s[2]))
)
squares = spaces.flatmap(lambda s: maps(s, s))


@given(chains)
def test_composition_is_the_matrix_product(chain: tuple[Map, Map]) -> None:
    a, b = chain
    assert close(dense_map(a @ b), dense_map(a) @ dense_map(b))


@given(chains)
def test_the_transpose_of_a_product(chain: tuple[Map, Map]) -> None:
    a, b = chain
    assert close(dense_map((a @ b).T), dense_map(a @ b).T)
    assert close(dense_map(b.T @ a.T), dense_map(a @ b).T)


@given(forks)
def test_composition_distributes_over_sums(fork: tuple[Map, Map, Map]) -> None:
    a, b, c = fork
    assert close(dense_map(a @ (b + c)), dense_map(a) @ (dense_map(b) + dense_map(c)))
    assert close(dense_map((b.T + c.T) @ a.T), dense_map(a @ (b + c)).T)


@given(doubles)
def test_sums_and_differences(pair: tuple[Map, Map]) -> None:
    a, b = pair
    assert close(dense_map(a + b), dense_map(a) + dense_map(b))
    assert close(dense_map(a - b), dense_map(a) - dense_map(b))
    assert close(dense_map(-a), -dense_map(a))


@given(singles)
def test_what_cancels_is_not_kept(a: Map) -> None:
    assert (a - a).terms == ()
    assert len((a + a).terms) == len(a.terms)
    assert close(dense_map(a + a), 2 * dense_map(a))


@given(singles, st.sampled_from([0, 3, -2, 0.5, Fraction(1, 3)]))
def test_scaling(a: Map, number: Any) -> None:
    assert close(dense_map(number * a), float(number) * dense_map(a))
    assert close(dense_map(a * number), float(number) * dense_map(a))
    if number:
        assert close(dense_map(a / number), dense_map(a) / float(number))


@given(squares)
def test_the_diagonal_and_the_trace(a: Map) -> None:
    assert close(dense_map(a.diagonal())[:, 0], np.diagonal(dense_map(a)))
    assert close(dense_map(a.trace()), np.array([[np.trace(dense_map(a))]]))


@given(singles)
def test_the_identity_changes_nothing(a: Map) -> None:
    left: Map = LinearMap.identity(a.output)
    right: Map = LinearMap.identity(a.input)
    assert close(dense_map(left), np.eye(a.output.size))
    assert close(dense_map(left @ a), dense_map(a))
    assert close(dense_map(a @ right), dense_map(a))
    assert left.size == 0


@given(singles.flatmap(lambda a: st.tuples(st.just(a), elements(a.input))))
def test_application(drawn: tuple[Map, list[Array]]) -> None:
    a, x = drawn
    assert close(dense_map(a(*x))[:, 0], dense_map(a) @ dense_element(x))


@given(singles)
def test_blocks_tile_the_map(a: Map) -> None:
    rows = [
        np.concatenate([dense_map(a.block(i, j)) for j in range(len(a.input.shapes))], axis=1)
        for i in range(len(a.output.shapes))
    ]
    assert close(np.concatenate(rows), dense_map(a))


@given(singles)
def test_merging_keeps_the_value_with_one_tensor_a_block(a: Map) -> None:
    merged = a.merged(total)
    assert close(dense_map(merged), dense_map(a))
    assert all(len(terms) == 1 for terms in merged.blocks.values())
    assert all(len(term.factors) <= 1 for term in merged.terms)


@given(singles)
def test_values_may_be_replaced(a: Map) -> None:
    twice = a.with_values(lambda value: Array(2 * value.array))
    expected = a._each(lambda term: term.scaled(2 ** len(term.factors)))
    assert close(dense_map(twice), dense_map(expected))
    assert a.with_values(lambda value: value) == a


@given(singles)
def test_equal_maps_have_equal_hashes(a: Map) -> None:
    again = LinearMap(a.output, a.input, dict(reversed(a.blocks.items())))
    assert again == a
    assert hash(again) == hash(a)
    assert a == a.T.T
    assert a != "a map"


def test_the_size_counts_each_tensor_once() -> None:
    x = Array(np.zeros((5, 7)))
    a: Map = LinearMap.from_signature("bi -> b/i", x)
    twice = LinearMap(
        Space((a.output.shapes[0],) * 2, is_sum=True),
        a.input,
        {(0, 0): a.terms, (1, 0): a.terms},
    )
    assert twice.size == 35


def test_a_signature_makes_a_map() -> None:
    W = np.random.default_rng(0).normal(size=(3, 4))
    a: Map = LinearMap.from_signature("io -> bo/bi", Array(W), output=(2, 4))
    expected = np.einsum("io,bc->boci", W, np.eye(2)).reshape(8, 6)
    assert close(dense_map(a), expected)
    minus: Map = LinearMap.from_signature("- io -> o/i", Array(W))
    assert close(dense_map(minus), -W.T)


def test_maps_do_not_change() -> None:
    a: Map = LinearMap.identity(Space.of((5,)))
    with pytest.raises(FrozenInstanceError):
        a.output = Space.of(())  # type: ignore[misc]
    with pytest.raises(TypeError):
        a.blocks[0, 0] = ()  # type: ignore[index]


def test_a_space_prints_its_summands() -> None:
    assert str(Space(((2, 3), (4,)), is_sum=True)) == "(2, 3) ⊕ (4,)"
    assert Space(((2, 3), (4,)), is_sum=True).size == 10


def refused(error: type[Exception], text: str, act: Any) -> None:
    with pytest.raises(error) as caught:
        act()
    assert str(caught.value) == text


def test_what_does_not_fit_is_refused() -> None:
    a: Map = LinearMap.from_signature("bi -> b/i", Array(np.zeros((5, 7))))
    x = Array(np.zeros(4))
    refused(
        ShapeError,
        "cannot compose: the left map takes (7,), the right one gives (5,)",
        lambda: a @ a,
    )
    refused(
        ShapeError,
        "cannot add a map (7,) → (5,) and a map (5,) → (7,)",
        lambda: a + a.T,
    )
    refused(
        ShapeError,
        "diagonal() needs a map from a space to itself, this one goes (7,) → (5,)",
        a.diagonal,
    )
    refused(
        ShapeError,
        "trace() needs a map from a space to itself, this one goes (7,) → (5,)",
        a.trace,
    )
    refused(ShapeError, "expected an element of (7,), found one of (4,)", lambda: a(x))
    refused(ShapeError, "expected an element of (7,), found one of (4,) ⊕ (4,)", lambda: a(x, x))
    with pytest.raises(SignatureError):
        LinearMap.from_signature("bi -> b/i", Array(np.zeros(5)))
    for strange in ("map", None, [1]):
        with pytest.raises(TypeError):
            a + strange
        with pytest.raises(TypeError):
            a - strange
        with pytest.raises(TypeError):
            a * strange
        with pytest.raises(TypeError):
            a @ strange


def test_the_algebra_imports_no_array_library() -> None:
    script = (
        "import sys, tensorbp.algebra\n"
        "print([name for name in ('numpy', 'jax', 'torch', 'scipy') if name in sys.modules])"
    )
    printed = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert printed.stdout.strip() == "[]"
