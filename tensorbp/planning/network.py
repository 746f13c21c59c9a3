"""Networks as a path search sees them: sets of axes, their sizes, and what a path costs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import TypeVar

from tensorbp.algebra import Axis, Term
from tensorbp.expression.node import Expression
from tensorbp.expression.selection import determined_by

__all__ = [
    "Network",
    "Path",
    "SelectionAxes",
    "contraction_flops",
    "in_sequence",
    "pair_flops",
    "selecting_flops",
]

Axes = TypeVar("Axes", int, frozenset[Axis])

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


def contraction_flops(
    volume: Callable[[Axes], int],
    one: Axes,
    other: Axes,
    kept: Axes,
    determined_one: Axes | None,
    determined_other: Axes | None,
) -> int:
    """Return the FLOPs of a pair: of a selection and a tensor, or of two tensors.

    A selection is applied where the tensor has all of the axes that it determines, or none;
    elsewhere it is written out first, and so is one of two selections that meet.

    Args:
        volume: the product of the sizes of a set of axes.
        one: the axes of one tensor, as a set or as the bits of an integer.
        other: the axes of the other.
        kept: the axes of the result.
        determined_one: those of the one that its others determine, if it is a selection.
        determined_other: the same of the other.
    """
    both = one | other
    if determined_one is None and determined_other is None:
        return pair_flops(volume(both), both != kept)
    written_one = 0 if determined_one is None else volume(one)
    written_other = 0 if determined_other is None else volume(other)
    flops = [pair_flops(volume(both), both != kept) + written_one + written_other]
    for determined, tensor, written in (
        (determined_one, other, written_other),
        (determined_other, one, written_one),
    ):
        if determined is not None and determined & tensor in (determined ^ determined, determined):
            flops.append(selecting_flops(volume(both ^ determined), volume(kept)) + written)
    return min(flops)


def _determined(axes: frozenset[Axis]) -> frozenset[Axis] | None:
    return axes.determined if isinstance(axes, SelectionAxes) else None


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
        return sum(
            contraction_flops(self.volume, one, other, kept, _determined(one), _determined(other))
            for one, other, kept in self.contractions(path)
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
