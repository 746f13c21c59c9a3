"""Networks as a path search sees them: sets of axes, their sizes, and what a path costs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod

from tensorbp.algebra import Axis, Term
from tensorbp.expression.node import Expression
from tensorbp.expression.selection import determined_by

__all__ = ["Network", "Path", "SelectionAxes", "in_sequence", "pair_flops", "selecting_flops"]

Path = tuple[tuple[int, int], ...]
"""Pairs to contract, in order: factor k has number k, the result of each pair the next number."""

NO_AXES: frozenset[Axis] = frozenset()


class SelectionAxes(frozenset[Axis]):
    """The axes of a selection, for finders that know what it costs to select.

    Attributes:
        determined: the axes that the others determine.
    """

    determined: frozenset[Axis] = NO_AXES

    @staticmethod
    def of(axes: Sequence[Axis], determined: Sequence[Axis]) -> SelectionAxes:
        """Return a set of axes, some of which the others determine."""
        result = SelectionAxes(axes)
        result.determined = frozenset(determined)
        return result


def pair_flops(volume: int, sums: bool) -> int:
    """Return the FLOPs of contracting two tensors, counted as opt_einsum counts them.

    Args:
        volume: the product of the sizes of all axes of the two.
        sums: whether an axis is summed over; then each multiplication comes with an addition.
    """
    return volume * (2 if sums else 1)


def selecting_flops(free: int, result: int) -> int:
    """Return the operations of contracting a tensor with a selection: one for each number moved.

    Args:
        free: the product of the sizes of all axes of the two but those that are determined.
        result: the size of the result, which may have to be filled with zeros first.
    """
    return max(free, result)


@dataclass(frozen=True)
class Network:
    """The factors of an einsum as sets of axes.

    Attributes:
        inputs: the axes of each factor; those of a selection say which are determined.
        output: the axes that are kept.
        sizes: the size of each axis.
    """

    inputs: tuple[frozenset[Axis], ...]
    output: frozenset[Axis]
    sizes: Mapping[Axis, int]

    @staticmethod
    def of(term: Term[Expression]) -> Network:
        """Return the network of a product."""
        return Network(
            tuple(
                [
                    SelectionAxes.of(factor.axes, determined)
                    if (determined := determined_by(factor))
                    else frozenset(factor.axes)
                    for factor in term.factors
                ]
            ),
            frozenset([axis for dimension in term.sides for axis in dimension]),
            dict(enumerate(term.sizes)),
        )

    def volume(self, axes: frozenset[Axis]) -> int:
        """Return the product of the sizes of the axes."""
        return prod([self.sizes[axis] for axis in axes])

    def contractions(
        self, path: Path
    ) -> Iterator[tuple[frozenset[Axis], frozenset[Axis], frozenset[Axis]]]:
        """Yield, for each pair of a path, the axes of either and those of the result."""
        uses: dict[Axis, int] = dict.fromkeys(self.output, 1)
        for axes in self.inputs:
            for axis in axes:
                uses[axis] = uses.get(axis, 0) + 1
        tensors: list[frozenset[Axis]] = [
            # a selection is not summed beforehand, which would make a dense tensor of it
            axes if isinstance(axes, SelectionAxes) else frozenset([a for a in axes if uses[a] > 1])
            for axes in self.inputs
        ]
        for left, right in path:
            one, other = tensors[left], tensors[right]
            for axis in one & other:
                uses[axis] -= 1
            kept = frozenset([axis for axis in one | other if uses[axis] > 1])
            tensors.append(kept)
            yield one, other, kept

    def flops(self, path: Path) -> int:
        """Return the FLOPs of a path; sums over axes of a single factor come on top, always."""
        return sum(self._pair(one, other, kept) for one, other, kept in self.contractions(path))

    def _pair(self, one: frozenset[Axis], other: frozenset[Axis], kept: frozenset[Axis]) -> int:
        """Return the FLOPs of a pair: of a selection and a tensor, or of two tensors."""
        both = one | other
        selecting = [
            selecting_flops(self.volume(both - selection.determined), self.volume(kept))
            + self._written_out(tensor)
            for selection, tensor in ((one, other), (other, one))
            if isinstance(selection, SelectionAxes)
            and selection.determined & tensor in (NO_AXES, selection.determined)
        ]
        if selecting:
            return min(selecting)
        flops = pair_flops(self.volume(both), both != kept)
        return flops + self._written_out(one) + self._written_out(other)

    def _written_out(self, axes: frozenset[Axis]) -> int:
        """Return what it takes to write a selection out as a tensor."""
        return self.volume(axes) if isinstance(axes, SelectionAxes) else 0


def in_sequence(count: int, backwards: bool = False) -> Path:
    """Return the path that takes factors in turn, from the first on or from the last on."""
    if count < 2:
        return ()
    numbers: Sequence[int] = range(count - 1, -1, -1) if backwards else range(count)
    pairs = [(numbers[0], numbers[1])]
    for k, number in enumerate(numbers[2:]):
        pairs.append((count + k, number))
    return tuple(pairs)
