"""Names and what they stand for: defaults, blocks, repetitions, circles."""

from __future__ import annotations

import io
from time import perf_counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from model_texts import complaint

from tensorbp.model import load

START = "tensorbp: 1\ninputs: {x: [4, 3], z: [4, 3]}\n"
RESIDUAL = (
    "blocks:\n"
    "  residual:\n"
    "    layers:\n"
    "    - {name: dense, type: linear, units: 3}\n"
    "    - {type: tanh}\n"
    "    - {type: add, inputs: [previous, input]}\n"
)


def wiring(text: str) -> dict[str, tuple[str, ...]]:
    return {layer.name: layer.inputs for layer in load(io.StringIO(text)).layers}


def test_a_layer_reads_the_one_before() -> None:
    assert wiring(
        "tensorbp: 1\ninputs: {x: [4, 3]}\n"
        "layers: [{type: tanh}, {name: mine, type: relu}, {type: tanh}]"
    ) == {"tanh1": ("x",), "mine": ("tanh1",), "tanh2": ("mine",)}


def test_any_graph_without_circles() -> None:
    text = START + (
        "layers:\n"
        "- {name: last, type: add, inputs: [left, right, x]}\n"
        "- {name: right, type: multiply, inputs: [left, z]}\n"
        "- {name: left, type: tanh, inputs: x}\n"
        "outputs: [last]\n"
    )
    assert list(wiring(text).items()) == [
        ("left", ("x",)),
        ("right", ("left", "z")),
        ("last", ("left", "right", "x")),
    ]


def test_numbers_go_around_names_that_are_taken() -> None:
    text = START + (
        "layers:\n- {type: tanh}\n- {name: tanh1, type: tanh}\n- {type: tanh}\n"
        "- {type: multiply, inputs: [previous, z]}\n"
    )
    assert list(wiring(text)) == ["tanh2", "tanh1", "tanh3", "multiply1"]


def test_the_loss_reads_the_last_layer_and_the_inputs_that_are_left() -> None:
    loss = "layers: [{type: tanh}]\nloss: {type: mean_squared_error}\n"
    assert wiring(START + loss)["loss"] == ("tanh1", "z")
    named = (
        "layers: [{type: tanh}]\nloss: {name: error, type: mean_squared_error, inputs: [z, x]}\n"
    )
    assert wiring(START + named + "outputs: tanh1\n")["error"] == ("z", "x")


def test_blocks_are_written_out() -> None:
    text = (
        START
        + RESIDUAL
        + "layers:\n"
        + "- {type: residual, repeat: 2}\n"
        + "- {name: own, type: residual, inputs: z}\n"
        + "- {type: add, inputs: [residual2, own]}\n"
    )
    assert wiring(text) == {
        "residual1.dense": ("x",),
        "residual1.tanh1": ("residual1.dense",),
        "residual1.add1": ("residual1.tanh1", "x"),
        "residual2.dense": ("residual1.add1",),
        "residual2.tanh1": ("residual2.dense",),
        "residual2.add1": ("residual2.tanh1", "residual1.add1"),
        "own.dense": ("z",),
        "own.tanh1": ("own.dense",),
        "own.add1": ("own.tanh1", "z"),
        "add1": ("residual2.add1", "own.add1"),
    }


def test_blocks_may_contain_blocks_and_read_inputs_of_the_model() -> None:
    text = START + (
        "blocks:\n"
        "  outer:\n"
        "    layers: [{type: inner, repeat: 2}, {type: multiply, inputs: [previous, input]}]\n"
        "  inner: {layers: [{name: sum, type: add, inputs: [input, z]}]}\n"
        "layers: [{name: a, type: outer}]\n"
    )
    assert wiring(text) == {
        "a.inner1.sum": ("x", "z"),
        "a.inner2.sum": ("a.inner1.sum", "z"),
        "a.multiply1": ("a.inner2.sum", "x"),
    }


