"""What a scalar without quotes means."""

from __future__ import annotations

import math
from typing import Any

import pytest

from tensorbp.model.scalars import resolve

MEANINGS: dict[str, Any] = {
    "": None,
    "~": None,
    "null": None,
    "true": True,
    "False": False,
    "12": 12,
    "-3": -3,
    "+4": 4,
    "010": 10,
    "1.5": 1.5,
    ".5": 0.5,
    "5.": 5.0,
    "1e3": 1000.0,
    "-1.5E-3": -0.0015,
    # What YAML 1.1 reads as something else.
    "no": "no",
    "on": "on",
    "y": "y",
    "1:30": "1:30",
    "0x1F": "0x1F",
    "0o17": "0o17",
    "1_000": "1_000",
    "2026-11-23": "2026-11-23",
    ".nan": ".nan",
    ".inf": ".inf",
    "nUll": "nUll",
    "2*hidden": "2*hidden",
    "９": "９",
}


@pytest.mark.parametrize(("text", "value"), MEANINGS.items())
def test_meaning(text: str, value: Any) -> None:
    found = resolve(text)
    assert found == value
    assert type(found) is type(value)


def test_floats_may_be_too_large() -> None:
    assert resolve("1e999") == math.inf


@pytest.mark.parametrize("text", ["9223372036854775808", "-9223372036854775808", "9" * 5000])
def test_integers_may_not(text: str) -> None:
    with pytest.raises(OverflowError, match=r"^the largest integer is 9223372036854775807$"):
        resolve(text)
