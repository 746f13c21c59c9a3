"""What the checks of all parts of a model file have in common."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from tensorbp.errors import suggestion
from tensorbp.model.argument_types import describe
from tensorbp.model.document import MappingNode, Node, ScalarNode
from tensorbp.model.problems import Problems, quoted
from tensorbp.model.sizes import NAME_PATTERN as DIM_PATTERN
from tensorbp.model.specification import DimSpecification
from tensorbp.registry import Registry

_Checked = TypeVar("_Checked")

__all__ = [
    "DIM_NAME",
    "NAME",
    "PARAMETER",
    "REFERENCE",
    "Context",
    "NameForm",
    "integer",
    "mapping",
    "matching",
    "named",
    "text",
]


@dataclass(frozen=True)
class NameForm:
    """What a name may look like.

    Attributes:
        pattern: as a regular expression.
        description: in words.
    """

    pattern: str
    description: str


NAME = NameForm(r"[A-Za-z_][A-Za-z0-9_-]*", "letters, digits, '_' and '-', no digit first")
DIM_NAME = NameForm(DIM_PATTERN, "letters, digits and '_', no digit first")
REFERENCE = NameForm(
    rf"{NAME.pattern}(?:\.{NAME.pattern})*", f"{NAME.description}, dots between names"
)

PARAMETER = NameForm(
    rf"{NAME.pattern}(?:\.{NAME.pattern})+", "the names of a layer and its parameter, as tokens.W"
)


@dataclass(frozen=True)
class Context:
    """What every check needs to know.

    Attributes:
        problems: where problems are noted.
        registry: what layers there are.
        dims: the dimensions that sizes may name.
        blocks: the names of the blocks.
    """

    problems: Problems
    registry: Registry
    dims: Mapping[str, DimSpecification]
    blocks: tuple[str, ...]


def mapping(
    problems: Problems, node: Node, what: str, keys: tuple[str, ...], required: tuple[str, ...]
) -> dict[str, Node]:
    """Return the entries of a mapping with closed keys, those that are known."""
    if not isinstance(node, MappingNode):
        problems.add(node.place, f"{what} must be a mapping, found {describe(node)}")
        return {}
    for key in node.entries:
        if key not in keys:
            problems.add(node.keys[key], f"{what} has no {quoted(key)}{suggestion(key, keys)}")
    for key in required:
        if key not in node.entries:
            problems.add(node.place, f"{what} needs '{key}'")
    return {key: value for key, value in node.entries.items() if key in keys}


def named(
    problems: Problems,
    node: Node,
    what: str,
    form: NameForm,
    check: Callable[[str, Node], _Checked],
) -> dict[str, _Checked]:
    """Return what a mapping from names to things of one kind holds."""
    if not isinstance(node, MappingNode):
        problems.add(node.place, f"expected a mapping of names, found {describe(node)}")
        return {}
    found = {}
    for name, value in node.entries.items():
        if re.fullmatch(form.pattern, name):
            found[name] = check(name, value)
        else:
            message = f"{quoted(name)} is no name for {what}: use {form.description}"
            problems.add(node.keys[name], message)
    return found


def text(problems: Problems, node: Node) -> str:
    """Return a text, or an empty one if it is something else."""
    if isinstance(node, ScalarNode) and isinstance(node.value, str):
        return node.value
    problems.add(node.place, f"expected a text, found {describe(node)}")
    return ""


def matching(problems: Problems, node: Node, what: str, form: NameForm) -> str:
    """Return a text of a certain form, or an empty one."""
    found = text(problems, node)
    if found and not re.fullmatch(form.pattern, found):
        problems.add(node.place, f"{quoted(found)} is no name for {what}: use {form.description}")
        return ""
    return found


def integer(problems: Problems, node: Node, what: str, most: int) -> int:
    """Return an integer from 1 to some bound, or 1."""
    value = node.value if isinstance(node, ScalarNode) else None
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= most:
        return value
    problems.add(node.place, f"{what} must be an integer from 1 to {most}, found {describe(node)}")
    return 1
