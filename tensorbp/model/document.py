"""Reading YAML into a tree in which everything knows its line and column.

A model file is data from anywhere, so only the plain part of YAML is read: no anchors and
aliases (a few hundred bytes of them can stand for gigabytes), no tags (they have been used to run
code), no merge keys, one document, limited size and depth. Keys are unique.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import yaml

from tensorbp.model.problems import Place, Problems, quoted
from tensorbp.model.scalars import Scalar, resolve

LARGEST_FILE = 4 * 2**20
GREATEST_DEPTH = 64

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_UNPRINTABLE = re.compile(
    "[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
)
_BYTE_ORDER_MARK = "\ufeff"
_TOO_DEEP = f"the file is nested more than {GREATEST_DEPTH} levels deep"

__all__ = [
    "GREATEST_DEPTH",
    "LARGEST_FILE",
    "MappingNode",
    "Node",
    "ScalarNode",
    "SequenceNode",
    "UnreadableNode",
    "parse",
    "read_text",
]


@dataclass(frozen=True)
class ScalarNode:
    """A number, a text, true, false or null."""

    place: Place
    value: Scalar


@dataclass(frozen=True)
class SequenceNode:
    """A list."""

    place: Place
    items: tuple[Node, ...]


@dataclass(frozen=True)
class MappingNode:
    """Keys with values, and the places of the keys."""

    place: Place
    entries: dict[str, Node]
    keys: dict[str, Place]


@dataclass(frozen=True)
class UnreadableNode:
    """Where something stood about which a problem has been noted already."""

    place: Place


Node = ScalarNode | SequenceNode | MappingNode | UnreadableNode


def read_text(source: str | os.PathLike[str] | IO[Any], problems: Problems) -> str:
    """Return the text of a file or an open stream.

    Raises:
        ModelError: it is too large, or not UTF-8.
        OSError: it cannot be read.
    """
    if isinstance(source, str | os.PathLike):
        with Path(source).open("rb") as stream:
            found: str | bytes = stream.read(LARGEST_FILE + 1)
    else:
        found = source.read(LARGEST_FILE + 1)
    if len(found) > LARGEST_FILE:
        problems.add(Place(1, 1), f"the file is larger than {LARGEST_FILE} bytes")
    text = found if isinstance(found, str) else _decoded(found, problems)
    problems.check()
    return text.removeprefix(_BYTE_ORDER_MARK)


def _decoded(data: bytes, problems: Problems) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        place = _place_after(data[: error.start].decode())
        problems.add(place, f"byte 0x{data[error.start]:02x} is not valid UTF-8")
        return ""


def parse(text: str, problems: Problems) -> Node:
    """Return the tree of a document, noting what is wrong with it.

    Raises:
        ModelError: there is no telling what the text means.
    """
    strange = _UNPRINTABLE.search(text)
    if strange:
        place = _place_after(text[: strange.start()])
        problems.add(place, f"the character U+{ord(strange.group()):04X} is not allowed")
        problems.check()
    events: Any = yaml.parse(text, Loader=_LOADER)
    try:
        return _TreeBuilder(events, problems).document()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = Place(mark.line + 1, mark.column + 1) if mark else Place(1, 1)
        message = " ".join(filter(None, [error.context, error.problem]))
        # Some parsers look ahead further than our limit, and meet one of their own.
        problems.add(place, _TOO_DEEP if "nesting depth" in message else message)
        problems.check()
        raise
    finally:
        events.close()


def _place_after(text: str) -> Place:
    return Place(text.count("\n") + 1, len(text) - (text.rfind("\n") + 1) + 1)


def _place(event: Any) -> Place:
    return Place(event.start_mark.line + 1, event.start_mark.column + 1)


class _TreeBuilder:
    """Builds the tree out of the parser's events, one look at each."""

    def __init__(self, events: Iterator[Any], problems: Problems) -> None:
        self._events = events
        self._problems = problems

    def document(self) -> Node:
        """Return the root of the only document."""
        root: Node | None = None
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent):
                if root is not None:
                    self._problems.add(
                        _place(event), "a second document starts here; use one file for each"
                    )
                    break
                root = self._node(next(self._events), depth=1)
        if root is None:
            root = ScalarNode(Place(1, 1), None)
        return root

    def _node(self, event: Any, depth: int) -> Node:
        place = _place(event)
        if depth > GREATEST_DEPTH:
            self._problems.add(place, _TOO_DEEP)
            self._problems.check()
        if isinstance(event, yaml.AliasEvent):
            self._problems.add(
                place, f"the alias {quoted(str(event.anchor))} is not read; write it out"
            )
            return UnreadableNode(place)
        if event.anchor is not None:
            self._problems.add(place, f"the anchor {quoted(event.anchor)} is not read; remove it")
        if event.tag is not None:
            self._problems.add(place, f"the tag {quoted(event.tag)} is not read; remove it")
        if isinstance(event, yaml.SequenceStartEvent):
            return self._sequence(place, depth)
        if isinstance(event, yaml.MappingStartEvent):
            return self._mapping(place, depth)
        return self._scalar(event, place)

    def _scalar(self, event: Any, place: Place) -> Node:
        if not event.value.isprintable():
            # Escapes bring back what the text of the file may not contain, for terminals to obey.
            message = f"{quoted(event.value)} contains line breaks or control characters"
            self._problems.add(place, message)
            return UnreadableNode(place)
        if event.style:
            return ScalarNode(place, event.value)
        try:
            return ScalarNode(place, resolve(event.value))
        except OverflowError as error:
            self._problems.add(place, f"{quoted(event.value)} is too large: {error}")
            return UnreadableNode(place)

    def _sequence(self, place: Place, depth: int) -> Node:
        items = []
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            items.append(self._node(event, depth + 1))
        return SequenceNode(place, tuple(items))

    def _mapping(self, place: Place, depth: int) -> Node:
        entries: dict[str, Node] = {}
        keys: dict[str, Place] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            key = self._node(event, depth + 1)
            value = self._node(next(self._events), depth + 1)
            if isinstance(key, UnreadableNode):
                continue
            if not isinstance(key, ScalarNode) or not isinstance(key.value, str):
                self._problems.add(key.place, "a key must be a name; put quotes around it")
            elif key.value == "<<":
                self._problems.add(key.place, "merge keys are not read; write the keys out")
            elif key.value in entries:
                first = keys[key.value].line
                message = f"the key {quoted(key.value)} is there twice, first on line {first}"
                self._problems.add(key.place, message)
            else:
                entries[key.value] = value
                keys[key.value] = key.place
        return MappingNode(place, entries, keys)
