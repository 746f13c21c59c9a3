"""From names to a graph: blocks are written out, and every layer knows what it reads.

Each list of layers is a scope of its own. It is resolved once, however often the block that it
belongs to is used: names become targets, and the layers are put into an order in which each
comes after what it reads.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import count
from typing import Literal

from tensorbp.errors import suggestion
from tensorbp.model.layer_schema import BLOCK_INPUT, PREVIOUS
from tensorbp.model.problems import Place, Problems, quoted
from tensorbp.model.specification import LayerSpecification, Reference

__all__ = ["Scope", "Target", "Use", "resolve_scope"]


@dataclass(frozen=True)
class Target:
    """What a name stands for.

    Attributes:
        kind: a layer of the same scope or of a block used in it, the input of the block, or an
            input of the model.
        path: its name, within the scope.
    """

    kind: Literal["layer", "block input", "model input"]
    path: str = ""


@dataclass(frozen=True)
class Use:
    """One layer, or one use of a block, with its name and what it reads."""

    name: str
    specification: LayerSpecification
    inputs: tuple[Target, ...]


@dataclass(frozen=True)
class Scope:
    """A list of layers in an order in which each comes after what it reads.

    Attributes:
        uses: the layers.
        targets: what the names in it stand for.
        output: the layer that comes last in the file.
        count: how many layers there are, those in blocks included.
        depth: how deep blocks are nested in it.
    """

    uses: tuple[Use, ...]
    targets: Mapping[str, Target]
    output: Target
    count: int
    depth: int
