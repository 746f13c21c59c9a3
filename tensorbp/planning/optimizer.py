"""The search for a contraction order as opt_einsum's own: ``optimize="tensorbp"``.

This module loads opt_einsum, and with it numpy; planning itself does without. Once it is loaded, as
by the first use of `tensorbp.Optimizer`, opt_einsum also knows the name.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from opt_einsum import paths

from tensorbp.algebra import Axis
from tensorbp.errors import CompileError
from tensorbp.planning.finders import best_path
from tensorbp.planning.network import Network, in_sequence
from tensorbp.planning.paths import linear

__all__ = ["NAME", "Optimizer"]

NAME = "tensorbp"


class Optimizer(paths.PathOptimizer):  # type: ignore[misc]
    """The finders of tensorbp, for opt_einsum: of all their paths the one with the fewest FLOPs.

    >>> import opt_einsum
    >>> import tensorbp as tb
    >>> shapes = [(10, 1000), (1000, 3), (3, 500), (500, 20)]
    >>> path, info = opt_einsum.contract_path(
    ...     "ab,bc,cd,de->ae", *shapes, shapes=True, optimize=tb.Optimizer()
    ... )
    >>> path
    [(2, 3), (0, 1), (1, 0)]
    """

    def __call__(
        self,
        inputs: Sequence[frozenset[Any]],
        output: frozenset[Any],
        size_dict: dict[Any, int],
        memory_limit: int | None = None,
    ) -> list[tuple[int, ...]]:
        """Return the path for a network, as opt_einsum asks for it.

        Args:
            inputs: the indices of each tensor.
            output: the indices that are kept.
            size_dict: the size of each index.
            memory_limit: the most numbers that an intermediate may have.

        Raises:
            CompileError: the best path has a larger intermediate.
        """
        names: dict[Any, Axis] = {}
        for index in [*(i for each in inputs for i in sorted(each)), *sorted(output)]:
            names.setdefault(index, len(names))
        factors = tuple([frozenset([names[i] for i in each]) for each in inputs])
        kept = frozenset([names[i] for i in output])
        network = Network(factors, kept, {axis: size_dict[i] for i, axis in names.items()})
        path = best_path(network, in_sequence(len(factors)))
        if memory_limit is not None:
            largest = max([network.volume(kept) for *_, kept in network.contractions(path)] or [0])
            if largest > memory_limit:
                raise CompileError(
                    f"the cheapest order has an intermediate of {largest} numbers, more than the "
                    f"memory limit of {memory_limit}; raise the limit, or leave it out"
                )
        if len(factors) == 1:
            return [(0,)]
        return list(linear(path))


paths.register_path_fn(NAME, Optimizer())
