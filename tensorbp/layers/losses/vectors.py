"""Losses of vectors, the last axis, that are to be close to each other or far apart."""

from __future__ import annotations

from dataclasses import dataclass

from tensorbp.errors import LayerError
from tensorbp.expression.activation import relu
from tensorbp.expression.arithmetic import sum
from tensorbp.expression.einsum import constant
from tensorbp.expression.elementwise import abs, maximum, minimum, power, sqrt
from tensorbp.expression.layer import Composite, Example, Input, Shape, argument
from tensorbp.expression.node import Expression
from tensorbp.expression.rule import number_argument
from tensorbp.layers.checks import blame, whole_number
from tensorbp.layers.losses.per_sample import mean_of_sample, number_above, number_from, truth
from tensorbp.layers.softmax import logsumexp

__all__ = [
    "ContrastiveLoss",
    "CosineEmbeddingLoss",
    "CosineSimilarity",
    "InfoNceLoss",
    "TripletMarginLoss",
    "contrastive_loss",
    "cosine_embedding_loss",
    "cosine_similarity",
    "info_nce_loss",
    "triplet_margin_loss",
]

EPSILON = "ε, above 0: a vector that is shorter is divided by it, not by its length"


@dataclass(frozen=True)
class CosineSimilarity(Composite):
    """Cosine of the angle between vectors: y = Σ_p a_p b_p / (|a| |b|), lengths at least ε.

    dy/da_p = (b_p/|b| - y a_p/|a|)/|a|.
    """

    name = "cosine_similarity"
    formula = "y = Σ_p a_p b_p / (max(|a|, ε) max(|b|, ε))"
    inputs = (Input("a"), Input("b"))

    axis: int = argument("the axis of the vectors; negative ones count from the end", -1)
    epsilon: float = argument(EPSILON, 1e-8)

    def __post_init__(self) -> None:
        object.__setattr__(self, "axis", whole_number(self.name, "axis", self.axis))
        object.__setattr__(self, "epsilon", number_above(self.name, "epsilon", self.epsilon))

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        """Return vectors along the last axis and along another."""
        return (
            Example(cls(), ((3, 4), (3, 4))),
            Example(cls(axis=1, epsilon=2.0), ((2, 3, 4), (2, 3, 4))),
        )

    def build(self, *operands: Expression, **parameters: Expression) -> Expression:
        """Return the inner product of what has length one."""
        a, b = operands
        if a.shape != b.shape:
            raise LayerError(
                f"layer '{self.name}': a and b must have one shape, found {a.shape} and {b.shape}"
            )
        with blame(self.name):
            return _cosine(a, b, self.epsilon, self.axis)


@dataclass(frozen=True)
class CosineEmbeddingLoss(Composite):
    """Loss of an angle: l = 1 - cos(a, b) where t = 1, max(cos(a, b) - m, 0) where t = -1.

    It is (1 + t)/2 times the one and (1 - t)/2 times the other; its derivatives are those of the
    cosine similarity.
    """

    name = "cosine_embedding_loss"
    formula = "l = 1 - cos(a, b) where t = 1, max(cos(a, b) - m, 0) where t = -1"
    inputs = (Input("a"), Input("b"), Input("target", low=-1.0, high=1.0))

    margin: float = argument("m, from -1 to 1: up to which cosine vectors are far apart", 0.0)
    epsilon: float = argument(EPSILON, 1e-8)

    def __post_init__(self) -> None:
        margin = number_argument(self.name, "margin", self.margin)
        if not -1 <= margin <= 1:
            raise LayerError(f"layer '{self.name}': margin must be from -1 to 1, found {margin}")
        object.__setattr__(self, "margin", margin)
        object.__setattr__(self, "epsilon", number_above(self.name, "epsilon", self.epsilon))

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        """Return samples of one pair and of several."""
        return (
            Example(cls(), ((5, 4), (5, 4), (5,))),
            Example(cls(margin=-0.5), ((2, 3, 4), (2, 3, 4), (2, 3))),
        )

    def build(self, *operands: Expression, **parameters: Expression) -> Expression:
        """Return what the target chooses, averaged over each sample."""
        a, b, target = operands
        _are_vectors(self.name, a=a.shape, b=b.shape)
        _one_target_a_pair(self.name, a.shape, target.shape)
        cosine = _cosine(a, b, self.epsilon)
        alike, different = (1 + target) / 2, (1 - target) / 2
        return mean_of_sample(alike * (1 - cosine) + different * relu(cosine - self.margin))


