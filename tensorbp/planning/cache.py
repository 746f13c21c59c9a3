"""Remembered plans: the same question about the same expressions is answered once.

Expressions are interned, so that expressions of the same structure are the same object: a question
is known by the objects that it is about, and by everything else that it says.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from functools import lru_cache, wraps
from typing import Any, ParamSpec, TypeVar

MOST_REMEMBERED = 64
"""How many answers are remembered; the one that was longest not asked for is forgotten first."""

__all__ = ["MOST_REMEMBERED", "forget", "remembered"]

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

_forgetting: list[Callable[[], None]] = []


def remembered(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """Make a function remember its results, by the value of all its arguments.

    Lists and mappings among them count by what they hold. Results are shared between threads; with
    an argument that has no hash nothing is remembered.
    """

    @lru_cache(MOST_REMEMBERED)
    def known(question: _Question) -> Result:
        return function(*question.arguments, **question.options)

    @wraps(function)
    def asking(*arguments: Arguments.args, **options: Arguments.kwargs) -> Result:
        question = _Question(arguments, options)
        try:
            hash(question)
        except TypeError:
            return function(*arguments, **options)
        return known(question)

    _forgetting.append(known.cache_clear)
    return asking


def forget() -> None:
    """Forget all that is remembered, as a measurement of planning needs it."""
    for each in _forgetting:
        each()


class _Question:
    """The arguments of a call, compared by their value; they are kept, so that none is replaced."""

    def __init__(self, arguments: tuple[Any, ...], options: Mapping[str, Any]) -> None:
        self.arguments = arguments
        self.options = options
        self._key = (_frozen(arguments), _frozen(options))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Question) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)


def _frozen(value: Any) -> Hashable:
    """Return a value that stays as it is now; numbers of different types are not the same."""
    if isinstance(value, list | tuple):
        return tuple([_frozen(each) for each in value])
    if isinstance(value, Mapping):
        return tuple([(_frozen(name), _frozen(each)) for name, each in value.items()])
    return (type(value), value) if isinstance(value, bool | int | float) else value
