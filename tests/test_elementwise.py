"""Elementwise rules: their values, their derivatives of every order, and their extremes."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special
from hypothesis import given
from hypothesis import strategies as st
from layer_values import evaluate

from tensorbp.errors import LayerError, ShapeError
from tensorbp.expression import stable
from tensorbp.expression.activation import (
    Elu,
    LeakyRelu,
    celu,
    elu,
    leaky_relu,
    log_sigmoid,
    relu,
    sigmoid,
    softplus,
    tanh,
)
from tensorbp.expression.arithmetic import sum
from tensorbp.expression.derivative import gradient, hessian, jacobian
from tensorbp.expression.elementwise import (
    Maximum,
    Power,
    abs,
    exp,
    heaviside,
    maximum,
    minimum,
    power,
    reciprocal,
    sign,
    where,
)
from tensorbp.expression.layer import Input
from tensorbp.expression.leaves import variable
from tensorbp.expression.node import Expression
from tensorbp.expression.rule import Elementwise, elementwise
from tensorbp.layers.activations import ELEMENTWISE
from tensorbp.testing import Case

jax.config.update("jax_enable_x64", True)

RULES = [example.layer for rule in ELEMENTWISE for example in rule.examples()]
IDS = [Case(rule, ((3, 4),) * len(rule.inputs)).label for rule in RULES]
every_rule = pytest.mark.parametrize("rule", RULES, ids=IDS)

# Each rule as another library writes it, for arrays of JAX.
REFERENCES: dict[str, Callable[..., Any]] = {
    "abs": jnp.abs,
    "celu": jax.nn.celu,
    "celu(alpha=0.5)": lambda x: jax.nn.celu(x, 0.5),
    "cos": jnp.cos,
    "elu": jax.nn.elu,
    "erf": jax.scipy.special.erf,
    "exp": jnp.exp,
    "expm1": jnp.expm1,
    "gelu": lambda x: jax.nn.gelu(x, approximate=False),
    "gelu(approximate='tanh')": lambda x: jax.nn.gelu(x, approximate=True),
    "hard_sigmoid": jax.nn.hard_sigmoid,
    "hard_swish": jax.nn.hard_swish,
    "hard_tanh": jax.nn.hard_tanh,
    "hard_tanh(low=-0.5, high=3)": lambda x: jnp.clip(x, -0.5, 3),
    "hardshrink": lambda x: jnp.where(jnp.abs(x) > 0.5, x, 0),
    "heaviside": lambda x: jnp.heaviside(x, 0.0),
    "leaky_relu": jax.nn.leaky_relu,
    "log": jnp.log,
    "log1p": jnp.log1p,
    "log_sigmoid": jax.nn.log_sigmoid,
    "maximum": jnp.maximum,
    "minimum": jnp.minimum,
    "mish": jax.nn.mish,
    "normal_cdf": jax.scipy.stats.norm.cdf,
    "power(exponent=-2)": lambda x: x**-2,
    "power(exponent=1.5)": lambda x: x**1.5,
    "power(exponent=3)": lambda x: x**3,
    "reciprocal": lambda x: 1 / x,
    "relu": jax.nn.relu,
    "relu6": jax.nn.relu6,
    "selu": jax.nn.selu,
    "sigmoid": jax.nn.sigmoid,
    "sign": jnp.sign,
    "silu": jax.nn.silu,
    "sin": jnp.sin,
    "softplus": jax.nn.softplus,
    "softshrink": lambda x: jnp.sign(x) * jnp.maximum(jnp.abs(x) - 0.5, 0),
    "softsign": jax.nn.soft_sign,
    "sqrt": jnp.sqrt,
    "tan": jnp.tan,
    "tanh": jnp.tanh,
    "tanhshrink": lambda x: x - jnp.tanh(x),
    "where": jnp.where,
}

# A value that cannot be represented, or does not exist, is no fault of the formula.
UNBOUNDED = {"exp", "expm1", "log", "log1p", "power", "reciprocal", "sqrt"}
EXTREMES = np.array([0.0, -0.0, 1e-30, -1e-30, 1.0, -1.0, 30.0, -30.0, 1000.0, -1000.0])
HUGE = np.array([1e30, -1e30])


def case_of(rule: Elementwise) -> Case:
    return Case(rule, ((3, 4),) * len(rule.inputs))


def bounded(rule: Elementwise) -> bool:
    return rule.name not in UNBOUNDED and all(each.kind == "real" for each in rule.inputs)


def diagonal_derivative(y: Expression, x: Expression) -> Expression:
    derivative = jacobian(y, x).diagonal()
    assert isinstance(derivative, Expression)
    return derivative


@every_rule
def test_values_agree_with_another_library(rule: Elementwise) -> None:
    case = case_of(rule)
    expected = REFERENCES[case.label](*case.arrays.values())
    np.testing.assert_allclose(case.values([case.output])[0], expected, rtol=1e-14, atol=1e-15)


@pytest.mark.parametrize("rule", [r for r in RULES if len(r.inputs) == 1], ids=str)
def test_derivatives_up_to_the_third_order_agree_with_another_library(rule: Elementwise) -> None:
    case = case_of(rule)
    x, values = case.operands["x"], case.arrays["x"].ravel()
    derivative, references = case.output, [REFERENCES[case.label]]
    for _ in range(3):
        references.append(jax.grad(references[-1]))
    # all in one, for to compile each operation takes longer than all else
    expected = jax.jit(lambda values: [jax.vmap(each)(values) for each in references[1:]])(values)
    for each in expected:
        derivative = diagonal_derivative(derivative, x)
        found = evaluate(derivative, x=case.arrays["x"])
        np.testing.assert_allclose(found, each.reshape(3, 4), rtol=1e-11, atol=1e-12)


@every_rule
def test_forward_rule_runs_on_another_library(rule: Elementwise) -> None:
    arrays = case_of(rule).arrays.values()
    expected = rule.forward(np, *arrays)
    found = rule.forward(jnp, *[jnp.asarray(each) for each in arrays])
    np.testing.assert_allclose(found, expected, rtol=1e-14, atol=1e-15)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("rule", [r for r in RULES if bounded(r)], ids=lambda rule: rule.name)
def test_extreme_inputs_raise_no_warning(rule: Elementwise, dtype: str) -> None:
    x = np.concatenate([EXTREMES, HUGE]).astype(dtype)
    with np.errstate(all="raise", under="ignore"):
        y = rule.forward(np, *[x] * len(rule.inputs))
    assert y.dtype == dtype
    assert np.isfinite(y).all()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "rule", [r for r in RULES if bounded(r) and len(r.inputs) == 1], ids=lambda rule: rule.name
)
def test_derivatives_at_extreme_inputs_raise_no_warning(rule: Elementwise, dtype: str) -> None:
    x = variable("x", *EXTREMES.shape)
    first = diagonal_derivative(rule(x), x)
    second = diagonal_derivative(first, x)
    with np.errstate(all="raise", under="ignore"):
        for derivative in (first, second):
            value = evaluate(derivative, dtype, x=EXTREMES.astype(dtype))
            assert np.isfinite(value).all()


def test_no_digits_are_lost_in_the_tails() -> None:
    x = np.array([-700.0, -300.0, -40.0, -1e-12, 1e-12, 40.0])
    np.testing.assert_allclose(stable.sigmoid(np, x), scipy.special.expit(x), rtol=1e-14)
    np.testing.assert_allclose(stable.softplus(np, x), np.logaddexp(x, 0), rtol=1e-14)
    values = evaluate(log_sigmoid(variable("x", 6)), x=x)
    np.testing.assert_allclose(values, scipy.special.log_expit(x), rtol=1e-14)


@given(st.floats(-1e6, 1e6))
def test_sigmoid_and_softplus_of_opposite_inputs(number: float) -> None:
    x = np.array([number])
    total = stable.sigmoid(np, x) + stable.sigmoid(np, -x)
    np.testing.assert_allclose(total, 1, rtol=1e-15)
    difference = stable.softplus(np, x) - stable.softplus(np, -x)
    np.testing.assert_allclose(difference, x, rtol=1e-15, atol=1e-15)


@given(st.floats(0.1, 10) | st.floats(-10, -0.1), st.integers(-30, 30))
def test_whole_powers_are_products(base: float, exponent: int) -> None:
    found = stable.integer_power(np, np.array([base]), exponent)
    np.testing.assert_allclose(found, base**exponent, rtol=1e-13)


@pytest.mark.parametrize(
    ("y", "expected"),
    [
        (relu, 0),
        (abs, 0),
        (sign, 0),
        (heaviside, 0),
        (leaky_relu, 0.01),
        (elu, 1),
        (lambda x: elu(x, alpha=0.5), 0.5),
        (lambda x: celu(x, alpha=0.5), 1),
        (lambda x: maximum(x, 0), 0.5),
        (lambda x: minimum(x, 0), 0.5),
        (lambda x: maximum(x, x), 1),
    ],
)
def test_derivatives_at_kinks(y: Callable[[Expression], Expression], expected: float) -> None:
    x = variable("x", 2)
    value = evaluate(diagonal_derivative(y(x), x), x=np.array([0.0, -0.0]))
    np.testing.assert_array_equal(value, expected)


def test_where_takes_its_derivative_from_the_chosen_side() -> None:
    x, choice = variable("x", 4), variable("choice", 4, kind="integer")
    y = where(choice, x * x, exp(x))
    arrays = {"x": np.array([1.0, 2.0, 3.0, 4.0]), "choice": np.array([1, 0, 7, 0])}
    expected = [2, np.exp(2), 6, np.exp(4)]
    np.testing.assert_allclose(evaluate(diagonal_derivative(y, x), **arrays), expected)


def test_the_powers_0_and_1_need_no_node() -> None:
    x = variable("x", 3)
    assert power(x, 1) is x
    assert power(x, 1.0) is x
    assert power(x, 2) is x * x
    np.testing.assert_array_equal(evaluate(power(x, 0)), np.ones(3))


@pytest.mark.parametrize("exponent", [1, 2, 3, 4])
def test_derivatives_of_whole_powers_at_0_exist(exponent: int) -> None:
    x = variable("x", 1)
    y = x**exponent
    for order in range(1, 6):
        y = diagonal_derivative(y, x)
        expected = float(np.prod(range(1, exponent + 1))) if order == exponent else 0.0
        assert evaluate(y, x=np.zeros(1)) == expected


def test_power_with_an_expression_as_exponent() -> None:
    a, b = variable("a", 3), variable("b", 3)
    arrays = {"a": np.array([0.5, 1.5, 2.5]), "b": np.array([-1.0, 0.3, 2.0])}
    A, B = arrays["a"], arrays["b"]
    y = power(a, b)
    np.testing.assert_allclose(evaluate(y, **arrays), A**B)
    np.testing.assert_allclose(evaluate(diagonal_derivative(y, a), **arrays), B * A ** (B - 1))
    np.testing.assert_allclose(evaluate(diagonal_derivative(y, b), **arrays), A**B * np.log(A))
    np.testing.assert_allclose(evaluate(power(2, b), b=B), 2**B)


def test_operands_are_broadcast() -> None:
    a, b = variable("a", 3, 1), variable("b", 4)
    arrays = {"a": np.array([[1.0], [2.0], [3.0]]), "b": np.array([0.5, 1.5, 2.5, 3.5])}
    y = maximum(a, b)
    assert y.shape == (3, 4)
    np.testing.assert_array_equal(evaluate(y, **arrays), np.maximum(arrays["a"], arrays["b"]))
    by_a = evaluate(gradient(sum(y), a), **arrays)
    np.testing.assert_array_equal(by_a, [[1.0], [2.0], [3.0]])
    assert maximum(a, 0).shape == (3, 1)


def test_the_jacobian_of_a_rule_is_stored_as_its_diagonal() -> None:
    x = variable("x", 64, 32)
    assert jacobian(tanh(x), x).size == 64 * 32


def test_the_hessian_of_the_logistic_loss() -> None:
    X, y, w = variable("X", 7, 3), variable("y", 7), variable("w", 3)
    random = np.random.default_rng(0)
    arrays = {"X": random.normal(size=(7, 3)), "y": random.choice([-1.0, 1.0], 7)}
    arrays["w"] = random.normal(size=3)
    H = hessian(sum(softplus(-y * (X @ w))), w).to_dense()
    assert isinstance(H, Expression)
    p = scipy.special.expit(-arrays["y"] * (arrays["X"] @ arrays["w"]))
    expected = arrays["X"].T @ (arrays["X"] * (p * (1 - p))[:, None])
    np.testing.assert_allclose(evaluate(H, **arrays), expected, rtol=1e-13)


def test_a_rule_of_one_line() -> None:
    Cube = elementwise(
        "cube",
        "y = x³",
        "dy/dx = 3x²",
        lambda xp, x: x * x * x,
        lambda y, x: 3 * x * x,
        inputs=(Input("x"),),
        source="Tartaglia 1539",
    )
    assert Cube.__name__ == "Cube"
    assert Cube.__doc__ == "Elementwise y = x³; dy/dx = 3x².\n\nSource: Tartaglia 1539."
    assert Cube() == Cube()
    x = variable("x", 2)
    value = evaluate(
        diagonal_derivative(diagonal_derivative(Cube()(x), x), x), x=np.array([1, 2.0])
    )
    np.testing.assert_array_equal(value, [6, 12])


def test_the_documentation_of_a_function_has_formula_and_derivative() -> None:
    assert sigmoid.__doc__ == "Elementwise y = 1/(1 + exp(-x)); dy/dx = y(1 - y)."
    assert sigmoid.__name__ == "sigmoid"


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (
            lambda: Maximum()(variable("a", 3, 4), variable("b", 4)),
            LayerError,
            "layer 'maximum' is elementwise: its operands must have one shape, found (3, 4), (4,); "
            "repeat the smaller ones with broadcast_to first",
        ),
        (
            lambda: maximum(variable("a", 3, 4), variable("b", 3)),
            ShapeError,
            "shapes (3, 4), (3,) do not broadcast: sizes 3 and 4 meet",
        ),
        (lambda: exp(), LayerError, "layer 'exp' takes 1 input (x), got 0"),
        (
            lambda: maximum(variable("a", 3)),
            LayerError,
            "layer 'maximum' takes 2 inputs (a, b), got 1",
        ),
        (
            lambda: Power("two"),  # type: ignore[arg-type]
            LayerError,
            "layer 'power': exponent must be a finite number, found 'two'",
        ),
        (
            lambda: LeakyRelu(float("inf")),
            LayerError,
            "layer 'leaky_relu': slope must be a finite number, found inf",
        ),
        (
            lambda: Elu(alpha=True),
            LayerError,
            "layer 'elu': alpha must be a finite number, found True",
        ),
        (
            lambda: Elu(alpha=None),  # type: ignore[arg-type]
            LayerError,
            "layer 'elu': alpha must be a finite number, found None",
        ),
        (
            lambda: stable.special(math),
            LayerError,
            "where 'math' keeps erf and ndtr is not known; known: jax.numpy, numpy, torch",
        ),
    ],
)
def test_errors(make: Callable[[], object], error: type[Exception], message: str) -> None:
    with pytest.raises(error) as caught:
        make()
    assert str(caught.value) == message


def test_division_is_multiplication_with_the_reciprocal() -> None:
    a, b = variable("a", 3), variable("b", 3)
    assert a / b is a * reciprocal(b)
