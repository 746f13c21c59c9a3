"""Parameters that several layers use: which they are, what they cost, and what cannot be shared."""

from __future__ import annotations

import io

import numpy as np
import pytest
from model_texts import complaint

from tensorbp.model import Model, load

START = "tensorbp: 1\ninputs: {x: [4, 3], z: [4, 3]}\n"
LOSS = "loss: {type: mean_squared_error}\n"
BLOCK = (
    "blocks:\n"
    "  narrow:\n"
    "    layers:\n"
    "    - {name: up, type: linear, units: 5}\n"
    "    - {name: down, type: linear, units: 3, share: {W: up.W.T}}\n"
    "    - {name: out, type: linear, units: 3, share: {b: first.b}}\n"
)
FIRST = "layers:\n- {name: first, type: linear, units: 3}\n"


def written(layers: str, blocks: str = "") -> str:
    return START + blocks + layers + LOSS


def model(layers: str, blocks: str = "") -> Model:
    return load(io.StringIO(written(layers, blocks)))


def shared(loaded: Model) -> dict[str, str]:
    return {name: source for each in loaded.layers for name, source in each.shared.items()}


def count(loaded: Model) -> int:
    return sum(each.parameter_count for each in loaded.layers)


def directional_derivative_by_complex_step(loaded: Model, name: str) -> tuple[float, float]:
    """Return the derivative along a direction of one parameter, numerically and by the gradient."""
    from tensorbp.execution import compile

    random = np.random.default_rng(0)
    inputs = {each: random.normal(size=v.shape) for each, v in loaded.inputs.items()}
    theta = loaded.initialize(3)
    _, gradient = loaded.value_and_gradient(theta, **inputs)
    direction = random.normal(size=theta[name].shape)
    program = compile([loaded.loss], "complex128")
    moved = {each: array + 0j for each, array in theta.items()}
    moved[name] = moved[name] + 1e-30j * direction
    (value,) = program({**moved, **inputs})
    return float(np.imag(value)) / 1e-30, float(np.vdot(gradient[name], direction))


def test_a_layer_uses_the_transpose_of_another_ones_weights() -> None:
    tied = model(
        "layers:\n- {name: up, type: linear, units: 5}\n- {type: tanh}\n"
        "- {name: down, type: linear, units: 3, share: {W: up.W.T}}\n"
    )
    assert list(tied.parameters) == ["up.W", "up.b", "down.b"]
    assert shared(tied) == {"down.W": "up.W.T"}
    assert count(tied) == tied.initialize().size == 15 + 5 + 3
    numerical, found = directional_derivative_by_complex_step(tied, "up.W")
    assert found == pytest.approx(numerical, rel=1e-12)


def test_the_value_is_that_of_the_same_weights_twice() -> None:
    layers = (
        "layers:\n- {name: up, type: linear, units: 5}\n- {type: tanh}\n"
        "- {name: down, type: linear, units: 3SHARE}\n"
    )
    tied = model(layers.replace("SHARE", ", share: {W: up.W.T}"))
    free = model(layers.replace("SHARE", ""))
    random = np.random.default_rng(1)
    inputs = {name: random.normal(size=(4, 3)) for name in ("x", "z")}
    theta = tied.initialize(5)
    copied = free.initialize().replace({**theta, "down.W": theta["up.W"].T})
    value, gradient = tied.value_and_gradient(theta, **inputs)
    expected, both = free.value_and_gradient(copied, **inputs)
    assert value == pytest.approx(expected, rel=1e-14)
    np.testing.assert_allclose(gradient["up.W"], both["up.W"] + both["down.W"].T, rtol=1e-12)
    np.testing.assert_allclose(gradient["down.b"], both["down.b"], rtol=1e-12)


def test_a_layer_uses_all_parameters_of_another_one() -> None:
    loaded = model(
        "layers:\n- {name: step, type: linear, units: 3}\n- {type: tanh}\n"
        "- {type: linear, units: 3, share: step}\n"
    )
    assert list(loaded.parameters) == ["step.W", "step.b"]
    assert shared(loaded) == {"linear1.W": "step.W", "linear1.b": "step.b"}
    numerical, found = directional_derivative_by_complex_step(loaded, "step.W")
    assert found == pytest.approx(numerical, rel=1e-12)


def test_what_is_shared_can_be_shared_on() -> None:
    loaded = model(
        "layers:\n- {name: a, type: linear, units: 5}\n"
        "- {name: b, type: linear, units: 3, bias: false, share: {W: a.W.T}}\n"
        "- {name: c, type: linear, units: 5, bias: false, share: {W: b.W.T}}\n"
        "- {name: d, type: linear, units: 3, bias: false, share: b}\n"
    )
    assert list(loaded.parameters) == ["a.W", "a.b"]
    assert shared(loaded) == {"b.W": "a.W.T", "c.W": "a.W", "d.W": "a.W.T"}


