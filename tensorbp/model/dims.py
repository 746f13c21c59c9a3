"""Choosing the sizes of the dimensions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from tensorbp.errors import ShapeError, suggestion
from tensorbp.model.problems import Problems
from tensorbp.model.sizes import LARGEST_SIZE
from tensorbp.model.specification import DimSpecification

__all__ = ["check_dims", "chosen_dims"]


def check_dims(given: Mapping[str, int], known: Iterable[str]) -> None:
    """Raise `ShapeError` unless all dimensions are known and their sizes are possible."""
    names = list(known)
    for name, size in given.items():
        if name not in names:
            raise ShapeError(f"the model has no dimension '{name}'{suggestion(name, names)}")
        if not isinstance(size, int) or isinstance(size, bool) or not 1 <= size <= LARGEST_SIZE:
            raise ShapeError(
                f"dimension '{name}' must be an integer from 1 to {LARGEST_SIZE}, got {size!r}"
            )


def chosen_dims(
    declared: Mapping[str, DimSpecification], given: Mapping[str, int], problems: Problems
) -> dict[str, int]:
    """Return a size for every dimension, the given one or the default.

    Raises:
        ShapeError: there is no such dimension, or the size is no positive integer.
        ModelError: a dimension has neither.
    """
    check_dims(given, declared)
    dims = {}
    for name, each in declared.items():
        size = given.get(name, each.default)
        if size is None:
            message = f"dimension '{name}' has no default; give it, as in dims={{'{name}': 8}}"
            problems.add(each.place, message)
        else:
            dims[name] = size
    problems.check()
    return dims
