"""The examples on real data: the digits, the network of the question, the residual network."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tensorbp as tb

EXAMPLES = Path(__file__).parent.parent / "docs" / "examples"


@pytest.fixture(scope="module")
def digits() -> tuple[Any, Any]:
    table = np.loadtxt(EXAMPLES / "digits.csv", delimiter=",", skiprows=1)
    return table[:, :-1] / 16, table[:, -1].astype(int)


def test_the_digits_are_whole(digits: tuple[Any, Any]) -> None:
    images, labels = digits
    assert images.shape == (1797, 64)
    assert images.min() == 0 and images.max() == 1
    assert sorted(set(labels)) == list(range(10))


@pytest.mark.parametrize("batch", [32, 1, 101])
def test_the_gradient_on_real_digits_equals_the_complex_step(
    digits: tuple[Any, Any], batch: int
) -> None:
    """dJ(θ)·v = Im J(θ + ihv) / h, along each parameter alone and along all at once."""
    images, labels = digits
    model = tb.load(EXAMPLES / "digits.yaml", dims={"batch": batch})
    theta = model.initialize(seed=1)
    rng = np.random.default_rng(batch)
    chosen = rng.permutation(len(images))[:batch]
    data = {"x": images[chosen], "target": labels[chosen]}
    _, gradient = model.value_and_gradient(theta, **data)
    loss = tb.compile([model.loss], dtype="complex128")
    along = {name: rng.normal(size=theta[name].shape) for name in theta}
    directions = [{name: along[name]} for name in theta] + [along]
    for direction in directions:
        moved = {name: theta[name] + 1e-30j * direction.get(name, 0.0) for name in theta}
        expected = loss({**moved, **data})[0].imag / 1e-30
        found = sum(float(np.sum(gradient[name] * v)) for name, v in direction.items())
        assert found == pytest.approx(expected, rel=1e-10, abs=1e-12)


def test_the_gradient_on_real_digits_equals_that_of_jax(digits: tuple[Any, Any]) -> None:
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", True)
    images, labels = digits
    x, target = images[200:248], labels[200:248]
    model = tb.load(EXAMPLES / "digits.yaml")
    theta = model.initialize(seed=2)

    def loss(p: dict[str, Any]) -> Any:
        h = x @ p["dense1.W"] + p["dense1.b"]
        h = (h - h.mean(-1, keepdims=True)) / jnp.sqrt(h.var(-1, keepdims=True) + 1e-5)
        h = features = jnp.tanh(h * p["layer_norm1.gain"] + p["layer_norm1.bias"])
        h = jax.nn.gelu(h @ p["dense2.W"] + p["dense2.b"], approximate=False)
        h = h @ p["dense3.W"] + p["dense3.b"] + features
        logits = h @ p["logits.W"] + p["logits.b"]
        return -jnp.mean(jax.nn.log_softmax(logits)[jnp.arange(len(target)), target])

    expected_value, expected = jax.value_and_grad(loss)({name: theta[name] for name in theta})
    value, gradient = model.value_and_gradient(theta, x=x, target=target)
    assert value == pytest.approx(float(expected_value), rel=1e-12)
    for name in theta:
        np.testing.assert_allclose(gradient[name], expected[name], rtol=1e-10, atol=1e-10)


def test_the_training_script_reaches_96_percent_on_the_held_out_fifth() -> None:
    environment = {**os.environ, "PYTHONPATH": str(EXAMPLES.parent.parent)}
    output = subprocess.run(
        [sys.executable, str(EXAMPLES / "train_digits.py")],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
    ).stdout
    last = output.splitlines()[-1]
    assert last.startswith("final accuracy on the held-out fifth: ")
    assert float(last.split()[-1]) >= 0.96


def test_per_sample_quantities_of_the_digits_equal_brute_force(digits: tuple[Any, Any]) -> None:
    images, labels = digits
    batch = 7
    model = tb.load(EXAMPLES / "digits.yaml", dims={"batch": batch})
    theta = model.initialize(seed=3)
    data = {"x": images[:batch], "target": labels[:batch]}
    J = tb.jacobian(model.losses, model.parameters)
    wanted = [(J @ J.T).diagonal(), (J @ J.T).to_dense(), (J.T @ J).diagonal()]
    plan = tb.plan(wanted[0])
    norms, gram, second = tb.compile(wanted)(dict(theta.items()), **data)
    one = model.bind(batch=1)
    rows = np.stack(
        [
            one.value_and_gradient(theta, x=images[k : k + 1], target=labels[k : k + 1])[1].flat
            for k in range(batch)
        ]
    )
    np.testing.assert_allclose(gram, rows @ rows.T, rtol=1e-10)
    np.testing.assert_allclose(norms, (rows**2).sum(1), rtol=1e-10)
    flat = np.concatenate([each.ravel() for each in second])
    np.testing.assert_allclose(flat, (rows**2).sum(0), rtol=1e-9, atol=1e-15)
    assert plan.flops < tb.plan(J).flops + 2 * batch * theta.size


def test_the_question_costs_vector_matrix_products_backwards() -> None:
    """From 1000 to 5000 to 1000 units: twice D² for each matrix and direction, against D³."""
    model = tb.load(EXAMPLES / "question.yaml")
    x = model.inputs["x"]
    plan = tb.plan(tb.jacobian(model.loss, x))
    matrices = 2 * 1000 * 5000
    assert plan.order == "reverse"
    assert 2 * 2 * matrices < plan.flops < 1.01 * (2 * 2 * matrices)
    assert plan.baselines.forward.flops > 100 * plan.flops
    gradient = tb.plan([model.loss, *model.gradient.values()])
    assert gradient.order == "reverse"
    assert gradient.baselines.forward.flops > 1e6 * gradient.flops


def test_residual_blocks_cost_the_same_each_and_plan_the_same_each() -> None:
    """Cost and length of the plan are exactly linear in the number of blocks."""
    text = (EXAMPLES / "residual.yaml").read_text()
    plans = []
    for depth in (16, 32, 64):
        import io

        model = tb.load(io.StringIO(text.replace("repeat: 64", f"repeat: {depth}")))
        plans.append(tb.plan([model.loss, *model.gradient.values()]))
    small, middle, large = plans
    assert large.order == "reverse"
    assert large.flops - middle.flops == 2 * (middle.flops - small.flops)
    assert len(large.steps) - len(middle.steps) == 2 * (len(middle.steps) - len(small.steps))
