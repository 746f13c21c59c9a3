"""Plain data that is read with its place, so that what is wrong with it can be found."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from math import inf, isfinite, nan
from re import fullmatch
from typing import Any, NoReturn, cast

from tensorbp.algebra import Dimension, Number
from tensorbp.errors import PlanError

__all__ = ["Located", "json_from", "number_text"]

MOST_DIGITS = 1000
"""Integers with more digits are taken for damage: Python would not print a product of them."""

_NOT_FINITE = {"inf": inf, "-inf": -inf, "nan": nan}
_FRACTION = rf"-?\d{{1,{MOST_DIGITS}}}/[1-9]\d{{0,{MOST_DIGITS}}}"


def number_text(number: Number) -> int | float | str:
    """Return a number as JSON can write it: a fraction, and what is not finite, as text.

    >>> number_text(2), number_text(Fraction(1, 3)), number_text(-inf)
    (2, '1/3', '-inf')
    """
    if isinstance(number, Fraction) or not isfinite(number):
        return str(number)
    return number


def json_from(content: str | bytes) -> Any:
    """Return the value that a JSON text says.

    Raises:
        PlanError: it is no JSON.
    """
    try:
        return json.loads(content, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        raise PlanError(
            f"it is no JSON: line {error.lineno}, column {error.colno}: {error.msg}"
        ) from None
    except (ValueError, RecursionError) as error:
        raise PlanError(f"it is no JSON: {error}") from None


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number of JSON")


@dataclass(frozen=True)
class Located:
    """A value from a file, and where it stands.

    Attributes:
        value: as JSON gives it.
        place: as in ``steps[3].operands[0]``; empty for the whole file.
    """

    value: Any
    place: str = ""

    def wrong(self, expected: str) -> NoReturn:
        """Raise `PlanError` that says what was expected here, and what was found."""
        found = repr(self.value)
        shown = found if len(found) <= 60 else f"{found[:57]}..."
        raise PlanError(f"{self.place or 'plan'}: expected {expected}, found {shown}")

    def __getitem__(self, name: str) -> Located:
        """Return an entry of an object.

        Raises:
            PlanError: it is no object, or has no such entry.
        """
        entries = self.entries
        if name not in entries:
            raise PlanError(f"{self.place or 'plan'}: '{name}' is missing")
        return entries[name]

    @property
    def entries(self) -> dict[str, Located]:
        """The entries of an object."""
        if not isinstance(self.value, dict):
            self.wrong("an object")
        start = f"{self.place}." if self.place else ""
        return {name: Located(each, f"{start}{name}") for name, each in self.value.items()}

    def __iter__(self) -> Iterator[Located]:
        if not isinstance(self.value, list):
            self.wrong("a list")
        for position, each in enumerate(self.value):
            yield Located(each, f"{self.place}[{position}]")

    def integer(self, least: int = 0) -> int:
        """Return an integer that is not too small, and no monster."""
        value = self.value
        if not isinstance(value, int) or isinstance(value, bool):
            self.wrong("an integer")
        if value < least or value >= 10**MOST_DIGITS:
            self.wrong(f"an integer from {least} with at most {MOST_DIGITS} digits")
        return value

    def number(self) -> Number:
        """Return a number, as `number_text` writes it."""
        value = self.value
        if isinstance(value, str) and value in _NOT_FINITE:
            return _NOT_FINITE[value]
        if isinstance(value, str) and fullmatch(_FRACTION, value):
            return Fraction(value)
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_number or not abs(value) < 10**MOST_DIGITS:
            self.wrong("a number, or a text such as '1/3', 'inf' or 'nan'")
        return cast(Number, value)

    def text(self, *choices: str) -> str:
        """Return a text, one of some if there are any."""
        if not isinstance(self.value, str):
            self.wrong("a text")
        if choices and self.value not in choices:
            self.wrong(f"one of {', '.join(choices)}")
        return self.value

    def truth(self) -> bool:
        """Return true or false."""
        if not isinstance(self.value, bool):
            self.wrong("true or false")
        return self.value

    def integers(self) -> tuple[int, ...]:
        """Return a list of integers from 0, such as a shape."""
        return tuple([each.integer() for each in self])

    def dimensions(self) -> tuple[Dimension, ...]:
        """Return dimensions: a list of lists of axes."""
        return tuple([each.integers() for each in self])