def test_repetitions_that_share_have_one_set() -> None:
    for source in ("cell", "cell1"):
        loaded = model(
            f"layers: [{{name: cell, type: linear, units: 3, repeat: 3, share: {source}}}]\n"
        )
        assert list(loaded.parameters) == ["cell1.W", "cell1.b"]
        assert shared(loaded)["cell3.W"] == "cell1.W"
    others = model(FIRST + "- {type: linear, units: 3, repeat: 2, share: {W: first.W}}\n")
    assert list(others.parameters) == ["first.W", "first.b", "linear1.b", "linear2.b"]


def test_names_in_a_block_are_looked_up_there_and_then_in_the_model() -> None:
    loaded = model(FIRST + "- {type: narrow, repeat: 2}\n", BLOCK)
    assert shared(loaded) == {
        "narrow1.down.W": "narrow1.up.W.T",
        "narrow1.out.b": "first.b",
        "narrow2.down.W": "narrow2.up.W.T",
        "narrow2.out.b": "first.b",
    }
    shadowed = BLOCK.replace("name: up", "name: first").replace("up.W", "first.W")
    inside = model(FIRST + "- {type: narrow}\n", shadowed.replace("units: 5", "units: 3"))
    assert shared(inside) == {
        "narrow1.down.W": "narrow1.first.W.T",
        "narrow1.out.b": "narrow1.first.b",
    }


def test_a_block_uses_all_parameters_of_another_use() -> None:
    loaded = model(FIRST + "- {name: stage, type: narrow, repeat: 3, share: stage}\n", BLOCK)
    assert list(loaded.parameters) == [
        *("first.W", "first.b", "stage1.up.W", "stage1.up.b", "stage1.down.b", "stage1.out.W")
    ]
    assert shared(loaded)["stage3.down.W"] == "stage1.up.W.T"
    assert shared(loaded)["stage3.out.b"] == "first.b"
    numerical, found = directional_derivative_by_complex_step(loaded, "stage1.up.W")
    assert found == pytest.approx(numerical, rel=1e-12)


def test_blocks_in_blocks_share_with_their_counterparts() -> None:
    outer = BLOCK + (
        "  twice:\n    layers:\n    - {name: a, type: narrow}\n    - {type: tanh}\n"
        "    - {name: b, type: narrow, share: a}\n"
    )
    loaded = model(FIRST + "- {name: t, type: twice}\n- {type: twice, share: t}\n", outer)
    assert [name for name in loaded.parameters if not name.startswith(("first", "t.a"))] == []
    assert shared(loaded)["twice1.a.up.W"] == "t.a.up.W"
    assert shared(loaded)["twice1.b.up.W"] == "t.a.up.W"


def test_a_layer_of_the_model_shares_with_one_in_a_block() -> None:
    loaded = model(
        FIRST + "- {type: narrow}\n- {type: linear, units: 5}\n"
        "- {name: last, type: linear, units: 3, share: {W: narrow1.up.W.T, b: narrow1.down.b}}\n",
        BLOCK,
    )
    assert shared(loaded)["last.W"] == "narrow1.up.W.T"
    assert shared(loaded)["last.b"] == "narrow1.down.b"


def test_other_sizes_share_too() -> None:
    text = (
        "tensorbp: 1\ndims: {batch: 4, width: 5}\ninputs: {x: [batch, 3], z: [batch, 3]}\n"
        "layers:\n- {name: up, type: linear, units: width}\n"
        "- {name: down, type: linear, units: 3, share: {W: up.W.T}}\n" + LOSS
    )
    wider = load(io.StringIO(text)).bind(width=7)
    assert wider.parameters["up.W"].shape == (3, 7)
    assert shared(wider) == {"down.W": "up.W.T"}


