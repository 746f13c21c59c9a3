"""Standardisation: mean 0 and variance 1 over some axes, by default the features, the last one.

It is what all normalisation layers are made of.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import prod
from string import ascii_lowercase, ascii_uppercase
from typing import Any

from tensorbp.errors import LayerError
from tensorbp.expression.arithmetic import normalized_axes
from tensorbp.expression.declaration import Declaration, signature
from tensorbp.expression.layer import Composite, Example, Parameter, Primitive, Shape, argument
from tensorbp.expression.node import Expression
from tensorbp.expression.rule import number_argument
from tensorbp.layers.checks import blame, feature_count, whole_number, whole_numbers
from tensorbp.layers.choices import switch

__all__ = [
    "AFFINE",
    "EPSILON",
    "InverseDeviation",
    "LayerNorm",
    "RmsNorm",
    "Standardize",
    "standardize",
    "valid_epsilon",
]

EPSILON = "ε, what is added to the mean square before the root"
CENTERED = "whether the mean is subtracted first"
AXIS = "the axis, or list of axes, over which it is taken; negative ones count from the end"
AFFINE = "whether there are a gain and a bias"

Axes = int | tuple[int, ...]

_LABELS = {"": "", "p": ascii_lowercase[:13], "q": ascii_lowercase[13:]}


@dataclass(frozen=True)
class _OverAxes(Primitive):
    """A primitive of one input that depends on the mean and the mean square over some axes."""

    epsilon: float = argument(EPSILON, 1e-5)
    centered: bool = argument(CENTERED, True)
    axis: int | tuple[int, ...] = argument(AXIS, -1)

    def __post_init__(self) -> None:
        object.__setattr__(self, "epsilon", valid_epsilon(self.name, self.epsilon))
        switch(self.name, "centered", self.centered)
        if isinstance(self.axis, int):
            object.__setattr__(self, "axis", whole_number(self.name, "axis", self.axis))
        else:
            object.__setattr__(self, "axis", whole_numbers(self.name, "axis", self.axis))

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        """Return one with and one without centring, one over two axes of three, one over all."""
        return (
            Example(cls(), ((3, 4),)),
            Example(cls(0.1, centered=False), ((2, 3, 4),)),
            Example(cls(axis=(0, -1)), ((2, 3, 4),)),
            Example(cls(axis=(0, 1)), ((3, 4),)),
        )

    def axes(self, shape: Shape) -> tuple[int, ...]:
        """Return the positions of the axes, sorted.

        Raises:
            LayerError: the input has no such axes, or they have no numbers.
        """
        feature_count(self.name, shape)
        with blame(self.name):
            axes = normalized_axes(self.axis, len(shape))
        if not axes or not prod(shape[k] for k in axes):
            raise LayerError(
                f"layer '{self.name}': there must be at least one number along axis {self.axis}, "
                f"found x of shape {shape}"
            )
        return axes

    def count(self, shape: Shape) -> int:
        """Return how many numbers each mean is taken of."""
        return prod(shape[k] for k in self.axes(shape))

    def moments(self, xp: Any, x: Any) -> tuple[Any, Any]:
        """Return x - μ, and its mean square with the axes kept at size one."""
        axes = self.axes(tuple(x.shape))
        difference = x - xp.mean(x, axis=axes, keepdims=True) if self.centered else x
        return difference, xp.mean(difference * difference, axis=axes, keepdims=True)

    def declare(self, spec: str, x: Expression, *factors: Expression) -> Declaration:
        """Return a signature, written for the last axis of x, for the layer's own axes."""
        return signature(_over(spec, x.ndim, self.axes(x.shape)), *factors)


