"""The types that an argument of a layer can have: how each is read, described and published.

They come from the annotations of the layer's fields, so a layer says once what it accepts.
"""

from __future__ import annotations

import math
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Union, get_args, get_origin

from tensorbp.errors import suggestion
from tensorbp.model.document import MappingNode, Node, ScalarNode, SequenceNode
from tensorbp.model.problems import Place, quoted
from tensorbp.model.sizes import LARGEST_SIZE, SIZE_PATTERN, Size

Value = None | bool | int | float | str | Size | tuple["Value", ...]
Dims = Mapping[str, Any]
Schema = dict[str, Any]

__all__ = [
    "INTEGER",
    "ArgumentType",
    "Mismatch",
    "Schema",
    "Value",
    "argument_type",
    "bound",
    "describe",
]


class Mismatch(Exception):  # noqa: N818 - a finding, which becomes a problem of the file
    """A value that is not what its place calls for.

    Attributes:
        place: where it is.
        message: what was expected, and what was found.
    """

    def __init__(self, place: Place, message: str) -> None:
        super().__init__(message)
        self.place = place
        self.message = message


@dataclass(frozen=True, eq=False)
class ArgumentType:
    """What an argument may be.

    Attributes:
        description: what is expected, as part of a sentence.
        schema: the same as a JSON schema.
        convert: makes a value of a node, or returns `NotImplemented` for what is not of this
            type; it may raise `Mismatch` where it can say more.
    """

    description: str
    schema: Schema
    convert: Callable[[Node, Dims], Any]

    def read(self, node: Node, dims: Dims) -> Value:
        """Return the value that a node of the file stands for.

        Args:
            node: what stands in the file.
            dims: the dimensions that sizes may name.

        Raises:
            Mismatch: it stands for nothing of this type.
        """
        value: Value = self.convert(node, dims)
        if value is NotImplemented:
            raise Mismatch(node.place, f"expected {self.description}, found {describe(node)}")
        return value


def argument_type(annotation: Any) -> ArgumentType | None:
    """Return the type that an annotation stands for, or None if files cannot hold such a thing.

    >>> argument_type(tuple[bool, ...] | None).description
    'a list (each: true or false) or null'
    """
    if annotation in _SCALARS:
        return _SCALARS[annotation]
    origin, parameters = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return _choice(parameters)
    items = [argument_type(each) for each in parameters if each is not Ellipsis]
    known = tuple(each for each in items if each is not None)
    if not known or len(known) < len(items):
        return None
    if origin in (Union, types.UnionType):
        return _either(known)
    if origin is tuple:
        return _list(known[0]) if parameters[-1] is Ellipsis else _row(known)
    return None


def bound(value: Value, dims: Mapping[str, int]) -> Any:
    """Return a value with numbers in place of sizes."""
    if isinstance(value, Size):
        return value.value(dims)
    if isinstance(value, tuple):
        return tuple(bound(each, dims) for each in value)
    return value


def describe(node: Node) -> str:
    """Return what stands in the file, as part of a sentence."""
    if isinstance(node, SequenceNode):
        return f"a list of {len(node.items)}" if node.items else "an empty list"
    if isinstance(node, MappingNode):
        keys = ", ".join(node.entries)
        return f"a mapping with the keys {quoted(keys)}" if keys else "an empty mapping"
    value = node.value if isinstance(node, ScalarNode) else None
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    return f"the text {quoted(value)}" if isinstance(value, str) else f"the number {value}"


def _scalar(description: str, schema: Schema, accepts: Callable[[Any], bool]) -> ArgumentType:
    def convert(node: Node, dims: Dims) -> Any:
        del dims
        if isinstance(node, ScalarNode) and accepts(node.value):
            return node.value
        return NotImplemented

    return ArgumentType(description, schema, convert)


def _integer(node: Node, dims: Dims) -> Any:
    value = node.value if isinstance(node, ScalarNode) else None
    if isinstance(value, int) and not isinstance(value, bool):
        if abs(value) > LARGEST_SIZE:
            raise Mismatch(node.place, f"{value} is too large, the limit is {LARGEST_SIZE}")
        return value
    size = Size.parse(value) if isinstance(value, str) else None
    if size is None:
        return NotImplemented
    for name in size.names:
        if name not in dims:
            known = suggestion(name, dims)
            raise Mismatch(node.place, f"unknown dimension {quoted(name)}{known}")
    return size


def _number(node: Node, dims: Dims) -> Any:
    del dims
    value = node.value if isinstance(node, ScalarNode) else None
    if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
        return float(value)
    return NotImplemented


def _choice(options: tuple[Any, ...]) -> ArgumentType:
    words = "one of " + ", ".join(repr(each) for each in options)
    return _scalar(words, {"enum": list(options)}, options.__contains__)


def _list(item: ArgumentType) -> ArgumentType:
    def convert(node: Node, dims: Dims) -> Any:
        if not isinstance(node, SequenceNode):
            return NotImplemented
        return tuple(item.read(each, dims) for each in node.items)

    description = f"a list (each: {item.description})"
    return ArgumentType(description, {"type": "array", "items": item.schema}, convert)


def _row(items: tuple[ArgumentType, ...]) -> ArgumentType:
    def convert(node: Node, dims: Dims) -> Any:
        if not isinstance(node, SequenceNode) or len(node.items) != len(items):
            return NotImplemented
        return tuple(item.read(each, dims) for item, each in zip(items, node.items, strict=True))

    count = len(items)
    schema = {"type": "array", "items": [each.schema for each in items]}
    return ArgumentType(
        f"a list of {count} ({', '.join(each.description for each in items)})",
        {**schema, "minItems": count, "maxItems": count},
        convert,
    )


def _either(options: tuple[ArgumentType, ...]) -> ArgumentType:
    def convert(node: Node, dims: Dims) -> Any:
        values = (option.convert(node, dims) for option in options)
        return next((value for value in values if value is not NotImplemented), NotImplemented)

    description = " or ".join(option.description for option in options)
    return ArgumentType(description, {"anyOf": [each.schema for each in options]}, convert)


INTEGER = ArgumentType(
    "an integer or a size such as 2*hidden",
    {"anyOf": [{"type": "integer"}, {"type": "string", "pattern": f"^{SIZE_PATTERN}$"}]},
    _integer,
)
_SCALARS: dict[Any, ArgumentType] = {
    bool: _scalar("true or false", {"type": "boolean"}, lambda value: isinstance(value, bool)),
    str: _scalar("a text", {"type": "string"}, lambda value: isinstance(value, str)),
    type(None): _scalar("null", {"type": "null"}, lambda value: value is None),
    float: ArgumentType("a number", {"type": "number"}, _number),
    int: INTEGER,
}
