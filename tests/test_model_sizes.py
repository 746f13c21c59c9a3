"""Sizes with symbols, and what the shapes of arrays say about them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tensorbp.errors import ShapeError
from tensorbp.model.sizes import Size, infer


def size(text: str) -> Size:
    found = Size.parse(text)
    assert found is not None
    return found


def shape(text: str) -> tuple[Size, ...]:
    return tuple(size(each) for each in text.split())


@pytest.mark.parametrize(
    ("text", "shown", "value"),
    [
        ("12", "12", 12),
        ("hidden", "hidden", 5),
        ("2*hidden", "2*hidden", 10),
        ("hidden * 3 * batch *2", "6*hidden*batch", 210),
        ("hidden*hidden", "hidden*hidden", 25),
    ],
)
def test_products(text: str, shown: str, value: int) -> None:
    assert str(size(text)) == shown
    assert size(text).value({"hidden": 5, "batch": 7}) == value


@pytest.mark.parametrize(
    "text",
    [
        "",
        "*",
        "2*",
        "2 hidden",
        "2+hidden",
        "hidden**2",
        "0",
        "0*a",
        "01",
        "-1",
        "1.5",
        "2*a-b",
        "a()",
    ],
)
def test_nothing_else_is_a_size(text: str) -> None:
    assert Size.parse(text) is None


def test_sizes_cannot_keep_one_busy() -> None:
    assert Size.parse("*".join("9" * 1_000_000)) is None
    assert Size.parse("9" * 1_000_000) is None


@given(st.text("ab2*_ 0-", max_size=12))
def test_what_is_shown_is_read_back(text: str) -> None:
    found = Size.parse(text)
    if found is not None:
        assert Size.parse(str(found)) == found


def test_sizes_of_arrays_determine_dimensions() -> None:
    declared = {
        "x": shape("batch pixels"),
        "h": shape("2*hidden*batch hidden"),
        "t": shape("batch"),
    }
    defaults = {"batch": 1, "pixels": 2, "hidden": 3, "other": 4}
    found = {"h": (70, 5), "x": (7, 6)}
    assert infer(declared, found, defaults) == {"batch": 7, "pixels": 6, "hidden": 5, "other": 4}
    assert infer(declared, {}, defaults) == defaults


def test_a_product_of_two_unknown_dimensions_takes_the_defaults() -> None:
    declared = {"x": shape("rows*columns")}
    assert infer(declared, {"x": (6,)}, {"rows": 2, "columns": 3}) == {"rows": 2, "columns": 3}


CONTRADICTIONS: dict[str, tuple[dict[str, str], dict[str, Any], str]] = {
    "two sizes of one dimension": (
        {"x": "batch 3", "t": "batch"},
        {"x": (64, 3), "t": (32,)},
        "dimension 'batch' is 64 in input 'x', but 32 in input 't'",
    ),
    "a wrong number": (
        {"x": "batch 3"},
        {"x": (64, 4)},
        "input 'x' has size 4, expected 3",
    ),
    "an odd multiple": (
        {"x": "2*batch"},
        {"x": (7,)},
        "input 'x' has size 7, expected '2*batch', which is 6 with batch=3",
    ),
    "a wrong product": (
        {"x": "rows columns", "y": "rows*columns"},
        {"x": (2, 3), "y": (7,)},
        "input 'y' has size 7, expected 'rows*columns', which is 6 with rows=2, columns=3",
    ),
    "a wrong rank": (
        {"x": "batch 2*rows"},
        {"x": (64,)},
        "input 'x' has shape (64,), expected (batch, 2*rows)",
    ),
    "nothing": (
        {"x": "batch 3"},
        {"x": (0, 3)},
        "input 'x' has size 0 for 'batch'; sizes start at 1",
    ),
}


@pytest.mark.parametrize(
    ("declared", "found", "message"), CONTRADICTIONS.values(), ids=CONTRADICTIONS
)
def test_contradictions(declared: dict[str, str], found: dict[str, Any], message: str) -> None:
    shapes = {name: shape(text) for name, text in declared.items()}
    with pytest.raises(ShapeError) as error:
        infer(shapes, found, {"batch": 1, "rows": 1, "columns": 1})
    assert str(error.value) == message
