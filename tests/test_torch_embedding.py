"""Embeddings against PyTorch, and what they cost and refuse."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import pytest
import torch
from torch.nn import functional
from torch_oracle import assert_equals_torch

import tensorbp as tb
from tensorbp.errors import LayerError
from tensorbp.layers.moving.embedding import Embedding, EmbeddingBag

INDICES = np.array([[0, 2, 1, 2], [1, 1, 4, 0], [2, 2, 2, 2]])


def table(padding: int | None = None) -> Any:
    """Rows as PyTorch starts them: that of the padding is zero."""
    weight = np.random.default_rng(0).normal(size=(5, 3))
    if padding is not None:
        weight[padding] = 0
    return weight


@pytest.mark.parametrize("padding", [None, 0, 2, -1])
def test_embedding(padding: int | None) -> None:
    assert_equals_torch(
        Embedding(5, 3, padding),
        (INDICES.shape,),
        lambda given: functional.embedding(given["indices"], given["weight"], padding),
        {"indices": INDICES, "weight": table(padding)},
    )


@pytest.mark.parametrize("mode", ["mean", "sum"])
@pytest.mark.parametrize("padding", [None, 0, 2])
def test_embedding_bag(mode: Literal["mean", "sum"], padding: int | None) -> None:
    def reference(given: Any) -> torch.Tensor:
        rows = functional.embedding(given["indices"], given["weight"], padding)
        kept = (given["indices"] != (-1 if padding is None else padding)).double()
        sums = (rows * kept[..., None]).sum(1)
        return sums if mode == "sum" else sums / kept.sum(1, keepdim=True).clamp(min=1)

    given = {"indices": INDICES, "weight": table(padding)}
    assert_equals_torch(EmbeddingBag(5, 3, padding, mode), (INDICES.shape,), reference, given)
    tensors = {name: torch.tensor(each) for name, each in given.items()}
    bags = functional.embedding_bag(
        tensors["indices"], tensors["weight"], mode=mode, padding_idx=padding
    )
    np.testing.assert_allclose(reference(tensors), bags, atol=1e-12)


def test_padding_is_never_read() -> None:
    layer = Embedding(5, 3, padding_idx=1)
    indices = tb.variable("indices", 3, 4, kind="integer")
    weight = tb.variable("weight", 5, 3)
    y = layer(indices, weight=weight)
    numbers = np.ones((5, 3))
    numbers[1] = np.nan
    program = tb.compile([y, tb.gradient(tb.sum(y), weight)])
    arrays = {"indices": INDICES, "weight": numbers}
    values, gradient = program({name: arrays[name] for name in program.names})
    np.testing.assert_array_equal(values, np.repeat((INDICES != 1)[..., None], 3, -1))
    np.testing.assert_array_equal(gradient[:, 0], [2, 0, 6, 0, 1])


def test_a_gradient_costs_what_is_read_and_no_product() -> None:
    weight = tb.variable("weight", 3000, 7)
    y = Embedding(3000, 7)(tb.variable("indices", 4, 5, kind="integer"), weight=weight)
    u = tb.variable("u", 4, 5, 7)
    plan = tb.plan([tb.vjp(y, weight, u)])
    assert plan.multiplications == 0
    assert plan.flops <= 3000 * 7 + 4 * 5 * 7


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: Embedding(0, 3),
            "layer 'embedding': num_embeddings must be a whole number from 1, found 0",
        ),
        (
            lambda: Embedding(5, 3, 5),
            "layer 'embedding': padding_idx must be from -5 to 4, found 5",
        ),
        (
            lambda: EmbeddingBag(5, 3, mode="max"),  # type: ignore[arg-type]
            "layer 'embedding_bag': mode must be one of mean, sum, found 'max'",
        ),
        (
            lambda: EmbeddingBag(5, 3)(
                tb.variable("indices", kind="integer"), weight=tb.variable("weight", 5, 3)
            ),
            "layer 'embedding_bag': indices must have an axis that is summed, found a number",
        ),
    ],
)
def test_what_is_refused(make: Callable[[], object], message: str) -> None:
    with pytest.raises(LayerError) as caught:
        make()
    assert str(caught.value) == message


@pytest.mark.parametrize("padding", [None, 0])
def test_indices_out_of_range_are_refused_when_it_runs(padding: int | None) -> None:
    indices = tb.variable("indices", 2, kind="integer")
    y = Embedding(5, 3, padding)(indices, weight=tb.variable("weight", 5, 3))
    with pytest.raises(LayerError, match=r"must be from 0 to 4, .*found 5"):
        tb.compile([y])(indices=np.array([1, 5]), weight=np.ones((5, 3)))
