"""Attention and what is built on it, against PyTorch: values, gradients, Hessians where small."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import log2
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch_oracle import Tensors, assert_equals_torch

from tensorbp.layers.attention.dot_product import ScaledDotProductAttention
from tensorbp.layers.attention.experts import MixtureOfExperts
from tensorbp.layers.attention.feed_forward import FeedForward
from tensorbp.layers.attention.masks import MaskedSoftmax
from tensorbp.layers.attention.multi_head import MultiHeadAttention
from tensorbp.layers.attention.positions import Alibi, LearnedPositions, Rotary, SinusoidalPositions
from tensorbp.layers.attention.transformer import (
    GptBlock,
    TransformerDecoderLayer,
    TransformerEncoderLayer,
)
from tensorbp.layers.low_rank import LoraLinear

RANDOM = np.random.default_rng(3)
QUERY, KEY, VALUE = (2, 1, 3, 4), (2, 1, 5, 4), (2, 1, 5, 6)
OPEN = np.array([[1, 1, 0, 1, 0], [0, 1, 0, 0, 0], [1, 1, 1, 1, 1]], float)
ADDED = np.where(OPEN == 1, RANDOM.normal(size=OPEN.shape), -np.inf)
ACTIVATIONS = {"relu": functional.relu, "gelu": functional.gelu, "silu": functional.silu}


def attention(*arrays: torch.Tensor, **options: Any) -> torch.Tensor:
    """Return torch's attention, by the kernel that can be differentiated twice."""
    with sdpa_kernel(SDPBackend.MATH):
        return functional.scaled_dot_product_attention(*arrays, **options)


@pytest.mark.parametrize("scale", [None, 0.7])
def test_scaled_dot_product_attention(scale: float | None) -> None:
    assert_equals_torch(
        ScaledDotProductAttention(scale=scale),
        (QUERY, KEY, VALUE),
        lambda t: attention(t["query"], t["key"], t["value"], scale=scale),
    )


def test_boolean_masks() -> None:
    assert_equals_torch(
        ScaledDotProductAttention("boolean"),
        (QUERY, KEY, VALUE, OPEN.shape),
        lambda t: attention(t["query"], t["key"], t["value"], attn_mask=t["mask"] > 0),
        {"mask": OPEN},
    )


def test_additive_masks() -> None:
    shapes = ((3, 4), (5, 4), (5, 2), OPEN.shape)
    layer = ScaledDotProductAttention("additive")

    def reference(t: Tensors) -> torch.Tensor:
        return attention(t["query"], t["key"], t["value"], attn_mask=t["bias"])

    assert_equals_torch(layer, shapes, reference)
    assert_equals_torch(layer, shapes, reference, {"bias": ADDED})


@pytest.mark.parametrize(("queries", "keys"), [(4, 4), (3, 5), (5, 3)])
def test_causal_attention(queries: int, keys: int) -> None:
    assert_equals_torch(
        ScaledDotProductAttention(causal=True),
        ((2, queries, 3), (2, keys, 3), (2, keys, 4)),
        lambda t: attention(t["query"], t["key"], t["value"], is_causal=True),
    )


def test_masked_softmax() -> None:
    assert_equals_torch(
        MaskedSoftmax(),
        ((2, 3, 5), OPEN.shape),
        lambda t: torch.softmax(t["x"].masked_fill(t["mask"] <= 0, -torch.inf), -1),
        {"mask": OPEN},
    )


# ----- several heads -----


def heads_of(x: torch.Tensor, heads: int) -> torch.Tensor:
    return x.unflatten(-1, (heads, -1)).transpose(1, 2)


def turned(x: torch.Tensor) -> torch.Tensor:
    """Return (..., tokens, features) with pairs of neighbours turned, by complex numbers."""
    tokens, features = x.shape[-2:]
    frequencies = 10000.0 ** (-torch.arange(0, features, 2, dtype=torch.float64) / features)
    angles = torch.arange(tokens)[:, None] * frequencies
    pairs = torch.view_as_complex(x.unflatten(-1, (-1, 2)).contiguous())
    return torch.view_as_real(pairs * torch.polar(torch.ones_like(angles), angles)).flatten(-2)