@dataclass(frozen=True)
class InverseDeviation(_OverAxes):
    """Inverse standard deviation over some axes: r = 1/√(mean((x - μ)²) + ε).

    dr/dx_q = -r² y_q / n, where y = (x - μ) r and n is the count of numbers along the axes.
    Without centring μ is 0, and r the inverse of the root mean square.
    """

    name = "inverse_deviation"
    formula = "r = 1/√(mean((x - μ)²) + ε)"

    def shape(self, *shapes: Shape) -> Shape:
        """Return the shape of the input without the axes."""
        axes = self.axes(shapes[0])
        return tuple([size for k, size in enumerate(shapes[0]) if k not in axes])

    def forward(self, xp: Any, *arrays: Any) -> Any:
        """Return the inverse root of the mean square."""
        (x,) = arrays
        _, mean_square = self.moments(xp, x)
        return 1 / xp.sqrt(xp.squeeze(mean_square, self.axes(tuple(x.shape))) + self.epsilon)

    def jacobian(self, y: Expression, *operands: Expression) -> dict[str, Declaration]:
        """Return -r² y_q / n."""
        (x,) = operands
        r, standardized = y, Standardize(self.epsilon, self.centered, self.axis)(x)
        share = Fraction(1, self.count(x.shape))
        return {"x": -share * self.declare("...,...,...q -> .../...q", x, r, r, standardized)}

    def flops(self, shape: Shape, *shapes: Shape) -> int:
        """Return four for each number of the input: mean, difference, square, mean."""
        return 4 * prod(shapes[0])


@dataclass(frozen=True)
class Standardize(_OverAxes):
    """Mean 0 and variance 1 over some axes: y = (x - μ) r, r = 1/√(mean((x - μ)²) + ε).

    dy_p/dx_q = r (δ_pq - 1/n - y_p y_q / n), where n is the count of numbers along the axes;
    without centring μ is 0 and the term 1/n falls away.
    """

    name = "standardize"
    formula = "y = (x - μ)/√(mean((x - μ)²) + ε)"
    temporaries = 2

    def shape(self, *shapes: Shape) -> Shape:
        """Return the shape of the input."""
        self.axes(shapes[0])
        return shapes[0]

    def forward(self, xp: Any, *arrays: Any) -> Any:
        """Return what is centred over the root of its mean square."""
        (x,) = arrays
        difference, mean_square = self.moments(xp, x)
        return difference * (1 / xp.sqrt(mean_square + self.epsilon))

    def jacobian(self, y: Expression, *operands: Expression) -> dict[str, Declaration]:
        """Return r (δ_pq - 1/n - y_p y_q / n)."""
        (x,) = operands
        r = InverseDeviation(self.epsilon, self.centered, self.axis)(x)
        share = Fraction(1, self.count(x.shape))
        declared = self.declare("... -> ...p/...p", x, r)
        declared -= share * self.declare("...,...p,...q -> ...p/...q", x, r, y, y)
        if self.centered:
            declared -= share * self.declare("... -> ...p/...q", x, r)
        return {"x": declared}

    def flops(self, shape: Shape, *shapes: Shape) -> int:
        """Return five for each number: mean, difference, square, mean, product."""
        return 5 * prod(shape)


@dataclass(frozen=True)
class FeatureNorm(Composite):
    """What normalisations over the last axes share."""

    epsilon: float = argument(EPSILON, 1e-5)
    normalized_dimensions: int = argument("over how many of the last axes", 1)
    affine: bool = argument(AFFINE, True)

    def __post_init__(self) -> None:
        object.__setattr__(self, "epsilon", valid_epsilon(self.name, self.epsilon))
        dimensions = whole_number(
            self.name, "normalized_dimensions", self.normalized_dimensions, least=1
        )
        object.__setattr__(self, "normalized_dimensions", dimensions)
        switch(self.name, "affine", self.affine)

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        """Return one over the last axis, one over two, and one without parameters."""
        return (
            Example(cls(), ((3, 4),)),
            Example(cls(normalized_dimensions=2), ((2, 3, 4),)),
            Example(cls(0.1, affine=False), ((3, 4),)),
        )

    @property
    def axes(self) -> Axes:
        """Over which axes is normalised."""
        count = self.normalized_dimensions
        return -1 if count == 1 else tuple(range(-count, 0))

    def features(self, shape: Shape) -> Shape:
        """Return the sizes of these axes.

        Raises:
            LayerError: the input has not as many.
        """
        feature_count(self.name, shape)
        if len(shape) < self.normalized_dimensions:
            raise LayerError(
                f"layer '{self.name}': normalized_dimensions is {self.normalized_dimensions}, but "
                f"x of shape {shape} has {len(shape)}"
            )
        return shape[-self.normalized_dimensions :]


