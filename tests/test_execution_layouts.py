"""Layouts of products on torch and JAX: they change no number, and help who reads them."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import jax
import numpy as np
import pytest
import torch

import tensorbp as tb
from tensorbp.execution.functional import einsums
from tensorbp.execution.functional.einsums import einsum_function
from tensorbp.execution.functional.layouts import AS_WRITTEN, layouts
from tensorbp.execution.jax.namespace import JaxNamespace
from tensorbp.execution.torch.namespace import TorchNamespace
from tensorbp.expression.einsum import Einsum

NUMPY: Any = np

NAMESPACES: dict[str, Any] = {
    "torch": TorchNamespace(torch, torch.device("cpu")),
    "jax": JaxNamespace(jax),
}

EQUATIONS = ["ac,cb->ab", "ca,bc->ab", "zac,zcb->zab", "zac,czb->azb", "acz,cbz->zba", "abc,c->ba"]

SIZES = {"a": 3, "b": 5, "c": 2, "z": 4, "t": 2, "j": 3, "k": 5, "n": 11}


def product_of(equation: str) -> tuple[Einsum, list[Any]]:
    """Return a product, and random arrays for it."""
    shapes = [tuple(SIZES[axis] for axis in each) for each in equation.split("->")[0].split(",")]
    operator = tb.einsum(
        equation, *[tb.variable(f"x{k}", *shape) for k, shape in enumerate(shapes)]
    ).operator
    assert isinstance(operator, Einsum)
    rng = np.random.default_rng(0)
    return operator, [rng.normal(size=shape) for shape in shapes]


@pytest.mark.parametrize("equation", EQUATIONS)
def test_every_layout_gives_the_same_numbers(equation: str) -> None:
    output = equation.split("->")[1]
    operator, arrays = product_of(equation)
    for layout in [AS_WRITTEN, *permutations(range(len(output)))]:
        found = einsum_function(operator, NUMPY, "float64", layout)(*arrays)
        np.testing.assert_allclose(found, np.einsum(equation, *arrays), atol=1e-14)


THIN = [
    *[f"{x},{w}->{y}" for x in ("tk", "kt") for w in ("kn", "nk") for y in ("tn", "nt")],
    *["nk,kt->nt", "kn,tk->tn", "tjk,jkn->nt", "jtk,njk->tn"],
]
"""A few rows t times a large matrix with n columns, in every order."""


@pytest.mark.parametrize("library", NAMESPACES)
@pytest.mark.parametrize("equation", THIN)
def test_of_thin_products_the_few_rows_come_first(
    library: str, equation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(einsums, "FEW", 2)
    monkeypatch.setattr(einsums, "LARGE", 1)
    operator, arrays = product_of(equation)
    xp = NAMESPACES[library]
    called: list[tuple[str, int]] = []

    def recorded(name: str) -> Any:
        multiply = getattr(xp, name)

        def multiplied(a: Any, b: Any) -> Any:
            called.append((name, a.shape[0]))
            return multiply(a, b)

        return multiplied

    for name in ("matmul", "thin_matmul"):
        monkeypatch.setattr(xp, name, recorded(name), raising=False)
    found = einsum_function(operator, xp, "float32")(
        *[xp.asarray(each.astype("float32")) for each in arrays]
    )
    inputs, output = equation.split("->")
    thin, large = sorted(inputs.split(","), key=lambda axes: "n" in axes)
    is_transposed = thin[-1] == "t" or output[-1] == "t"
    name = "thin_matmul" if is_transposed and large[-1] == "n" else "matmul"
    assert called == [(name, SIZES["t"])]
    np.testing.assert_allclose(
        np.asarray(found), np.einsum(equation, *arrays), rtol=1e-5, atol=1e-5
    )


def test_a_product_lies_as_the_first_that_reads_it_number_by_number_writes() -> None:
    x, W, s = tb.variable("x", 3, 2), tb.variable("W", 5, 2), tb.variable("s", 3, 5)
    product = tb.einsum("wi,bi->wb", W, x)
    scaled = tb.einsum("bw,wb->bw", s, product)
    plan = tb.plan([tb.tanh(scaled), tb.tanh(product)])
    number = {step.equation: step.result for step in plan.steps if len(step.operands) == 2}
    made = next(result for equation, result in number.items() if "c" in equation)
    assert layouts(plan.steps) == {made: (1, 0)}
    # a function that comes first reads it as it is written
    first = [each for each in plan.steps if each.result == made or each.operands == (made,)]
    assert layouts([*first, *(each for each in plan.steps if each not in first)]) == {made: ()}


def test_torch_reads_gradients_beside_what_lies_alike() -> None:
    """In what tanh passes back, a product of matrices meets 1 - y²: both lie sample by sample."""
    x, W, V = tb.variable("x", 4, 3), tb.variable("W", 3, 5), tb.variable("V", 5, 2)
    h = tb.tanh(x @ W)
    plan = tb.plan(tb.gradient(tb.sum(tb.tanh(h @ V)), [W, V]))
    lie = layouts(plan.steps)
    met = 0
    for step in plan.steps:
        if isinstance(step.operator, Einsum) and not step.operator.summed:
            for at, number in enumerate(step.operands):
                if len(step.operands) == 2 and number in lie:
                    dimensions = step.operator.factors[at]
                    axes = [dimensions[k] for k in lie[number] or range(len(dimensions))]
                    kept = [each for each in step.operator.output if each in dimensions]
                    assert axes == kept
                    met += 1
    assert met == 1
    program = tb.compile(plan, backend="torch")
    rng = np.random.default_rng(0)
    arrays = {each.name: rng.normal(size=each.shape) for each in plan.inputs}
    expected = tb.compile(plan)(arrays)
    found = program({name: torch.tensor(each) for name, each in arrays.items()})
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one.numpy(), other, rtol=1e-12)
