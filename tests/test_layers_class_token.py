"""Tokens that are put before those of a sequence: values against torch, and what is refused."""

from __future__ import annotations

import pytest
import torch
from torch_oracle import Tensors, assert_equals_torch

import tensorbp as tb
from tensorbp.errors import LayerError
from tensorbp.expression.layer import Shape
from tensorbp.layers.attention.class_token import ClassToken


@pytest.mark.parametrize("tokens", [1, 2])
@pytest.mark.parametrize("shape", [(3, 4), (2, 3, 5), (2, 1, 3, 4)])
def test_the_same_tokens_stand_before_each_sequence(tokens: int, shape: Shape) -> None:
    def reference(t: Tensors) -> torch.Tensor:
        added = t["token"].expand(*shape[:-2], tokens, shape[-1])
        return torch.cat([added, t["x"]], dim=-2)

    assert_equals_torch(ClassToken(tokens), (shape,), reference)


def test_its_gradient_is_a_sum_over_the_batch_without_a_product() -> None:
    x, token = tb.variable("x", 7, 5, 3), tb.variable("token", 1, 3)
    loss = tb.sum(tb.sin(ClassToken()(x, token=token)))
    assert tb.plan(tb.gradient(loss, [x, token])).multiply_adds == 0


def test_a_vector_has_no_tokens() -> None:
    expected = r"layer 'class_token': x must have axes of tokens and features, found shape \(4,\)"
    with pytest.raises(LayerError, match=expected):
        ClassToken()(tb.variable("x", 4), token=tb.variable("token", 1, 4))


def test_at_least_one_token_is_added() -> None:
    with pytest.raises(LayerError, match="tokens must be a whole number from 1, found 0"):
        ClassToken(0)
