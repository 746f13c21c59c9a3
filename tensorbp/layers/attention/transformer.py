"""The layers of a transformer: attention and feed-forward networks, with skips and norms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from tensorbp.errors import LayerError
from tensorbp.expression.layer import Composite, Example, Input, Layer, Parameter, Shape, argument
from tensorbp.expression.node import Expression
from tensorbp.expression.rule import number_argument
from tensorbp.layers.attention.feed_forward import (
    ACTIVATION,
    GATED,
    HIDDEN,
    FeedForward,
    check_feed_forward,
)
from tensorbp.layers.attention.multi_head import (
    CAUSAL,
    HEADS,
    KEY_VALUE_HEADS,
    PADDING,
    POSITIONS,
    MultiHeadAttention,
    check_heads,
)
from tensorbp.layers.checks import whole_number
from tensorbp.layers.choices import choose_inputs, one_of, switch
from tensorbp.layers.normalization.standardization import LayerNorm, RmsNorm

__all__ = ["GptBlock", "TransformerDecoderLayer", "TransformerEncoderLayer"]

BIAS = "whether the linear maps have biases"
NORM_FIRST = "whether each part normalises what it reads, rather than the sum it adds to"
NORM = "how features are normalised: layer_norm, or rms_norm"
EPSILON = "ε of the norms"
PADDED = "whether there is a mask (batch, tokens) of x, one for a token and zero for padding"
MEMORY_PADDED = "whether the last input is such a mask of the memory"
NORMS: Mapping[str, type[LayerNorm | RmsNorm]] = {"layer_norm": LayerNorm, "rms_norm": RmsNorm}
MEMORY_PADDING = Input("memory_padding_mask", low=-1.0, high=1.0)

Parts = Mapping[str, tuple[Layer, tuple[Shape, ...]]]
"""Layers by name, each with the shapes of what it reads."""


@dataclass(frozen=True)
class TransformerEncoderLayer(Composite):
    """Encoder layer of a transformer: z = norm(x + attention(x)), y = norm(z + feed_forward(z)).

    With norm_first it is z = x + attention(norm(x)), y = z + feed_forward(norm(z)). Its derivatives
    follow from its parts. Sources: Vaswani et al. 2017, Attention is all you need; Xiong et al.
    2020, On layer normalization in the transformer architecture.
    """

    name = "transformer_encoder_layer"
    formula = "z = norm(x + attention(x)), y = norm(z + feed_forward(z))"
    inputs = (Input("x"), PADDING)

    heads: int = argument(HEADS)
    hidden: int = argument(HIDDEN)
    key_value_heads: int | None = argument(KEY_VALUE_HEADS, None)
    activation: Literal["relu", "gelu", "silu"] = argument(ACTIVATION, "relu")
    gated: bool = argument(GATED, False)
    bias: bool = argument(BIAS, True)
    causal: bool = argument(CAUSAL, False)
    positions: Literal["none", "rotary", "alibi"] = argument(POSITIONS, "none")
    norm: Literal["layer_norm", "rms_norm"] = argument(NORM, "layer_norm")
    norm_first: bool = argument(NORM_FIRST, False)
    epsilon: float = argument(EPSILON, 1e-5)
    padding_mask: bool = argument(PADDED, False)

    def __post_init__(self) -> None:
        _check(self)
        switch(self.name, "causal", self.causal)
        switch(self.name, "padding_mask", self.padding_mask)
        x, padding = type(self).inputs
        choose_inputs(self, [x, padding if self.padding_mask else None])

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        """Return both places of the norm, the second with all that may be chosen."""
        return (
            Example(cls(2, 3, activation="gelu", bias=False), ((1, 2, 4),)),
            Example(
                cls(
                    *(2, 3, 1, "silu"),
                    gated=True,
                    bias=False,
                    causal=True,
                    positions="rotary",
                    norm="rms_norm",
                    norm_first=True,
                    padding_mask=True,
                ),
                ((1, 3, 4), (1, 3)),
            ),
        )

    def parameters(self, *shapes: Shape) -> dict[str, Parameter]:
        """Return the parameters of the parts, each with the part's name in front."""
        self.check_inputs(len(shapes))
        return _parameters(self._parts(*shapes))

    def build(self, *operands: Expression, **parameters: Expression) -> Expression:
        """Return x after attention and the feed-forward network."""
        x, *masks = operands
        parts = _Applied(self._parts(*(each.shape for each in operands)), parameters)
        z = parts.skip(x, "attention", "norm1", self.norm_first, *masks)
        return parts.skip(z, "feed_forward", "norm2", self.norm_first)

    def _parts(self, *shapes: Shape) -> Parts:
        x = shapes[:1]
        return {
            "attention": (_self_attention(self), shapes),
            "norm1": (_norm(self), x),
            "feed_forward": (_feed_forward(self), x),
            "norm2": (_norm(self), x),
        }