@dataclass(frozen=True)
class ContrastiveLoss(Composite):
    """Contrastive loss: l = t d²/2 + (1 - t) max(m - d, 0)²/2, d = |a - b|, t = 1 for alike ones.

    dl/da = (t - (1 - t) max(m/d - 1, 0)) (a - b); vectors that are equal and should not be have no
    direction to leave in, and derivative 0. Source: Hadsell, Chopra and LeCun 2006, Dimensionality
    reduction by learning an invariant mapping, where Y is 1 - t.
    """

    name = "contrastive_loss"
    formula = "l = t d²/2 + (1 - t) max(m - d, 0)²/2, d = |a - b|"
    inputs = (Input("a"), Input("b"), Input("target", low=0.0, high=1.0))

    margin: float = argument("m, above 0: from which distance on vectors are far apart", 1.0)

    def __post_init__(self) -> None:
        object.__setattr__(self, "margin", number_above(self.name, "margin", self.margin))

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        """Return samples of one pair and of several."""
        return (
            Example(cls(), ((5, 4), (5, 4), (5,))),
            Example(cls(margin=3.0), ((2, 3, 4), (2, 3, 4), (2, 3))),
        )

    def build(self, *operands: Expression, **parameters: Expression) -> Expression:
        """Return what the target chooses, averaged over each sample."""
        a, b, target = operands
        _are_vectors(self.name, a=a.shape, b=b.shape)
        _one_target_a_pair(self.name, a.shape, target.shape)
        square = sum((a - b) ** 2, axis=-1)
        # the root has no derivative at 0, and what is smaller than this is 0 beside the margin
        distance = sqrt(maximum(square, 1e-24))
        different = relu(self.margin - distance) ** 2
        return mean_of_sample((target * square + (1 - target) * different) / 2)


@dataclass(frozen=True)
class TripletMarginLoss(Composite):
    """Triplet loss: l = max(d(a, b) - d(a, c) + m, 0), d(x, y) = (Σ |x - y + ε|ᵖ)^(1/p).

    a is the anchor, b what is like it and c what is not; dd/dx = sign(x - y + ε) |x - y + ε|ᵖ⁻¹ /
    dᵖ⁻¹. With swap the smaller of d(a, c) and d(b, c) takes the place of d(a, c). Source: Balntas
    et al. 2016, Learning local feature descriptors with triplets and shallow networks.
    """

    name = "triplet_margin_loss"
    formula = "l = max(d(a, b) - d(a, c) + m, 0)"
    inputs = (Input("anchor"), Input("positive"), Input("negative"))

    margin: float = argument("m, above 0: by how much the negative is to be farther away", 1.0)
    p: float = argument("the p of the norm, from 1 up; 2 is the length", 2.0)
    epsilon: float = argument("ε, what is added to differences, above 0", 1e-6)
    swap: bool = argument("whether the positive may take the place of the anchor", False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "margin", number_above(self.name, "margin", self.margin))
        object.__setattr__(self, "p", number_from(self.name, "p", self.p, least=1))
        object.__setattr__(self, "epsilon", number_above(self.name, "epsilon", self.epsilon))
        object.__setattr__(self, "swap", truth(self.name, "swap", self.swap))

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        """Return lengths, other norms, and samples of several triplets."""
        return (
            Example(cls(), ((5, 4),) * 3),
            Example(cls(margin=2.0, p=1, swap=True), ((5, 4),) * 3),
            Example(cls(margin=0.5, p=3), ((2, 3, 4),) * 3),
        )

    def build(self, *operands: Expression, **parameters: Expression) -> Expression:
        """Return how much nearer the negative is than it should be, averaged over each sample."""
        anchor, positive, negative = operands
        shapes = {name.name: each.shape for name, each in zip(self.inputs, operands, strict=True)}
        _are_vectors(self.name, **shapes)
        far = self._distance(anchor, negative)
        if self.swap:
            far = minimum(far, self._distance(positive, negative))
        return mean_of_sample(relu(self._distance(anchor, positive) - far + self.margin))

    def _distance(self, a: Expression, b: Expression) -> Expression:
        difference = a - b + self.epsilon
        if self.p == 1:
            return sum(abs(difference), axis=-1)
        if self.p == 2:
            return sqrt(sum(difference**2, axis=-1))
        return power(sum(power(abs(difference), self.p), axis=-1), 1 / self.p)


