"""Amounts of memory as people write them: ``"2GiB"``, ``"500 MB"``."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from re import fullmatch

from tensorbp.errors import CompileError, MemoryLimitError

__all__ = ["byte_text", "bytes_from", "check_peak"]

UNITS = {"B": 1} | {
    f"{prefix}B": (1024 if "i" in prefix else 1000) ** power
    for power, pair in enumerate(("k Ki", "M Mi", "G Gi", "T Ti", "P Pi", "E Ei"), start=1)
    for prefix in pair.split()
}
"""The bytes of each unit: a kB is 1000, a KiB 1024."""

EXPECTED = "a number of bytes above 0, or a text such as '2GiB' or '500 MB'"


def bytes_from(limit: int | str) -> int:
    """Return an amount of memory in bytes.

    >>> bytes_from("2GiB"), bytes_from("1.5 kB"), bytes_from(640)
    (2147483648, 1500, 640)

    Args:
        limit: a number of bytes, or a number and a unit: B, kB, MB, GB, TB... or KiB, MiB, GiB...

    Raises:
        CompileError: it is no such amount.
    """
    if isinstance(limit, int) and not isinstance(limit, bool):
        number, unit = Decimal(limit), "B"
    elif isinstance(limit, str):
        found = fullmatch(r"\s*([0-9._]+)\s*([A-Za-z]*)\s*", limit)
        if found is None:
            raise CompileError(f"memory limit: expected {EXPECTED}, found {limit!r}")
        number, unit = _number(found[1], limit), found[2] or "B"
    else:
        raise CompileError(f"memory limit: expected {EXPECTED}, found {limit!r}")
    by_folded_name = {each.casefold(): size for each, size in UNITS.items()}
    if unit.casefold() not in by_folded_name:
        raise CompileError(
            f"memory limit {limit!r}: '{unit}' is no unit; known: {', '.join(UNITS)}"
        )
    amount = int(number * by_folded_name[unit.casefold()])
    if amount <= 0:
        raise CompileError(f"memory limit: expected {EXPECTED}, found {limit!r}")
    return amount


def _number(text: str, whole: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        raise CompileError(f"memory limit {whole!r}: '{text}' is no number") from None


def byte_text(amount: int) -> str:
    """Return an amount with a binary unit, rounded up, so that as a limit it is no less.

    >>> byte_text(1_500_000), byte_text(100)
    ('1.44 MiB', '100 B')
    """
    unit, size = "B", 1
    for each, bytes_ in UNITS.items():
        if "i" in each and amount >= bytes_:
            unit, size = each, bytes_
    hundredths = -(-amount * 100 // size)
    return f"{Decimal(hundredths) / 100:f} {unit}"


def check_peak(peak_bytes: int, limit: int | str) -> None:
    """Raise `MemoryLimitError` if a plan that was made before needs more than a limit."""
    if peak_bytes > bytes_from(limit):
        raise MemoryLimitError(
            f"the plan needs {byte_text(peak_bytes)}, more than the memory limit of "
            f"{byte_text(bytes_from(limit))}; plan again with that limit",
            bytes_from(limit),
            peak_bytes,
        )
