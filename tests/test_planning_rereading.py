"""Rereading: sums over elementwise products that are made anyway read these products."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

import tensorbp as tb
from tensorbp.expression.graph import topological_order
from tensorbp.expression.node import Expression
from tensorbp.planning.cost import total_cost
from tensorbp.planning.rereading import reread

ARRAYS = {
    "x": np.random.default_rng(0).normal(size=(2, 3, 5)),
    "y": np.random.default_rng(1).normal(size=(5, 3, 2)),
}
X, Y = (tb.variable(name, *array.shape) for name, array in ARRAYS.items())


def test_a_bias_reads_what_the_weights_need() -> None:
    x, W, b, V = (
        tb.variable(name, *shape)
        for name, shape in {"x": (7, 3), "W": (3, 5), "b": (5,), "V": (5, 2)}.items()
    )
    loss = tb.mean((tb.tanh(x @ W + b) @ V) ** 2)
    plan = tb.plan(tb.gradient(loss, [W, b]))
    summed = plan.steps[[step.shape for step in plan.steps].index((5,))]
    read = next(step for step in plan.steps if step.result == summed.operands[0])
    assert len(summed.operands) == 1
    assert read.shape == (7, 5)
    weights = next(step for step in plan.steps if step.shape == (3, 5))
    assert read.result in weights.operands
    assert plan.flops == plan.baselines.reverse.flops


@pytest.mark.parametrize("output", ["", "a", "b", "ca", "bc", "cba"])
@pytest.mark.parametrize("made", ["".join(each) for each in permutations("abc")])
def test_axes_may_stand_in_any_order(output: str, made: str) -> None:
    product = tb.einsum(f"abc,cba->{made}", X, Y)
    wanted = 3 * tb.einsum(f"abc,cba->{output}", X, Y)
    plan = tb.plan([wanted, product])
    assert [len(step.operands) for step in plan.steps].count(2) == 1
    found, _ = tb.compile(plan)(ARRAYS)
    np.testing.assert_allclose(found, 3 * np.einsum(f"abc,cba->{output}", *ARRAYS.values()))


@pytest.mark.parametrize(
    "roots",
    [
        [tb.einsum("abc,cba->a", X, Y)],
        [tb.einsum("abc,cba->a", X, Y), tb.einsum("abc,cba->b", X, Y)],
        [tb.einsum("abc,abc->a", X, X), tb.einsum("abc,abc->abc", X, X)],
        [tb.einsum("abc,cbd->ad", X, Y), tb.einsum("abc,cbd->abcd", X, Y)],
        [tb.einsum("abc,cba->a", X, Y), tb.einsum("abc,cbd->abcd", X, Y)],
    ],
    ids=["alone", "two sums", "square", "matrices", "other product"],
)
def test_other_sums_stay_as_they_are(roots: list[Expression]) -> None:
    assert reread(topological_order(roots)) == {}


def test_flops_stay_as_many() -> None:
    roots = [tb.einsum("abc,cba->a", X, Y), tb.einsum("abc,cba->bca", X, Y)]
    new = reread(topological_order(roots))
    before, after = total_cost(roots), total_cost(new[each] for each in roots)
    assert after.flops == before.flops
    assert after.multiplications < before.multiplications