def distances(heads: int, queries: int, keys: int) -> torch.Tensor:
    """Return minus slope times distance, for a number of heads that is a power of two."""
    assert log2(heads).is_integer()
    slopes = torch.tensor([2 ** (-8 * (k + 1) / heads) for k in range(heads)], dtype=torch.double)
    apart = torch.arange(queries)[:, None] - torch.arange(keys)
    return -slopes[:, None, None] * apart.abs()


def grouped(
    t: Tensors, heads: int, groups: int, turn: Callable[..., Any] = lambda x: x, **options: Any
) -> torch.Tensor:
    """Return attention without biases, of heads that share keys and values in groups."""
    memory = t.get("memory", t["x"])
    query = turn(heads_of(t["x"] @ t["query"], heads))
    key = turn(heads_of(memory @ t["key"], groups))
    value = heads_of(memory @ t["value"], groups)
    found = attention(query, key, value, enable_gqa=True, **options)
    return found.transpose(1, 2).flatten(-2) @ t["out"]


@pytest.mark.parametrize(("heads", "groups"), [(3, 1), (4, 2), (2, 2)])
def test_grouped_heads(heads: int, groups: int) -> None:
    assert_equals_torch(
        MultiHeadAttention(heads, groups, head_size=2, bias=False, causal=True),
        ((2, 3, 5),),
        lambda t: grouped(t, heads, groups, is_causal=True),
    )


def test_rotary_attention() -> None:
    assert_equals_torch(
        MultiHeadAttention(2, 1, head_size=4, bias=False, positions="rotary"),
        ((2, 3, 5),),
        lambda t: grouped(t, 2, 1, turned),
    )


def test_alibi_attention() -> None:
    assert_equals_torch(
        MultiHeadAttention(4, 2, head_size=1, bias=False, positions="alibi", memory=True),
        ((2, 3, 5), (2, 4, 6)),
        lambda t: grouped(t, 4, 2, attn_mask=distances(4, 3, 4)),
    )


PADDING = np.array([[1, 1, 1, 0, 0], [1, 0, 1, 1, 1]], float)


def attention_state(t: Tensors, prefix: str = "") -> dict[str, torch.Tensor]:
    """Return our parameters under the names, and in the layout, of torch's module."""
    own = {name: t[prefix + name].T for name in ("query", "key", "value", "out")}
    biases = [t[f"{prefix}{name}_bias"] for name in ("query", "key", "value")]
    state = {
        "out_proj.weight": own["out"],
        "out_proj.bias": t[prefix + "out_bias"],
        "in_proj_bias": torch.cat(biases),
    }
    if own["query"].shape == own["key"].shape:
        return state | {"in_proj_weight": torch.cat([own["query"], own["key"], own["value"]])}
    return state | {f"{short}_proj_weight": own[n] for short, n in zip("qkv", own, strict=False)}


def call(module: torch.nn.Module, state: Mapping[str, torch.Tensor], *inputs: Any, **options: Any):
    with sdpa_kernel(SDPBackend.MATH):
        return torch.func.functional_call(module.double(), dict(state), inputs, options)


def test_multi_head_self_attention_with_padding() -> None:
    module = torch.nn.MultiheadAttention(4, 2, batch_first=True)

    def reference(t: Tensors) -> torch.Tensor:
        masks = {"key_padding_mask": t["padding_mask"] <= 0}
        return call(module, attention_state(t), t["x"], t["x"], t["x"], **masks)[0]

    layer = MultiHeadAttention(2, padding_mask=True)
    assert_equals_torch(layer, ((2, 5, 4), (2, 5)), reference, {"padding_mask": PADDING})


