"""Selections: factors of zeros and ones given by a rule, and what is built with them.

S[d..., i] = 1 where i is the place that the rule gives for d..., else 0: the last axis is
determined by the others. A selection is planned at the cost of what it moves and executed as a
view, a take or a scatter-add; only where its own entries are asked for does it become an array.

Windows, slices, padding, gathers, concatenation and pooling are einsums with selections among
their factors, so that nobody writes their Jacobians down.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, ClassVar, Literal

from tensorbp.algebra import Dimension, Factor, Term, letter
from tensorbp.algebra.merging import Total, merge
from tensorbp.expression.declaration import Declaration
from tensorbp.expression.layer import Primitive, Shape, argument
from tensorbp.expression.node import Expression

__all__ = [
    "Affine",
    "Outside",
    "Selection",
    "determined_by",
    "has_selections",
    "idempotent",
    "merged_beside",
    "numbers_held",
]

Outside = Literal["nothing", "reflect", "replicate", "circular"]
"""What a place beyond the ends of an axis selects."""


class Selection(Primitive):
    """A tensor of zeros and ones: S[d..., i] = 1 where i = place[d...]; it has no derivative.

    Subclasses give the places, either from numbers that are known when a plan is made, or from
    integers that are among the data.
    """

    selects: ClassVar[bool] = True

    @abstractmethod
    def places(self, xp: Any, *arrays: Any) -> Any:
        """Return the place that each d... determines, an integer array; -1 selects nothing."""

    @property
    def is_view(self) -> bool:
        """Whether what is taken is a view of a tensor that was padded."""
        return False

    @property
    def is_inside(self) -> bool:
        """Whether every place is there, so that nothing need be padded."""
        return True

    def forward(self, xp: Any, *arrays: Any) -> Any:
        """Return the zeros and ones themselves, as truth values."""
        places = self.places(xp, *arrays)
        size = self.shape(*[tuple(each.shape) for each in arrays])[-1]
        return places[..., None] == xp.arange(size)

    def jacobian(self, y: Expression, *operands: Expression) -> Mapping[str, Declaration]:
        """Return nothing: the places are integers."""
        return {}


@dataclass(frozen=True)
class Affine(Selection):
    """Places on a straight line: S[d_1, ..., d_m, i] = 1 where i = offset + Σ_k stride_k d_k.

    With one d it is a slice, padding, a flip or a roll, with two the windows of a convolution
    (Dumoulin and Visin 2016, A guide to convolution arithmetic), with none a single place.
    """

    name = "affine_selection"
    formula = "S[d_1, ..., d_m, i] = 1 where i = offset + Σ_k stride_k d_k, else 0"
    inputs = ()

    counts: tuple[int, ...] = argument("how many values each d has")
    strides: tuple[int, ...] = argument("by how much each d moves the place")
    offset: int = argument("the place where all d are zero")
    size: int = argument("the size of the axis that is selected from")
    outside: Outside = argument("what a place beyond the ends selects", "nothing")

    def shape(self, *shapes: Shape) -> Shape:
        """Return the counts and the size."""
        return (*self.counts, self.size)

    @property
    def line(self) -> str:
        """The place as a formula in the letters a, b... of the d, and what lies outside.

        >>> Affine((4, 3), (2, 1), -1, 7).line
        '2a + b - 1'
        """
        terms = [
            f"{'-' if stride < 0 else '+'} {abs(stride) if abs(stride) > 1 else ''}{letter(k)}"
            for k, stride in enumerate(self.strides)
            if stride
        ]
        if self.offset or not terms:
            terms.append(f"{'-' if self.offset < 0 else '+'} {abs(self.offset)}")
        text = " ".join(terms).removeprefix("+ ")
        text = text.replace("- ", "-", 1) if text.startswith("-") else text
        return text if self.outside == "nothing" or self.is_inside else f"{text}, {self.outside}"

    @property
    def lowest(self) -> int:
        """The smallest place that the line reaches, be it beyond the ends."""
        pairs = zip(self.counts, self.strides, strict=True)
        return self.offset + sum(min(0, stride * (count - 1)) for count, stride in pairs)

    @property
    def highest(self) -> int:
        """The largest place that the line reaches, be it beyond the ends."""
        pairs = zip(self.counts, self.strides, strict=True)
        return self.offset + sum(max(0, stride * (count - 1)) for count, stride in pairs)

    @property
    def is_view(self) -> bool:
        """Whether it is a view: a line that does not turn back at the ends."""
        return self.outside == "nothing" or self.is_inside

    @property
    def is_inside(self) -> bool:
        """Whether every place is there."""
        return not prod(self.counts) or (self.lowest >= 0 and self.highest < self.size)

    def places(self, xp: Any, *arrays: Any) -> Any:
        """Return offset + Σ stride d, with what is beyond the ends brought back or -1."""
        place = xp.full(self.counts, self.offset)
        for k, (count, stride) in enumerate(zip(self.counts, self.strides, strict=True)):
            steps = stride * xp.arange(count)
            place = place + steps.reshape((count,) + (1,) * (len(self.counts) - k - 1))
        if self.outside == "circular":
            return place % self.size
        if self.outside == "replicate":
            return xp.clip(place, 0, self.size - 1)
        if self.outside == "reflect":
            period = max(2 * (self.size - 1), 1)
            folded = place % period
            return xp.minimum(folded, period - folded) if self.size > 1 else 0 * place
        return xp.where((place >= 0) & (place < self.size), place, -1)


def _selects(value: Expression) -> bool:
    """Say whether a value is a selection, faster than an abstract class can tell."""
    return getattr(value.operator, "selects", False)


def has_selections(term: Term[Expression]) -> bool:
    """Say whether there is a selection among the factors of a product."""
    for value in term.values:  # noqa: SIM110 - asked of every product, and twice as fast as any()
        if _selects(value):
            return True
    return False


def determined_by(factor: Factor[Expression]) -> Dimension:
    """Return the axes of a factor that its other axes determine; none if it is no selection.

    A selection whose axes are tied to each other (its diagonal) is a tensor like any other.
    """
    if not _selects(factor.value):
        return ()
    axes = factor.axes
    return factor.dimensions[-1] if len(set(axes)) == len(axes) else ()


def idempotent(term: Term[Expression]) -> Term[Expression]:
    """Return an equal term in which no selection determines two axes by the same others.

    S[d, i] S[d, j] = S[d, i] δ_ij: one of the two goes, and the delta ties i to j.
    """
    if not has_selections(term):
        return term
    seen: dict[tuple[Expression, tuple[Dimension, ...]], Dimension] = {}
    for position, value in enumerate(term.values):
        if _selects(value):
            *others, determined = term.pattern.factors[position]
            known = seen.setdefault((value, tuple(others)), determined)
            if known is not determined:
                return idempotent(term.without(position, known))
    return term


def merged_beside(terms: Sequence[Term[Expression]], total: Total[Expression]) -> Term[Expression]:
    """Return one term, equal to the sum of the terms, with one tensor beside its selections.

    A selection that ties an output axis to an input axis is to the two sides of a map what a delta
    is, and is not multiplied out. Several terms are merged into a tensor alone.

    Args:
        terms: at least one term; all map between the same shapes.
        total: makes the value of a sum of tensors.
    """
    ties = _ties(terms[0]) if len(terms) == 1 else []
    if not ties:
        return merge(terms, total)
    (term,) = terms
    rest = [each for each in term.factors if each not in ties]
    if not rest and term.coefficient == 1:
        return term
    needed = {axis for side in term.sides for axis in side}.union(*(each.axes for each in ties))
    axes = dict.fromkeys(axis for each in rest for axis in each.axes)
    kept = [(axis,) for axis in axes if axis in needed]
    value = total([Term.of(term.coefficient, rest, kept, (), term.sizes)])
    factors = [Factor(value, tuple(kept)), *ties]
    return Term.of(1, factors, term.output, term.input, term.sizes)


def _ties(term: Term[Expression]) -> list[Factor[Expression]]:
    """Return the selections that tie an axis of one side to an axis of the other."""
    if not has_selections(term):
        return []
    output = {axis for dimension in term.output for axis in dimension}
    input_ = {axis for dimension in term.input for axis in dimension}
    sides = (output - input_, input_ - output)
    return [
        each
        for each in term.factors
        if determined_by(each) and all(side.intersection(each.axes) for side in sides)
    ]


def numbers_held(values: Iterable[Expression]) -> int:
    """Return how many numbers some tensors hold, each counted once; a selection holds none."""
    return sum(
        each.size for each in dict.fromkeys(values) if not isinstance(each.operator, Selection)
    )