def test_a_repeated_layer_goes_on_from_the_one_before() -> None:
    text = START + (
        "layers:\n"
        "- {name: start, type: tanh}\n"
        "- {name: gate, type: multiply, inputs: [start, z], repeat: 3}\n"
        "- {name: sum, type: add, inputs: [x, previous], repeat: 2}\n"
        "- {type: add, inputs: [gate, gate1, sum]}\n"
    )
    assert wiring(text) == {
        "start": ("x",),
        "gate1": ("start", "z"),
        "gate2": ("gate1", "z"),
        "gate3": ("gate2", "z"),
        "sum1": ("x", "gate3"),
        "sum2": ("x", "sum1"),
        "add1": ("gate3", "gate1", "sum2"),
    }


def test_repeating_once_numbers_too() -> None:
    text = "tensorbp: 1\ninputs: {x: [4]}\nlayers: [{name: a, type: tanh, repeat: 1}]"
    assert wiring(text) == {"a1": ("x",)}


def test_layers_in_blocks_can_be_named_from_outside() -> None:
    model = load(
        io.StringIO(
            "tensorbp: 1\ninputs: {x: [4, 3]}\n" + RESIDUAL + "layers:\n"
            "- {name: a, type: residual}\n"
            "- {name: b, type: relu, inputs: a.dense}\n"
            "outputs: [a, b, a.tanh1]\n"
        )
    )
    assert {layer.name: layer.inputs for layer in model.layers}["b"] == ("a.dense",)
    assert list(model.outputs) == ["a", "b", "a.tanh1"]
    assert model.outputs["a"] is model.nodes["a.add1"]
    assert model.outputs["a.tanh1"] is model.nodes["a.tanh1"]


def test_the_output_is_the_last_layer_unless_it_is_said() -> None:
    text = "tensorbp: 1\ninputs: {x: [4, 3]}\n" + RESIDUAL + "layers: [{type: residual}]\n"
    assert list(load(io.StringIO(text)).outputs) == ["residual1"]


