"""Interning: what is built twice in the same way is one object, for as long as anybody has it."""

from __future__ import annotations

from collections.abc import Hashable
from threading import Lock
from typing import Generic, TypeVar
from weakref import ReferenceType

__all__ = ["Interned"]

Value = TypeVar("Value")


class _Reference(ReferenceType[Value]):
    """A weak reference that knows the key of its object."""

    __slots__ = ("key",)

    key: Hashable


class Interned(Generic[Value]):
    """Objects by what they are built of; it keeps none of them alive.

    It does what a ``WeakValueDictionary`` does, of which planning would spend a good part of its
    time in: a node is made in half the time, and found in a third of it.
    """

    def __init__(self) -> None:
        references: dict[Hashable, _Reference[Value]] = {}

        def forget(reference: ReferenceType[Value]) -> None:
            assert isinstance(reference, _Reference)
            # in the meantime another may have been built in its place
            if references.get(reference.key) is reference:
                del references[reference.key]

        self._references, self._forget = references, forget
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._references)

    def get(self, key: Hashable) -> Value | None:
        """Return the object of a key, if it is there."""
        reference = self._references.get(key)
        return None if reference is None else reference()

    def kept(self, key: Hashable, value: Value) -> Value:
        """Return the object of a key: the one that is there, or else the given one, which stays."""
        with self._lock:
            known = self.get(key)
            if known is not None:
                return known
            reference = _Reference(value, self._forget)
            reference.key = key
            self._references[key] = reference
            return value
