"""Layers that move numbers against PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch_oracle import assert_equals_torch

from tensorbp.expression.indexing import Concatenate
from tensorbp.expression.layer import Composite, Layer, Shape
from tensorbp.expression.node import Expression
from tensorbp.layers.moving.labelled import ScatterAdd, Take, TakeAlong
from tensorbp.layers.moving.parts import Chunk, Flip, RepeatInterleave, Roll, Slice, Stack, Tile
from tensorbp.layers.moving.triangles import CumulativeSum, Tril, Triu


@dataclass(frozen=True)
class Cubed(Composite):
    """A layer, and then the third power, so that there is a second derivative to compare."""

    name = "cubed"
    formula = "y = layer(x)³"

    layer: Layer

    def __post_init__(self) -> None:
        for attribute in ("inputs", "variadic"):
            object.__setattr__(self, attribute, getattr(self.layer, attribute))

    def build(self, *operands: Expression, **parameters: Expression) -> Expression:
        return self.layer(*operands) ** 3


@pytest.mark.parametrize(
    ("layer", "shapes", "reference"),
    [
        (
            Concatenate(1),
            ((2, 3), (2, 1), (2, 4)),
            lambda given: torch.cat([given["x"], given["x2"], given["x3"]], 1),
        ),
        (Stack(1), ((2, 3), (2, 3)), lambda given: torch.stack([given["x"], given["x2"]], 1)),
        (Slice(1, 1, 4, 2), ((2, 5, 3),), lambda given: given["x"][:, 1:4:2]),
        (Chunk(3, 1, axis=1), ((2, 5, 3),), lambda given: given["x"].chunk(3, 1)[1]),
        (Flip((0, 2)), ((2, 3, 4),), lambda given: given["x"].flip(0, 2)),
        (Roll(-2, axis=1), ((2, 5, 3),), lambda given: given["x"].roll(-2, 1)),
        (Tile((2, 1, 3)), ((2, 3, 4),), lambda given: given["x"].tile(2, 1, 3)),
        (
            RepeatInterleave(3, axis=1),
            ((2, 4, 3),),
            lambda given: given["x"].repeat_interleave(3, 1),
        ),
        (
            Take(axis=0),
            ((3, 4), (5,)),
            lambda given: given["x"].index_select(0, given["labels"]),
        ),
        (
            Take(1, batch_axes=1),
            ((2, 3, 4), (2, 5)),
            lambda given: given["x"][torch.arange(2)[:, None], given["labels"]],
        ),
        (
            TakeAlong(),
            ((4, 3), (2, 5)),
            lambda given: given["x"].gather(1, given["labels"]),
        ),
        (
            TakeAlong(axis=1),
            ((2, 3, 5), (2, 6, 4)),
            lambda given: given["x"].gather(1, given["labels"]),
        ),
        (
            ScatterAdd(5),
            ((7, 2), (7,)),
            lambda given: torch.zeros(5, 2, dtype=torch.float64).index_add(
                0, given["labels"], given["x"]
            ),
        ),
        (
            ScatterAdd(4, batch_axes=1),
            ((2, 5, 3), (2, 5)),
            lambda given: torch.zeros(2, 4, 3, dtype=torch.float64).scatter_add(
                1, given["labels"][..., None].expand(2, 5, 3), given["x"]
            ),
        ),
        (Tril(1), ((2, 3, 4),), lambda given: given["x"].tril(1)),
        (Triu(-1), ((2, 4, 3),), lambda given: given["x"].triu(-1)),
        (CumulativeSum(1), ((2, 5, 3),), lambda given: given["x"].cumsum(1)),
    ],
    ids=lambda each: str(each) if isinstance(each, Layer) else "",
)
def test_moves(
    layer: Layer, shapes: tuple[Shape, ...], reference: Callable[[Any], torch.Tensor]
) -> None:
    assert_equals_torch(Cubed(layer), shapes, lambda given: reference(given) ** 3)
