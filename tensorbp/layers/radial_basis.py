"""Distances to centres, and bumps around them."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

from tensorbp.errors import LayerError
from tensorbp.expression.declaration import Declaration, signature
from tensorbp.expression.elementwise import exp
from tensorbp.expression.layer import (
    Composite,
    Example,
    Input,
    Parameter,
    Primitive,
    Shape,
    argument,
)
from tensorbp.expression.node import Expression
from tensorbp.expression.rule import number_argument
from tensorbp.layers.checks import feature_count, whole_number

__all__ = ["RadialBasis", "SquaredDistance", "squared_distance"]


@dataclass(frozen=True)
class SquaredDistance(Primitive):
    """Squared distance to each of several centres: d_k = Σ_f (x_f - c_kf)².

    dd_k/dx_f = 2 x_f - 2 c_kf and dd_k/dc_lf = δ_kl (2 c_kf - 2 x_f): two terms each, so that the
    differences, which have all the axes of both, are no factor of any derivative.
    """

    name = "squared_distance"
    formula = "d_k = Σ_f (x_f - c_kf)²"
    inputs = (Input("x"), Input("centers"))

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        """Return vectors, and sequences of vectors."""
        return (Example(cls(), ((3, 4), (5, 4))), Example(cls(), ((2, 3, 4), (5, 4))))

    def shape(self, *shapes: Shape) -> Shape:
        """Return the shape of x, with centres in place of features.

        Raises:
            LayerError: x has no features, or the centres have others.
        """
        x, centers = shapes
        if not x or len(centers) != 2 or x[-1] != centers[1]:
            raise LayerError(
                f"layer 'squared_distance': centers must have a row for each centre, with as many "
                f"numbers as the last axis of x has, found shapes {x} and {centers}"
            )
        return (*x[:-1], centers[0])

    def forward(self, xp: Any, *arrays: Any) -> Any:
        """Return the sum of the squares of differences, which loses no digits near a centre."""
        x, centers = arrays
        difference = x[..., None, :] - centers
        return xp.sum(difference * difference, axis=-1)

    def jacobian(self, y: Expression, *operands: Expression) -> dict[str, Declaration]:
        """Return 2 x_f - 2 c_kf, and its negative for the own centre."""
        x, centers = operands
        by_x = signature("...f -> ...k/...f", x) - signature("kf -> ...k/...f", centers)
        by_centers = signature("kf -> ...k/kf", centers) - signature("...f -> ...k/kf", x)
        return {"x": 2 * by_x, "centers": 2 * by_centers}

    def flops(self, shape: Shape, *shapes: Shape) -> int:
        """Return three for each pair of numbers: difference, square, sum."""
        return 3 * prod(shape) * shapes[0][-1]

    def scratch(self, shape: Shape, *shapes: Shape) -> int:
        """Return two for each pair of numbers: the difference and its square."""
        return 2 * prod(shape) * shapes[0][-1]


@dataclass(frozen=True)
class RadialBasis(Composite):
    """Gaussian bump around each of several trainable centres: y_k = exp(-γ Σ_f (x_f - c_kf)²).

    dy_k/dx_f = -2 γ y_k (x_f - c_kf). Source: Broomhead and Lowe 1988, Multivariable functional
    interpolation and adaptive networks.
    """

    name = "radial_basis"
    formula = "y_k = exp(-γ Σ_f (x_f - c_kf)²)"

    units: int = argument("the number of centres, and the size of the last axis of the output")
    gamma: float = argument("γ above 0: the larger, the narrower the bumps", 1.0)

    def __post_init__(self) -> None:
        object.__setattr__(self, "units", whole_number(self.name, "units", self.units, least=1))
        gamma = number_argument(self.name, "gamma", self.gamma)
        if gamma <= 0:
            raise LayerError(f"layer 'radial_basis': gamma must be above 0, found {gamma}")
        object.__setattr__(self, "gamma", gamma)

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        """Return vectors, and sequences of vectors with narrower bumps."""
        return (Example(cls(5, 0.1), ((3, 4),)), Example(cls(5, 0.25), ((2, 4, 3),)))

    def parameters(self, *shapes: Shape) -> dict[str, Parameter]:
        """Return the centres."""
        features = feature_count(self.name, shapes[0])
        return {"centers": Parameter((self.units, features), "he_normal")}

    def build(self, *operands: Expression, **parameters: Expression) -> Expression:
        """Return exp(-γ d), d the squared distance to each centre."""
        (x,) = operands
        return exp(-self.gamma * squared_distance(x, parameters["centers"]))


def squared_distance(x: Expression, centers: Expression) -> Expression:
    """Return the squared distance of vectors, along the last axis, to each row of centres."""
    return SquaredDistance()(x, centers)
