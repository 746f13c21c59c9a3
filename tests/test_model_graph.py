"""Layers put together: shapes that do not fit, and tensors that are too large."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pytest
from model_texts import complaint

from tensorbp.errors import ModelError
from tensorbp.expression import Expression, Primitive
from tensorbp.model import LayerRecord, load
from tensorbp.registry import build_registry, hookimpl

START = "tensorbp: 1\ninputs: {x: [4, 3]}\n"


def test_a_record_says_everything_about_a_layer() -> None:
    model = load(
        io.StringIO(
            "tensorbp: 1\ndims: {batch: 4, hidden: 5}\ninputs: {x: [batch, 3]}\n"
            "layers: [{name: dense, type: linear, units: 2*hidden}, {type: tanh}]"
        )
    )
    dense, tanh = model.layers
    assert dense == LayerRecord(
        name="dense",
        type="linear",
        arguments={"units": 10, "bias": True, "initializer": "glorot_uniform"},
        inputs=("x",),
        shape=(4, 10),
        parameters={"dense.W": (3, 10), "dense.b": (10,)},
    )
    assert (dense.parameter_count, tanh.parameter_count) == (40, 0)
    assert (tanh.name, tanh.inputs, tanh.shape) == ("tanh1", ("dense",), (4, 10))


FAULTS: dict[str, tuple[str, str]] = {
    "shapes that do not fit": (
        START + "layers:\n"
        "- {name: dense, type: linear, units: 5}\n"
        "- {name: sum, type: add, inputs: [dense, x]}\n",
        "5:3: 'sum', which reads (4, 5) and (4, 3): layer 'add': shapes (4, 5), (4, 3) do not "
        "broadcast: sizes 3 and 5 meet",
    ),
    "too few inputs": (
        START + "layers: [{type: tanh}]\nloss: {type: mean_squared_error}\n",
        "4:7: 'loss', which reads (4, 3): layer 'mean_squared_error' takes 2 inputs (x, target), "
        "got 1",
    ),
    "numbers for labels": (
        START + "layers: [{type: tanh}]\nloss: {type: softmax_cross_entropy, inputs: [tanh1, x]}\n",
        "4:7: 'loss', which reads (4, 3) and (4, 3): layer 'softmax_cross_entropy' takes integers "
        "as its input 'target', got real numbers",
    ),
    "labels for numbers": (
        "tensorbp: 1\ninputs: {x: {shape: [4], kind: integer}}\nlayers: [{type: tanh}]\n",
        "3:10: 'tanh1', which reads (4,): layer 'tanh' takes real numbers as its input 'x', got "
        "integers",
    ),
    "an argument that the layer refuses": (
        START + "layers: [{type: linear, units: -1}]\n",
        "3:10: 'linear1', which reads (4, 3): layer 'linear': units must be a whole number from "
        "1, found -1",
    ),
    "several faults, and what depends on them": (
        START + "layers:\n"
        "- {name: a, type: linear, units: 0}\n"
        "- {name: b, type: tanh}\n"
        "- {name: c, type: reshape, shape: [7], inputs: x}\n"
        "outputs: [b, c]\n",
        "4:3: 'a', which reads (4, 3): layer 'linear': units must be a whole number from 1, found "
        "0\n"
        "6:3: 'c', which reads (4, 3): layer 'reshape': cannot reshape (4, 3), which has 12 "
        "elements, to (4, 7), which has 28",
    ),
    "a large dimension": (
        "tensorbp: 1\ndims: {a: 1099511627776}\ninputs:\n  x: [2*a]\n  y: [a, a]\n"
        "layers: [{type: tanh}, {type: tanh, inputs: y}]\noutputs: [tanh1, tanh2]\n",
        "4:6: input 'x' has shape (2199023255552,), and 2199023255552 is more than 1099511627776\n"
        "5:6: input 'y' has shape (1099511627776, 1099511627776), that is "
        "1208925819614629174706176 numbers, more than 1152921504606846976",
    ),
    "large parameters": (
        "tensorbp: 1\ndims: {a: 1099511627776}\ninputs: {x: [1, a]}\n"
        "layers: [{type: linear, units: 4*a}]\n",
        "4:10: 'linear1', which reads (1, 1099511627776): parameter 'linear1.W' has shape "
        "(1099511627776, 4398046511104), and 4398046511104 is more than 1099511627776",
    ),
    "a large output": (
        "tensorbp: 1\ndims: {a: 1099511627776}\ninputs: {x: [a, 1], y: [1, a]}\n"
        "layers: [{type: add, inputs: [x, y]}]\n",
        "4:10: 'add1', which reads (1099511627776, 1) and (1, 1099511627776): its output has "
        "shape (1099511627776, 1099511627776), that is 1208925819614629174706176 numbers, more "
        "than 1152921504606846976",
    ),
}


@pytest.mark.parametrize(("text", "message"), FAULTS.values(), ids=FAULTS)
def test_faults(text: str, message: str) -> None:
    assert complaint(text) == message


def test_faults_in_a_block_are_said_once_for_each_use() -> None:
    text = START + (
        "blocks: {b: {layers: [{type: linear, units: width}, {type: add, inputs: [previous, "
        "input]}]}}\ndims: {width: 7}\nlayers: [{type: b}, {type: b, inputs: x}]\n"
        "outputs: [b1, b2]\n"
    )
    message = (
        "'b{}.add1', which reads (4, 7) and (4, 3): layer 'add': shapes (4, 7), (4, 3) do not "
        "broadcast: sizes 3 and 7 meet"
    )
    assert complaint(text) == "\n".join(f"3:53: {message.format(k)}" for k in (1, 2))


def records(text: str) -> dict[str, Any]:
    return {each.name: each.shape for each in load(io.StringIO(text)).layers}


def test_sizes_are_bound_in_lists_too() -> None:
    text = (
        "tensorbp: 1\ndims: {rows: 2, columns: 3}\ninputs: {x: [4, rows*columns]}\n"
        "layers: [{type: reshape, shape: [rows, columns]}, {type: mean, axis: [1, -1]}]\n"
    )
    assert records(text) == {"reshape1": (4, 2, 3), "mean1": (4,)}


@dataclass(frozen=True)
class Largest(Primitive):
    """The place of the largest number along the last axis."""

    name = "largest"
    formula = "y_b = argmax_p x_bp"
    kind: ClassVar[str] = "integer"

    def shape(self, *shapes: tuple[int, ...]) -> tuple[int, ...]:
        return shapes[0][:-1]

    def forward(self, xp: Any, *arrays: Any) -> Any:
        return xp.argmax(arrays[0], axis=-1)

    def jacobian(self, y: Expression, *operands: Expression) -> dict[str, Any]:
        return {}


class Plugin:
    @hookimpl
    def tensorbp_register_layers(self, register: Callable[[Any], None]) -> None:
        register(Largest)


SELECTED = (
    "layers:\n- {name: best, type: largest}\n- {name: hot, type: one_hot, classes: 3}\n"
    "- {type: multiply, inputs: [hot, x]}\n"
    "loss: {type: softmax_cross_entropy, inputs: [multiply1, best]}\n"
)


def test_a_layer_may_give_the_labels_that_another_one_reads() -> None:
    registry = build_registry(Plugin(), entry_points=False)
    model = load(io.StringIO(START + SELECTED), registry=registry)
    x = np.random.default_rng(0).normal(size=(4, 3))
    best = np.argmax(x, axis=-1)
    kept = np.where(np.arange(3) == best[:, None], x, 0.0)
    expected = np.log(np.exp(kept).sum(axis=-1)) - kept[np.arange(4), best]
    assert model.value(model.initialize(), x=x) == pytest.approx(expected.mean(), rel=1e-14)


def test_labels_are_no_numbers() -> None:
    registry = build_registry(Plugin(), entry_points=False)
    with pytest.raises(ModelError) as error:
        load(io.StringIO(START + "layers: [{type: largest}, {type: tanh}]"), registry=registry)
    assert str(error.value).endswith(
        "'tanh1', which reads (4,): layer 'tanh' takes real numbers as its input 'x', got integers"
    )
