"""The search for a contraction order as opt_einsum's own: ``optimize="tensorbp"``.

This module loads opt_einsum, and with it numpy; planning itself does without.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from random import Random
from time import perf_counter
from typing import Any

from opt_einsum import paths

from tensorbp.algebra import Axis
from tensorbp.errors import CompileError
from tensorbp.planning.finders import best_path, path_of
from tensorbp.planning.greedy import disturbed_path, greedy_path
from tensorbp.planning.improvement import improved
from tensorbp.planning.network import Network, Path, in_sequence
from tensorbp.planning.paths import linear
from tensorbp.planning.programmes import is_tried_in_full
from tensorbp.registry import default_registry

__all__ = ["Optimizer"]


class Optimizer(paths.PathOptimizer):  # type: ignore[misc]
    """The order finders of tensorbp and of plugins, for opt_einsum: the cheapest of their paths.

    >>> import opt_einsum
    >>> import tensorbp as tb
    >>> shapes = [(10, 1000), (1000, 3), (3, 500), (500, 20)]
    >>> path, info = opt_einsum.contract_path(
    ...     "ab,bc,cd,de->ae", *shapes, shapes=True, optimize=tb.Optimizer()
    ... )
    >>> path
    [(2, 3), (0, 1), (1, 0)]

    ``tb.Optimizer("greedy")`` is one finder alone; the names are those of
    ``tb.default_registry().path_finders``.
    """

    def __init__(
        self, *finders: str, starts: int = 0, seconds: float = math.inf, seed: int = 0
    ) -> None:
        """Choose the finders.

        Args:
            *finders: the names of those that compete; by default all that are registered.
            starts: from how many random paths the search begins anew, where not all are tried.
            seconds: no such start is made after so many.
            seed: what those paths are drawn from.

        Raises:
            PluginError: no plugin, or more than one, provides a finder of that name.
        """
        registry = default_registry()
        names = finders or tuple(registry.path_finders)
        self.finders = {name: registry.path_finder(name) for name in names}
        self.starts, self.seconds, self.seed = starts, seconds, seed

    def __call__(
        self,
        inputs: Sequence[frozenset[Any]],
        output: frozenset[Any],
        size_dict: dict[Any, int],
        memory_limit: int | None = None,
    ) -> list[tuple[int, ...]]:
        """Return the path for a network, as opt_einsum asks for it.

        An axis that one tensor alone has is summed by a step of its own.

        Args:
            inputs: the indices of each tensor.
            output: the indices that are kept.
            size_dict: the size of each index.
            memory_limit: the most numbers that an intermediate may have; the result itself may
                have more.

        Raises:
            CompileError: no path that was found keeps the limit.
        """
        network = _network(inputs, output, size_dict)
        count = len(network.inputs)
        if count < 2:
            return [(0,)] * count
        path = self._longer(network, best_path(network, in_sequence(count), self.finders))
        if memory_limit is not None and _largest(network, path) > memory_limit:
            path = self._within(network, memory_limit)
        summed = network.summed_beforehand()
        alone = [k for k, axes in enumerate(network.inputs) if axes != summed[k] and count > 2]
        return linear(path, alone)

    def _longer(self, network: Network, path: Path) -> Path:
        """Return the cheapest of a path and those that further starts lead to."""
        if is_tried_in_full(network.inputs, network.output):
            return path
        end, random = perf_counter() + self.seconds, Random(self.seed)
        paths = [path]
        for _ in range(self.starts):
            if perf_counter() > end:
                break
            paths.append(improved(network, disturbed_path(network, random)))
        return min(paths, key=network.cost)

    def _within(self, network: Network, limit: int) -> Path:
        """Return the cheapest path found whose intermediates keep a limit."""
        found = [path_of(finder, network, name, limit) for name, finder in self.finders.items()]
        found += [greedy_path(network, weight) for weight in (0, 0.5, 1, 2)]
        known = [path for path in found if path is not None]
        kept = [path for path in known if _largest(network, path) <= limit]
        if kept:
            return min(kept, key=network.cost)
        least = min(_largest(network, path) for path in known)
        raise CompileError(
            f"no order was found whose intermediates have at most {limit} numbers, the memory "
            f"limit; the least that was found is {least}: raise the limit, or leave it out"
        )


def _network(
    inputs: Sequence[frozenset[Any]], output: frozenset[Any], sizes: Mapping[Any, int]
) -> Network:
    """Return the network of indices of any kind; equal names give equal paths in every process."""
    names: dict[Any, Axis] = {}
    for index in [index for each in inputs for index in sorted(each, key=repr)]:
        names.setdefault(index, len(names))
    factors = tuple([frozenset([names[i] for i in each]) for each in inputs])
    kept = frozenset([names[i] for i in output if i in names])
    return Network(factors, kept, {axis: sizes[i] for i, axis in names.items()})


def _largest(network: Network, path: Path) -> int:
    """Return how many numbers the largest intermediate has; the result is none."""
    return max([network.volume(kept) for *_, kept in network.contractions(path[:-1])], default=0)