@dataclass(frozen=True)
class LayerNorm(FeatureNorm):
    """Layer normalisation: y = gain ⊙ standardize(x) + bias, over the last axes.

    Its derivatives are those of standardize, times the gain. Source: Ba, Kiros and Hinton 2016.
    """

    name = "layer_norm"
    formula = "y = gain ⊙ (x - μ)/√(mean((x - μ)²) + ε) + bias"

    def parameters(self, *shapes: Shape) -> dict[str, Parameter]:
        """Return the gain and the bias of each feature, if there are any."""
        features = self.features(shapes[0])
        if not self.affine:
            return {}
        return {"gain": Parameter(features, "ones"), "bias": Parameter(features, "zeros")}

    def build(self, *operands: Expression, **parameters: Expression) -> Expression:
        """Return gain ⊙ standardize(x) + bias."""
        (x,) = operands
        y = standardize(x, self.epsilon, axis=self.axes)
        return y * parameters["gain"] + parameters["bias"] if self.affine else y


@dataclass(frozen=True)
class RmsNorm(FeatureNorm):
    """Root mean square normalisation: y = gain ⊙ x/√(mean(x²) + ε), over the last axes.

    Its derivatives are those of standardize without centring, times the gain. Source: Zhang and
    Sennrich 2019.
    """

    name = "rms_norm"
    formula = "y = gain ⊙ x/√(mean(x²) + ε)"

    affine: bool = argument("whether there is a gain", True)

    def parameters(self, *shapes: Shape) -> dict[str, Parameter]:
        """Return the gain of each feature, if there is one."""
        features = self.features(shapes[0])
        return {"gain": Parameter(features, "ones")} if self.affine else {}

    def build(self, *operands: Expression, **parameters: Expression) -> Expression:
        """Return gain ⊙ standardize(x), not centred."""
        (x,) = operands
        y = standardize(x, self.epsilon, centered=False, axis=self.axes)
        return y * parameters["gain"] if self.affine else y


def standardize(
    x: Expression, epsilon: float = 1e-5, centered: bool = True, axis: Axes = -1
) -> Expression:
    """Return x with mean 0 and variance 1 over axes, by default the last.

    Args:
        x: the expression.
        epsilon: what is added to the variance before its root is taken.
        centered: whether the mean is subtracted; without it the mean square becomes 1.
        axis: the axis, or axes, over which the mean is taken; negative ones count from the end.
    """
    return Standardize(epsilon, centered, axis)(x)


def valid_epsilon(layer: str, value: object) -> int | float:
    """Return an ε as a number.

    Raises:
        LayerError: it is none, or negative.
    """
    epsilon = number_argument(layer, "epsilon", value)
    if epsilon < 0:
        raise LayerError(f"layer '{layer}': epsilon must not be negative, found {epsilon}")
    return epsilon


def _over(spec: str, rank: int, axes: Sequence[int]) -> str:
    """Return a signature written for the last axis, for several axes in its place.

    >>> _over("...,...p,...q -> ...p/...q", rank=4, axes=(0, 2))
    'BD,aBcD,nBpD -> aBcD/nBpD'
    >>> _over("... -> ...p/...p", rank=2, axes=(1,))
    '... -> ...p/...p'
    >>> _over("... -> ...p/...p", rank=2, axes=(0, 1))
    '... -> ab/ab'
    """
    if axes == (rank - 1,):
        return spec

    def dimensions(found: re.Match[str]) -> str:
        own = _LABELS[found[1]]
        word = "".join(own[k : k + 1] if k in axes else ascii_uppercase[k] for k in range(rank))
        # a factor without axes is still there
        return word or "..."

    return re.sub(r"\.\.\.(\w?)", dimensions, spec)
