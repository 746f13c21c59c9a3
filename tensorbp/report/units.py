"""Numbers as people read them: three digits and a prefix."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

__all__ = [
    "byte_count",
    "duration",
    "flop_count",
    "grouped",
    "number_count",
    "percentage",
    "ratio",
    "shape_text",
]

_SI_PREFIXES = ("", "k", "M", "G", "T", "P", "E", "Z", "Y", "R", "Q")
_BINARY_PREFIXES = ("", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei", "Zi", "Yi")


def flop_count(number: int) -> str:
    """Return a number of operations with an SI prefix.

    >>> flop_count(1_310_000_000)
    '1.31 GFLOP'
    """
    return f"{_scaled(number, 1000, _SI_PREFIXES)}FLOP"


def byte_count(number: int) -> str:
    """Return a number of bytes with a binary prefix.

    >>> byte_count(4_404_019)
    '4.2 MiB'
    """
    return f"{_scaled(number, 1024, _BINARY_PREFIXES)}B"


def duration(seconds: float) -> str:
    """Return a time in the unit in which it is at least one.

    >>> duration(73.25), duration(0.0042), duration(1.25e-6), duration(4200.5), duration(0)
    ('73.2 s', '4.2 ms', '1.25 µs', '4,200 s', '0 µs')
    """
    if seconds >= 999.5:
        return f"{grouped(round(seconds))} s"
    scaled, unit = seconds * 1e6, "µs"
    for larger in ("ms", "s"):
        if scaled >= 999.5:
            scaled, unit = scaled / 1000, larger
    return f"{_digits(Decimal(scaled))} {unit}"


def number_count(number: int) -> str:
    """Return a count with an SI prefix.

    >>> number_count(2_316_907)
    '2.32 M'
    """
    return _scaled(number, 1000, _SI_PREFIXES).rstrip()


def grouped(number: int) -> str:
    """Return an integer with all its digits.

    >>> grouped(44842)
    '44,842'
    """
    return f"{number:,}"


def ratio(number: int, base: int) -> str:
    """Return how many times larger one positive number is than another.

    >>> ratio(137, 100), ratio(4300, 100), ratio(819_700, 100), ratio(31_000_000, 1), ratio(1, 43)
    ('1.37', '43', '8,200', '3.1e7', '1/43')
    """
    value = Decimal(number) / Decimal(base)
    if value < Decimal("0.995"):
        return f"1/{ratio(base, number)}"
    if value < Decimal("9.995"):
        return _digits(value)
    if value < 99_500:
        return grouped(int(Decimal(f"{value:.1e}")))
    return _scientific(value)


def percentage(part: int, whole: int) -> str:
    """Return how much of a whole a part is; nothing is no part of nothing.

    >>> percentage(1, 3), percentage(1, 5000), percentage(0, 7), percentage(0, 0)
    ('33.3 %', '< 0.1 %', '0 %', '')
    """
    if not whole:
        return ""
    value = Decimal(100 * part) / Decimal(whole)
    if 0 < value < Decimal("0.1"):
        return "< 0.1 %"
    return f"{_digits(value)} %"


def shape_text(shape: Sequence[int]) -> str:
    """Return a shape, as in ``64 × 48``; a number without dimensions is ``1``.

    >>> shape_text((64, 48)), shape_text(())
    ('64 × 48', '1')
    """
    return " × ".join(str(size) for size in shape) or "1"


def _scaled(number: int, step: int, prefixes: Sequence[str]) -> str:
    """Return three digits, a space and the prefix with which the number is below a thousand."""
    value = Decimal(number)
    for prefix in prefixes:
        if value < Decimal("999.5"):
            return f"{_digits(value)} {prefix}"
        value /= step
    return f"{_scientific(Decimal(number))} "


def _digits(value: Decimal) -> str:
    """Return three digits of a number below a thousand, without zeros behind the point."""
    text = f"{value:.3g}" if value >= 1 else f"{value:.2f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _scientific(value: Decimal) -> str:
    digits, exponent = f"{value:.1e}".split("e")
    return f"{digits.removesuffix('.0')}e{int(exponent)}"
