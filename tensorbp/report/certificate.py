"""The certificate of a model's gradient: what was compared, and whether it agrees."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

__all__ = ["Certificate", "Comparison"]


@dataclass(frozen=True)
class Comparison:
    """The derivative of the loss along one direction, found in two ways.

    Attributes:
        direction: which parameters move.
        expected: the numerical derivative.
        found: the inner product of the gradient with the direction.
        allowed: how far apart the two may be.
    """

    direction: str
    expected: float
    found: float
    allowed: float

    @property
    def holds(self) -> bool:
        """Whether the two agree; what is not a number agrees with nothing."""
        return abs(self.found - self.expected) <= self.allowed


@dataclass(frozen=True)
class Certificate:
    """What the gradient of a model was compared with.

    Attributes:
        method: how the numerical derivatives were found.
        comparisons: along random directions of all parameters; if these do not agree, also along
            directions of single parameters, those that are to blame.
    """

    method: str
    comparisons: tuple[Comparison, ...]

    @property
    def holds(self) -> bool:
        """Whether the gradient is certified."""
        return all(each.holds for each in self.comparisons)

    def to_dict(self) -> dict[str, Any]:
        """Return the certificate as plain dictionaries, lists, strings and numbers."""
        return {
            "holds": self.holds,
            "method": self.method,
            "comparisons": [
                {
                    "direction": each.direction,
                    "expected": each.expected,
                    "found": each.found,
                    "allowed": each.allowed,
                    "holds": each.holds,
                }
                for each in self.comparisons
            ],
        }