@dataclass(frozen=True)
class InfoNceLoss(Composite):
    """Contrast within a batch: l_b = ln Σ_c exp(s_bc/τ) - s_bb/τ, s_bc = cos(a_b, p_c).

    It is the cross-entropy of telling which positive p_c belongs to an anchor a_b; those of other
    samples are the negatives. dl_b/ds_bc = (softmax(s_b/τ)_c - δ_bc)/τ. Source: van den Oord, Li
    and Vinyals 2018, Representation learning with contrastive predictive coding.
    """

    name = "info_nce_loss"
    formula = "l_b = ln Σ_c exp(s_bc/τ) - s_bb/τ, s_bc = cos(a_b, p_c)"
    inputs = (Input("anchors"), Input("positives"))

    temperature: float = argument("τ, above 0: the smaller, the more the nearest counts", 0.1)
    epsilon: float = argument(EPSILON, 1e-8)

    def __post_init__(self) -> None:
        for name in ("temperature", "epsilon"):
            object.__setattr__(self, name, number_above(self.name, name, getattr(self, name)))

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        """Return a low and a high temperature."""
        return (Example(cls(), ((5, 4), (5, 4))), Example(cls(0.7), ((3, 4), (3, 4))))

    def build(self, *operands: Expression, **parameters: Expression) -> Expression:
        """Return logsumexp of a row of similarities less that of the pair."""
        anchors, positives = operands
        shapes = {"anchors": anchors.shape, "positives": positives.shape}
        _are_vectors(self.name, **shapes)
        if anchors.ndim != 2:
            raise LayerError(
                f"layer '{self.name}': anchors must be of shape (batch, features), found "
                f"{anchors.shape}"
            )
        if not anchors.shape[0]:
            return constant(0, (0,))
        a, p = _unit(anchors, self.epsilon), _unit(positives, self.epsilon)
        return logsumexp(a @ p.T / self.temperature) - sum(a * p, axis=-1) / self.temperature


def _unit(x: Expression, epsilon: float, axis: int = -1) -> Expression:
    """Return vectors of length one; inside of the root, what is short has a derivative, also 0."""
    return x / sqrt(maximum(sum(x * x, axis=axis, keepdims=True), epsilon**2))


def _cosine(a: Expression, b: Expression, epsilon: float, axis: int = -1) -> Expression:
    return sum(_unit(a, epsilon, axis) * _unit(b, epsilon, axis), axis=axis)


def _are_vectors(layer: str, **shapes: Shape) -> None:
    found = list(shapes.values())
    if len(set(found)) > 1 or len(found[0]) < 2:
        raise LayerError(
            f"layer '{layer}': {' and '.join(shapes)} must have one shape, with a batch axis and "
            f"an axis of features, found {' and '.join(map(str, found))}"
        )


def _one_target_a_pair(layer: str, shape: Shape, target: Shape) -> None:
    if target != shape[:-1]:
        raise LayerError(
            f"layer '{layer}': vectors of shape {shape} need targets of shape {shape[:-1]}, found "
            f"{target}"
        )


def cosine_similarity(
    a: Expression, b: Expression, axis: int = -1, epsilon: float = 1e-8
) -> Expression:
    """Return the cosine of the angle between vectors along an axis, which falls away."""
    return CosineSimilarity(axis, epsilon)(a, b)


def cosine_embedding_loss(
    a: Expression,
    b: Expression,
    target: Expression,
    margin: float = 0.0,
    epsilon: float = 1e-8,
) -> Expression:
    """Return 1 - cos for pairs with target 1, and the cosine beyond a margin for those with -1."""
    return CosineEmbeddingLoss(margin, epsilon)(a, b, target)


def contrastive_loss(
    a: Expression, b: Expression, target: Expression, margin: float = 1.0
) -> Expression:
    """Return half the squared distance where the target is 1, and what it lacks where it is 0."""
    return ContrastiveLoss(margin)(a, b, target)


def triplet_margin_loss(
    anchor: Expression,
    positive: Expression,
    negative: Expression,
    margin: float = 1.0,
    p: float = 2.0,
    epsilon: float = 1e-6,
    swap: bool = False,
) -> Expression:
    """Return by how much less than a margin the negative is farther away than the positive."""
    return TripletMarginLoss(margin, p, epsilon, swap)(anchor, positive, negative)


def info_nce_loss(
    anchors: Expression, positives: Expression, temperature: float = 0.1, epsilon: float = 1e-8
) -> Expression:
    """Return the cross-entropy of telling the positive of each anchor from those of the others."""
    return InfoNceLoss(temperature, epsilon)(anchors, positives)
