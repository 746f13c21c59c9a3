"""Products with selections against the dense ones: every role that an axis can have."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

import tensorbp as tb
from tensorbp.algebra import Factor, Term, letter
from tensorbp.execution.numpy.instructions import Call
from tensorbp.execution.numpy.lowering import lower
from tensorbp.expression.einsum import product
from tensorbp.expression.selection import Affine
from tensorbp.layers.moving.labels import OneHot

SIZES = (2, 3, 4, 5, 6, 7, 1)
"""The sizes of the axes that networks are drawn from."""


@dataclass
class Drawn:
    """A product of tensors and selections, with the arrays that its factors stand for."""

    term: Term[Any]
    arrays: dict[str, Any]
    dense: list[Any]

    def __repr__(self) -> str:
        values = [(each.value, each.dimensions) for each in self.term.factors]
        return f"{values} -> {self.term.output}, sizes {self.term.sizes}"

    @property
    def expected(self) -> Any:
        """The product by numpy, with selections as arrays."""
        factors = ["".join(letter(axis) for axis in each.axes) for each in self.term.factors]
        output = "".join(letter(axis) for (axis,) in self.term.output)
        used = {axis for each in self.term.factors for axis in each.axes}
        found = "".join(letter(axis) for (axis,) in self.term.output if axis in used)
        result = np.einsum(f"{','.join(factors)}->{found}", *self.dense)
        shape = [
            self.term.sizes[axis] if letter(axis) in found else 1 for (axis,) in self.term.output
        ]
        return (
            np.broadcast_to(
                result.reshape(shape), [self.term.sizes[axis] for (axis,) in self.term.output]
            )
            if len(output)
            else result
        )


@st.composite
def products(draw: Any, most_tensors: int, most_selections: int) -> Drawn:
    """Draw a product: selections with rules of all kinds, and tensors with any of the axes."""
    axes = st.integers(0, len(SIZES) - 1)
    tensors = draw(
        st.lists(st.lists(axes, unique=True, max_size=4), min_size=1, max_size=most_tensors)
    )
    arrays: dict[str, Any] = {}
    factors, dense = [], []
    random = np.random.default_rng(0)
    for k, each in enumerate(tensors):
        shape = tuple(SIZES[axis] for axis in each)
        arrays[f"x{k}"] = random.normal(size=shape)
        factors.append(Factor(tb.variable(f"x{k}", *shape), tuple((axis,) for axis in each)))
        dense.append(arrays[f"x{k}"])
    for k in range(draw(st.integers(1, most_selections))):
        *free, determined = draw(st.lists(axes, unique=True, min_size=1, max_size=3))
        counts = tuple(SIZES[axis] for axis in free)
        size = SIZES[determined]
        if draw(st.booleans()):
            rule: Any = Affine(
                counts,
                tuple(draw(st.integers(-2, 3)) for _ in free),
                draw(st.integers(-3, 6)),
                size,
                draw(st.sampled_from(["nothing", "nothing", "reflect", "replicate", "circular"])),
            )
            value, entries = rule(), rule.forward(np)
        else:
            labels = np.random.default_rng(k).integers(0, size, counts)
            arrays[f"labels{k}"] = labels
            rule = OneHot(size)
            value = rule(tb.variable(f"labels{k}", *counts, kind="integer"))
            entries = rule.forward(np, labels)
        factors.append(Factor(value, tuple((axis,) for axis in (*free, determined))))
        dense.append(entries.astype(float))
    output = draw(st.lists(axes, unique=True, max_size=4))
    used = {axis for each in factors for axis in each.axes} | set(output)
    term = Term.of(1, factors, [(axis,) for axis in output], (), SIZES, unused=used)
    return Drawn(term, arrays, dense)


def evaluated(drawn: Drawn, **options: Any) -> Any:
    program = tb.compile([product(drawn.term)], **options)
    return program({name: drawn.arrays[name] for name in program.names})[0]


@settings(max_examples=400, deadline=None)
@given(products(most_tensors=1, most_selections=1))
def test_a_tensor_and_a_selection(drawn: Drawn) -> None:
    np.testing.assert_allclose(evaluated(drawn), drawn.expected, atol=1e-12)


@settings(max_examples=300, deadline=None)
@given(products(most_tensors=3, most_selections=3))
def test_networks_with_selections(drawn: Drawn) -> None:
    """In whatever order the search contracts them, and in the plain order."""
    for options in ({}, {"order": "reverse"}):
        np.testing.assert_allclose(evaluated(drawn, **options), drawn.expected, atol=1e-11)


def test_places_beyond_the_ends_of_an_empty_axis() -> None:
    rule = Affine((3,), (1,), 0, 0)()
    x = tb.variable("x", 2, 0)
    y = tb.einsum("bi,ti->bt", x, rule)
    np.testing.assert_array_equal(tb.compile([y])(x=np.zeros((2, 0)))[0], np.zeros((2, 3)))


def test_a_convolution_makes_no_dense_selection() -> None:
    """Windows are a view, and are put back one for one: never times the length of the axis."""
    length, size, count = 50, 3, 48
    x, W = tb.variable("x", 2, 4, length), tb.variable("W", 6, 4, size)
    windows = Affine((count, size), (1, 1), 0, length)()
    y = tb.einsum("bci,tki,ock->bot", x, windows, W)
    loss = tb.sum(tb.sin(y))
    plan = tb.plan([loss, tb.gradient(loss, x), tb.gradient(loss, W)])
    moved = [step for step in plan.steps if step.operation == "select"]
    assert [step.flops for step in moved] == [0, 2 * 4 * count * size]
    assert max(prod(step.shape) for step in plan.steps) < count * size * length


def test_the_same_places_are_taken_once() -> None:
    """S[d, i] S[d, j] = S[d, i] δ_ij: what is taken and put back where it was is a diagonal."""
    table, words = tb.variable("table", 50, 8), tb.variable("words", 4, 6, kind="integer")
    H = tb.hessian(tb.sum(tb.sin(tb.take(table, words))), table)
    assert H.size == 50 * 8


@given(st.lists(st.integers(-6, 5), min_size=1, max_size=5))
def test_what_belongs_to_one_place_is_added_there_and_nowhere_else(places: list[int]) -> None:
    x = tb.variable("x", 4, 6, 3)
    weights = [tb.variable(f"w{k}", 4, 3) for k in range(len(places))]
    parts = [tb.sum(x[:, place] * w) for place, w in zip(places, weights, strict=True)]
    plan = tb.plan(tb.gradient(sum(parts[1:], parts[0]), x))
    low = lower(plan)
    assert not [each for each in low.instructions if isinstance(each, Call)]
    arrays = [np.random.default_rng(k).normal(size=(4, 3)) for k in range(len(places))]
    expected = np.zeros((4, 6, 3))
    for place, array in zip(places, arrays, strict=True):
        expected[:, place] += array
    given_arrays = {each.name: arrays[int(each.name[1:])] for each in plan.inputs}
    assert np.allclose(tb.compile(plan)(given_arrays)[0], expected)
