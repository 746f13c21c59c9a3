"""The three layers, one of each kind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import tensorbp as tb


@dataclass(frozen=True)
class Logish(tb.Composite):
    """Logish: y = x ln(1 + σ(x)); its derivative follows from those of its parts.

    Source: Zhu et al. 2021, Logish: a new nonlinear nonmonotonic activation function.
    """

    name = "logish"
    formula = "y = x ln(1 + σ(x))"

    def build(self, *operands: tb.Expression, **parameters: tb.Expression) -> tb.Expression:
        """Return x ln(1 + σ(x))."""
        (x,) = operands
        return x * tb.log1p(tb.sigmoid(x))


@dataclass(frozen=True)
class Snake(tb.Elementwise):
    """Snake: y = x + sin²(a x)/a; dy/dx = 1 + sin(2 a x).

    Source: Ziyin, Hartwig and Ueda 2020, Neural networks fail to learn periodic functions.
    """

    name = "snake"
    formula = "y = x + sin²(a x)/a"

    frequency: float = tb.argument("the frequency a, above 0", 1.0)

    def __post_init__(self) -> None:
        if not self.frequency > 0:
            raise tb.LayerError(f"layer 'snake': frequency must be above 0, found {self.frequency}")

    def forward(self, xp: Any, *arrays: Any) -> Any:
        """Return x + sin²(a x)/a."""
        (x,) = arrays
        return x + xp.sin(self.frequency * x) ** 2 / self.frequency

    def derivatives(self, y: tb.Expression, *x: tb.Expression) -> tuple[tb.Expression | None, ...]:
        """Return 1 + sin(2 a x)."""
        return (1 + tb.sin(2 * self.frequency * x[0]),)


@dataclass(frozen=True)
class L2Normalize(tb.Primitive):
    """Vectors of length one along the last axis: y = x/r, r = √(Σ x²), for x that is not 0.

    dy_p/dx_q = (δ_pq - y_p y_q)/r: the first term keeps the delta, the second is a projection.
    """

    name = "l2_normalize"
    formula = "y = x/√(Σ x²)"

    def shape(self, *shapes: tuple[int, ...]) -> tuple[int, ...]:
        """Return the shape of the input, which must have an axis of vectors."""
        if not shapes[0]:
            raise tb.LayerError("layer 'l2_normalize': x needs an axis, found a number of shape ()")
        return shapes[0]

    def forward(self, xp: Any, *arrays: Any) -> Any:
        """Return x over its length."""
        (x,) = arrays
        return x / xp.sqrt(xp.sum(x * x, axis=-1, keepdims=True))

    def jacobian(self, y: tb.Expression, *operands: tb.Expression) -> dict[str, tb.Declaration]:
        """Return (δ_pq - y_p y_q)/r."""
        (x,) = operands
        inverse = tb.reciprocal(tb.sqrt(tb.sum(x * x, axis=-1)))
        identity = tb.signature("... -> ...p/...p", inverse)
        projection = tb.signature("...,...p,...q -> ...p/...q", inverse, y, y)
        return {"x": identity - projection}
