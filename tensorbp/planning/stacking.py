"""Stacking: a direct sum of spaces as ONE space, as plain forward and reverse mode see it."""

from __future__ import annotations

from math import prod

from tensorbp.algebra import Factor, LinearMap, Space, Term
from tensorbp.algebra.linear_map import Block
from tensorbp.expression.map_expression import Explicit, MapExpression, Product
from tensorbp.expression.node import Expression
from tensorbp.planning.schedule import Seed

__all__ = ["stacked_input", "stacked_output"]


def stacked_input(wanted: MapExpression) -> MapExpression:
    """Return the map from ONE space of as many numbers as a direct sum has.

    Plain forward mode pushes one tangent for each number of θ = (θ_1, ..., θ_N) through the whole
    graph; the blocks of the identity with which it starts are leaves that cost nothing.
    """
    shapes = wanted.input.shapes
    if len(shapes) < 2:
        return wanted
    size = wanted.input.size
    blocks: dict[Block, tuple[Term[Expression], ...]] = {}
    offset = 0
    for k, shape in enumerate(shapes):
        seed = Expression.of(Seed((*shape, size), offset))
        axes = tuple([(axis,) for axis in range(seed.ndim)])
        term = Term.of(1, [Factor(seed, axes)], axes[:-1], axes[-1:], dict(enumerate(seed.shape)))
        blocks[k, 0] = (term,)
        offset += prod(shape)
    seeds = LinearMap(wanted.input, Space.of((size,)), blocks)
    return Product.of(wanted, Explicit.of(seeds))


def stacked_output(wanted: MapExpression) -> MapExpression:
    """Return the map to ONE space, as plain reverse mode pulls back from it."""
    return stacked_input(wanted.T).T if len(wanted.output.shapes) > 1 else wanted
