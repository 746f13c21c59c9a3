"""The oracle of the algebra: terms and maps written out in full with numpy, and random ones.

Nothing here knows how the algebra works. A term is the sum that its definition says; every delta
is an identity matrix, every axis that no factor has is summed over or repeated.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
from hypothesis import strategies as st

from tensorbp.algebra import Factor, LinearMap, Space, Term

Shape = tuple[int, ...]

GROUPINGS: dict[int, list[Shape]] = {
    0: [(0,)],
    1: [(1,), ()],
    2: [(2,), (1, 2)],
    3: [(3,)],
    4: [(4,), (2, 2)],
    6: [(6,), (2, 3)],
}
"""How a dimension of some size may be made up of axes; all of one size refine to one grouping."""


class Array:
    """A factor's value: an array that is equal to itself only, as an expression is."""

    def __init__(self, array: Any) -> None:
        self.array = np.asarray(array)

    @property
    def shape(self) -> Shape:
        return self.array.shape


def dense_term(term: Term[Array]) -> Any:
    """Return a term as an array of shape output + input."""
    operands: list[Any] = [np.ones(()), []]
    for factor in term.factors:
        operands += [factor.value.array.reshape([term.sizes[a] for a in factor.axes])]
        operands += [list(factor.axes)]
    fresh = len(term.sizes)
    result = []
    for dimension in term.output + term.input:
        for axis in dimension:
            operands += [np.eye(term.sizes[axis]), [axis, fresh]]
            result.append(fresh)
            fresh += 1
    value = np.einsum(*operands, result, optimize="greedy") * float(term.coefficient)
    return value.reshape(term.output_shape + term.input_shape)


def dense_terms(terms: Any, shape: Shape) -> Any:
    """Return a sum of terms."""
    return sum((dense_term(term) for term in terms), np.zeros(shape))


def dense_map(linear_map: LinearMap[Array]) -> Any:
    """Return a map as one matrix, direct sums flattened and joined."""
    result = np.zeros((linear_map.output.size, linear_map.input.size))
    top = 0
    for i, out in enumerate(linear_map.output.shapes):
        left = 0
        for j, inside in enumerate(linear_map.input.shapes):
            block = dense_terms(linear_map.blocks.get((i, j), ()), out + inside)
            result[top : top + prod(out), left : left + prod(inside)] = block.reshape(
                prod(out), prod(inside)
            )
            left += prod(inside)
        top += prod(out)
    return result


def total(terms: Any) -> Array:
    """Return the sum of tensors, as `merge` wants it."""
    return Array(sum(dense_term(term) for term in terms))


shapes = st.lists(st.sampled_from([0, 1, 2, 2, 3, 4, 6, 6]), max_size=2).map(tuple)


@st.composite
def terms(draw: Any, output: Shape, input: Shape, is_grouped: bool = True) -> Term[Array]:
    """Draw a term between arrays of two shapes."""
    sizes: list[int] = []

    def axis_of(size: int) -> int:
        known = [axis for axis, other in enumerate(sizes) if other == size]
        chosen = draw(st.sampled_from([*known, -1]))
        if chosen < 0:
            sizes.append(size)
            return len(sizes) - 1
        return chosen

    def dimension(size: int) -> tuple[int, ...]:
        grouping = draw(st.sampled_from(GROUPINGS[size])) if is_grouped else (size,)
        return tuple(axis_of(each) for each in grouping)

    sides = [tuple(dimension(size) for size in shape) for shape in (output, input)]
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    factors = []
    for _ in range(draw(st.integers(0, 2))):
        shape = tuple(draw(st.lists(st.sampled_from([*sizes, 2, 3]), max_size=3)))
        dimensions = tuple((axis_of(size),) for size in shape)
        factors.append(Factor(Array(random.normal(size=shape)), dimensions))
    coefficient = draw(st.sampled_from([1, -1, 2, 0.5]))
    return Term.of(coefficient, factors, *sides, sizes)


@st.composite
def maps(draw: Any, output: Space, input: Space, is_grouped: bool = True) -> LinearMap[Array]:
    """Draw a map between two spaces, with zero to two terms a block."""
    blocks = {}
    for i, out in enumerate(output.shapes):
        for j, inside in enumerate(input.shapes):
            count = draw(st.integers(0, 2))
            blocks[i, j] = tuple(draw(terms(out, inside, is_grouped)) for _ in range(count))
    return LinearMap(output, input, blocks)


spaces = st.one_of(
    shapes.map(Space.of),
    st.lists(shapes, min_size=1, max_size=2).map(lambda s: Space(tuple(s), is_sum=True)),
)


@st.composite
def elements(draw: Any, space: Space) -> list[Array]:
    """Draw an element of a space."""
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    return [Array(random.normal(size=shape)) for shape in space.shapes]


def dense_element(element: list[Array]) -> Any:
    """Return an element of a direct sum as one vector."""
    return np.concatenate([each.array.ravel() for each in element])


def close(one: Any, other: Any) -> bool:
    """Say whether two arrays have one shape and agree but for rounding."""
    return np.shape(one) == np.shape(other) and np.allclose(one, other, rtol=1e-9, atol=1e-9)
