"""The question that the project came from: logistic regression, and its four steps."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

import tensorbp as tb


@pytest.mark.parametrize(("samples", "features"), [(1000, 30), (57, 3), (1, 1)])
def test_logistic_regression_equals_the_closed_form(samples: int, features: int) -> None:
    X, y = tb.variable("X", samples, features), tb.variable("y", samples)
    w = tb.variable("w", features)
    J = tb.mean(tb.softplus(-y * (X @ w)))
    g, H = tb.gradient(J, w), tb.hessian(J, w)
    rng = np.random.default_rng(samples)
    Xa, wa = rng.normal(size=(samples, features)), rng.normal(size=features)
    ya = rng.choice([-1.0, 1.0], samples)
    value, gradient, hessian = tb.compile([J, g, H], dtype="float64")(X=Xa, y=ya, w=wa)
    margin = ya * (Xa @ wa)
    sigma = 1 / (1 + np.exp(margin))
    np.testing.assert_allclose(value, np.mean(np.log(1 + np.exp(-margin))), rtol=1e-12)
    np.testing.assert_allclose(gradient, Xa.T @ (-ya * sigma) / samples, rtol=1e-12, atol=1e-12)
    D = np.diag(sigma * (1 - sigma))
    dense = Xa.T @ D @ Xa / samples
    np.testing.assert_allclose(hessian.to_dense(), dense, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(hessian.diagonal(), np.diag(dense), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(hessian @ wa, dense @ wa, rtol=1e-12, atol=1e-12)


def test_the_gradient_prints_without_an_index() -> None:
    X, y, w = tb.variable("X", 1000, 30), tb.variable("y", 1000), tb.variable("w", 30)
    J = tb.mean(tb.softplus(-y * (X @ w)))
    assert str(tb.gradient(J, w)) == "-Xᵀ (y ⊙ σ(-y ⊙ X w)) / 1000"


def test_the_hessian_costs_what_its_closed_form_costs() -> None:
    """XᵀDX: one product of n x N and N x n, and nothing else of that order."""
    N, n = 1000, 30
    X, y, w = tb.variable("X", N, n), tb.variable("y", N), tb.variable("w", n)
    plan = tb.plan(tb.hessian(tb.mean(tb.softplus(-y * (X @ w))), w))
    product = 2 * N * n * n
    vectors = 2 * N * n + N * n + n * n + 12 * N
    assert product < plan.flops <= product + vectors
    assert plan.flops <= min(plan.baselines.forward.flops, plan.baselines.reverse.flops)


def test_a_program_with_value_gradient_and_hessian_computes_each_forward_value_once() -> None:
    x = tb.variable("x", 13, 7)
    W1, W2, W3 = tb.variable("W1", 7, 11), tb.variable("W2", 11, 5), tb.variable("W3", 5, 3)
    f1 = tb.tanh(x @ W1)
    f2 = tb.sigmoid(f1 @ W2)
    L = tb.mean(tb.exp(f2 @ W3))
    theta = [W1, W2, W3]
    plan = tb.plan([L, tb.gradient(L, theta), tb.hessian(L, theta)])
    operations = Counter(step.operation for step in plan.steps)
    assert operations["tanh"] == operations["sigmoid"] == operations["exp"] == 1
    computed = [
        (step.operation, step.equation, step.operands, step.shape, str(step.arguments))
        for step in plan.steps
    ]
    assert len(set(computed)) == len(computed)


def test_forward_rules_run_once_a_call(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: Counter[str] = Counter()
    x, W = tb.variable("x", 13, 7), tb.variable("W", 7, 11)
    f = tb.tanh(x @ W)
    rule = type(f.operator)
    forward = rule.forward  # type: ignore[attr-defined]

    def counted(self: object, xp: object, *arrays: object) -> object:
        calls["tanh"] += 1
        return forward(self, xp, *arrays)

    monkeypatch.setattr(rule, "forward", counted)
    L = tb.sum(f * f * f)
    program = tb.compile([L, tb.gradient(L, W), tb.hessian(L, W)])
    program(x=np.ones((13, 7)), W=np.ones((7, 11)))
    assert calls["tanh"] == 1


def test_the_total_derivative_unrolls_with_theta_as_one_object() -> None:
    x = tb.variable("x", 9)
    A, B, c = tb.variable("A", 8, 9), tb.variable("B", 4, 8), tb.variable("c", 4)
    f1 = tb.tanh(A @ x)
    f2 = tb.tanh(B @ f1)
    L = c @ f2
    assert tb.total_derivative({"f1": f1, "f2": f2, "f3": L}, [A, B, c]) == (
        "df3/dθ = ∂f3/∂c dc/dθ + ∂f3/∂f2 (∂f2/∂B dB/dθ + ∂f2/∂f1 ∂f1/∂A dA/dθ)"
    )
    J = tb.jacobian(L, [A, B, c])
    assert J.input.size == 8 * 9 + 4 * 8 + 4
    assert (J @ J.T).to_dense().shape == ()


def test_a_stage_that_is_read_twice_is_unrolled_on_a_line_of_its_own() -> None:
    x, W, V = tb.variable("x", 9), tb.variable("W", 5, 9), tb.variable("V", 5, 5)
    h = tb.tanh(W @ x)
    k = tb.tanh(V @ h)
    L = tb.sum(h * k)
    assert tb.total_derivative({"h": h, "k": k, "L": L}, [W, V]).splitlines() == [
        "dL/dθ = ∂L/∂k (∂k/∂V dV/dθ + ∂k/∂h dh/dθ) + ∂L/∂h dh/dθ",
        "dh/dθ = ∂h/∂W dW/dθ",
    ]


def test_structure_is_kept() -> None:
    x = tb.variable("x", 64, 32)
    assert tb.jacobian(tb.tanh(x), x).size == 64 * 32
    z = tb.variable("z", 64, 10)
    assert tb.jacobian(tb.softmax(z), z).size == 64 * 10 * 10
    T, U, V = tb.variable("T", 200, 90), tb.variable("U", 200, 5), tb.variable("V", 90, 5)
    H = tb.hessian(tb.sum((T - U @ V.T) ** 2), U)
    rng = np.random.default_rng(0)
    arrays = {
        name: rng.normal(size=shape)
        for name, shape in {"T": (200, 90), "U": (200, 5), "V": (90, 5)}.items()
    }
    structured, dense = tb.compile([H, H.to_dense()])({k: arrays[k] for k in ("V",)})
    assert structured.size <= 200 * 5 * 5
    expected = np.einsum("ij,kl->ikjl", np.eye(200), 2 * arrays["V"].T @ arrays["V"])
    np.testing.assert_allclose(dense, expected, rtol=1e-12)
    np.testing.assert_allclose(structured.to_dense(), expected, rtol=1e-12)
