"""Sizes with symbols: an integer, the name of a dimension, or a product such as ``2*hidden``."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod

from tensorbp.errors import ShapeError

LARGEST_SIZE = 2**40
LARGEST_TENSOR = 2**60

NAME_PATTERN = r"[A-Za-z_][A-Za-z0-9_]*"
_FACTOR_PATTERN = rf"(?:{NAME_PATTERN}|[1-9][0-9]{{0,12}})"
SIZE_PATTERN = rf"{_FACTOR_PATTERN}(?: *\* *{_FACTOR_PATTERN})*"
_SIZE = re.compile(SIZE_PATTERN)
_MOST_FACTORS = 16

__all__ = ["LARGEST_SIZE", "LARGEST_TENSOR", "NAME_PATTERN", "SIZE_PATTERN", "Size", "infer"]


@dataclass(frozen=True)
class Size:
    """A coefficient times the product of some dimensions."""

    coefficient: int
    names: tuple[str, ...] = ()

    @staticmethod
    def parse(text: str) -> Size | None:
        """Return the size that a text stands for, or None if it is no size.

        >>> Size.parse("2*hidden*3")
        Size(coefficient=6, names=('hidden',))
        """
        factors = [each.strip() for each in text.split("*", _MOST_FACTORS)]
        if len(factors) > _MOST_FACTORS or not _SIZE.fullmatch(text):
            return None
        numbers = [int(each) for each in factors if each.isdigit()]
        return Size(prod(numbers), tuple(each for each in factors if not each.isdigit()))

    def value(self, dims: Mapping[str, int]) -> int:
        """Return the number, with these sizes of the dimensions."""
        return self.coefficient * prod(dims[name] for name in self.names)

    def __str__(self) -> str:
        shown = [str(self.coefficient)] if self.coefficient != 1 or not self.names else []
        return "*".join([*shown, *self.names])


def infer(
    declared: Mapping[str, Sequence[Size]],
    found: Mapping[str, tuple[int, ...]],
    defaults: Mapping[str, int],
) -> dict[str, int]:
    """Return all dimensions, those that the shapes of arrays determine in place of defaults.

    Args:
        declared: the shape with which each input is declared.
        found: the shapes of the arrays that are given.
        defaults: what the other dimensions are.

    Raises:
        ShapeError: an array has the wrong number of dimensions, or sizes contradict each other.
    """
    sizes: list[tuple[str, Size, int]] = []
    for name, shape in found.items():
        if len(shape) != len(declared[name]):
            expected = ", ".join(str(size) for size in declared[name])
            raise ShapeError(f"input '{name}' has shape {shape}, expected ({expected})")
        sizes += [(name, *each) for each in zip(declared[name], shape, strict=True)]
    dims: dict[str, int] = {}
    origins: dict[str, str] = {}
    # A product is solved when all its factors but one are known, so single names come first.
    for name, size, number in sorted(sizes, key=lambda each: len(each[1].names)):
        unknown = [each for each in size.names if each not in dims]
        if len(unknown) == 1:
            known = Size(size.coefficient, tuple(each for each in size.names if each in dims))
            dims[unknown[0]] = number // known.value(dims)
            origins[unknown[0]] = name
    dims = {**defaults, **dims}
    for name, size, number in sizes:
        _check(name, size, number, dims, origins)
    return dims


def _check(
    name: str, size: Size, number: int, dims: Mapping[str, int], origins: Mapping[str, str]
) -> None:
    expected = size.value(dims)
    if number < 1:
        raise ShapeError(f"input '{name}' has size {number} for '{size}'; sizes start at 1")
    if number == expected:
        return
    if str(size) in origins:
        raise ShapeError(
            f"dimension '{size}' is {expected} in input '{origins[str(size)]}', but {number} in "
            f"input '{name}'"
        )
    given = ", ".join(f"{each}={dims[each]}" for each in dict.fromkeys(size.names))
    reason = f"'{size}', which is {expected} with {given}" if given else str(size)
    raise ShapeError(f"input '{name}' has size {number}, expected {reason}")
