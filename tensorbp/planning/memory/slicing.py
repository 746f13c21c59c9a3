"""Slicing: steps that carry an axis are worked out slice by slice, and less is alive at one time.

A slice is a plain step on smaller arrays. What has the axis and leaves is joined, what is summed
over it is added up, one slice after the other. Micro-batching is what comes of slicing the batch.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from math import gcd

from tensorbp.algebra import Factor, Term
from tensorbp.expression.arithmetic import Add
from tensorbp.expression.graph import topological_order
from tensorbp.expression.indexing import Concatenate
from tensorbp.expression.leaves import Variable
from tensorbp.expression.node import Expression
from tensorbp.expression.selection import Affine
from tensorbp.planning.memory.cuts import Cut, cuts
from tensorbp.planning.selecting import joined

__all__ = ["Axis", "Sliced", "Slicer"]


@dataclass(frozen=True)
class Axis:
    """An axis that runs through a graph.

    Attributes:
        sources: the inputs that have it, and which dimension it is of each.
        size: into how many slices all of them can be cut.
    """

    sources: Mapping[Expression, int]
    size: int

    @property
    def label(self) -> str:
        """How a report calls it: dimension 0 of the input that comes first."""
        first = min(self.sources, key=lambda each: each.serial)
        operator = first.operator
        assert isinstance(operator, Variable)
        return f"axis {self.sources[first]} of '{operator.name}'"


@dataclass(frozen=True)
class Sliced:
    """A graph in slices.

    Attributes:
        roots: what each root has become.
        order: all nodes, slice by slice.
        origin: of which node each one is a part.
    """

    roots: Mapping[Expression, Expression]
    order: list[Expression]
    origin: Mapping[Expression, Expression]


class Slicer:
    """What rewrites a graph so that an axis of it is worked through in slices.

    Args:
        order: all nodes, each once after its operands.
        roots: what is computed.
    """

    def __init__(self, order: Sequence[Expression], roots: Sequence[Expression]) -> None:
        self._order = order
        self._roots = roots
        self._cuts = cache(cuts)

    def axis_of(self, node: Expression, dimension: int) -> Axis | None:
        """Return the axis that comes to a dimension of a node from inputs; None if from none.

        What else is to be cut along with it is made to have it too, where its inputs have it.
        """
        sources = self._sources(node, dimension)
        while True:
            size = gcd(*[each.shape[place] for each, place in sources.items()])
            if size < 2:
                return None
            axis = Axis(sources, size)
            chosen = self._chosen(axis)
            more = {
                source: place
                for each, k in _whole_but_cut(chosen, axis)
                for source, place in self._sources(each, k).items()
                if source not in sources
            }
            if not more:
                return axis
            sources = sources | more

    def _sources(self, node: Expression, dimension: int) -> dict[Expression, int]:
        """Return the inputs from which a dimension comes, and which dimension it is of each."""
        sources: dict[Expression, int] = {}
        seen = {(node, dimension)}
        pending = [(node, dimension)]
        while pending:
            each, place = pending.pop()
            if isinstance(each.operator, Variable):
                sources.setdefault(each, place)
            for cut in self._cuts(each):
                if cut.output == place:
                    below = zip(each.operands, cut.operands, strict=True)
                    found = [(x, k) for x, k in below if k is not None and (x, k) not in seen]
                    seen.update(found)
                    pending += found
        return sources

    def _chosen(self, axis: Axis) -> dict[Expression, Cut]:
        """Return how each node is cut to which the axis comes, the rest being computed whole."""
        places = dict(axis.sources)
        chosen: dict[Expression, Cut] = {}
        for node in self._order:
            if node in places:
                continue
            best = max(
                (each for each in self._cuts(node) if each.size % axis.size == 0),
                key=lambda each: _merit(node, each, places),
                default=None,
            )
            if best is not None and _merit(node, best, places)[0] > 0:
                chosen[node] = best
                if best.output is not None:
                    places[node] = best.output
        return chosen

    def carriers(self, axis: Axis) -> list[Expression]:
        """Return the nodes that are computed in slices along an axis, and have it."""
        return [each for each, cut in self._chosen(axis).items() if cut.output is not None]

    def sliced(self, axis: Axis, count: int) -> Sliced:
        """Return the graph in slices.

        Args:
            axis: the axis.
            count: how many slices, at most the size of the axis.
        """
        slicing = _Slicing(axis, self._chosen(axis), count)
        for place, node in enumerate(self._order):
            slicing.add(node, place)
        roots = {each: slicing.whole(each) for each in self._roots}
        order = sorted(topological_order(roots.values()), key=slicing.key)
        return Sliced(roots, order, slicing.origin)


def _merit(node: Expression, cut: Cut, places: Mapping[Expression, int]) -> tuple[int, bool]:
    """Return how good a cut is: numbers read in slices, less those to be joined for it."""
    merit = 0
    for each, place in zip(node.operands, cut.operands, strict=True):
        if each in places:
            is_input = isinstance(each.operator, Variable)
            merit += each.size if places[each] == place else 0 if is_input else -each.size
    return merit, cut.output is not None


def _whole_but_cut(
    chosen: Mapping[Expression, Cut], axis: Axis
) -> Iterator[tuple[Expression, int]]:
    """Yield what is computed whole, though only slices of it are read, and along what."""
    for node, cut in chosen.items():
        for each, place in zip(node.operands, cut.operands, strict=True):
            is_cut = each in axis.sources or (each in chosen and chosen[each].output is not None)
            if place is not None and each.operands and not is_cut:
                yield each, place


class _Slicing:
    """A graph while it is rewritten, node by node.

    A place in the order is (phase, slice, place of the original): what reads a sum or something
    joined belongs to the next phase.
    """

    def __init__(self, axis: Axis, chosen: Mapping[Expression, Cut], count: int) -> None:
        self.origin: dict[Expression, Expression] = {}
        self._axis = axis
        self._chosen = chosen
        self._bounds = [axis.size * k // count for k in range(count + 1)]
        self._whole: dict[Expression, Expression] = {}
        self._parts: dict[Expression, list[Expression]] = {}
        self._keys: dict[Expression, tuple[int, int, int]] = {}
        self._phases: dict[Expression, int] = {}

    def key(self, node: Expression) -> tuple[int, int, int, int]:
        """Return where in the order a new node belongs."""
        return (*self._keys[node], node.serial)

    def add(self, node: Expression, place: int) -> None:
        """Rewrite a node, the operands of which are rewritten already."""
        cut = self._chosen.get(node)
        if cut is None:
            operands = [self.whole(each) for each in node.operands]
            new = Expression.of(node.operator, *operands) if operands else node
            self._whole[node] = self._placed(new, node, 0, place)
            return
        parts = [self._part(node, cut, k, place) for k in range(len(self._bounds) - 1)]
        if cut.output is not None:
            self._parts[node] = parts
        else:
            total = parts[0]
            for k, each in enumerate(parts[1:], start=1):
                total = self._placed(Expression.of(Add((1, 1)), total, each), node, k, place)
            self._whole[node] = total
            self._phases[total] = self._keys[total][0] + 1

    def whole(self, node: Expression) -> Expression:
        """Return the new node that has the value of an original one."""
        if node not in self._whole:
            cut = self._chosen[node]
            assert cut.output is not None
            parts = self._parts[node]
            new = Expression.of(Concatenate(cut.output), *parts)
            last = self._keys[parts[-1]]
            self._whole[node] = self._placed(new, node, last[1], last[2])
            self._phases[new] = last[0] + 1
        return self._whole[node]

    def _part(self, node: Expression, cut: Cut, k: int, place: int) -> Expression:
        operands = [
            self.whole(each) if dimension is None else self._slice(each, dimension, k, place)
            for each, dimension in zip(node.operands, cut.operands, strict=True)
        ]
        length = self._bounds[k + 1] - self._bounds[k]
        new = Expression.of(cut.narrowed(length, self._axis.size), *operands)
        return self._placed(new, node, k, place)

    def _slice(self, node: Expression, dimension: int, k: int, place: int) -> Expression:
        """Return a slice of an original node, a view of the whole unless it has been cut so."""
        cut = self._chosen.get(node)
        if cut is not None and cut.output == dimension:
            return self._parts[node][k]
        pieces = node.shape[dimension] // self._axis.size
        start, stop = (pieces * each for each in self._bounds[k : k + 2])
        return self._placed(_view(self.whole(node), dimension, start, stop), node, k, place)

    def _placed(self, new: Expression, old: Expression, k: int, place: int) -> Expression:
        """Remember where in the order a new node belongs, and what it was made of."""
        phase = max([self._phases[each] for each in new.operands], default=0)
        slices = [self._keys[each][1] for each in new.operands if self._keys[each][0] == phase]
        key = (phase, max([k, *slices]), place)
        self._keys.setdefault(new, key)
        self._phases.setdefault(new, phase)
        self.origin.setdefault(new, old)
        return new


def _view(node: Expression, dimension: int, start: int, stop: int) -> Expression:
    """Return the part of a node from a start to a stop along a dimension."""
    size = node.shape[dimension]
    selection = Affine((stop - start,), (1,), start, size)()
    axes = [(axis,) for axis in range(node.ndim)]
    part = (node.ndim,)
    output = [part if k == dimension else each for k, each in enumerate(axes)]
    sizes = dict(enumerate((*node.shape, stop - start)))
    factors = [Factor(node, tuple(axes)), Factor(selection, (part, (dimension,)))]
    return joined(Term.of(1, factors, output, (), sizes), 1)
