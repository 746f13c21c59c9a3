"""Attention as one call of the library: the numbers of its steps, and where it is not one call."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import tensorbp as tb
from tensorbp.execution.functional.attention_steps import attention_steps
from tensorbp.layers.attention.multi_head import MultiHeadAttention

torch.set_num_threads(1)

SIZES = st.integers(1, 5)


def assert_same_numbers(wanted: list[tb.Expression], arrays: dict[str, Any], dtype: str) -> None:
    """Check a program on torch against the same on numpy in double precision."""
    found = tb.compile(wanted, dtype=dtype, backend="torch")(
        {name: array.astype(dtype) for name, array in arrays.items()}
    )
    for one, other in zip(found, tb.compile(wanted)(arrays), strict=True):
        assert one.shape == other.shape and str(one.dtype) == f"torch.{dtype}"
        tolerance = 1e-12 if dtype == "float64" else 1e-5
        scale = max(1.0, np.abs(other).max(initial=0))
        assert np.abs(one.double().numpy() - other).max(initial=0) <= tolerance * scale


@st.composite
def drawn(draw: Any) -> tuple[tb.Expression, list[tb.Expression], dict[str, Any]]:
    """Draw attention with or without masks, its operands, and their arrays."""
    batch = [draw(st.integers(0 if k else 1, 4)) for k in range(draw(st.integers(0, 3)))]
    queries, keys, size, columns = (draw(SIZES) for _ in range(4))
    shapes = {"q": (queries, size), "k": (keys, size), "v": (keys, columns)}
    variables = {name: tb.variable(name, *batch, *shape) for name, shape in shapes.items()}
    masked, causal = draw(st.booleans()), draw(st.booleans())
    random = np.random.default_rng(draw(st.integers(0, 99)))
    arrays = {name: random.normal(size=each.shape) for name, each in variables.items()}
    mask = tb.variable("mask", queries, keys) if masked else None
    if masked:
        arrays["mask"] = (random.random((queries, keys)) < 0.6).astype(float)
    bias = None
    if draw(st.booleans()):
        shape = draw(st.sampled_from([(queries, keys), (*batch, queries, keys), (1, keys)]))
        bias = tb.variable("bias", *shape)
        arrays["bias"] = random.normal(size=shape)
    scale = draw(st.sampled_from([None, 0.3, 1]))
    y = tb.scaled_dot_product_attention(
        **_named(variables), mask=mask, bias=bias, causal=causal, scale=scale
    )
    return y, list(variables.values()), arrays


def _named(variables: dict[str, tb.Expression]) -> dict[str, tb.Expression]:
    return dict(zip(("query", "key", "value"), variables.values(), strict=True))


@settings(max_examples=80, deadline=None)
@given(drawn(), st.sampled_from(["float64", "float32"]), st.sets(st.integers(0, 2)))
def test_attention_and_its_gradients_have_the_numbers_of_the_steps(
    given: Any, dtype: str, of: set[int]
) -> None:
    y, operands, arrays = given
    gradients = tb.gradient(tb.sum(tb.sin(y)), [operands[k] for k in sorted(of)]) if of else []
    assert_same_numbers([y, *gradients], arrays, dtype)


@settings(max_examples=60, deadline=None)
@given(st.permutations("bqfg"), st.permutations("bkfg"), st.permutations("bkv"), st.integers(0, 2))
def test_queries_meet_keys_along_several_axes_in_any_order(
    q_axes: list[str], k_axes: list[str], v_axes: list[str], missing: int
) -> None:
    sizes = {"b": 2, "q": 3, "k": 4, "f": 2, "g": 5, "v": 3}
    named = {"q": q_axes, "k": k_axes, "v": v_axes}
    q, k, v = (tb.variable(n, *[sizes[axis] for axis in axes]) for n, axes in named.items())
    q_spec, k_spec, v_spec = map("".join, named.values())
    p = tb.softmax(0.3 * tb.einsum(f"{q_spec},{k_spec}->bqk", q, k))
    y = tb.einsum(f"bqk,{v_spec}->bqv", p, v)
    variables = [each for at, each in enumerate((q, k, v)) if at != missing or missing == 2]
    wanted = [y, *tb.gradient(tb.sum(tb.sin(y)), variables)]
    random = np.random.default_rng(0)
    arrays = {n: random.normal(size=each.shape) for n, each in zip(named, (q, k, v), strict=True)}
    assert_same_numbers(wanted, arrays, "float64")
    assert "# attention\n" in tb.compile(wanted, backend="torch").source


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("positions", ["none", "rotary", "alibi"])
def test_a_layer_is_two_calls_and_no_softmax(positions: Any, causal: bool) -> None:
    layer = MultiHeadAttention(4, 2, causal=causal, positions=positions)
    shapes = layer.parameters((2, 7, 16))
    x = tb.variable("x", 2, 7, 16)
    weights = {name: tb.variable(name, *each.shape) for name, each in shapes.items()}
    y = layer(x, **weights)
    wanted = [y, *tb.gradient(tb.sum(tb.sin(y)), [x, *weights.values()])]
    source = tb.compile(wanted, backend="torch").source
    assert source.count("# attention\n") == source.count("# gradients of attention\n") == 1
    assert "softmax" not in source
    random = np.random.default_rng(0)
    named = {"x": x, **weights}
    arrays = {name: random.normal(size=each.shape) for name, each in named.items()}
    assert_same_numbers(wanted, arrays, "float64")


def test_a_bias_with_a_gradient_leaves_the_steps_as_they_are() -> None:
    q, k, v = tb.variable("q", 3, 4), tb.variable("k", 5, 4), tb.variable("v", 5, 2)
    bias = tb.variable("bias", 3, 5)
    y = tb.scaled_dot_product_attention(q, k, v, bias=bias)
    wanted = [y, *tb.gradient(tb.sum(tb.sin(y)), [q, k, v, bias])]
    assert "attention" not in tb.compile(wanted, backend="torch").source
    assert tb.compile(wanted[:4], backend="torch").source.count("attention\n") == 2
    random = np.random.default_rng(0)
    named = {"q": q, "k": k, "v": v, "bias": bias}
    arrays = {name: random.normal(size=each.shape) for name, each in named.items()}
    assert_same_numbers(wanted, arrays, "float64")


def test_probabilities_that_are_read_are_made() -> None:
    q, k, v = tb.variable("q", 3, 4), tb.variable("k", 5, 4), tb.variable("v", 5, 2)
    p = tb.softmax(q @ k.T)
    assert "attention" not in tb.compile([p @ v, tb.sum(tb.sin(p))], backend="torch").source
    assert "# attention" in tb.compile([p @ v], backend="torch").source


def test_a_query_to_which_no_key_is_open_has_zeros_and_no_gradient() -> None:
    q, k, v = tb.variable("q", 3, 4), tb.variable("k", 5, 4), tb.variable("v", 5, 4)
    mask = np.ones((3, 5))
    mask[1] = 0
    y = tb.scaled_dot_product_attention(q, k, v, mask=tb.variable("mask", 3, 5))
    random = np.random.default_rng(0)
    arrays = {
        name: random.normal(size=each.shape) for name, each in zip("qkv", (q, k, v), strict=True)
    }
    program = tb.compile([y, *tb.gradient(tb.sum(tb.exp(y)), [q, k, v])], backend="torch")
    assert program.source.count("attention\n") == 2
    value, gradient, *_ = program({**arrays, "mask": mask})
    assert not value[1].any() and not gradient[1].any() and gradient[0].all()


def test_a_gradient_whose_scale_has_moved_into_the_next_product_is_one() -> None:
    x = tb.variable("x", 3, 7, 8)
    weights = {f"w{side}": tb.variable(f"w{side}", 8, 8) for side in "qkvo"}
    biases = {f"b{side}": tb.variable(f"b{side}", 8) for side in "qvo"}
    projected = [x @ weights["wq"] + biases["bq"], x @ weights["wk"]]
    projected.append(x @ weights["wv"] + biases["bv"])
    heads = [tb.transpose(tb.reshape(each, (3, 7, 2, 4)), (0, 2, 1, 3)) for each in projected]
    attended = tb.transpose(tb.scaled_dot_product_attention(*heads), (0, 2, 1, 3))
    y = tb.reshape(attended, (3, 7, 8)) @ weights["wo"] + biases["bo"]
    loss = tb.mean(y * y)
    named = weights | biases
    wanted = [loss, *tb.gradient(loss, list(named.values()))]
    (found,) = attention_steps(tb.plan(wanted))
    assert len(found.gradients) == 3
    assert any(gradient.multiple != 1 for gradient in found.gradients.values())
    random = np.random.default_rng(0)
    arrays = {name: random.normal(size=each.shape) for name, each in {"x": x, **named}.items()}
    assert_same_numbers(wanted, arrays, "float64")
    assert "# gradients of attention\n" in tb.compile(wanted, backend="torch").source
