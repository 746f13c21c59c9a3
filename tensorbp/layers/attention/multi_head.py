"""Attention with several heads, each with its own projections."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tensorbp.errors import LayerError
from tensorbp.expression.arithmetic import reshape
from tensorbp.expression.einsum import einsum
from tensorbp.expression.layer import Composite, Example, Input, Parameter, Shape, argument
from tensorbp.expression.node import Expression
from tensorbp.layers.attention.dot_product import probabilities, scaled
from tensorbp.layers.attention.positions import AlibiTable, rotations
from tensorbp.layers.checks import whole_number
from tensorbp.layers.choices import choose_inputs, one_of, switch

__all__ = [
    "BIAS",
    "CAUSAL",
    "HEADS",
    "KEY_VALUE_HEADS",
    "PADDING",
    "POSITIONS",
    "POSITION_KINDS",
    "MultiHeadAttention",
]

POSITION_KINDS = ("none", "rotary", "alibi")
HEADS = "how many heads"
KEY_VALUE_HEADS = (
    "how many heads of keys and values, each shared by as many heads of queries; by default one "
    "for each"
)
BIAS = "whether biases are added"
CAUSAL = "whether tokens that come later are closed to a token"
POSITIONS = (
    "how attention knows of positions: none, rotary (queries and keys are turned), or alibi "
    "(scores fall with the distance)"
)
PADDING = Input("padding_mask", low=-1.0, high=1.0)
"""For each sample and key: one where it is a token, zero where it is padding."""


@dataclass(frozen=True)
class MultiHeadAttention(Composite):
    """Multi-head attention: y = Σ_h softmax(Q_h K_hᵀ/√d) V_h O_h, Q_h = x query_h, and so on.

    Of each projection there is one matrix (features, heads · d), split into heads by a view. Its
    derivatives are those of einsums and of softmax. Keys and values come from x, or from a second
    input, the memory. With fewer heads of keys and values than of queries it is grouped-query
    attention, with one it is multi-query attention. Sources: Vaswani et al. 2017, Attention is
    all you need; Shazeer 2019, Fast transformer decoding; Ainslie et al. 2023, GQA.
    """

    name = "multi_head_attention"
    formula = "y = Σ_h softmax(Q_h K_hᵀ/√d) V_h O_h"
    inputs = (Input("x"), Input("memory"), PADDING)

    heads: int = argument(HEADS)
    key_value_heads: int | None = argument(KEY_VALUE_HEADS, None)
    head_size: int | None = argument("the size d of a head, by default features/heads", None)
    bias: bool = argument(BIAS, True)
    causal: bool = argument(CAUSAL, False)
    positions: Literal["none", "rotary", "alibi"] = argument(POSITIONS, "none")
    memory: bool = argument("whether keys and values come from a second input", False)
    padding_mask: bool = argument(
        "whether the last input is a mask (batch, keys), one for a token and zero for padding",
        False,
    )

    def __post_init__(self) -> None:
        check_heads(self.name, self)
        if self.head_size is not None:
            size = whole_number(self.name, "head_size", self.head_size, least=1)
            object.__setattr__(self, "head_size", size)
        for each in ("bias", "causal", "memory", "padding_mask"):
            switch(self.name, each, getattr(self, each))
        x, memory, padding = type(self).inputs
        choose_inputs(
            self, [x, memory if self.memory else None, padding if self.padding_mask else None]
        )

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        """Return self-attention and cross-attention, with grouped heads, positions and masks."""
        return (
            Example(cls(2), ((2, 3, 4),)),
            Example(cls(2, 1, head_size=3, bias=False, causal=True), ((2, 3, 5),)),
            Example(cls(4, 2, head_size=2, bias=False, positions="rotary"), ((1, 3, 2),)),
            Example(
                cls(2, memory=True, padding_mask=True, bias=False, positions="alibi"),
                ((2, 3, 4), (2, 5, 6), (2, 5)),
            ),
        )

    def check_inputs(self, count: int) -> None:
        """Raise `LayerError` unless the layer reads that many inputs; the arguments say which."""
        try:
            super().check_inputs(count)
        except LayerError as error:
            raise LayerError(
                f"{error}; memory and padding_mask say whether it reads these too"
            ) from None

    def parameters(self, *shapes: Shape) -> dict[str, Parameter]:
        """Return the projections of queries, keys, values and of what comes out, and biases."""
        self._check_shapes(shapes)
        features, memory_features = shapes[0][-1], shapes[1 if self.memory else 0][-1]
        size = self._size(features)
        queries, keys = self.heads * size, self._key_value_heads * size
        shapes_of = {
            "query": (features, queries),
            "key": (memory_features, keys),
            "value": (memory_features, keys),
            "out": (queries, features),
        }
        weights = {name: Parameter(shape) for name, shape in shapes_of.items()}
        if not self.bias:
            return weights
        biases = {f"{n}_bias": Parameter((s[1],), "zeros") for n, s in shapes_of.items()}
        return weights | biases

    def build(self, *operands: Expression, **parameters: Expression) -> Expression:
        """Return the values that the heads find, projected and added."""
        x, *others = operands
        memory = others.pop(0) if self.memory else x
        masks = [reshape(each, (each.shape[0], 1, 1, 1, each.shape[1])) for each in others]
        size, groups = self._size(x.shape[-1]), self._key_value_heads
        shared = self.heads // groups
        query = self._projected("query", x, (groups, shared, size), parameters)
        key = self._projected("key", memory, (groups, size), parameters)
        value = self._projected("value", memory, (groups, size), parameters)
        if self.positions == "rotary":
            query = self._turned(query, "btgr(ip),tiqp->btgr(iq)")
            key = self._turned(key, "btg(ip),tiqp->btg(iq)")
        scores = scaled(einsum("bqgrd,bkgd->bgrqk", query, key), size)
        if self.positions == "alibi":
            table = AlibiTable(self.heads, *scores.shape[-2:])()
            scores = scores + reshape(table, scores.shape[1:])
        p = probabilities(scores, masks, self.causal)
        found = einsum("bgrqk,bkgd->bqgrd", p, value)
        out = reshape(parameters["out"], (groups, shared, size, -1))
        y = einsum("bqgrd,grdf->bqf", found, out)
        return y + parameters["out_bias"] if self.bias else y

    @property
    def _key_value_heads(self) -> int:
        return self.key_value_heads or self.heads

    def _projected(
        self, name: str, x: Expression, split: Shape, parameters: dict[str, Expression]
    ) -> Expression:
        """Return x times a matrix, its columns split into heads."""
        axes = "grd" if len(split) == 3 else "gd"
        weights = reshape(parameters[name], (x.shape[-1], *split))
        y = einsum(f"btf,f{axes}->bt{axes}", x, weights)
        return y + reshape(parameters[f"{name}_bias"], split) if self.bias else y

    def _turned(self, x: Expression, spec: str) -> Expression:
        """Return queries or keys with their pairs turned by their positions."""
        return einsum(spec, x, rotations(self.name, x.shape[1], x.shape[-1]))

    def _size(self, features: int) -> int:
        if self.head_size is None and features % self.heads:
            raise LayerError(
                f"layer '{self.name}': heads must divide the features of x, found {self.heads} "
                f"heads and {features} features; head_size makes them independent"
            )
        return features // self.heads if self.head_size is None else self.head_size

    def _check_shapes(self, shapes: tuple[Shape, ...]) -> None:
        self.check_inputs(len(shapes))
        names = [each.name for each in self.inputs]
        ranks = {"x": 3, "memory": 3, "padding_mask": 2}
        for name, shape in zip(names, shapes, strict=True):
            axes = "(batch, tokens, features)" if ranks[name] == 3 else "(batch, keys)"
            if len(shape) != ranks[name]:
                raise LayerError(
                    f"layer '{self.name}': {name} must have axes {axes}, found shape {shape}"
                )
            if shape[0] != shapes[0][0]:
                raise LayerError(
                    f"layer '{self.name}': {name} of shape {shape} must have the batch of x, "
                    f"{shapes[0][0]}"
                )
        keys = shapes[1 if self.memory else 0][1]
        if not keys:
            raise LayerError(f"layer '{self.name}': there must be at least one key, found none")
        if self.padding_mask and shapes[-1][1] != keys:
            raise LayerError(
                f"layer '{self.name}': padding_mask must have shape {(shapes[0][0], keys)}, a "
                f"number for each key, found {shapes[-1]}"
            )


def check_heads(layer: str, value: object) -> None:
    """Check the arguments that all layers with heads have.

    Raises:
        LayerError: they are no whole numbers, do not divide, or are no kind of positions.
    """
    heads = whole_number(layer, "heads", getattr(value, "heads", None), least=1)
    object.__setattr__(value, "heads", heads)
    groups = getattr(value, "key_value_heads", None)
    if groups is not None:
        groups = whole_number(layer, "key_value_heads", groups, least=1)
        object.__setattr__(value, "key_value_heads", groups)
        if heads % groups:
            raise LayerError(
                f"layer '{layer}': key_value_heads must divide heads, found {groups} and {heads}"
            )
    one_of(layer, "positions", getattr(value, "positions", "none"), POSITION_KINDS)