FAULTS = {
    "a name of nothing": (
        "tensorbp: 1\ninputs: {x: [4]}\nlayers: [{type: tanh, inputs: [y]}]\noutputs: tanh2\n"
        "loss: {type: tanh, inputs: prevous}",
        "3:32: there is no layer or input 'y'; known: previous, tanh1, x\n"
        "4:10: there is no layer or input 'tanh2'; did you mean 'tanh1'?\n"
        "5:28: there is no layer or input 'prevous'; did you mean 'previous'?",
    ),
    "a name in a block": (
        START + RESIDUAL + "layers:\n- {name: a, type: residual}\n"
        "- {type: add, inputs: [dense, a.dens, a.input, z]}\n",
        "11:24: there is no layer or input 'dense'; known: a, add1, previous, x, z\n"
        "11:31: there is no layer or input 'a.dens'; known: a, add1, previous, x, z\n"
        "11:39: there is no layer or input 'a.input'; known: a, add1, previous, x, z",
    ),
    "names outside of a block": (
        START + "blocks: {a: {layers: [{type: add, inputs: [input, first]}]}}\n"
        "layers: [{name: first, type: tanh}, {type: a}, {type: add, inputs: [previous, input]}]\n",
        "3:51: there is no layer or input 'first'; known: add1, input, previous, x, z\n"
        "4:79: there is no layer or input 'input'; known: a1, add1, first, previous, x, z",
    ),
    "names that are there twice": (
        START + "layers:\n- {name: a, type: tanh}\n- {name: a, type: tanh}\n"
        "- {name: z, type: tanh}\n- {name: a1, type: relu}\n- {name: a, type: relu, repeat: 2}\n"
        "- {name: loss, type: tanh}\nloss: {type: mean_squared_error}\n",
        "5:3: the name 'a' is there twice, first on line 4\n"
        "6:3: the name 'z' is there twice, first on line 2\n"
        "8:3: the name 'a' is there twice, first on line 4\n"
        "8:3: the name 'a1' is there twice, first on line 7\n"
        "9:3: the name 'loss' is there twice, first on line 10",
    ),
    "a circle": (
        START + "layers:\n- {name: a, type: add, inputs: [x, z, c]}\n- {name: b, type: tanh}\n"
        "- {name: c, type: tanh}\n- {name: d, type: tanh, inputs: d}\n",
        "4:3: circular inputs: a → b → c → a\n7:3: circular inputs: d → d",
    ),
    "a block in itself": (
        START + "blocks:\n  a: {layers: [{type: b}]}\n  b: {layers: [{type: c}]}\n"
        "  c: {layers: [{type: tanh}, {type: b}, {type: c}]}\nlayers: [{type: a}]\n",
        "6:6: a block contains itself: b → c → b\n6:6: a block contains itself: c → c",
    ),
    "two inputs for a block": (
        START + RESIDUAL + "layers: [{type: residual, inputs: [x, z]}]\n",
        "9:10: block 'residual' takes 1 input, got 2",
    ),
    "an input as an output": (
        START + "layers: [{type: add, inputs: [x, z]}]\noutputs: [add1, x]\n",
        "4:17: 'x' is an input, not a layer",
    ),
    "what nothing reads": (
        START + "blocks: {b: {layers: [{type: relu}, {type: tanh, inputs: input}]}}\n"
        "layers: [{name: a, type: tanh}, {type: b, inputs: x}]\n",
        "3:23: nothing reads 'relu1'; name it in some 'inputs', or remove it",
    ),
    "layers that nothing reads": (
        START + "layers: [{name: a, type: tanh}, {type: b, inputs: x}]\n"
        "blocks: {b: {layers: [{type: relu}]}}\n",
        "3:10: nothing reads 'a'; name it in some 'inputs', or remove it",
    ),
    "inputs that nothing reads": (
        START + "layers: [{type: tanh}]\n",
        "2:24: nothing reads input 'z'; name it in some 'inputs', or remove it",
    ),
    "too many layers": (
        START + "layers: [{type: tanh, repeat: 60000}, {type: tanh, repeat: 60000}]\n",
        "3:10: there are more than 100000 layers",
    ),
    "too many layers in blocks": (
        START + "blocks:\n  a: {layers: [{type: tanh, repeat: 1000}]}\n"
        "  b: {layers: [{type: a, repeat: 1000}]}\n  c: {layers: [{type: b, repeat: 1000}]}\n"
        "layers: [{type: c, repeat: 1000}, {type: add, inputs: [previous, z]}]\n",
        "7:10: there are more than 100000 layers",
    ),
    "blocks in blocks in blocks": (
        START
        + "blocks:\n"
        + "".join(f"  b{k}: {{layers: [{{type: b{k + 1}}}]}}\n" for k in range(1000))
        + "layers: [{type: b0}]\n",
        "68:8: blocks are nested more than 64 deep\n1003:26: unknown layer 'b1000'; "
        "did you mean 'b100'?",
    ),
}


@pytest.mark.parametrize(("text", "message"), FAULTS.values(), ids=FAULTS)
def test_faults(text: str, message: str) -> None:
    start = perf_counter()
    assert complaint(text) == message
    assert perf_counter() - start < 5.0


@given(st.integers(2, 30), st.randoms(use_true_random=False))
def test_the_order_in_the_file_does_not_matter(count: int, random: object) -> None:
    layers = [
        f"- {{name: n{k}, type: tanh, inputs: {f'n{k - 1}' if k else 'x'}}}" for k in range(count)
    ]
    random.shuffle(layers)  # type: ignore[attr-defined]
    text = "tensorbp: 1\ninputs: {x: [4]}\nlayers:\n" + "\n".join(layers)
    model = load(io.StringIO(text + f"\noutputs: [n{count - 1}]\n"))
    assert [layer.name for layer in model.layers] == [f"n{k}" for k in range(count)]


def test_long_chains_of_references_are_followed() -> None:
    count = 5000
    layers = [f"- {{name: n{k}, type: tanh, inputs: n{k + 1}}}" for k in range(count)]
    text = "tensorbp: 1\ninputs: {x: [4]}\nlayers:\n" + "\n".join(layers)
    text += f"\n- {{name: n{count}, type: tanh, inputs: x}}\noutputs: [n0]\n"
    assert len(wiring(text)) == count + 1
