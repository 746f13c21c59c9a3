"""Per-sample gradients and Gauss-Newton diagonals of LeNet-5 and of a transformer block.

They equal what materialised Jacobians give, at fewer operations than it takes to use those.
"""

from __future__ import annotations

import functools
import io
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import tensorbp as tb

EXAMPLES = Path(__file__).parent.parent / "docs" / "examples"

BLOCK = """
tensorbp: 1
name: block
dims: {batch: 3, tokens: 4, features: 12, hidden: 18, classes: 7}
inputs:
  x: [batch, tokens, features]
  target: {shape: [batch, tokens], kind: integer}
layers:
  - {name: block, type: gpt_block, heads: 2, hidden: hidden}
  - {name: logits, type: linear, units: classes}
loss: {type: softmax_cross_entropy, inputs: [logits, target]}
outputs: [logits]
"""

NAMES = ["lenet5", "block"]

Array = NDArray[np.float64]


@functools.cache
def model(name: str) -> tb.Model:
    return (
        tb.load(io.StringIO(BLOCK))
        if name == "block"
        else tb.load(EXAMPLES / f"{name}.yaml", dims={"batch": 4})
    )


def size(name: str) -> int:
    return model(name).parameter_count


def given(name: str) -> tuple[tb.Parameters, dict[str, Any]]:
    """Return parameters of which none is special, and inputs: real digits for LeNet-5."""
    rng = np.random.default_rng(0)
    theta = tb.Parameters.from_arrays(
        {key: rng.normal(0, 0.4, each.shape) for key, each in model(name).parameters.items()}
    )
    if name == "block":
        target = rng.integers(0, 7, (3, 4))
        return theta, {"x": rng.normal(size=(3, 4, 12)), "target": target}
    table = np.loadtxt(EXAMPLES / "digits.csv", delimiter=",", skiprows=1)[:4]
    image = table[:, :-1].reshape(-1, 1, 8, 8) / 16
    return theta, {"image": image, "target": table[:, -1].astype(int)}


def logits(name: str) -> tb.Expression:
    return model(name).nodes["logits"]


def norms(name: str) -> tb.Expression:
    """The squared length of the gradient of each sample."""
    J = tb.jacobian(model(name).losses, model(name).parameters)
    return (J @ J.T).diagonal()


def gauss_newton(name: str) -> Any:
    """The diagonal of Jᵀ H J: J the Jacobian of the logits, H the Hessian of the loss by them."""
    J = tb.jacobian(logits(name), model(name).parameters)
    return (J.T @ tb.hessian(model(name).loss, logits(name)) @ J).diagonal()


def computed(name: str, wanted: Any) -> Any:
    theta, data = given(name)
    program = tb.compile([wanted])
    arrays = {**dict(theta.items()), **data}
    return program({key: arrays[key] for key in program.names if key in arrays})[0]


@functools.cache
def rows(name: str) -> Array:
    """The Jacobian of the logits by all parameters, one gradient after the other."""
    theta, data = given(name)
    outputs = logits(name)
    cotangent = tb.variable("cotangent", *outputs.shape)
    gradients = tb.gradient(tb.sum(outputs * cotangent), list(model(name).parameters.values()))
    program = tb.compile(gradients)
    arrays = {**dict(theta.items()), **data}
    known = {key: arrays[key] for key in program.names if key in arrays}
    units = np.eye(outputs.size).reshape(outputs.size, *outputs.shape)
    return np.stack(
        [np.concatenate([g.ravel() for g in program({**known, "cotangent": e})]) for e in units]
    )


def probabilities(name: str) -> Array:
    theta, data = given(name)
    found = model(name).predict(theta, **{k: v for k, v in data.items() if k != "target"})
    odds = np.exp(found - found.max(-1, keepdims=True))
    result: Array = odds / odds.sum(-1, keepdims=True)
    return result


@pytest.mark.parametrize("name", NAMES)
def test_norms_of_the_gradients_of_samples_equal_brute_force(name: str) -> None:
    """The gradient of a sample is (p - q)ᵀ J, p the softmax, q the label, mean over its tokens."""
    p = probabilities(name)
    _, data = given(name)
    batch, classes = p.shape[0], p.shape[-1]
    error = (p - np.eye(classes)[data["target"]]) / prod(p.shape[1:-1])
    gradients = np.einsum(
        "bk,bkn->bn", error.reshape(batch, -1), rows(name).reshape(batch, -1, size(name))
    )
    np.testing.assert_allclose(computed(name, norms(name)), (gradients**2).sum(1), rtol=1e-10)


@pytest.mark.parametrize("name", NAMES)
def test_the_diagonal_of_gauss_newton_equals_brute_force(name: str) -> None:
    """H is (diag(p) - p pᵀ)/labels for each label, and zero between them."""
    p = probabilities(name).reshape(-1, probabilities(name).shape[-1])
    J = rows(name).reshape(*p.shape, -1)
    H = (np.einsum("rc,cd->rcd", p, np.eye(p.shape[1])) - np.einsum("rc,rd->rcd", p, p)) / len(p)
    expected = np.einsum("rcn,rcd,rdn->n", J, H, J, optimize=True)
    found = np.concatenate([each.ravel() for each in computed(name, gauss_newton(name))])
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12 * expected.max())


@pytest.mark.parametrize("name", NAMES)
def test_norms_cost_less_than_gradients_and_their_squares(name: str) -> None:
    plan = tb.plan(norms(name))
    materialised = tb.plan(tb.jacobian(model(name).losses, model(name).parameters))
    squares = 2 * model(name).dims["batch"] * size(name)
    assert plan.flops < materialised.flops + squares
    assert plan.flops < min(plan.baselines.reverse.flops, plan.baselines.forward.flops) / 3


@pytest.mark.parametrize("name", NAMES)
def test_the_diagonal_of_gauss_newton_costs_less_than_the_jacobian_and_its_product_with_h(
    name: str,
) -> None:
    """H J costs 2 C for each number of J, C classes, and its product with J costs another 2."""
    plan = tb.plan(gauss_newton(name))
    materialised = tb.plan(tb.jacobian(logits(name), model(name).parameters))
    numbers, classes = logits(name).size * size(name), logits(name).shape[-1]
    assert plan.flops < materialised.flops + (2 * classes + 2) * numbers
    assert plan.flops < min(plan.baselines.reverse.flops, plan.baselines.forward.flops) / 3
