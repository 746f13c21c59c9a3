"""Signatures: every form that can be written, and what is said of those that cannot."""

from __future__ import annotations

from math import prod
from string import ascii_letters

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tensorbp.algebra import Signature, shape_of
from tensorbp.errors import SignatureError

words = st.lists(
    st.one_of(
        st.sampled_from(ascii_letters).map(lambda letter: (letter,)),
        st.lists(st.sampled_from(ascii_letters), min_size=2, max_size=3).map(tuple),
        st.just(()),
        st.just(("...",)),
    ),
    max_size=3,
).filter(lambda drawn: drawn.count(("...",)) < 2)


def written(side: list[tuple[str, ...]]) -> str:
    return "".join(word[0] if len(word) == 1 else f"({''.join(word)})" for word in side)


@given(
    st.lists(words.filter(bool), max_size=3),
    words,
    words,
    st.booleans(),
    st.text(" \t", max_size=2),
)
def test_what_is_written_is_what_is_read(
    factors: list, output: list, input: list, is_negative: bool, space: str
) -> None:
    left = f"{space},".join(written(each) for each in factors)
    text = f"{'-' * is_negative}{space}{left}{space}->{space}{written(output)}/{written(input)}"
    signature = Signature.parse(text)
    assert signature.factors == tuple(tuple(each) for each in factors)
    assert (signature.output, signature.input) == (tuple(output), tuple(input))
    assert signature.sign == (-1 if is_negative else 1)


def test_a_tensor_has_no_input_side() -> None:
    assert Signature.parse("ab,b->a").input == ()
    assert Signature.parse("->").factors == ()


@given(st.dictionaries(st.sampled_from("abcd"), st.integers(0, 5), min_size=1), st.data())
def test_binding_gives_back_the_shapes(sizes: dict[str, int], data: st.DataObject) -> None:
    letters = st.lists(st.sampled_from(sorted(sizes)), max_size=3)
    sides = [data.draw(letters) for _ in range(3)]
    first, output, input_ = sides
    if not first:
        return
    spec = f"{''.join(first)},({''.join(sizes)})->{''.join(output)}/{''.join(input_)}"
    shapes = [tuple(sizes[letter] for letter in side) for side in (first, output, input_)]
    # the group has to find its sizes in the other shapes
    unknown = set(sizes) - set(first) - set(output) - set(input_)
    known = prod(size for letter, size in sizes.items() if letter not in unknown)
    if len(unknown) > 1 or (unknown and not known):
        return
    bound = Signature.parse(spec).bind((shapes[0], (prod(sizes.values()),)), shapes[1], shapes[2])
    assert shape_of(bound.factors[0], bound.sizes) == shapes[0]
    assert shape_of(bound.factors[1], bound.sizes) == (prod(sizes.values()),)
    assert shape_of(bound.output, bound.sizes) == shapes[1]
    assert shape_of(bound.input, bound.sizes) == shapes[2]
    axes = dict(zip(first, bound.factors[0], strict=True))
    assert all(
        axes.get(letter, axis) == axis for letter, axis in zip(output, bound.output, strict=True)
    )


@given(st.integers(0, 3), st.integers(0, 3))
def test_the_ellipsis_stands_for_any_number_of_axes(rank: int, size: int) -> None:
    batch = tuple(range(2, 2 + rank))
    bound = Signature.parse("...i,io->...o/...i").bind(((*batch, size), (size, 7)))
    assert shape_of(bound.output, bound.sizes) == (*batch, 7)
    assert shape_of(bound.input, bound.sizes) == (*batch, size)
    assert bound.output[:-1] == bound.input[:-1] == bound.factors[0][:-1]


def test_sides_may_say_sizes_that_no_factor_has() -> None:
    bound = Signature.parse("io -> bo/bi").bind(((5, 7),), output_shape=(3, 7))
    assert shape_of(bound.input, bound.sizes) == (3, 5)
    bound = Signature.parse("-> b(chw)/bchw").bind((), None, (2, 3, 4, 5))
    assert shape_of(bound.output, bound.sizes) == (2, 60)
    bound = Signature.parse("b(cd) -> bc/d").bind(((2, 15),), output_shape=(2, 3))
    assert shape_of(bound.input, bound.sizes) == (5,)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ab", "signature 'ab' needs exactly one '->'"),
        ("a->b->c", "signature 'a->b->c' needs exactly one '->'"),
        ("a->b/c/d", "signature 'a->b/c/d' has more than one '/'"),
        (
            "a1->a",
            "signature 'a1->a' has an unexpected '1' in 'a1'; axes are letters, '...' or groups "
            "in parentheses",
        ),
        (
            "a..->a",
            "signature 'a..->a' has an unexpected '.' in 'a..'; axes are letters, '...' or groups "
            "in parentheses",
        ),
        ("...a...->a", "signature '...a...->a' has two ellipses in '...a...'"),
        (
            "(ab->ab",
            "signature '(ab->ab' has a group that is not letters between parentheses: '(ab'",
        ),
        (
            "a(b(c))->a",
            "signature 'a(b(c))->a' has a group that is not letters between parentheses: '(b(c))'",
        ),
        (
            "a(...)->a",
            "signature 'a(...)->a' has a group that is not letters between parentheses: '(...)'",
        ),
        (
            "ab)->a",
            "signature 'ab)->a' has an unexpected ')' in 'ab)'; axes are letters, '...' or groups "
            "in parentheses",
        ),
    ],
)
def test_what_cannot_be_read(text: str, message: str) -> None:
    with pytest.raises(SignatureError) as caught:
        Signature.parse(text)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("text", "shapes", "output", "message"),
    [
        ("ab,b->a", [(2, 3)], None, "signature 'ab,b->a' has 2 factors, got 1"),
        ("ab->a", [(2,)], None, "signature 'ab->a': 'ab' has 2 dimensions, but the shape is (2,)"),
        (
            "ab,b->a",
            [(2, 3), (4,)],
            None,
            "signature 'ab,b->a': axis 'b' has size 3 and also 4",
        ),
        ("a->ab", [(2,)], None, "signature 'a->ab': nothing says the size of axis 'b'"),
        (
            "...a,...b->...",
            [(2, 3), (5,)],
            None,
            "signature '...a,...b->...': '...' stands for 1 axes elsewhere, but shape (5,) "
            "leaves 0",
        ),
        (
            "...ab->...",
            [(2,)],
            None,
            "signature '...ab->...': shape (2,) has fewer than the 2 dimensions of '...ab'",
        ),
        (
            "(ab)a->ab",
            [(7, 2)],
            None,
            "signature '(ab)a->ab': group '(ab)' does not make up a dimension of size 7",
        ),
        (
            "(ab)->(ab)",
            [(6,)],
            None,
            "signature '(ab)->(ab)': group '(ab)' does not make up a dimension of size 6",
        ),
        ("a->a", [(2,)], (3,), "signature 'a->a': axis 'a' has size 2 and also 3"),
    ],
)
def test_what_does_not_fit(text: str, shapes: list, output: tuple | None, message: str) -> None:
    with pytest.raises(SignatureError) as caught:
        Signature.parse(text).bind(tuple(shapes), output)
    assert str(caught.value) == message
