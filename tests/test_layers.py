"""Built-in layers: values, stability, structure of their Jacobians, and what they refuse."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special
from layer_values import evaluate

from tensorbp.errors import LayerError
from tensorbp.execution import compile
from tensorbp.expression.activation import tanh
from tensorbp.expression.arithmetic import sum
from tensorbp.expression.derivative import gradient, jacobian
from tensorbp.expression.layer import Layer, Parameter, Primitive
from tensorbp.expression.leaves import variable
from tensorbp.expression.node import Expression
from tensorbp.layers import (
    binary_cross_entropy,
    log_softmax,
    logistic_loss,
    logsumexp,
    mean_squared_error,
    one_hot,
    softmax,
    softmax_cross_entropy,
    softmax_cross_entropy_one_hot,
    standardize,
)
from tensorbp.layers.along import along
from tensorbp.layers.arithmetic import Add, Multiply, Scale
from tensorbp.layers.dropout import Dropout
from tensorbp.layers.einsum import Einsum
from tensorbp.layers.linear import Bias, Linear
from tensorbp.layers.losses.classification import SoftmaxCrossEntropy
from tensorbp.layers.losses.regression import MeanSquaredError
from tensorbp.layers.moving.labels import OneHot
from tensorbp.layers.moving.shape import Flatten, Reshape, Transpose
from tensorbp.layers.normalization.standardization import LayerNorm, RmsNorm, Standardize
from tensorbp.layers.plugin import LAYERS
from tensorbp.layers.reduction import Mean, Sum
from tensorbp.layers.softmax import LogSumExp, Softmax
from tensorbp.testing import Case

jax.config.update("jax_enable_x64", True)

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(3, 5, 4))
EXAMPLES = [example for layer in LAYERS for example in layer.examples()]


def applied(layer: Layer, **arrays: Any) -> Any:
    """Return the value of a layer on arrays, of which those that are parameters are recognised."""
    shapes = [array.shape for array in arrays.values()][: len(arrays)]
    names = layer.parameters(*shapes)
    inputs = [variable(n, *array.shape) for n, array in arrays.items() if n not in names]
    parameters = {name: variable(name, *arrays[name].shape) for name in names}
    return evaluate(layer(*inputs, **parameters), **arrays)


@pytest.mark.parametrize("axis", [0, 1, 2, -1, -2])
def test_softmax_along_any_axis(axis: int) -> None:
    x = variable("x", *X.shape)
    for function, reference in [
        (softmax, scipy.special.softmax),
        (log_softmax, scipy.special.log_softmax),
        (logsumexp, scipy.special.logsumexp),
    ]:
        value = evaluate(function(x, axis), x=X)
        np.testing.assert_allclose(value, reference(X, axis=axis), rtol=1e-13)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_softmax_of_extreme_logits(dtype: str) -> None:
    logits = np.array([[1000.0, 0.0, -1000.0], [-1000.0, -1000.0, -999.0]], dtype)
    x = variable("x", 2, 3)
    with np.errstate(all="raise", under="ignore"):
        p = evaluate(softmax(x), dtype, x=logits)
        logp = evaluate(log_softmax(x), dtype, x=logits)
        total = evaluate(logsumexp(x), dtype, x=logits)
        slope = evaluate(gradient(sum(logsumexp(x)), x), dtype, x=logits)
    np.testing.assert_allclose(p, scipy.special.softmax(logits, axis=1), rtol=1e-6)
    np.testing.assert_allclose(logp[0], [0, -1000, -2000])
    np.testing.assert_allclose(total, scipy.special.logsumexp(logits, axis=1), rtol=1e-6)
    np.testing.assert_allclose(slope, p)


def test_the_jacobian_of_softmax_on_a_batch_keeps_the_samples_apart() -> None:
    x = variable("x", 64, 10)
    assert jacobian(softmax(x), x).size == 64 * 10 * 10
    assert jacobian(logsumexp(x), x).size == 64 * 10


def test_signatures_move_to_another_axis() -> None:
    assert along("...p -> ...p/...p", rank=1, axis=0) == "p -> p/p"
    assert along("...p,...q -> ...p/...q", rank=3, axis=1) == "ApB,AqB -> ApB/AqB"
    assert along("...p -> .../...p", rank=3, axis=0) == "pAB -> AB/pAB"
    assert along("-> ...p/...p", rank=2, axis=1) == "-> Ap/Ap"


def test_standardize_has_mean_0_and_variance_1() -> None:
    y = evaluate(standardize(variable("x", *X.shape), epsilon=0), x=3 + 5 * X)
    np.testing.assert_allclose(y.mean(axis=-1), 0, atol=1e-14)
    np.testing.assert_allclose(y.var(axis=-1), 1)
    z = evaluate(standardize(variable("x", *X.shape), epsilon=0, centered=False), x=3 + 5 * X)
    np.testing.assert_allclose((z * z).mean(axis=-1), 1)


def test_a_sample_without_variance_is_standardized_to_0() -> None:
    x = variable("x", 2, 3)
    constant = np.full((2, 3), 7.0)
    assert np.all(evaluate(standardize(x), x=constant) == 0)
    assert np.isfinite(evaluate(gradient(sum(tanh(standardize(x))), x), x=constant)).all()


def test_layer_norm_and_rms_norm() -> None:
    gain, bias = RANDOM.normal(size=4), RANDOM.normal(size=4)
    deviation = np.sqrt(X.var(axis=-1, keepdims=True) + 1e-5)
    expected = gain * (X - X.mean(axis=-1, keepdims=True)) / deviation + bias
    np.testing.assert_allclose(applied(LayerNorm(), x=X, gain=gain, bias=bias), expected)
    size = np.sqrt((X * X).mean(axis=-1, keepdims=True) + 1e-5)
    np.testing.assert_allclose(applied(RmsNorm(), x=X, gain=gain), gain * X / size)


def test_linear() -> None:
    W, b = RANDOM.normal(size=(4, 7)), RANDOM.normal(size=7)
    np.testing.assert_allclose(applied(Linear(7), x=X, W=W, b=b), X @ W + b)
    np.testing.assert_allclose(applied(Linear(7, bias=False), x=X, W=W), X @ W)
    np.testing.assert_allclose(applied(Bias(), x=X, b=b[:4]), X + b[:4])


def test_the_parameters_of_linear() -> None:
    assert Linear(7, initializer="he_normal").parameters((3, 4)) == {
        "W": Parameter((4, 7), "he_normal"),
        "b": Parameter((7,), "zeros"),
    }
    assert Linear(7, bias=False).parameters((3, 4)) == {"W": Parameter((4, 7), "glorot_uniform")}


def test_arithmetic_layers_broadcast() -> None:
    a, b, c = X[0], X[1, 0], X[2, :, :1]
    np.testing.assert_allclose(applied(Add(), a=a, b=b, c=c), a + b + c)
    np.testing.assert_allclose(applied(Multiply(), a=a, b=b, c=c), a * b * c)
    np.testing.assert_allclose(applied(Scale(-0.5), x=X), -0.5 * X)


def test_einsum_layer() -> None:
    W = RANDOM.normal(size=(4, 6))
    np.testing.assert_allclose(applied(Einsum("abi,io->oab"), x=X, V=W), (X @ W).transpose(2, 0, 1))


def test_shape_layers() -> None:
    np.testing.assert_array_equal(applied(Reshape((10, 2)), x=X), X.reshape(3, 10, 2))
    np.testing.assert_array_equal(applied(Reshape([2, -1]), x=X), X.reshape(3, 2, 10))  # type: ignore[arg-type]
    np.testing.assert_array_equal(applied(Flatten(), x=X), X.reshape(3, 20))
    np.testing.assert_array_equal(applied(Transpose((0, 2, 1)), x=X), X.transpose(0, 2, 1))


def test_changes_of_shape_store_nothing() -> None:
    x = variable("x", 3, 5, 4)
    for layer in (Flatten(), Reshape((10, 2)), Transpose((2, 0, 1))):
        assert jacobian(layer(x), x).size == 0


def test_reductions() -> None:
    np.testing.assert_allclose(applied(Sum(1), x=X), X.sum(axis=1))
    np.testing.assert_allclose(applied(Mean((0, -1)), x=X), X.mean(axis=(0, -1)))
    assert Mean([0, 1]) == Mean((0, 1))  # type: ignore[arg-type]


def test_dropout_scales_what_is_kept() -> None:
    mask = (RANDOM.random(X.shape) > 0.2).astype(float)
    np.testing.assert_allclose(applied(Dropout(0.2), x=X, mask=mask), X * mask / 0.8)


def test_one_hot() -> None:
    labels = np.array([[2, 0], [1, 1], [0, 2]])
    value = evaluate(one_hot(variable("labels", 3, 2, kind="integer"), 3), labels=labels)
    np.testing.assert_array_equal(value, np.eye(3)[labels])


@pytest.mark.parametrize("label", [-1, 4])
def test_labels_out_of_range_are_refused_when_the_program_runs(label: int) -> None:
    x, target = variable("x", 3, 4), variable("target", 3, kind="integer")
    labels = np.array([0, label, 3])
    program = compile([softmax_cross_entropy(x, target)])
    with pytest.raises(LayerError) as caught:
        program(x=np.zeros((3, 4)), target=labels)
    assert str(caught.value) == (
        "layer 'softmax_cross_entropy': labels must be from 0 to 3, one for each of 4 classes; "
        f"found {label}"
    )


def test_a_label_out_of_range_gives_an_empty_row_where_values_are_not_known() -> None:
    rows = jax.jit(lambda labels: OneHot(3).forward(jnp, labels))(np.array([1, 5]))
    np.testing.assert_array_equal(rows, [[0, 1, 0], [0, 0, 0]])


LABELS = RANDOM.integers(0, 4, size=(3, 5))


def cross_entropy(x: Any, labels: Any) -> Any:
    return -np.take_along_axis(scipy.special.log_softmax(x, axis=-1), labels[..., None], -1)[..., 0]


def test_softmax_cross_entropy_averages_over_a_sample() -> None:
    x, target = variable("x", 3, 5, 4), variable("target", 3, 5, kind="integer")
    loss = softmax_cross_entropy(x, target)
    expected = cross_entropy(X, LABELS).mean(axis=1)
    np.testing.assert_allclose(evaluate(loss, x=X, target=LABELS), expected)
    slope = evaluate(gradient(sum(loss), x), x=X, target=LABELS)
    error = scipy.special.softmax(X, axis=-1) - np.eye(4)[LABELS]
    np.testing.assert_allclose(slope, error / 5, atol=1e-15)


def test_both_forms_of_softmax_cross_entropy_agree() -> None:
    x, rows = variable("x", 3, 5, 4), variable("rows", 3, 5, 4)
    loss = softmax_cross_entropy_one_hot(x, rows)
    arrays = {"x": X, "rows": np.eye(4)[LABELS]}
    np.testing.assert_allclose(evaluate(loss, **arrays), cross_entropy(X, LABELS).mean(axis=1))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_cross_entropy_keeps_its_digits_for_large_logits(dtype: str) -> None:
    logits = np.array([[10000.0, 9999.0], [-10000.0, -10000.0]], dtype)
    x, target = variable("x", 2, 2), variable("target", 2, kind="integer")
    loss = evaluate(softmax_cross_entropy(x, target), dtype, x=logits, target=np.array([0, 1]))
    np.testing.assert_allclose(loss, [np.log1p(np.exp(-1)), np.log(2)], rtol=1e-6)
    assert loss.dtype == dtype


def test_the_jacobian_of_the_loss_by_the_logits_keeps_the_samples_apart() -> None:
    x, target = variable("x", 64, 10), variable("target", 64, kind="integer")
    assert jacobian(softmax_cross_entropy(x, target), x).size == 64 * 10


def test_other_losses() -> None:
    x, t = variable("x", 3, 4), variable("t", 3, 4)
    A, B = X[:, 0], X[:, 1]
    squared = evaluate(mean_squared_error(x, t), x=A, t=B)
    np.testing.assert_allclose(squared, ((A - B) ** 2).mean(axis=1))
    bits = (B > 0).astype(float)
    p = scipy.special.expit(A)
    entropy = -(bits * np.log(p) + (1 - bits) * np.log(1 - p)).mean(axis=1)
    np.testing.assert_allclose(evaluate(binary_cross_entropy(x, t), x=A, t=bits), entropy)
    signs = 2 * bits - 1
    np.testing.assert_allclose(evaluate(logistic_loss(x, t), x=A, t=signs), entropy)


@pytest.mark.parametrize("loss", [binary_cross_entropy, logistic_loss])
def test_binary_losses_of_extreme_logits(
    loss: Callable[[Expression, Expression], Expression],
) -> None:
    x, t = variable("x", 2), variable("t", 2)
    arrays = {"x": np.array([1000.0, -1000.0]), "t": np.array([1.0, 1.0])}
    with np.errstate(all="raise", under="ignore"):
        np.testing.assert_allclose(evaluate(loss(x, t), **arrays), [0, 1000])
        slope = evaluate(gradient(sum(loss(x, t)), x), **arrays)
    np.testing.assert_allclose(slope, [0, -1])


@pytest.mark.parametrize(
    "example",
    [example for example in EXAMPLES if isinstance(example.layer, Primitive)],
    ids=lambda example: Case(example.layer, example.shapes).label,
)
def test_forward_rules_run_on_another_library(example: Any) -> None:
    arrays = Case(example.layer, example.shapes).arrays.values()
    expected = example.layer.forward(np, *arrays)
    found = example.layer.forward(jnp, *[jnp.asarray(each) for each in arrays])
    np.testing.assert_allclose(found, expected, rtol=1e-13, atol=1e-15)


def x(*shape: int) -> Expression:
    return variable("x", *shape)


def t(*shape: int) -> Expression:
    return variable("t", *shape)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: softmax(x(3, 4), axis=2),
            "layer 'softmax': axis 2 is out of range for an input of shape (3, 4); it must be from "
            "-2 to 1",
        ),
        (
            lambda: logsumexp(x()),
            "layer 'logsumexp': axis -1 is out of range for an input of shape (); it must be of an "
            "input with dimensions",
        ),
        (
            lambda: log_softmax(x(3, 0)),
            "layer 'log_softmax': axis -1 of an input of shape (3, 0) is empty; there must be at "
            "least one number along it",
        ),
        (
            lambda: Softmax("last"),  # type: ignore[arg-type]
            "layer 'softmax': axis must be a whole number, found 'last'",
        ),
        (
            lambda: LogSumExp(True),
            "layer 'logsumexp': axis must be a whole number, found True",
        ),
        (
            lambda: standardize(x()),
            "layer 'standardize': x needs an axis of features, found a number of shape ()",
        ),
        (
            lambda: Standardize(-1),
            "layer 'standardize': epsilon must not be negative, found -1",
        ),
        (
            lambda: LayerNorm("small"),  # type: ignore[arg-type]
            "layer 'layer_norm': epsilon must be a finite number, found 'small'",
        ),
        (
            lambda: Standardize(centered=0),  # type: ignore[arg-type]
            "layer 'standardize': centered must be true or false, found 0",
        ),
        (
            lambda: Linear(0),
            "layer 'linear': units must be a whole number from 1, found 0",
        ),
        (
            lambda: Linear(2.5),  # type: ignore[arg-type]
            "layer 'linear': units must be a whole number from 1, found 2.5",
        ),
        (
            lambda: Linear(2, bias="no"),  # type: ignore[arg-type]
            "layer 'linear': bias must be true or false, found 'no'",
        ),
        (
            lambda: Linear(2, initializer="he"),  # type: ignore[arg-type]
            "layer 'linear': unknown initializer 'he'; known: glorot_uniform, he_normal, ones, "
            "zeros",
        ),
        (
            lambda: Linear(2)(x()),
            "layer 'linear': x needs an axis of features, found a number of shape ()",
        ),
        (
            lambda: Linear(2)(x(3, 4), W=t(3, 2), b=variable("b", 2)),
            "layer 'linear': parameter 'W' has shape (3, 2), expected (4, 2)",
        ),
        (
            lambda: Add()(x(3, 4), t(3, 5)),
            "layer 'add': shapes (3, 4), (3, 5) do not broadcast: sizes 4 and 5 meet",
        ),
        (
            lambda: Add()(x(3, 4)),
            "layer 'add' takes at least 2 inputs (x, y), got 1",
        ),
        (
            lambda: Einsum("bi,io->bo")(x(3, 4), t(5, 2)),
            "layer 'einsum': signature 'bi,io->bo': axis 'i' has size 4 and also 5",
        ),
        (
            lambda: Einsum(3),  # type: ignore[arg-type]
            "layer 'einsum': spec must be a text, found 3",
        ),
        (
            lambda: Reshape((5,))(x(3, 4)),
            "layer 'reshape': cannot reshape (3, 4), which has 12 elements, to (3, 5), which has "
            "15",
        ),
        (
            lambda: Reshape("5"),  # type: ignore[arg-type]
            "layer 'reshape': shape must be a list of whole numbers, found '5'",
        ),
        (
            lambda: Reshape((2.0,)),  # type: ignore[arg-type]
            "layer 'reshape': each number of shape must be a whole number, found 2.0",
        ),
        (
            lambda: Flatten()(x()),
            "layer 'flatten': x needs a batch axis, found a number of shape ()",
        ),
        (
            lambda: Transpose((0, 0))(x(3, 4)),
            "layer 'transpose': transpose: axes (0, 0) are no permutation of the 2 dimensions of "
            "shape (3, 4)",
        ),
        (
            lambda: Mean(2)(x(3, 4)),
            "layer 'mean': axis 2 is out of range for 2 dimensions: it must be from -2 to 1",
        ),
        (
            lambda: Dropout(1),
            "layer 'dropout': rate must be from 0 and below 1, found 1",
        ),
        (
            lambda: Dropout()(x(3, 4), t(3, 5)),
            "layer 'dropout': shapes (3, 4), (3, 5) do not broadcast: sizes 4 and 5 meet",
        ),
        (
            lambda: OneHot(0),
            "layer 'one_hot': classes must be a whole number from 1, found 0",
        ),
        (
            lambda: MeanSquaredError()(x(3, 4), t(3)),
            "layer 'mean_squared_error': the target must have the shape of x, (3, 4), found (3,)",
        ),
        (
            lambda: logistic_loss(x(), t()),
            "layer 'logistic_loss': x needs a batch axis, found a number of shape ()",
        ),
        (
            lambda: SoftmaxCrossEntropy()(x(3, 4), t(4)),
            "layer 'softmax_cross_entropy': x of shape (3, 4) needs integer targets of shape (3,), "
            "found (4,)",
        ),
        (
            lambda: SoftmaxCrossEntropy()(x(3, 4), t(3, 4)),
            "layer 'softmax_cross_entropy': x of shape (3, 4) needs integer targets of shape (3,), "
            "found (3, 4); rows of probabilities are for softmax_cross_entropy_one_hot",
        ),
        (
            lambda: SoftmaxCrossEntropy()(x(4), t()),
            "layer 'softmax_cross_entropy': x must have a batch axis and an axis of classes, found "
            "shape (4,)",
        ),
        (
            lambda: softmax_cross_entropy_one_hot(x(4), t(4)),
            "layer 'softmax_cross_entropy_one_hot': x must have a batch axis and an axis of "
            "classes, found shape (4,)",
        ),
    ],
)
def test_errors(make: Callable[[], object], message: str) -> None:
    with pytest.raises(LayerError) as caught:
        make()
    assert str(caught.value) == message
