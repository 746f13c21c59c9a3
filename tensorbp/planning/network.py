"""Networks as a path search sees them: sets of axes, their sizes, and what a path costs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod

from tensorbp.algebra import Axis, Term
from tensorbp.algebra.term import Value

__all__ = ["Network", "Path", "pair_flops"]

Path = tuple[tuple[int, int], ...]
"""Pairs to contract, in order: factor k has number k, the result of each pair the next number."""


def pair_flops(volume: int, sums: bool) -> int:
    """Return the FLOPs of contracting two tensors, counted as opt_einsum counts them.

    Args:
        volume: the product of the sizes of all axes of the two.
        sums: whether an axis is summed over; then each multiplication comes with an addition.
    """
    return volume * (2 if sums else 1)


@dataclass(frozen=True)
class Network:
    """The factors of an einsum as sets of axes.

    Attributes:
        inputs: the axes of each factor.
        output: the axes that are kept.
        sizes: the size of each axis.
    """

    inputs: tuple[frozenset[Axis], ...]
    output: frozenset[Axis]
    sizes: Mapping[Axis, int]

    @staticmethod
    def of(term: Term[Value]) -> Network:
        """Return the network of a product."""
        return Network(
            tuple([frozenset(factor.axes) for factor in term.factors]),
            frozenset([axis for dimension in term.sides for axis in dimension]),
            dict(enumerate(term.sizes)),
        )

    def volume(self, axes: frozenset[Axis]) -> int:
        """Return the product of the sizes of the axes."""
        return prod([self.sizes[axis] for axis in axes])

    def contractions(self, path: Path) -> Iterator[tuple[frozenset[Axis], frozenset[Axis]]]:
        """Yield, for each pair of a path, the axes of the two together and those of the result."""
        uses: dict[Axis, int] = dict.fromkeys(self.output, 1)
        for axes in self.inputs:
            for axis in axes:
                uses[axis] = uses.get(axis, 0) + 1
        tensors = [frozenset([a for a in axes if uses[a] > 1]) for axes in self.inputs]
        for left, right in path:
            both = tensors[left] | tensors[right]
            for axis in tensors[left] & tensors[right]:
                uses[axis] -= 1
            kept = frozenset([axis for axis in both if uses[axis] > 1])
            tensors.append(kept)
            yield both, kept

    def flops(self, path: Path) -> int:
        """Return the FLOPs of a path; sums over axes of a single factor come on top, always."""
        return sum(
            pair_flops(self.volume(both), both != kept) for both, kept in self.contractions(path)
        )


def in_sequence(count: int, backwards: bool = False) -> Path:
    """Return the path that takes factors in turn, from the first on or from the last on."""
    if count < 2:
        return ()
    numbers: Sequence[int] = range(count - 1, -1, -1) if backwards else range(count)
    pairs = [(numbers[0], numbers[1])]
    for k, number in enumerate(numbers[2:]):
        pairs.append((count + k, number))
    return tuple(pairs)
