"""What a model file says, once it is known to make sense: names are still names, sizes symbols."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from tensorbp.expression.layer import Layer
from tensorbp.model.argument_types import Value
from tensorbp.model.problems import Place
from tensorbp.model.sizes import Size

__all__ = [
    "BlockSpecification",
    "DimSpecification",
    "InputSpecification",
    "LayerSpecification",
    "ModelSpecification",
    "Reference",
    "Share",
]


@dataclass(frozen=True)
class DimSpecification:
    """A symbolic dimension; without a default, its size must be given."""

    place: Place
    default: int | None


@dataclass(frozen=True)
class InputSpecification:
    """An array that the model reads."""

    place: Place
    shape: tuple[Size, ...]
    kind: Literal["real", "integer"]


@dataclass(frozen=True)
class Reference:
    """A name that stands for the output of something."""

    place: Place
    name: str


@dataclass(frozen=True)
class Share:
    """Parameters that a layer takes from another one, in place of some of its own.

    Attributes:
        place: where it is in the file.
        parameter: which of its own parameters, None for all.
        source: a layer for all of them, else a parameter such as ``tokens.W``; ``tokens.W.T`` is
            its transpose.
    """

    place: Place
    parameter: str | None
    source: str


@dataclass(frozen=True)
class LayerSpecification:
    """A layer or the use of a block.

    Attributes:
        place: where it is in the file.
        name: what it is called, None if it is numbered.
        type_name: the name of the layer or block.
        layer: the class of the layer, None for a block.
        arguments: the arguments of the layer.
        inputs: what it reads, None for the layer before.
        repeat: how many times it stands there, one after the other; None for once, unnumbered.
        shares: the parameters that it takes from other layers.
    """

    place: Place
    name: str | None
    type_name: str
    layer: type[Layer] | None
    arguments: Mapping[str, Value]
    inputs: tuple[Reference, ...] | None
    repeat: int | None
    shares: tuple[Share, ...] = ()


@dataclass(frozen=True)
class BlockSpecification:
    """Layers that can be used together under one name."""

    place: Place
    layers: tuple[LayerSpecification, ...]


@dataclass(frozen=True)
class ModelSpecification:
    """A whole model file."""

    source: str
    name: str
    dims: Mapping[str, DimSpecification]
    inputs: Mapping[str, InputSpecification]
    blocks: Mapping[str, BlockSpecification]
    layers: tuple[LayerSpecification, ...]
    loss: LayerSpecification | None
    outputs: tuple[Reference, ...] | None