@dataclass(frozen=True)
class TransformerDecoderLayer(Composite):
    """Decoder layer of a transformer: as the encoder layer, with attention to a memory in between.

    u = norm(x + self_attention(x)), z = norm(u + cross_attention(u, memory)), y = norm(z +
    feed_forward(z)); with norm_first each part reads what is normalised, and the sums are left as
    they are. Its derivatives follow from its parts. Source: Vaswani et al. 2017, Attention is all
    you need.
    """

    name = "transformer_decoder_layer"
    formula = "u = norm(x + attention(x)), z = norm(u + attention(u, m)), y = norm(z + network(z))"
    inputs = (Input("x"), Input("memory"), PADDING, MEMORY_PADDING)

    heads: int = argument(HEADS)
    hidden: int = argument(HIDDEN)
    key_value_heads: int | None = argument(KEY_VALUE_HEADS, None)
    activation: Literal["relu", "gelu", "silu"] = argument(ACTIVATION, "relu")
    gated: bool = argument(GATED, False)
    bias: bool = argument(BIAS, True)
    causal: bool = argument(CAUSAL, True)
    positions: Literal["none", "rotary", "alibi"] = argument(
        POSITIONS + ", in the attention of x to itself", "none"
    )
    norm: Literal["layer_norm", "rms_norm"] = argument(NORM, "layer_norm")
    norm_first: bool = argument(NORM_FIRST, False)
    epsilon: float = argument(EPSILON, 1e-5)
    padding_mask: bool = argument(PADDED, False)
    memory_padding_mask: bool = argument(MEMORY_PADDED, False)

    def __post_init__(self) -> None:
        _check(self)
        for each in ("causal", "padding_mask", "memory_padding_mask"):
            switch(self.name, each, getattr(self, each))
        x, memory, padding, memory_padding = type(self).inputs
        choose_inputs(
            self,
            [
                *(x, memory),
                padding if self.padding_mask else None,
                memory_padding if self.memory_padding_mask else None,
            ],
        )

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        """Return one whose memory has features of its own."""
        layer = cls(2, 3, activation="gelu", bias=False, norm="rms_norm")
        return (Example(layer, ((1, 2, 4), (1, 3, 6))),)

    def parameters(self, *shapes: Shape) -> dict[str, Parameter]:
        """Return the parameters of the parts, each with the part's name in front."""
        self.check_inputs(len(shapes))
        return _parameters(self._parts(*shapes))

    def build(self, *operands: Expression, **parameters: Expression) -> Expression:
        """Return x after attention to itself, attention to the memory, and the network."""
        x, memory, *masks = operands
        own, others = masks[: self.padding_mask], masks[self.padding_mask :]
        parts = _Applied(self._parts(*(each.shape for each in operands)), parameters)
        u = parts.skip(x, "self_attention", "norm1", self.norm_first, *own)
        z = parts.skip(u, "cross_attention", "norm2", self.norm_first, memory, *others)
        return parts.skip(z, "feed_forward", "norm3", self.norm_first)

    def _parts(self, *shapes: Shape) -> Parts:
        x, memory, *masks = shapes
        own, others = masks[: self.padding_mask], masks[self.padding_mask :]
        cross = MultiHeadAttention(
            self.heads,
            self.key_value_heads,
            bias=self.bias,
            memory=True,
            padding_mask=self.memory_padding_mask,
        )
        return {
            "self_attention": (_self_attention(self), (x, *own)),
            "norm1": (_norm(self), (x,)),
            "cross_attention": (cross, (x, memory, *others)),
            "norm2": (_norm(self), (x,)),
            "feed_forward": (_feed_forward(self), (x,)),
            "norm3": (_norm(self), (x,)),
        }


