"""Attention: what is masked away, what stays a view, what a plan costs, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from layer_values import applied, evaluate

import tensorbp as tb
from tensorbp.errors import LayerError
from tensorbp.expression.layer import Layer, Shape
from tensorbp.layers.attention.dot_product import ScaledDotProductAttention
from tensorbp.layers.attention.experts import MixtureOfExperts
from tensorbp.layers.attention.feed_forward import FeedForward
from tensorbp.layers.attention.masks import CausalMask, MaskedSoftmax, PaddingMask
from tensorbp.layers.attention.multi_head import MultiHeadAttention
from tensorbp.layers.attention.positions import (
    Alibi,
    AlibiTable,
    LearnedPositions,
    Rotary,
    RotaryTable,
    SinusoidalPositions,
    SinusoidalTable,
    alibi_slopes,
)
from tensorbp.layers.attention.transformer import (
    GptBlock,
    TransformerDecoderLayer,
    TransformerEncoderLayer,
)
from tensorbp.layers.low_rank import LoraLinear
from tensorbp.layers.tables import Table
from tensorbp.testing import Case

RANDOM = np.random.default_rng(5)


# ----- masks -----


def test_a_query_to_which_nothing_is_open_gets_nothing() -> None:
    q, k, v = tb.variable("q", 2, 3), tb.variable("k", 4, 3), tb.variable("v", 4, 5)
    y = tb.scaled_dot_product_attention(q, k, v, mask=tb.variable("mask", 2, 4))
    loss = tb.sum(y * y)
    arrays = {name: RANDOM.normal(size=shape) for name, shape in (("k", (4, 3)), ("v", (4, 5)))}
    arrays |= {"q": RANDOM.normal(size=(2, 3)), "mask": np.array([[0, 0, 0, 0], [1, 0, 1, 0]])}
    with np.errstate(all="raise", under="ignore"):
        program = tb.compile([y, *tb.gradient(loss, [q, k, v]), tb.hessian(loss, q)])
        value, by_q, by_k, by_v, hessian = program(arrays)
    assert np.all(value[0] == 0)
    assert np.all(value[1] != 0)
    assert np.all(by_q[0] == 0)
    assert np.all(by_q[1] != 0)
    assert np.all(by_k[[1, 3]] == 0)
    assert np.all(by_v[[1, 3]] == 0)
    dense = hessian.to_dense()
    assert np.all(dense[0] == 0)
    assert np.all(np.isfinite(dense))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_masked_softmax_of_extreme_scores(dtype: str) -> None:
    scores = np.array([[1e4, 0, -1e4, 9e3], [-1e4, -1e4, 1e4, 1e4], [1e38, 1, 2, -1e38]], dtype)
    mask = np.array([[0, 1, 1, 0], [1, 1, 0, 0], [0, 0, 0, 0]], dtype)
    x, m = tb.variable("x", 3, 4), tb.variable("m", 3, 4)
    with np.errstate(all="raise", under="ignore"):
        p = evaluate(tb.masked_softmax(x, m), dtype, x=scores, m=mask)
    np.testing.assert_array_equal(p, [[0, 1, 0, 0], [0.5, 0.5, 0, 0], [0, 0, 0, 0]])


def test_masked_scores_may_be_infinite() -> None:
    x, m = tb.variable("x", 1, 3), tb.variable("m", 3)
    p = evaluate(
        tb.masked_softmax(x, m), x=np.array([[-np.inf, 1, 1]]), m=np.array([False, True, True])
    )
    np.testing.assert_array_equal(p, [[0, 0.5, 0.5]])
    for infinite in (-np.inf, np.inf):
        p = evaluate(tb.masked_softmax(x, m), x=np.full((1, 3), infinite), m=np.zeros(3))
        np.testing.assert_array_equal(p, [[0, 0, 0]])


def test_masks_may_be_truth_values_and_are_ones_and_zeros() -> None:
    lengths = np.array([[0, 2], [4, 1]])
    mask = tb.padding_mask(tb.variable("lengths", 2, 2, kind="integer"), 3)
    found = evaluate(mask, lengths=lengths)
    np.testing.assert_array_equal(found[0], [[0, 0, 0], [1, 1, 0]])
    np.testing.assert_array_equal(found[1], [[1, 1, 1], [1, 0, 0]])
    np.testing.assert_array_equal(evaluate(tb.causal_mask(3, 2)), [[1, 0], [1, 1], [1, 1]])
    x, m = tb.variable("x", 2, 3), tb.variable("m", 2, 3)
    scores, open_ = RANDOM.normal(size=(2, 3)), np.array([[True, False, True], [False, True, True]])
    truths = evaluate(tb.masked_softmax(x, m), x=scores, m=open_)
    np.testing.assert_array_equal(
        truths, evaluate(tb.masked_softmax(x, m), x=scores, m=open_.astype(float))
    )


def test_masks_are_not_repeated_for_each_head() -> None:
    layer = MultiHeadAttention(4, causal=True, padding_mask=True)
    plan = tb.plan(applied(layer, (2, 64, 8), (2, 64)))
    shapes = {step.result: step.shape for step in plan.steps}
    names = [getattr(step.operator, "name", "") for step in plan.steps]
    scores, mask = plan.steps[names.index("masked_softmax")].operands
    assert shapes[scores] == (2, 4, 1, 64, 64)
    assert shapes[mask] == (2, 1, 1, 64, 64)


def test_mask_and_bias_go_together() -> None:
    shapes = {"q": (2, 3), "k": (4, 3), "v": (4, 5), "mask": (2, 4), "bias": (1, 4)}
    arrays = {name: RANDOM.normal(size=shape) for name, shape in shapes.items()}
    arrays["mask"] = np.array([[1.0, 0, 1, 1], [0, 1, 1, 0]])
    q, k, v, mask, bias = [tb.variable(name, *shape) for name, shape in shapes.items()]
    y = tb.scaled_dot_product_attention(q, k, v, mask, bias, causal=True, scale=0.5)
    scores = 0.5 * arrays["q"] @ arrays["k"].T + arrays["bias"]
    weights = np.exp(scores) * arrays["mask"] * np.tri(2, 4)
    total = weights.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(evaluate(y, **arrays), weights / total @ arrays["v"], rtol=1e-13)


def test_causal_attention_does_not_look_ahead() -> None:
    layer = GptBlock(2, 3)
    case = Case(layer, ((2, 5, 4),))
    x = case.operands["x"]
    J = case.values([tb.jacobian(case.output, x).to_dense()])[0]
    for query in range(5):
        assert np.all(J[:, query, :, :, query + 1 :] == 0)
        assert np.all(np.any(J[0, query, :, 0, : query + 1] != 0, axis=(0, 2)))


# ----- constants -----

TABLES = [
    CausalMask(3, 5),
    SinusoidalTable(3, 5),
    RotaryTable(3, 2),
    AlibiTable(3, 4, 5),
]


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_tables_have_the_shape_that_they_say_and_take_the_dtype(table: Table) -> None:
    for dtype in ("float32", "float64"):
        found = evaluate(table(), dtype)
        assert found.shape == table.shape()
        assert found.dtype == dtype
    assert evaluate(tb.sum(table())) == pytest.approx(table.numbers().sum())


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_what_a_table_hands_out_may_be_written_into(table: Table) -> None:
    program = tb.compile([table()])
    before = program()[0].copy()
    program()[0][...] = 7
    np.testing.assert_array_equal(program()[0], before)


def test_slopes_of_alibi() -> None:
    assert alibi_slopes(8) == [2.0**-k for k in range(1, 9)]
    assert alibi_slopes(1) == [2.0**-8]
    assert alibi_slopes(6) == [2.0**-2, 2.0**-4, 2.0**-6, 2.0**-8, 2.0**-1, 2.0**-3]
    assert all(len(set(alibi_slopes(heads))) == heads for heads in range(1, 40))


def test_rotary_scores_depend_on_the_distance_alone() -> None:
    q, k = tb.variable("q", 1, 6), tb.variable("k", 1, 6)
    arrays = {"q": RANDOM.normal(size=(1, 6)), "k": RANDOM.normal(size=(1, 6))}
    rows, columns = tb.rotary(tb.broadcast_to(q, (7, 6))), tb.rotary(tb.broadcast_to(k, (7, 6)))
    scores = evaluate(rows @ columns.T, **arrays)
    for distance in range(-6, 7):
        diagonal = np.diagonal(scores, distance)
        np.testing.assert_allclose(diagonal, diagonal[0], rtol=1e-12)
    assert len(np.unique(scores[0].round(9))) == 7


def test_odd_features_have_a_sine_more() -> None:
    x = tb.variable("x", 4, 5)
    y = evaluate(tb.sinusoidal_positions(x, base=100.0), x=np.zeros((4, 5)))
    np.testing.assert_allclose(y[:, 0], np.sin(np.arange(4)))
    np.testing.assert_allclose(y[:, 1], np.cos(np.arange(4)))
    np.testing.assert_allclose(y[:, 4], np.sin(np.arange(4) * 100 ** (-4 / 5)))


# ----- structure and cost -----


def test_the_jacobian_of_an_adapter_stays_factored() -> None:
    case = Case(LoraLinear(200, 2, bias=False), ((64, 100),))
    y, x, A, B = case.output, *[case.operands[name] for name in ("x", "A", "B")]
    assert tb.jacobian(y, x).size == 100 * 200
    plan = tb.plan(tb.gradient(tb.sum(y**2), [A, B]))
    dense = 2 * 64 * 100 * 200
    assert plan.flops < 2.2 * dense


def test_an_adapter_starts_at_zero() -> None:
    parameters = LoraLinear(5, 2).parameters((3, 4))
    assert {name: each.shape for name, each in parameters.items()} == {
        "W": (4, 5),
        "A": (4, 2),
        "B": (2, 5),
        "b": (5,),
    }
    assert parameters["B"].initializer == "zeros"
    assert parameters["A"].initializer == "he_normal"


@pytest.mark.parametrize(
    ("layer", "shapes"),
    [
        (MultiHeadAttention(4), ((2, 64, 48),)),
        (MultiHeadAttention(4, 2, causal=True, positions="rotary"), ((2, 64, 48),)),
        (GptBlock(4), ((2, 64, 48),)),
        (TransformerDecoderLayer(4, 192), ((2, 64, 48), (2, 32, 48))),
        (MixtureOfExperts(32), ((64, 48), (64, 5))),
    ],
    ids=["attention", "grouped", "gpt", "decoder", "experts"],
)
def test_a_gradient_costs_three_times_the_value(layer: Layer, shapes: tuple[Shape, ...]) -> None:
    case = Case(layer, shapes)
    parameters = [x for name, x in case.operands.items() if name not in case.inputs]
    loss = tb.mean(case.output**2)
    value, gradient = tb.plan(loss), tb.plan([loss, *tb.gradient(loss, parameters)])
    assert gradient.flops < 3.05 * value.flops
    assert gradient.baselines.reverse is not None


def test_fewer_heads_of_keys_cost_less() -> None:
    costs = [
        tb.plan(applied(MultiHeadAttention(4, groups), (2, 16, 8))).flops for groups in (4, 2, 1)
    ]
    assert costs == sorted(costs, reverse=True)
    assert len(set(costs)) == 3


def test_names_of_parameters() -> None:
    encoder = TransformerEncoderLayer(2, 5, gated=True).parameters((2, 3, 4))
    assert list(encoder) == [
        *("attention_query", "attention_key", "attention_value", "attention_out"),
        *("attention_query_bias", "attention_key_bias"),
        *("attention_value_bias", "attention_out_bias"),
        *("norm1_gain", "norm1_bias"),
        *("feed_forward_up", "feed_forward_gate", "feed_forward_down"),
        *("feed_forward_up_bias", "feed_forward_gate_bias", "feed_forward_down_bias"),
        *("norm2_gain", "norm2_bias"),
    ]
    decoder = TransformerDecoderLayer(2, 5, 1, bias=False, norm="rms_norm").parameters(
        (2, 3, 4), (2, 6, 5)
    )
    assert decoder["cross_attention_key"].shape == (5, 2)
    assert decoder["self_attention_key"].shape == (4, 2)
    assert [name for name in decoder if name.startswith("norm")] == [
        *("norm1_gain", "norm2_gain", "norm3_gain")
    ]
    assert GptBlock(2).parameters((2, 3, 4))["feed_forward_up"].shape == (4, 16)


# ----- what is refused -----

REFUSED_ARGUMENTS = [
    (
        lambda: ScaledDotProductAttention("bool"),
        "layer 'scaled_dot_product_attention': mask must be one of none, boolean, additive, found "
        "'bool'",
    ),
    (
        lambda: ScaledDotProductAttention(causal=1),
        "layer 'scaled_dot_product_attention': causal must be true or false, found 1",
    ),
    (
        lambda: ScaledDotProductAttention(scale=float("nan")),
        "layer 'scaled_dot_product_attention': scale must be a finite number, found nan",
    ),
    (
        lambda: MultiHeadAttention(0),
        "layer 'multi_head_attention': heads must be a whole number from 1, found 0",
    ),
    (
        lambda: MultiHeadAttention(4, 3),
        "layer 'multi_head_attention': key_value_heads must divide heads, found 3 and 4",
    ),
    (
        lambda: MultiHeadAttention(4, head_size=0),
        "layer 'multi_head_attention': head_size must be a whole number from 1, found 0",
    ),
    (
        lambda: MultiHeadAttention(4, positions="rotery"),
        "layer 'multi_head_attention': positions must be one of none, rotary, alibi, found "
        "'rotery'; did you mean 'rotary'?",
    ),
    (
        lambda: MultiHeadAttention(4, memory="x"),
        "layer 'multi_head_attention': memory must be true or false, found 'x'",
    ),
    (
        lambda: TransformerEncoderLayer(4, 0),
        "layer 'transformer_encoder_layer': hidden must be a whole number from 1, found 0",
    ),
    (
        lambda: TransformerEncoderLayer(4, 8, 3),
        "layer 'transformer_encoder_layer': key_value_heads must divide heads, found 3 and 4",
    ),
    (
        lambda: TransformerEncoderLayer(4, 8, activation="selu"),
        "layer 'transformer_encoder_layer': activation must be one of relu, gelu, silu, found "
        "'selu'; did you mean 'silu'?",
    ),
    (
        lambda: TransformerDecoderLayer(4, 8, norm="rms"),
        "layer 'transformer_decoder_layer': norm must be one of layer_norm, rms_norm, found 'rms'",
    ),
    (
        lambda: TransformerDecoderLayer(4, 8, epsilon=-1.0),
        "layer 'transformer_decoder_layer': epsilon must not be negative, found -1",
    ),
    (
        lambda: GptBlock(2, bias=None),
        "layer 'gpt_block': bias must be true or false, found None",
    ),
    (
        lambda: FeedForward(3, gated="yes"),
        "layer 'feed_forward': gated must be true or false, found 'yes'",
    ),
    (
        lambda: LoraLinear(3, 0),
        "layer 'lora_linear': rank must be a whole number from 1, found 0",
    ),
    (
        lambda: PaddingMask(0),
        "layer 'padding_mask': size must be a whole number from 1, found 0",
    ),
    (
        lambda: SinusoidalPositions(0),
        "layer 'sinusoidal_positions': base must be above 0, found 0",
    ),
    (lambda: Rotary(-2), "layer 'rotary': base must be above 0, found -2"),
]


@pytest.mark.parametrize(("make", "message"), REFUSED_ARGUMENTS, ids=range(len(REFUSED_ARGUMENTS)))
def test_arguments_that_are_refused(make: Any, message: str) -> None:
    with pytest.raises(LayerError) as caught:
        make()
    assert str(caught.value).startswith(message)


SHAPES_OF_ATTENTION = "must be (..., queries, size), (..., keys, size) and (..., keys, values); "
REFUSED_SHAPES = [
    (
        ScaledDotProductAttention(),
        ((2, 3, 4), (2, 5, 6), (2, 5, 7)),
        "layer 'scaled_dot_product_attention': query of shape (2, 3, 4), key (2, 5, 6) and value "
        f"(2, 5, 7) {SHAPES_OF_ATTENTION}sizes 4 and 6 of query and key must be the same",
    ),
    (
        ScaledDotProductAttention(),
        ((2, 3, 4), (2, 5, 4), (2, 6, 7)),
        "layer 'scaled_dot_product_attention': query of shape (2, 3, 4), key (2, 5, 4) and value "
        f"(2, 6, 7) {SHAPES_OF_ATTENTION}there must be a value for each of the 5 keys, found 6",
    ),
    (
        ScaledDotProductAttention(),
        ((2, 3, 4), (1, 5, 4), (2, 5, 7)),
        "layer 'scaled_dot_product_attention': query of shape (2, 3, 4), key (1, 5, 4) and value "
        f"(2, 5, 7) {SHAPES_OF_ATTENTION}their leading axes must be the same; repeat the smaller "
        "ones with broadcast_to",
    ),
    (
        ScaledDotProductAttention(),
        ((4,), (5, 4), (5, 7)),
        "layer 'scaled_dot_product_attention': query of shape (4,), key (5, 4) and value (5, 7) "
        f"{SHAPES_OF_ATTENTION}each needs two axes at least",
    ),
    (
        ScaledDotProductAttention(),
        ((3, 4), (0, 4), (0, 7)),
        "layer 'scaled_dot_product_attention': query of shape (3, 4), key (0, 4) and value (0, 7) "
        f"{SHAPES_OF_ATTENTION}there must be at least one key",
    ),
    (
        ScaledDotProductAttention("boolean"),
        ((2, 3, 4), (2, 5, 4), (2, 5, 7), (2, 5)),
        "layer 'scaled_dot_product_attention': mask must broadcast to the shape (2, 3, 5) of the "
        "scores, found (2, 5)",
    ),
    (
        ScaledDotProductAttention("additive"),
        ((3, 4), (5, 4), (5, 7), (2, 3, 5)),
        "layer 'scaled_dot_product_attention': bias must broadcast to the shape (3, 5) of the "
        "scores, found (2, 3, 5)",
    ),
    (
        MaskedSoftmax(),
        ((2, 3), (2, 4)),
        "layer 'masked_softmax': mask must broadcast to the shape (2, 3) of x, found (2, 4)",
    ),
    (
        MaskedSoftmax(),
        ((2, 0), (2, 0)),
        "layer 'masked_softmax': x needs a last axis with at least one number, found shape (2, 0)",
    ),
    (
        MultiHeadAttention(3),
        ((2, 3, 4),),
        "layer 'multi_head_attention': heads must divide the features of x, found 3 heads and 4 "
        "features; head_size makes them independent",
    ),
    (
        MultiHeadAttention(2, positions="rotary"),
        ((2, 3, 6),),
        "layer 'multi_head_attention': rotary positions turn pairs, the number of features must "
        "be even, found 3",
    ),
    (
        MultiHeadAttention(2),
        ((3, 4),),
        "layer 'multi_head_attention': x must have axes (batch, tokens, features), found shape "
        "(3, 4)",
    ),
    (
        MultiHeadAttention(2, memory=True),
        ((2, 3, 4), (3, 5, 6)),
        "layer 'multi_head_attention': memory of shape (3, 5, 6) must have the batch of x, 2",
    ),
    (
        MultiHeadAttention(2, padding_mask=True),
        ((2, 3, 4), (2, 4)),
        "layer 'multi_head_attention': padding_mask must have shape (2, 3), a number for each "
        "key, found (2, 4)",
    ),
    (
        MultiHeadAttention(2, memory=True, padding_mask=True),
        ((2, 3, 4), (2, 5, 6), (2, 1, 5)),
        "layer 'multi_head_attention': padding_mask must have axes (batch, keys), found shape "
        "(2, 1, 5)",
    ),
    (
        MultiHeadAttention(2),
        ((2, 0, 4),),
        "layer 'multi_head_attention': there must be at least one key, found none",
    ),
    (
        Rotary(),
        ((3, 5),),
        "layer 'rotary': rotary positions turn pairs, the number of features must be even, found 5",
    ),
    (
        LearnedPositions(),
        ((5,),),
        "layer 'learned_positions': x must have axes of tokens and features, found shape (5,)",
    ),
    (
        Alibi(),
        ((3, 5),),
        "layer 'alibi': x must be scores of shape (..., heads, queries, keys), found (3, 5)",
    ),
    (
        MixtureOfExperts(3),
        ((2, 3), (4, 5)),
        "layer 'mixture_of_experts': x of shape (..., features) needs routing of shape "
        "(..., experts), found (2, 3) and (4, 5)",
    ),
    (
        FeedForward(3),
        ((),),
        "layer 'feed_forward': x needs an axis of features, found a number of shape ()",
    ),
    (
        LoraLinear(3, 2),
        ((),),
        "layer 'lora_linear': x needs an axis of features, found a number of shape ()",
    ),
]


@pytest.mark.parametrize(
    ("layer", "shapes", "message"), REFUSED_SHAPES, ids=range(len(REFUSED_SHAPES))
)
def test_shapes_that_are_refused(layer: Layer, shapes: tuple[Shape, ...], message: str) -> None:
    with pytest.raises(LayerError) as caught:
        applied(layer, *shapes)
    assert str(caught.value) == message


def test_the_number_of_inputs_is_what_the_arguments_say() -> None:
    x, memory = tb.variable("x", 2, 3, 4), tb.variable("memory", 2, 5, 4)
    with pytest.raises(LayerError) as caught:
        MultiHeadAttention(2)(x, memory)
    assert str(caught.value) == (
        "layer 'multi_head_attention' takes 1 input (x), got 2; memory and padding_mask say "
        "whether it reads these too"
    )
    with pytest.raises(LayerError, match=r"takes 4 inputs \(query, key, value, mask\), got 3"):
        ScaledDotProductAttention("boolean")(x, x, x)


def test_in_a_model_file(tmp_path: Any) -> None:
    """The mask comes from lengths, and what is padding changes nothing of what is not."""
    text = """
    tensorbp: 1
    name: reader
    dims: {batch: 2, tokens: 5, features: 4}
    inputs:
      x: [batch, tokens, features]
      lengths: {shape: [batch], kind: integer}
    layers:
      - {name: positions, type: sinusoidal_positions, inputs: x}
      - {name: mask, type: padding_mask, size: tokens, inputs: lengths}
      - name: block
        type: transformer_encoder_layer
        heads: 2
        hidden: 2*features
        padding_mask: true
        inputs: [positions, mask]
    loss: {type: mean_squared_error, inputs: [block, x]}
    """
    path = tmp_path / "reader.yaml"
    path.write_text(text.replace("\n    ", "\n"))
    model = tb.load(str(path))
    theta = model.initialize(seed=1)
    assert theta["block.attention_query"].shape == (4, 4)
    program = tb.compile(model.nodes["block"])
    x = RANDOM.normal(size=(2, 5, 4))
    moved = x.copy()
    moved[0, 2:] += RANDOM.normal(size=(3, 4))
    given = {name: theta[name] for name in program.names if name in theta}
    before, after = [
        program({**given, "x": each, "lengths": np.array([2, 5])})[0] for each in (x, moved)
    ]
    np.testing.assert_array_equal(before[0, :2], after[0, :2])
    np.testing.assert_array_equal(before[1], after[1])
    assert np.all(before[0, 2:] != after[0, 2:])
