"""Tables on pages, and times."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tensorbp_bench.tables import PageError, Table, keep, markdown
from tensorbp_bench.times import Times

TABLE = Table("Costs", ("what", "times"), (("a | b", 1.0), ("c", None), ("d", 1.00001)), "Read it.")


def test_a_table_as_markdown() -> None:
    assert markdown(TABLE).splitlines() == [
        "### Costs",
        "",
        "| what | times |",
        "| --- | ---: |",
        "| a \\| b | 1 |",
        "| c |  |",
        "| d | 1 + 1e-05 |",
        "",
        "Read it.",
    ]


def test_a_table_survives_its_journey_through_json() -> None:
    assert Table.of(TABLE.to_dict()) == TABLE


def test_a_section_is_replaced_in_its_place(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# Title\n\n<!-- begin: x -->\nold\n<!-- end: x -->\n\nRest.\n")
    for _ in range(2):
        keep(page, "x", "new")
        assert page.read_text() == (
            "# Title\n\n<!-- begin: x -->\n\nnew\n\n<!-- end: x -->\n\nRest.\n"
        )


def test_a_new_page_has_the_section_alone(tmp_path: Path) -> None:
    keep(tmp_path / "page.md", "x", "new")
    assert (tmp_path / "page.md").read_text() == "<!-- begin: x -->\n\nnew\n\n<!-- end: x -->\n"


def test_a_page_without_a_place_is_left_as_it_is(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# Title\n")
    with pytest.raises(PageError, match=r"has no place for x; put the lines '<!-- begin: x -->'"):
        keep(page, "x", "new")
    assert page.read_text() == "# Title\n"


@given(st.lists(st.floats(1e-9, 1e3), min_size=1))
def test_times_are_in_order(seconds: list[float]) -> None:
    times = Times.of(seconds)
    # percentiles between two equal times are equal to them but for rounding
    in_order = [min(seconds), times.low, times.median, times.high, max(seconds)]
    assert all(a <= b * (1 + 1e-12) for a, b in pairwise(in_order))
    assert times.spread >= -1e-12
    assert times.count == len(seconds)
