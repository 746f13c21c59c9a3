"""Greedy order finders: the pair that shrinks what is left most comes first, or nearly so."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from heapq import heappop, heappush, nsmallest
from random import Random
from time import perf_counter

from tensorbp.algebra import Axis
from tensorbp.planning.network import Network, Path
from tensorbp.planning.paths import linear

__all__ = ["RandomGreedy", "disturbed_path", "greedy", "greedy_path"]

MOST_NEIGHBOURS = 16
"""With how many others a tensor is tried at least; those of an axis that few have come first."""


def greedy(
    inputs: Sequence[frozenset[Axis]],
    output: frozenset[Axis],
    sizes: dict[Axis, int],
    memory_limit: int | None = None,
) -> Sequence[tuple[int, ...]]:
    """Return the path that contracts the pair with the least size(result) - size(pair) each time.

    Smith and Gray, "opt_einsum - A Python package for optimizing contraction order for einsum-like
    expressions", 2018.
    """
    del memory_limit
    return linear(greedy_path(Network(tuple(inputs), output, sizes)))


@dataclass(frozen=True)
class RandomGreedy:
    """An order finder: the cheapest of several greedy paths that are disturbed at random.

    How much of the sizes of the pair is taken off that of the result, and how much noise is added,
    is drawn for each trial; Gray and Kourtis, "Hyper-optimized tensor network contraction", 2021.

    Attributes:
        trials: the most paths that are tried.
        seed: equal seeds give equal paths.
        seconds: no trial begins after so many.
    """

    trials: int = 16
    seed: int = 0
    seconds: float = math.inf

    def __call__(
        self,
        inputs: Sequence[frozenset[Axis]],
        output: frozenset[Axis],
        sizes: dict[Axis, int],
        memory_limit: int | None = None,
    ) -> Sequence[tuple[int, ...]]:
        """Return the cheapest path of all trials, as opt_einsum writes paths."""
        del memory_limit
        network = Network(tuple(inputs), output, sizes)
        end = perf_counter() + self.seconds
        random = Random(self.seed)
        best = greedy_path(network)
        least = network.cost(best)
        for _ in range(self.trials):
            if perf_counter() > end:
                break
            path = disturbed_path(network, random)
            if (cost := network.cost(path)) < least:
                best, least = path, cost
        return linear(best)


def disturbed_path(network: Network, random: Random) -> Path:
    """Return a greedy path whose weight, temperature and noise are drawn at random."""
    return greedy_path(network, random.uniform(0, 2), random.uniform(0, 1), random)


def greedy_path(
    network: Network, weight: float = 1, temperature: float = 0, random: Random | None = None
) -> Path:
    """Return the path of the greedy finder.

    Args:
        network: what to contract.
        weight: how much of the sizes of a pair is taken off the size of its result.
        temperature: how much noise is added to the logarithm of that difference.
        random: where the noise comes from; without it there is none.
    """
    contraction = _Greedy(network, weight, temperature, random)
    while contraction.heap:
        _, right, left = heappop(contraction.heap)
        if left in contraction.tensors and right in contraction.tensors:
            contraction.join(left, right)
    while len(contraction.tensors) > 1:
        # nothing is shared any more: outer products, the small ones first
        left, right = nsmallest(
            2, contraction.tensors, key=lambda each: network.volume(contraction.tensors[each])
        )
        contraction.join(left, right)
    return tuple(contraction.pairs)


class _Greedy:
    """What is left of a network, and the pairs that may come next.

    Attributes:
        tensors: the axes of each tensor that is left, by number.
        heap: candidates, the best first.
        pairs: what has been contracted.
    """

    def __init__(
        self, network: Network, weight: float, temperature: float, random: Random | None
    ) -> None:
        self.network = network
        self.weight, self.temperature, self.random = weight, temperature, random
        self.tensors: dict[int, frozenset[Axis]] = {}
        self.holders: dict[Axis, dict[int, None]] = {}
        self.heap: list[tuple[float, int, int]] = []
        self.pairs: list[tuple[int, int]] = []
        summed = network.summed_beforehand()
        # what all have, like a batch, is summed by the last contraction, if at all
        self.lasting = network.output.union(frozenset.intersection(*summed))
        for number, axes in enumerate(summed):
            self._add(number, axes)
        for number in self.tensors:
            for other in self._neighbours(number):
                if number < other:
                    heappush(self.heap, self._candidate(number, other))

    def join(self, left: int, right: int) -> None:
        """Contract a pair, and see with what the result may be contracted."""
        kept = self._kept(left, right)
        for number in (left, right):
            for axis in self.tensors.pop(number):
                del self.holders[axis][number]
        self.pairs.append((left, right))
        result = len(self.network.inputs) + len(self.pairs) - 1
        self._add(result, kept)
        for other in self._neighbours(result):
            heappush(self.heap, self._candidate(other, result))

    def _add(self, number: int, axes: frozenset[Axis]) -> None:
        alike = next((each for each, other in self.tensors.items() if other == axes), None)
        if alike is not None:
            # a product number by number costs next to nothing, and leaves one tensor less
            heappush(self.heap, (-math.inf, number, alike))
        self.tensors[number] = axes
        for axis in axes:
            self.holders.setdefault(axis, {})[number] = None

    def _neighbours(self, number: int) -> list[int]:
        """Return those that share an axis to be summed: all, or enough that share a rare one."""
        found: dict[int, None] = {}
        holders = [self.holders[axis] for axis in self.tensors[number] - self.lasting]
        for each in sorted(holders, key=lambda held: (len(held), list(held))):
            if len(found) > MOST_NEIGHBOURS:
                break
            found.update(each)
        found.pop(number, None)
        return list(found)

    def _kept(self, left: int, right: int) -> frozenset[Axis]:
        one, other = self.tensors[left], self.tensors[right]
        gone = [
            axis
            for axis in one | other
            if axis not in self.network.output
            and len(self.holders[axis]) == (axis in one) + (axis in other)
        ]
        return (one | other).difference(gone)

    def _candidate(self, left: int, right: int) -> tuple[float, int, int]:
        volume = self.network.volume
        gained = volume(self._kept(left, right)) - self.weight * (
            volume(self.tensors[left]) + volume(self.tensors[right])
        )
        if self.random is None:
            return gained, right, left
        noise = -math.log(-math.log(self.random.uniform(1e-12, 1 - 1e-12)))
        size = math.copysign(math.log1p(abs(gained)), gained)
        return size - self.temperature * noise, right, left
