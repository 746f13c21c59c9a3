"""Where a token stands in its sequence, told to a network."""

from __future__ import annotations

from dataclasses import dataclass
from math import floor, log2
from typing import Any

from tensorbp.errors import LayerError
from tensorbp.expression.einsum import einsum
from tensorbp.expression.layer import Composite, Example, Parameter, Shape, argument
from tensorbp.expression.node import Expression
from tensorbp.expression.rule import number_argument
from tensorbp.layers.tables import Table

__all__ = [
    "Alibi",
    "AlibiTable",
    "LearnedPositions",
    "Rotary",
    "RotaryTable",
    "SinusoidalPositions",
    "SinusoidalTable",
    "alibi",
    "rotary",
    "sinusoidal_positions",
]

BASE = "the base of the frequencies ω_i = base^(-2i/n), for n features"


@dataclass(frozen=True)
class SinusoidalTable(Table):
    """Sines and cosines of positions: y_t,2i = sin(t ω_i), y_t,2i+1 = cos(t ω_i)."""

    name = "sinusoidal_table"
    formula = "y_t,2i = sin(t ω_i), y_t,2i+1 = cos(t ω_i)"

    tokens: int = argument("how many positions")
    features: int = argument("how many numbers for each")
    base: float = argument(BASE, 10000.0)

    def shape(self, *shapes: Shape) -> Shape:
        """Return tokens × features."""
        return (self.tokens, self.features)

    def numbers(self) -> Any:
        """Return sine and cosine, interleaved; of an odd number of features the last is a sine."""
        import numpy as np

        angles = _angles(self.tokens, self.features, self.base)
        both = np.stack([np.sin(angles), np.cos(angles)], axis=-1)
        return both.reshape(self.tokens, 2 * angles.shape[1])[:, : self.features].copy()


@dataclass(frozen=True)
class OfFrequencies(Composite):
    """What layers share that tell positions by angles, one for each pair of features."""

    base: float = argument(BASE, 10000.0)

    def __post_init__(self) -> None:
        base = number_argument(self.name, "base", self.base)
        if base <= 0:
            raise LayerError(f"layer '{self.name}': base must be above 0, found {base}")
        object.__setattr__(self, "base", float(base))


@dataclass(frozen=True)
class SinusoidalPositions(OfFrequencies):
    """Sinusoidal positions: y_t = x_t + (sin(t ω_i), cos(t ω_i))_i, ω_i = base^(-2i/n).

    dy/dx is the identity. Sines stand at even features, cosines at odd ones. Source: Vaswani et
    al. 2017, Attention is all you need, section 3.5.
    """

    name = "sinusoidal_positions"
    formula = "y_t,2i = x_t,2i + sin(t ω_i), y_t,2i+1 = x_t,2i+1 + cos(t ω_i)"

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        """Return an even and an odd number of features, and axes in front."""
        return (
            Example(cls(), ((2, 3, 4),)),
            Example(cls(100.0), ((3, 5),)),
            Example(cls(), ((2, 3, 4, 6),)),
        )

    def build(self, *operands: Expression, **parameters: Expression) -> Expression:
        """Return x plus the table."""
        (x,) = operands
        tokens, features = _tokens_and_features(self.name, x.shape)
        return x + SinusoidalTable(tokens, features, self.base)()


@dataclass(frozen=True)
class LearnedPositions(Composite):
    """Trainable positions: y_t = x_t + table_t; dy/dx and dy/dtable are one."""

    name = "learned_positions"
    formula = "y_t = x_t + table_t"

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        """Return a batch of sequences, and a single one."""
        return (Example(cls(), ((2, 3, 4),)), Example(cls(), ((3, 5),)))

    def parameters(self, *shapes: Shape) -> dict[str, Parameter]:
        """Return the table, a row for each token."""
        tokens, features = _tokens_and_features(self.name, shapes[0])
        return {"table": Parameter((tokens, features), "glorot_uniform")}

    def build(self, *operands: Expression, **parameters: Expression) -> Expression:
        """Return x plus the table."""
        (x,) = operands
        return x + parameters["table"]


@dataclass(frozen=True)
class RotaryTable(Table):
    """Rotations of pairs: y_ti = ((cos t ω_i, -sin t ω_i), (sin t ω_i, cos t ω_i))."""

    name = "rotary_table"
    formula = "y_ti = ((cos t ω_i, -sin t ω_i), (sin t ω_i, cos t ω_i))"

    tokens: int = argument("how many positions")
    pairs: int = argument("how many pairs of numbers for each")
    base: float = argument(BASE, 10000.0)

    def shape(self, *shapes: Shape) -> Shape:
        """Return tokens × pairs × 2 × 2."""
        return (self.tokens, self.pairs, 2, 2)

    def numbers(self) -> Any:
        """Return a rotation matrix for each position and pair."""
        import numpy as np

        angles = _angles(self.tokens, 2 * self.pairs, self.base)
        cos, sin = np.cos(angles), np.sin(angles)
        return np.stack([np.stack([cos, -sin], axis=-1), np.stack([sin, cos], axis=-1)], axis=-2)


