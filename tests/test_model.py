"""Models as they are used: loss, gradient, predictions, any batch size."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tensorbp.errors import CompileError, ModelError, ParameterError, ShapeError
from tensorbp.model import Model, Parameters, load

jax.config.update("jax_enable_x64", True)

EXAMPLES = Path(__file__).parents[1] / "docs" / "examples"
CLASSIFIER = (
    "tensorbp: 1\n"
    "name: classifier\n"
    "dims: {batch: 8, features: 5, hidden: 7, classes: 3}\n"
    "inputs:\n"
    "  x: [batch, features]\n"
    "  target: {shape: [batch], kind: integer}\n"
    "layers:\n"
    "- {name: dense1, type: linear, units: hidden}\n"
    "- {name: hidden, type: tanh}\n"
    "- {type: linear, units: hidden}\n"
    "- {type: add, inputs: [previous, hidden]}\n"
    "- {name: logits, type: linear, units: classes}\n"
    "loss: {type: softmax_cross_entropy, inputs: [logits, target]}\n"
)


def classifier(**dims: int) -> Model:
    return load(io.StringIO(CLASSIFIER), dims)


def batch(count: int = 8, seed: int = 0) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    return {"x": rng.normal(size=(count, 5)), "target": rng.integers(0, 3, count)}


def reference_loss(theta: dict[str, Any], x: Any, target: Any) -> Any:
    hidden = jnp.tanh(x @ theta["dense1.W"] + theta["dense1.b"])
    skip = hidden @ theta["linear1.W"] + theta["linear1.b"] + hidden
    logits = skip @ theta["logits.W"] + theta["logits.b"]
    return -jnp.mean(jax.nn.log_softmax(logits)[jnp.arange(len(x)), target])


def test_the_parts_of_a_model() -> None:
    model = classifier()
    assert (model.name, model.source) == ("classifier", "<stream>")
    assert model.dims == {"batch": 8, "features": 5, "hidden": 7, "classes": 3}
    assert {name: each.shape for name, each in model.inputs.items()} == {
        "x": (8, 5),
        "target": (8,),
    }
    assert {name: each.shape for name, each in model.parameters.items()} == {
        "dense1.W": (5, 7),
        "dense1.b": (7,),
        "linear1.W": (7, 7),
        "linear1.b": (7,),
        "logits.W": (7, 3),
        "logits.b": (3,),
    }
    assert list(model.nodes) == ["dense1", "hidden", "linear1", "add1", "logits", "loss"]
    assert model.outputs == {"logits": model.nodes["logits"]}
    assert (model.losses.shape, model.loss.shape) == ((8,), ())
    assert model.labels[model.nodes["logits"]] == "logits"
    assert repr(model) == (
        "<Model 'classifier': 6 layers, 122 parameters, reads x (8, 5), target (8,)>"
    )
    theta = model.initialize()
    assert theta.shapes == {name: each.shape for name, each in model.parameters.items()}
    assert model.initialize(dtype="float32").dtype == np.float32


def test_a_layer_that_does_nothing_is_not_a_label() -> None:
    text = (
        "tensorbp: 1\ninputs: {x: [4, 3]}\nlayers: [{type: flatten}, {type: tanh}, {type: flatten}]"
    )
    model = load(io.StringIO(text))
    assert model.labels == {model.nodes["tanh1"]: "tanh1"}


@pytest.mark.parametrize("count", [1, 8, 13])
def test_value_and_gradient_agree_with_jax(count: int) -> None:
    model, arrays = classifier(), batch(count)
    theta = model.initialize(seed=3)
    value, gradient = model.value_and_gradient(theta, **arrays)
    expected, derivatives = jax.value_and_grad(reference_loss)(dict(theta.items()), **arrays)
    assert value == pytest.approx(float(expected), rel=1e-12)
    assert isinstance(value, float)
    assert model.value(theta, **arrays) == pytest.approx(value, rel=1e-14)
    for name in theta:
        np.testing.assert_allclose(gradient[name], derivatives[name], rtol=1e-10, atol=1e-14)


def test_gradients_are_expressions_too() -> None:
    model = classifier()
    assert {name: each.shape for name, each in model.gradient.items()} == {
        name: each.shape for name, each in model.parameters.items()
    }


def test_predictions_need_only_what_they_read() -> None:
    model, arrays = classifier(), batch(11)
    theta = model.initialize()
    logits = model.predict(theta, x=arrays["x"])
    assert logits.shape == (11, 3)
    assert np.array_equal(model.predict(theta, **arrays), logits)


def test_several_outputs_come_by_name() -> None:
    model = load(io.StringIO(CLASSIFIER + "outputs: [hidden, logits]\n"))
    outputs = model.predict(model.initialize(), x=batch()["x"])
    assert {name: each.shape for name, each in outputs.items()} == {
        "hidden": (8, 7),
        "logits": (8, 3),
    }


def test_types_of_numbers() -> None:
    model, arrays = classifier(), batch()
    single, double = model.initialize(dtype="float32"), model.initialize()
    value, gradient = model.value_and_gradient(single, **arrays)
    assert gradient.dtype == np.float32
    assert value == pytest.approx(model.value(double, **arrays), rel=1e-5)


def test_programs_are_kept() -> None:
    model = classifier()
    theta = model.initialize()
    for count in (8, 5, 8, 5):
        model.value_and_gradient(theta, **batch(count))
    assert model.bind(batch=8) is model
    assert model.bind(batch=5) is model.bind(batch=5)
    assert model.bind(batch=5).bind(batch=8) is model
    assert len(model._programs) == 1
    assert len(model.bind(batch=5)._programs) == 1


def test_only_so_many_programs_are_kept() -> None:
    model = classifier()
    first = model.bind(batch=9)
    for count in range(10, 60):
        model.bind(batch=count)
    assert len(model._bindings) == 32
    assert model.bind(batch=9) is not first
    assert model.bind(batch=9) is model.bind(batch=9)


def test_other_sizes() -> None:
    model = classifier(hidden=11)
    assert model.dims["hidden"] == 11
    assert model.bind(hidden=4, batch=2).parameters["dense1.W"].shape == (5, 4)
    assert model.parameters["dense1.W"].shape == (5, 11)


CALLS: dict[str, tuple[dict[str, Any], type[Exception], str]] = {
    "an unknown input": (
        {"y": np.zeros((8, 5))},
        ShapeError,
        "the model has no input 'y'; known: target, x",
    ),
    "a missing input": (
        {"x": np.zeros((8, 5))},
        CompileError,
        "the program needs its input 'target' of shape (8,)",
    ),
    "contradicting batches": (
        {"x": np.zeros((8, 5)), "target": np.zeros(7, int)},
        ShapeError,
        "dimension 'batch' is 8 in input 'x', but 7 in input 'target'",
    ),
    "a wrong rank": (
        {"x": np.zeros(5), "target": np.zeros(8, int)},
        ShapeError,
        "input 'x' has shape (5,), expected (batch, features)",
    ),
    "an empty batch": (
        {"x": np.zeros((0, 5)), "target": np.zeros(0, int)},
        ShapeError,
        "input 'x' has size 0 for 'batch'; sizes start at 1",
    ),
    "other features": (
        {"x": np.zeros((8, 6)), "target": np.zeros(8, int)},
        ShapeError,
        "parameter 'dense1.W' has shape (5, 7), but the model with batch=8, features=6, hidden=7, "
        "classes=3 needs (6, 7)",
    ),
}


@pytest.mark.parametrize(("arrays", "kind", "message"), CALLS.values(), ids=CALLS)
def test_wrong_calls(arrays: dict[str, Any], kind: type[Exception], message: str) -> None:
    model = classifier()
    with pytest.raises(kind) as error:
        model.value_and_gradient(model.initialize(), **arrays)
    assert str(error.value) == message


def test_labels_must_be_integers() -> None:
    model = classifier()
    with pytest.raises(CompileError, match="'target'"):
        model.value(model.initialize(), x=np.zeros((8, 5)), target=np.zeros(8))


def test_parameters_must_be_those_of_the_model() -> None:
    model, arrays = classifier(), batch()
    theta = model.initialize()
    missing = Parameters.from_arrays({name: theta[name] for name in theta.names[1:]})
    more = Parameters.from_arrays({**dict(theta.items()), "dense2.W": 0.0})
    with pytest.raises(ParameterError) as error:
        model.value(missing, **arrays)
    assert str(error.value) == "the parameters lack 'dense1.W' of shape (5, 7)"
    with pytest.raises(ParameterError) as error:
        model.value(more, **arrays)
    assert str(error.value) == "the model has no parameter 'dense2.W'; did you mean 'dense1.W'?"


def test_parameters_in_another_order_are_as_good() -> None:
    model, arrays = classifier(), batch()
    theta = model.initialize()
    turned = Parameters.from_arrays(dict(reversed(list(theta.items()))))
    value, gradient = model.value_and_gradient(turned, **arrays)
    expected_value, expected = model.value_and_gradient(theta, **arrays)
    assert value == expected_value
    for name in theta:
        assert np.array_equal(gradient[name], expected[name])


@pytest.mark.parametrize(
    ("dims", "message"),
    [
        ({"batchs": 3}, "the model has no dimension 'batchs'; did you mean 'batch'?"),
        ({"batch": 0}, "dimension 'batch' must be an integer from 1 to 1099511627776, got 0"),
        ({"batch": 2.0}, "dimension 'batch' must be an integer from 1 to 1099511627776, got 2.0"),
        ({"batch": True}, "dimension 'batch' must be an integer from 1 to 1099511627776, got True"),
    ],
)
def test_impossible_dimensions(dims: dict[str, Any], message: str) -> None:
    for use in (lambda: classifier(**dims), lambda: classifier().bind(**dims)):
        with pytest.raises(ShapeError) as error:
            use()
        assert str(error.value) == message


def test_dimensions_without_a_default_must_be_given() -> None:
    text = (
        "tensorbp: 1\ndims: {a: null, b: 3, c: ~}\ninputs: {x: [a, b, c]}\nlayers: [{type: tanh}]"
    )
    with pytest.raises(ModelError) as error:
        load(io.StringIO(text), {"b": 2})
    assert str(error.value) == (
        "<stream>:2:11: dimension 'a' has no default; give it, as in dims={'a': 8}\n"
        "<stream>:2:26: dimension 'c' has no default; give it, as in dims={'c': 8}"
    )
    assert load(io.StringIO(text), {"a": 1, "c": 2}).inputs["x"].shape == (1, 3, 2)


def test_a_model_may_have_no_loss() -> None:
    model = load(io.StringIO("tensorbp: 1\ninputs: {x: [4, 3]}\nlayers: [{type: tanh}]"))
    for use in (lambda: model.loss, lambda: model.value(model.initialize(), x=np.zeros((4, 3)))):
        with pytest.raises(ModelError) as error:
            use()
        assert str(error.value) == (
            "<stream>:1:1: the model has no loss; add one, such as "
            "'loss: {type: mean_squared_error}'"
        )
    assert model.predict(model.initialize(), x=np.ones((4, 3))).shape == (4, 3)


def test_a_model_may_have_no_parameters() -> None:
    text = "tensorbp: 1\ninputs: {x: [4, 3], t: [4, 3]}\nlayers: [{type: tanh}]\n"
    model = load(io.StringIO(text + "loss: {type: mean_squared_error}\n"))
    value, gradient = model.value_and_gradient(
        model.initialize(), x=np.zeros((4, 3)), t=np.ones((4, 3))
    )
    assert (value, len(gradient)) == (1.0, 0)


def test_parameters_that_the_loss_does_not_read_have_gradient_zero() -> None:
    text = (
        "tensorbp: 1\ninputs: {x: [4, 3], t: [4, 3]}\nlayers:\n"
        "- {name: a, type: linear, units: 2}\n"
        "- {name: b, type: linear, units: 3, inputs: x}\n"
        "loss: {type: mean_squared_error, inputs: [b, t]}\noutputs: [a, b]\n"
    )
    model = load(io.StringIO(text))
    _, gradient = model.value_and_gradient(model.initialize(), x=np.ones((4, 3)), t=np.ones((4, 3)))
    assert not gradient["a.W"].any()
    assert gradient["b.W"].any()


def test_losses_have_one_number_for_each_sample() -> None:
    text = "tensorbp: 1\ninputs: {x: [4, 3, 2]}\nlayers: [{type: tanh}]\nloss: {type: tanh}\n"
    model = load(io.StringIO(text))
    assert model.losses.shape == (4,)
    scalar = load(
        io.StringIO(
            "tensorbp: 1\ninputs: {x: [4, 3]}\nlayers: [{type: sum, axis: [0, 1]}]\n"
            "loss: {type: tanh}\n"
        )
    )
    assert (scalar.losses.shape, scalar.loss.shape) == ((), ())


@given(st.integers(1, 40), st.integers(0, 10))
def test_the_loss_is_the_mean_over_any_batch(count: int, seed: int) -> None:
    model, arrays = MODEL, batch(count, seed)
    theta = model.initialize(seed)
    values = [
        model.value(theta, x=arrays["x"][k : k + 1], target=arrays["target"][k : k + 1])
        for k in range(count)
    ]
    assert model.value(theta, **arrays) == pytest.approx(np.mean(values), rel=1e-12)


MODEL = classifier()


@pytest.mark.parametrize("name", ["digits", "question", "residual"])
def test_the_examples_have_the_right_gradient(name: str) -> None:
    model = load(EXAMPLES / f"{name}.yaml")
    theta = model.initialize(seed=1)
    rng = np.random.default_rng(0)
    arrays = {
        name: rng.integers(0, 10, each.shape)
        if each.shape == (model.dims["batch"],)
        else rng.normal(size=each.shape)
        for name, each in model.inputs.items()
    }
    _, gradient = model.value_and_gradient(theta, **arrays)
    direction = gradient / gradient.norm()
    step = 1e-5
    difference = model.value(theta + step * direction, **arrays) - model.value(
        theta - step * direction, **arrays
    )
    assert gradient @ direction == pytest.approx(difference / (2 * step), rel=1e-7)


def test_digits_are_learnt() -> None:
    command = [sys.executable, str(EXAMPLES / "train_digits.py")]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    *epochs, final = printed.splitlines()
    assert len(epochs) == 15
    assert all(line.startswith("epoch ") for line in epochs)
    assert float(final.removeprefix("final accuracy on the held-out fifth: ")) >= 0.96


def test_large_models_are_read_at_once_and_hold_no_numbers() -> None:
    text = (
        "tensorbp: 1\ndims: {batch: 32, width: 12288}\ninputs: {x: [batch, width]}\n"
        "blocks: {layer: {layers: [{type: linear, units: width}, {type: gelu}]}}\n"
        "layers: [{type: layer, repeat: 96}]\n"
    )
    model = load(io.StringIO(text))
    assert sum(layer.parameter_count for layer in model.layers) == 96 * (12288**2 + 12288)