def test_multi_head_cross_attention() -> None:
    module = torch.nn.MultiheadAttention(6, 3, kdim=5, vdim=5, batch_first=True)

    def reference(t: Tensors) -> torch.Tensor:
        return call(module, attention_state(t), t["x"], t["memory"], t["memory"])[0]

    assert_equals_torch(MultiHeadAttention(3, memory=True), ((2, 3, 6), (2, 4, 5)), reference)


# ----- layers of transformers -----


def named(prefix: str, state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {f"{prefix}.{name}": value for name, value in state.items()}


def network_state(t: Tensors, norms: int) -> dict[str, torch.Tensor]:
    state = {}
    for number, name in ((1, "up"), (2, "down")):
        state[f"linear{number}.weight"] = t[f"feed_forward_{name}"].T
        state[f"linear{number}.bias"] = t[f"feed_forward_{name}_bias"]
    for number in range(1, norms + 1):
        state[f"norm{number}.weight"] = t[f"norm{number}_gain"]
        state[f"norm{number}.bias"] = t[f"norm{number}_bias"]
    return state


def encoder(t: Tensors, heads: int, hidden: int, causal: bool, **options: Any) -> torch.Tensor:
    tokens, features = t["x"].shape[1:]
    module = torch.nn.TransformerEncoderLayer(
        features, heads, hidden, dropout=0.0, batch_first=True, **options
    )
    state = named("self_attn", attention_state(t, "attention_")) | network_state(t, 2)
    masks = {}
    if "padding_mask" in t:
        masks["src_key_padding_mask"] = t["padding_mask"] <= 0
    if causal:
        masks["src_mask"] = torch.ones(tokens, tokens, dtype=torch.bool).triu(1)
    return call(module, state, t["x"], **masks)


@pytest.mark.parametrize("norm_first", [False, True])
@pytest.mark.parametrize("activation", ["relu", "gelu"])
def test_encoder_layer(activation: str, norm_first: bool) -> None:
    assert_equals_torch(
        TransformerEncoderLayer(2, 5, activation=activation, norm_first=norm_first),
        ((2, 3, 4),),
        lambda t: encoder(t, 2, 5, False, activation=activation, norm_first=norm_first),
    )


def test_encoder_layer_with_padding_and_time() -> None:
    assert_equals_torch(
        TransformerEncoderLayer(3, 4, causal=True, epsilon=0.01, padding_mask=True),
        ((2, 5, 6), (2, 5)),
        lambda t: encoder(t, 3, 4, True, layer_norm_eps=0.01),
        {"padding_mask": PADDING},
    )


@pytest.mark.parametrize("hidden", [None, 3])
def test_gpt_block(hidden: int | None) -> None:
    assert_equals_torch(
        GptBlock(2, hidden),
        ((2, 3, 4),),
        lambda t: encoder(t, 2, hidden or 16, True, activation="gelu", norm_first=True),
    )


def test_the_hessian_of_an_encoder_layer() -> None:
    """One feature for each head and for the network: few enough for all second derivatives."""
    assert_equals_torch(
        TransformerEncoderLayer(2, 1, activation="gelu", norm_first=True),
        ((1, 3, 2),),
        lambda t: encoder(t, 2, 1, False, activation="gelu", norm_first=True),
    )


@pytest.mark.parametrize("norm_first", [False, True])
def test_decoder_layer(norm_first: bool) -> None:
    features, tokens = 4, 3
    module = torch.nn.TransformerDecoderLayer(
        features, 2, 5, dropout=0.0, batch_first=True, norm_first=norm_first
    )

    def reference(t: Tensors) -> torch.Tensor:
        state = named("self_attn", attention_state(t, "self_attention_"))
        state |= named("multihead_attn", attention_state(t, "cross_attention_"))
        masks = {
            "tgt_mask": torch.ones(tokens, tokens, dtype=torch.bool).triu(1),
            "tgt_key_padding_mask": t["padding_mask"] <= 0,
            "memory_key_padding_mask": t["memory_padding_mask"] <= 0,
        }
        return call(module, state | network_state(t, 3), t["x"], t["memory"], **masks)

    assert_equals_torch(
        TransformerDecoderLayer(
            2, 5, norm_first=norm_first, padding_mask=True, memory_padding_mask=True
        ),
        ((2, tokens, features), (2, 5, features), (2, tokens), (2, 5)),
        reference,
        {"padding_mask": PADDING[:, :tokens], "memory_padding_mask": PADDING},
    )


def test_gated_encoder_layer_with_rms_norm_and_rotary_positions() -> None:
    """The layer of the Llama family, which torch has only in parts."""

    def normalized(x: torch.Tensor, gain: torch.Tensor) -> torch.Tensor:
        return functional.rms_norm(x, x.shape[-1:], gain, 1e-5)

    def reference(t: Tensors) -> torch.Tensor:
        own = {n.removeprefix("attention_"): v for n, v in t.items() if n.startswith("attention_")}
        own["x"] = normalized(t["x"], t["norm1_gain"])
        z = t["x"] + grouped(own, 2, 1, turned, is_causal=True)
        inner = normalized(z, t["norm2_gain"])
        gate = functional.silu(inner @ t["feed_forward_gate"])
        return z + (gate * (inner @ t["feed_forward_up"])) @ t["feed_forward_down"]

    layer = TransformerEncoderLayer(
        *(2, 5, 1, "silu"),
        gated=True,
        bias=False,
        causal=True,
        positions="rotary",
        norm="rms_norm",
        norm_first=True,
    )
    assert_equals_torch(layer, ((2, 3, 4),), reference)


# ----- networks, experts, adapters -----


def network(t: Tensors, x: torch.Tensor, activation: str, gated: bool, of: Any = ...) -> Any:
    """Return a feed-forward network with biases, or that of one expert."""
    up = x @ t["up"][of] + t["up_bias"][of]
    phi = ACTIVATIONS[activation]
    inner = phi(x @ t["gate"][of] + t["gate_bias"][of]) * up if gated else phi(up)
    return inner @ t["down"][of] + t["down_bias"][of]


@pytest.mark.parametrize("gated", [False, True])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_feed_forward(activation: str, gated: bool) -> None:
    assert_equals_torch(
        FeedForward(3, activation, gated),
        ((2, 3, 4),),
        lambda t: network(t, t["x"], activation, gated),
    )


@pytest.mark.parametrize("gated", [False, True])
def test_mixture_of_experts(gated: bool) -> None:
    def reference(t: Tensors) -> torch.Tensor:
        experts = [network(t, t["x"], "silu", gated, e) for e in range(4)]
        return sum(t["routing"][..., e, None] * y for e, y in enumerate(experts))

    assert_equals_torch(MixtureOfExperts(2, "silu", gated), ((2, 5, 3), (2, 5, 4)), reference)


def test_lora_linear() -> None:
    assert_equals_torch(
        LoraLinear(5, 2, alpha=3.0),
        ((3, 4),),
        lambda t: functional.linear(t["x"], (t["W"] + 1.5 * t["A"] @ t["B"]).T, t["b"]),
    )


# ----- positions -----


def test_rotary() -> None:
    assert_equals_torch(Rotary(), ((2, 5, 6),), lambda t: turned(t["x"]))


def test_sinusoidal_positions() -> None:
    def reference(t: Tensors) -> torch.Tensor:
        x = t["x"].clone()
        for token in range(5):
            for pair in range(3):
                angle = torch.tensor(token * 10000.0 ** (-2 * pair / 6), dtype=torch.double)
                x[:, token, 2 * pair] += torch.sin(angle)
                x[:, token, 2 * pair + 1] += torch.cos(angle)
        return x

    assert_equals_torch(SinusoidalPositions(), ((2, 5, 6),), reference)


def test_learned_positions() -> None:
    assert_equals_torch(
        LearnedPositions(),
        ((2, 5, 3),),
        lambda t: t["x"] + functional.embedding(torch.arange(5), t["table"]),
    )


def test_alibi() -> None:
    assert_equals_torch(Alibi(), ((2, 4, 3, 5),), lambda t: t["x"] + distances(4, 3, 5))