@dataclass(frozen=True)
class Rotary(OfFrequencies):
    """Rotary positions: each pair of features of token t is turned by t ω_i, ω_i = base^(-2i/n).

    (y_t,2i, y_t,2i+1) = R(t ω_i) (x_t,2i, x_t,2i+1), and dy/dx is R: an einsum with a constant
    rotation for each position and pair. The pairs are neighbours, as in the paper; where weights
    come from a model that pairs feature i with i + n/2, their columns have to be interleaved.
    Source: Su et al. 2021, RoFormer: enhanced transformer with rotary position embedding, eq. 15.
    """

    name = "rotary"
    formula = "(y_t,2i, y_t,2i+1) = R(t ω_i) (x_t,2i, x_t,2i+1)"

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        """Return a batch of sequences, and one with axes of heads in front of the tokens."""
        return (Example(cls(), ((2, 3, 4),)), Example(cls(100.0), ((2, 5, 3, 6),)))

    def build(self, *operands: Expression, **parameters: Expression) -> Expression:
        """Return x with its pairs turned.

        Raises:
            LayerError: the number of features is odd.
        """
        (x,) = operands
        tokens, features = _tokens_and_features(self.name, x.shape)
        turns = rotations(self.name, tokens, features, self.base)
        return einsum("...t(ip),tiqp->...t(iq)", x, turns)


def rotations(layer: str, tokens: int, features: int, base: float = 10000.0) -> Expression:
    """Return the rotation of each pair of features of each token.

    Raises:
        LayerError: the number of features is odd.
    """
    if features % 2 or not features:
        raise LayerError(
            f"layer '{layer}': rotary positions turn pairs, the number of features must be even, "
            f"found {features}"
        )
    return RotaryTable(tokens, features // 2, base)()


@dataclass(frozen=True)
class AlibiTable(Table):
    """Penalty of distance: y_hqk = -m_h |q - k|, each head h with its own slope m_h."""

    name = "alibi_table"
    formula = "y_hqk = -m_h |q - k|"

    heads: int = argument("how many heads")
    queries: int = argument("how many positions ask")
    keys: int = argument("how many positions are looked at")

    def shape(self, *shapes: Shape) -> Shape:
        """Return heads × queries × keys."""
        return (self.heads, self.queries, self.keys)

    def numbers(self) -> Any:
        """Return minus slope times distance."""
        import numpy as np

        distance = np.abs(np.arange(self.queries)[:, None] - np.arange(self.keys))
        return -np.array(alibi_slopes(self.heads))[:, None, None] * distance


def alibi_slopes(heads: int) -> list[float]:
    """Return the slope of each head: the powers 2^(-8/n), 2^(-16/n), ... for n heads.

    For numbers of heads that are no power of two: those of the power below, and then every other
    one of twice as many.

    >>> alibi_slopes(3)
    [0.0625, 0.00390625, 0.25]
    """
    below = 2 ** floor(log2(heads)) if heads else 0
    slopes = [2.0 ** (-8 * k / below) for k in range(1, below + 1)]
    between = [2.0 ** (-4 * k / below) for k in range(1, 2 * (heads - below), 2)]
    return slopes + between


@dataclass(frozen=True)
class Alibi(Composite):
    """Attention with linear biases: y_hqk = x_hqk - m_h |q - k|, x the scores of attention.

    dy/dx is the identity. The slopes m_h are those of the paper; there keys come before queries,
    here the distance counts in both directions. Source: Press, Smith and Lewis 2022, Train short,
    test long: attention with linear biases enables input length extrapolation.
    """

    name = "alibi"
    formula = "y_hqk = x_hqk - m_h |q - k|"

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        """Return scores of a batch, with a number of heads that is no power of two, and one."""
        return (Example(cls(), ((2, 3, 4, 5),)), Example(cls(), ((4, 3, 5),)))

    def build(self, *operands: Expression, **parameters: Expression) -> Expression:
        """Return the scores plus the table.

        Raises:
            LayerError: the scores have no axes of heads, queries and keys.
        """
        (x,) = operands
        if x.ndim < 3:
            raise LayerError(
                f"layer '{self.name}': x must be scores of shape (..., heads, queries, keys), "
                f"found {x.shape}"
            )
        return x + AlibiTable(*x.shape[-3:])()


def sinusoidal_positions(x: Expression, base: float = 10000.0) -> Expression:
    """Return x of shape (..., tokens, features), plus sines and cosines of its positions."""
    return SinusoidalPositions(base)(x)


def rotary(x: Expression, base: float = 10000.0) -> Expression:
    """Return x of shape (..., tokens, features), each pair of features turned by its position."""
    return Rotary(base)(x)


def alibi(scores: Expression) -> Expression:
    """Return scores of shape (..., heads, queries, keys), minus slope times distance."""
    return Alibi()(scores)


def _angles(tokens: int, features: int, base: float) -> Any:
    """Return t ω_i for each token t and pair of features i."""
    import numpy as np

    frequencies = base ** (-2 * np.arange((features + 1) // 2) / features)
    return np.arange(tokens)[:, None] * frequencies


def _tokens_and_features(layer: str, shape: Shape) -> tuple[int, int]:
    if len(shape) < 2:
        raise LayerError(
            f"layer '{layer}': x must have axes of tokens and features, found shape {shape}"
        )
    return shape[-2], shape[-1]
