"""Times: what is kept of many repetitions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median, quantiles

__all__ = ["Times"]


@dataclass(frozen=True)
class Times:
    """The distribution of some times.

    Attributes:
        median: in seconds.
        low: the tenth percentile, in seconds.
        high: the ninetieth percentile, in seconds.
        count: how many there are.
    """

    median: float
    low: float
    high: float
    count: int

    @staticmethod
    def of(seconds: Sequence[float]) -> Times:
        """Return the distribution of one time or more."""
        if len(seconds) < 2:
            return Times(seconds[0], seconds[0], seconds[0], 1)
        tenths = quantiles(seconds, n=10, method="inclusive")
        return Times(median(seconds), tenths[0], tenths[-1], len(seconds))

    @property
    def spread(self) -> float:
        """How far the outer tenths are apart, as a fraction of the median."""
        return (self.high - self.low) / self.median if self.median else 0.0
