"""Attention: what is found where queries and keys agree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Literal

from tensorbp.errors import LayerError
from tensorbp.expression.einsum import einsum
from tensorbp.expression.layer import Composite, Example, Input, Shape, argument
from tensorbp.expression.node import Expression
from tensorbp.expression.rule import number_argument
from tensorbp.layers.attention.masks import MASK, causal_mask, masked_softmax, require_broadcast
from tensorbp.layers.choices import choose_inputs, one_of, switch
from tensorbp.layers.softmax import softmax

__all__ = ["ScaledDotProductAttention", "probabilities", "scaled", "scaled_dot_product_attention"]

NAME = "scaled_dot_product_attention"
MASKS = ("none", "boolean", "additive")


@dataclass(frozen=True)
class ScaledDotProductAttention(Composite):
    """Scaled dot-product attention: y = softmax(scale · Q Kᵀ + mask) V, for any leading axes.

    Its derivatives are those of two matrix products and a softmax, between them the probabilities
    p: dy/dV = p, and through the scores dp = p δ - p pᵀ. A query that no key is open to gets 0.
    Source: Vaswani et al. 2017, Attention is all you need, eq. 1.
    """

    name = NAME
    formula = "y = softmax(scale · Q Kᵀ + mask) V"
    inputs = (Input("query"), Input("key"), Input("value"), MASK)

    mask: Literal["none", "boolean", "additive"] = argument(
        "the fourth input: none, boolean (ones where a key is open to a query, zeros where it is "
        "not), or additive (a bias, numbers that are added to the scores)",
        "none",
    )
    causal: bool = argument("whether keys that come later than the query are closed to it", False)
    scale: float | None = argument("what scores are multiplied with, by default 1/√(size)", None)

    def __post_init__(self) -> None:
        one_of(self.name, "mask", self.mask, MASKS)
        switch(self.name, "causal", self.causal)
        if self.scale is not None:
            object.__setattr__(self, "scale", number_argument(self.name, "scale", self.scale))
        masks = {"none": None, "boolean": MASK, "additive": Input("bias")}
        choose_inputs(self, [*type(self).inputs[:3], masks[self.mask]])

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        """Return plain attention, both kinds of mask, and causal attention."""
        query, key, value = (2, 3, 4), (2, 5, 4), (2, 5, 6)
        return (
            Example(cls(), (query, key, value)),
            Example(cls("boolean"), (query, key, value, (2, 3, 5))),
            Example(cls("additive", scale=0.3), (query, key, value, (3, 5))),
            Example(cls(causal=True), ((2, 1, 3, 4), (2, 1, 3, 4), (2, 1, 3, 5))),
            Example(cls("boolean", causal=True), ((5, 4), (5, 4), (5, 3), (5, 5))),
        )

    def build(self, *operands: Expression, **parameters: Expression) -> Expression:
        """Return the values, averaged with the probabilities of their keys.

        Raises:
            LayerError: the shapes do not fit.
        """
        query, key, value, *masks = operands
        mask = masks[0] if self.mask == "boolean" else None
        bias = masks[0] if self.mask == "additive" else None
        return _attend(query, key, value, mask, bias, self.causal, self.scale)


def scaled_dot_product_attention(
    query: Expression,
    key: Expression,
    value: Expression,
    mask: Expression | None = None,
    bias: Expression | None = None,
    causal: bool = False,
    scale: float | None = None,
) -> Expression:
    """Return softmax(scale · query keyᵀ + bias) value, over the keys that are open to a query.

    >>> import tensorbp as tb
    >>> q, k, v = tb.variable("q", 2, 3, 4), tb.variable("k", 2, 5, 4), tb.variable("v", 2, 5, 6)
    >>> tb.scaled_dot_product_attention(q, k, v).shape
    (2, 3, 6)

    Args:
        query: of shape (..., queries, size).
        key: of shape (..., keys, size).
        value: of shape (..., keys, values).
        mask: ones where a key is open to a query, zeros where it is not; it broadcasts to shape
            (..., queries, keys).
        bias: what is added to the scores; it broadcasts too.
        causal: whether keys that come later than the query are closed to it.
        scale: what scores are multiplied with, by default 1/√(size).

    Raises:
        LayerError: the shapes do not fit.
    """
    return _attend(query, key, value, mask, bias, causal, scale)


def _attend(
    query: Expression,
    key: Expression,
    value: Expression,
    mask: Expression | None,
    bias: Expression | None,
    causal: bool,
    scale: float | None,
) -> Expression:
    _check_shapes(query.shape, key.shape, value.shape)
    scores = scaled(einsum("...qd,...kd->...qk", query, key), query.shape[-1], scale)
    for name, each in (("mask", mask), ("bias", bias)):
        if each is not None:
            require_broadcast(NAME, name, each.shape, "the scores", scores.shape)
    if bias is not None:
        scores = scores + bias
    p = probabilities(scores, [] if mask is None else [mask], causal)
    return einsum("...qk,...kv->...qv", p, value)


def scaled(scores: Expression, size: int, scale: float | None = None) -> Expression:
    """Return scores times a number, by default 1/√(size)."""
    return scores * (1 / sqrt(max(size, 1)) if scale is None else scale)


def probabilities(scores: Expression, masks: Sequence[Expression], causal: bool) -> Expression:
    """Return softmax along the keys of what is open, to all masks and, if causal, to time."""
    masks = [*masks, causal_mask(*scores.shape[-2:])] if causal else list(masks)
    if not masks:
        return softmax(scores)
    mask, *others = masks
    for other in others:
        mask = mask * other
    return masked_softmax(scores, mask)


def _check_shapes(query: Shape, key: Shape, value: Shape) -> None:
    problem = ""
    if min(len(query), len(key), len(value)) < 2:
        problem = "each needs two axes at least"
    elif not query[:-2] == key[:-2] == value[:-2]:
        problem = "their leading axes must be the same; repeat the smaller ones with broadcast_to"
    elif query[-1] != key[-1]:
        problem = f"sizes {query[-1]} and {key[-1]} of query and key must be the same"
    elif key[-2] != value[-2]:
        problem = f"there must be a value for each of the {key[-2]} keys, found {value[-2]}"
    elif not key[-2]:
        problem = "there must be at least one key"
    if problem:
        raise LayerError(
            f"layer '{NAME}': query of shape {query}, key {key} and value {value} must be "
            f"(..., queries, size), (..., keys, size) and (..., keys, values); {problem}"
        )
