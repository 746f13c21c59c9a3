"""Finders that ask an optimizer of cotengra, made anew for each network."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

SEED = 0


@dataclass(frozen=True)
class CotengraFinder:
    """An optimizer of cotengra as an order finder.

    Attributes:
        optimizer: makes the optimizer; cotengra is loaded by the first call.
        most: the most factors of which it is asked, so that planning ends in reasonable time.
    """

    optimizer: Callable[[], Any]
    most: int

    def __call__(
        self,
        inputs: Sequence[frozenset[int]],
        output: frozenset[int],
        sizes: dict[int, int],
        memory_limit: int | None = None,
    ) -> Sequence[tuple[int, ...]] | None:
        """Return the optimizer's path, as opt_einsum writes paths; None for more factors."""
        del memory_limit
        if len(inputs) > self.most:
            return None
        # sets of integers have no order of their own: equal networks must be written alike
        written = [tuple(sorted(axes)) for axes in inputs]
        with _seeded():
            path: Sequence[tuple[int, ...]] = self.optimizer()(
                written, tuple(sorted(output)), sizes
            )
        return path


@contextmanager
def _seeded() -> Iterator[None]:
    """Let the trials of cotengra, which have no seed of their own, draw the same numbers again."""
    state = random.getstate()
    random.seed(SEED)
    try:
        yield
    finally:
        random.setstate(state)


def _greedy() -> Any:
    from cotengra import GreedyOptimizer

    return GreedyOptimizer()


def _random_greedy() -> Any:
    from cotengra import RandomGreedyOptimizer

    return RandomGreedyOptimizer(max_repeats=32, seed=SEED, parallel=False)


def _optimal() -> Any:
    from cotengra import OptimalOptimizer

    return OptimalOptimizer()


def _hyper() -> Any:
    from cotengra import HyperOptimizer

    return HyperOptimizer(
        methods=["greedy"],
        max_repeats=16,
        parallel=False,
        optlib="random",
        seed=SEED,
        reconf_opts={},
    )


FINDERS: dict[str, CotengraFinder] = {
    "cotengra-greedy": CotengraFinder(_greedy, most=10_000),
    "cotengra-random-greedy": CotengraFinder(_random_greedy, most=300),
    "cotengra-optimal": CotengraFinder(_optimal, most=16),
    "cotengra-hyper": CotengraFinder(_hyper, most=60),
}