FAULTS = {
    "no layer": (
        "- {type: linear, units: 3, share: {W: frst.W}}",
        "5:39: there is no layer 'frst'; did you mean 'first'?",
    ),
    "no parameter there": (
        "- {type: linear, units: 3, share: {W: first.V}}",
        "5:39: 'linear1': 'first' has no parameter 'V'; known: W, b",
    ),
    "no parameter here": (
        "- {type: linear, units: 3, share: {V: first.W}}",
        "5:39: 'linear1': it has no parameter 'V'; known: W, b",
    ),
    "another shape": (
        "- {type: linear, units: 5, share: first}",
        "5:35: 'linear1': its parameter 'W' has shape (3, 5), but 'first.W' has shape (3, 3)",
    ),
    "the transpose would fit": (
        "- {name: a, type: linear, units: 5}\n- {type: linear, units: 3, share: {W: a.W}}",
        "6:39: 'linear1': its parameter 'W' has shape (5, 3), but 'a.W' has shape (3, 5); share "
        "'a.W.T'",
    ),
    "the transpose is one too many": (
        "- {name: a, type: linear, units: 5, inputs: first}\n"
        "- {type: linear, units: 5, inputs: first, share: {W: a.W.T}}\n- {type: add, inputs: "
        "[a, linear1]}\n- {type: linear, units: 3}",
        "6:54: 'linear1': its parameter 'W' has shape (3, 5), but 'a.W.T' has shape (5, 3); share "
        "'a.W'",
    ),
    "no matrix": (
        "- {type: linear, units: 3, share: {b: first.b.T}}",
        "5:39: 'linear1': only a matrix can be transposed, and 'first.b' has shape (3,)",
    ),
    "a parameter in place of a layer": (
        "- {type: linear, units: 3, share: first.W}",
        "5:35: 'first.W' is no layer; a single parameter is shared as in 'share: {W: first.W}'",
    ),
    "a layer in place of a parameter": (
        "- {type: linear, units: 3, share: {W: first}}",
        "5:39: 'first' is no name for a parameter: use the names of a layer and its parameter, as "
        "tokens.W",
    ),
    "another type": (
        "- {type: bias, share: first}",
        "5:23: all parameters are shared by layers of one type, but 'bias1' is of type 'bias', and "
        "'first' of type 'linear'; name single ones, as in 'share: {W: tokens.W}'",
    ),
    "no parameters": (
        "- {name: a, type: tanh}\n- {type: tanh, share: a}",
        "6:23: 'tanh1': it has no parameters that it could share; remove 'share'",
    ),
    "itself": (
        "- {name: a, type: linear, units: 3, share: a}",
        "5:44: 'a' shares parameters with itself; name another layer",
    ),
    "itself, crosswise": (
        "- {name: a, type: linear, units: 3, repeat: 2, share: {W: a.b}}",
        "5:59: 'a1' shares parameters with itself; name another layer",
    ),
    "a later layer": (
        "- {name: a, type: linear, units: 3, share: b}\n- {name: b, type: linear, units: 3}",
        "5:44: 'a' uses parameters of 'b', which comes after it; write 'share' at the later one",
    ),
    "with an unknown layer": (
        "- {name: a, type: linearr, units: 3}\n- {type: linear, units: 3, share: {W: a.W}}",
        "5:19: unknown layer 'linearr'; did you mean 'linear'?",
    ),
    "of an unknown layer": (
        "- {type: linearr, units: 3, share: first}",
        "5:10: unknown layer 'linearr'; did you mean 'linear'?",
    ),
    "nothing": (
        "- {type: linear, units: 3, share: {}}",
        "5:35: 'share' names no parameter; expected one such as {W: tokens.W}",
    ),
    "a list": (
        "- {type: linear, units: 3, share: [first]}",
        "5:35: expected a text, found a list of 1",
    ),
}


@pytest.mark.parametrize(("layers", "expected"), FAULTS.values(), ids=FAULTS)
def test_faults_are_located(layers: str, expected: str) -> None:
    assert complaint(written(FIRST + layers + "\n")) == expected


BLOCK_FAULTS = {
    "single parameters of a block": (
        "- {type: narrow, share: {W: first.W}}",
        "11:29: 'narrow1' is a block, which shares all of its parameters; name another use of "
        "'narrow', as in 'share: NAME'",
    ),
    "a parameter of a block": (
        "- {type: narrow}\n- {type: linear, units: 3, share: {W: narrow1.W}}",
        "12:39: block 'narrow' has no layer 'W'; known: down, out, up",
    ),
    "no such layer in a block": (
        "- {type: narrow}\n- {type: linear, units: 3, share: narrow1.upp}",
        "12:35: block 'narrow' has no layer 'upp'; did you mean 'up'?",
    ),
}


@pytest.mark.parametrize(("layers", "expected"), BLOCK_FAULTS.values(), ids=BLOCK_FAULTS)
def test_faults_around_blocks_are_located(layers: str, expected: str) -> None:
    assert complaint(written(FIRST + layers + "\n", BLOCK)) == expected


def test_a_block_that_is_not_used_is_checked_too() -> None:
    wrong = BLOCK.replace("up.W.T", "upp.W.T")
    assert complaint(written(FIRST, wrong)) == "7:55: there is no layer 'upp'; did you mean 'up'?"


def test_what_shares_with_a_faulty_layer_adds_no_complaint() -> None:
    layers = (
        "layers:\n- {name: a, type: transpose, axes: [0, 5]}\n- {name: b, type: linear, units: 3}\n"
        "- {type: linear, units: 3, share: b}\n"
    )
    said = complaint(written(layers))
    assert said.startswith("4:3: 'a', which reads (4, 3): ")
    assert "\n" not in said
