"""Networks as a path search sees them: sets of axes, their sizes, and what a path costs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Generic, TypeVar

from tensorbp.algebra import Axis, Factor, Term
from tensorbp.expression.node import Expression
from tensorbp.expression.selection import Selection, determined_by, has_selections

__all__ = [
    "Moves",
    "Network",
    "Path",
    "SelectionAxes",
    "contraction_cost",
    "in_sequence",
    "moves_of",
    "pair_flops",
]


Path = tuple[tuple[int, int], ...]
"""Pairs to contract, in order: factor k has number k, the result of each pair the next number."""

Axes = TypeVar("Axes", int, frozenset[Axis])


@dataclass(frozen=True)
class Moves(Generic[Axes]):
    """What a finder must know of a selection.

    Attributes:
        determined: the axes that the others determine.
        is_view: whether taking by it makes a view.
    """

    determined: Axes
    is_view: bool


class SelectionAxes(frozenset[Axis]):
    """The axes of a selection, for finders that know what it costs to select.

    Attributes:
        moves: which axes are determined, and how.
    """

    moves: Moves[frozenset[Axis]]

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, SelectionAxes)
            and self.moves == other.moves
            and frozenset(self) == frozenset(other)
        )

    def __hash__(self) -> int:
        return hash((frozenset(self), self.moves))

    @staticmethod
    def of(factor: Factor[Expression], determined: Sequence[Axis]) -> SelectionAxes:
        """Return the axes of a selection, some of which the others determine."""
        selection = factor.value.operator
        assert isinstance(selection, Selection)
        result = SelectionAxes(factor.axes)
        result.moves = Moves(frozenset(determined), selection.is_view)
        return result


def pair_flops(volume: int, sums: bool) -> int:
    """Return the FLOPs of contracting two tensors, counted as opt_einsum counts them.

    Args:
        volume: the product of the sizes of all axes of the two.
        sums: whether an axis is summed over; then each multiplication comes with an addition.
    """
    return volume * (2 if sums else 1)


def contraction_cost(
    volume: Callable[[Axes], int],
    one: Axes,
    other: Axes,
    kept: Axes,
    moves_one: Moves[Axes] | None,
    moves_other: Moves[Axes] | None,
) -> tuple[int, int]:
    """Return the FLOPs of a pair, and how many numbers it writes.

    A selection is applied where the tensor has all of the axes that it determines, or none;
    elsewhere it is written out first, and so is one of two selections that meet.

    Args:
        volume: the product of the sizes of a set of axes.
        one: the axes of one tensor, as a set or as the bits of an integer.
        other: the axes of the other.
        kept: the axes of the result.
        moves_one: what the one does if it is a selection.
        moves_other: the same of the other.
    """
    both = one | other
    if moves_one is None and moves_other is None:
        return pair_flops(volume(both), both != kept), volume(kept)
    written_one = 0 if moves_one is None else volume(one)
    written_other = 0 if moves_other is None else volume(other)
    written_out = written_one + written_other
    costs = [(pair_flops(volume(both), both != kept) + written_out, volume(kept) + written_out)]
    for moves, selection, tensor, written in (
        (moves_one, one, other, written_other),
        (moves_other, other, one, written_one),
    ):
        if moves is not None and moves.determined & tensor in (one ^ one, moves.determined):
            flops, numbers = _selecting_cost(volume, moves, selection, tensor, kept)
            costs.append((flops + written, numbers + written))
    return min(costs)


def _selecting_cost(
    volume: Callable[[Axes], int], moves: Moves[Axes], selection: Axes, tensor: Axes, kept: Axes
) -> tuple[int, int]:
    """Return the operations, one for each number moved or added, and the numbers written.

    A view moves nothing. That the tensor may have to be padded for it, once for all the windows, is
    left to the step.
    """
    free = (selection | tensor) ^ moves.determined
    is_taken = moves.determined & tensor == moves.determined
    if moves.is_view and is_taken and kept == free and selection & tensor == moves.determined:
        return 0, 0
    return max(volume(free), volume(kept)), volume(kept)


def moves_of(axes: frozenset[Axis]) -> Moves[frozenset[Axis]] | None:
    """Return what a factor does if it is a selection."""
    return axes.moves if isinstance(axes, SelectionAxes) else None


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
        inputs = term.pattern.axis_sets
        if has_selections(term):
            inputs = tuple(
                [
                    SelectionAxes.of(factor, determined)
                    if (determined := determined_by(factor))
                    else axes
                    for factor, axes in zip(term.factors, inputs, strict=True)
                ]
            )
        return Network(inputs, term.pattern.side_axes, dict(enumerate(term.sizes)))

    @cached_property
    def moves(self) -> bool:
        """Whether a factor is a selection."""
        return any(isinstance(axes, SelectionAxes) for axes in self.inputs)

    def weighed(self, cost: tuple[int, int]) -> tuple[int, int]:
        """Return what orders are compared by: FLOPs first, and then how many numbers are written.

        Where numbers are moved, to write one counts as an operation: else an order would be taken
        that multiplies all windows for a few FLOPs less (as objective 'combo' of Gray and Kourtis
        2021, Hyper-optimized tensor network contraction, weighs both).

        Args:
            cost: FLOPs, and how many numbers are written.
        """
        flops, written = cost
        return flops + (written if self.moves else 0), written

    def volume(self, axes: frozenset[Axis]) -> int:
        """Return the product of the sizes of the axes."""
        return prod([self.sizes[axis] for axis in axes])

    def summed_beforehand(self) -> list[frozenset[Axis]]:
        """Return the axes of each factor once those are summed over that it alone has."""
        uses = self._uses()
        return [
            # a selection is not summed beforehand, which would make a dense tensor of it
            axes if isinstance(axes, SelectionAxes) else frozenset([a for a in axes if uses[a] > 1])
            for axes in self.inputs
        ]

    def _uses(self) -> dict[Axis, int]:
        """Return how many factors have each axis, the output being one."""
        uses: dict[Axis, int] = dict.fromkeys(self.output, 1)
        for axes in self.inputs:
            for axis in axes:
                uses[axis] = uses.get(axis, 0) + 1
        return uses

    def contractions(
        self, path: Path
    ) -> Iterator[tuple[frozenset[Axis], frozenset[Axis], frozenset[Axis]]]:
        """Yield, for each pair of a path, the axes of either and those of the result."""
        uses = self._uses()
        tensors = self.summed_beforehand()
        for left, right in path:
            one, other = tensors[left], tensors[right]
            for axis in one & other:
                uses[axis] -= 1
            kept = frozenset([axis for axis in one | other if uses[axis] > 1])
            tensors.append(kept)
            yield one, other, kept

    def priced(self, path: Path) -> Iterator[tuple[tuple[int, int], frozenset[Axis]]]:
        """Yield, for each pair of a path, its FLOPs and writes, and the axes of its result."""
        for one, other, kept in self.contractions(path):
            yield (
                contraction_cost(self.volume, one, other, kept, moves_of(one), moves_of(other)),
                kept,
            )

    def cost(self, path: Path) -> tuple[int, int]:
        """Return what paths are compared by: FLOPs as they are weighed, then numbers written.

        Sums over axes of a single factor come on top, always.
        """
        costs = [self.weighed(cost) for cost, _ in self.priced(path)]
        return sum(flops for flops, _ in costs), sum(written for _, written in costs)

    def flops(self, path: Path) -> int:
        """Return the FLOPs of a path."""
        return sum([flops for (flops, _), _ in self.priced(path)])


def in_sequence(count: int) -> Path:
    """Return the path that takes factors in turn, from the first on."""
    if count < 2:
        return ()
    return ((0, 1), *[(count + k, k + 2) for k in range(count - 2)])