@dataclass(frozen=True)
class GptBlock(Composite):
    """Block of a language model: z = x + attention(norm(x)), y = z + feed_forward(norm(z)), causal.

    It is the encoder layer with norm_first and causal attention, and so are its derivatives.
    Source: Radford et al. 2019, Language models are unsupervised multitask learners.
    """

    name = "gpt_block"
    formula = "z = x + attention(norm(x)), y = z + feed_forward(norm(z)), attention causal"

    heads: int = argument(HEADS)
    hidden: int | None = argument(HIDDEN + ", by default four times those of x", None)
    bias: bool = argument(BIAS, True)
    epsilon: float = argument(EPSILON, 1e-5)

    def __post_init__(self) -> None:
        heads = whole_number(self.name, "heads", self.heads, least=1)
        object.__setattr__(self, "heads", heads)
        if self.hidden is not None:
            hidden = whole_number(self.name, "hidden", self.hidden, least=1)
            object.__setattr__(self, "hidden", hidden)
        switch(self.name, "bias", self.bias)
        object.__setattr__(self, "epsilon", number_argument(self.name, "epsilon", self.epsilon))

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        """Return a block with two heads."""
        return (Example(cls(2, 3, bias=False), ((1, 2, 4),)),)

    def parameters(self, *shapes: Shape) -> dict[str, Parameter]:
        """Return the parameters of the encoder layer."""
        self.check_inputs(len(shapes))
        return self._encoder(shapes[0]).parameters(*shapes)

    def build(self, *operands: Expression, **parameters: Expression) -> Expression:
        """Return what the encoder layer makes of x."""
        return self._encoder(operands[0].shape)(*operands, **parameters)

    def _encoder(self, x: Shape) -> TransformerEncoderLayer:
        return TransformerEncoderLayer(
            self.heads,
            self.hidden or 4 * (x[-1] if x else 1),
            activation="gelu",
            bias=self.bias,
            causal=True,
            norm_first=True,
            epsilon=self.epsilon,
        )


@dataclass(frozen=True)
class _Applied:
    """The parts of a layer, with the parameters of all of them."""

    parts: Parts
    parameters: Mapping[str, Expression]

    def skip(
        self, x: Expression, part: str, norm: str, norm_first: bool, *more: Expression
    ) -> Expression:
        """Return x + part(norm(x)), or norm(x + part(x)); the part may read more than x."""
        if norm_first:
            return x + self(part, self(norm, x), *more)
        return self(norm, x + self(part, x, *more))

    def __call__(self, part: str, *operands: Expression) -> Expression:
        layer, shapes = self.parts[part]
        own = {name: self.parameters[f"{part}_{name}"] for name in layer.parameters(*shapes)}
        return layer(*operands, **own)


def _parameters(parts: Parts) -> dict[str, Parameter]:
    return {
        f"{part}_{name}": parameter
        for part, (layer, shapes) in parts.items()
        for name, parameter in layer.parameters(*shapes).items()
    }


Blocks = TransformerEncoderLayer | TransformerDecoderLayer


def _self_attention(layer: Blocks) -> MultiHeadAttention:
    return MultiHeadAttention(
        layer.heads,
        layer.key_value_heads,
        bias=layer.bias,
        causal=layer.causal,
        positions=layer.positions,
        padding_mask=layer.padding_mask,
    )


def _feed_forward(layer: Blocks) -> FeedForward:
    return FeedForward(layer.hidden, layer.activation, layer.gated, layer.bias)


def _norm(layer: Blocks) -> LayerNorm | RmsNorm:
    return NORMS[layer.norm](layer.epsilon)


def _check(layer: Blocks) -> None:
    """Check the arguments that both layers have."""
    check_heads(layer.name, layer)
    check_feed_forward(layer.name, "hidden", layer)
    one_of(layer.name, "norm", layer.norm, tuple(NORMS))
    switch(layer.name, "norm_first", layer.norm_first)
    epsilon = number_argument(layer.name, "epsilon", layer.epsilon)
    if epsilon < 0:
        raise LayerError(f"layer '{layer.name}': epsilon must not be negative, found {epsilon}")
    object.__setattr__(layer, "epsilon", epsilon)
