"""Merging: a sum of terms becomes one tensor, and the deltas that all terms share stay deltas.

Softmax on a batch has the Jacobian ``bp -> bp/bp`` minus ``bp,bq -> bp/bq``. Both terms tie the
two batch axes, only the first ties p to q: merged, the map has the axes ``bp/bq``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from tensorbp.algebra.axes import Axis, Dimension, GroupingConflict, Unifier
from tensorbp.algebra.pattern import REMEMBERED, Pattern, rewritten
from tensorbp.algebra.term import Factor, Term, Value, simplify

__all__ = ["Total", "collect", "compose", "dense", "merge"]

Total = Callable[[Sequence[Term[Value]]], Value]
"""Makes the value of a sum of tensors that all have the same output dimensions.

The tensors come as terms without input side; an axis that stands twice in such an output is a
delta to be stored, an axis in no factor stands for ones.
"""


def collect(terms: Sequence[Term[Value]]) -> tuple[Term[Value], ...]:
    """Add the coefficients of terms that are equal but for them, and drop those that vanish."""
    if len(terms) == 1:
        return tuple(terms) if terms[0].coefficient != 0 else ()
    alike: dict[tuple[object, ...], Term[Value]] = {}
    for term in terms:
        key = _likeness(term)
        known = alike.get(key)
        if known is not None:
            term = replace(known, coefficient=simplify(known.coefficient + term.coefficient))
        alike[key] = term
    return tuple([term for term in alike.values() if term.coefficient != 0])


def _likeness(term: Term[Value]) -> tuple[object, ...]:
    """Return what equal terms share, whatever the order of their factors."""
    factors = sorted(term.factors, key=lambda factor: (id(factor.value), factor.dimensions))
    ordered = Term.of(1, factors, term.output, term.input, term.sizes)
    return (
        tuple([(id(factor.value), factor.dimensions) for factor in ordered.factors]),
        ordered.output,
        ordered.input,
        ordered.sizes,
    )


def dense(term: Term[Value], total: Total[Value]) -> Term[Value]:
    """Return an equal term with one stored tensor, all its deltas written out."""
    value = total([term.with_sides(term.sides)])
    axes = tuple([(axis,) for axis in range(len(term.sides))])
    split = len(term.output)
    return Term.of(1, [Factor(value, axes)], axes[:split], axes[split:], value.shape)


def compose(left: Term[Value], right: Term[Value], total: Total[Value] | None) -> Term[Value]:
    """Return ``left @ right``; where they group axes in different ways, one is written out first.

    Raises:
        GroupingConflict: one must be written out, and there is no ``total`` to do it.
    """
    try:
        return left.compose(right)
    except GroupingConflict:
        if total is None:
            raise
        if left.values:
            return dense(left, total).compose(right)
        return left.compose(dense(right, total))


def merge(terms: Sequence[Term[Value]], total: Total[Value]) -> Term[Value]:
    """Return one term with at most one factor, equal to the sum of the terms.

    Args:
        terms: at least one term; all map between the same shapes.
        total: makes the value of a sum of tensors.
    """
    try:
        terms = _commonly_grouped(terms)
    except GroupingConflict:
        terms = _commonly_grouped([dense(term, total) for term in terms])
    first = terms[0]
    if len(terms) == 1 and not first.values:
        return first
    merged = _merged(tuple([term.pattern for term in terms]))
    sizes = tuple([first.sizes[axis] for axis in merged.axes])
    if not merged.pattern.factors:
        return Term(simplify(sum(term.coefficient for term in terms)), (), merged.pattern, sizes)
    tensors = [term.with_sides(kept) for term, kept in zip(terms, merged.kept, strict=True)]
    return Term(1, (total(tensors),), merged.pattern, sizes)


@dataclass(frozen=True)
class _Merged:
    """What a sum of terms becomes.

    Attributes:
        pattern: the pattern of the sum, with at most one factor.
        axes: for each of its axes the one of the first term.
        kept: for each term, the dimensions of it that the factor has.
    """

    pattern: Pattern
    axes: tuple[Axis, ...]
    kept: tuple[tuple[Dimension, ...], ...]


@lru_cache(maxsize=REMEMBERED)
def _merged(patterns: tuple[Pattern, ...]) -> _Merged:
    """Return what a sum of terms with these patterns, whose sides are grouped alike, becomes."""
    classes = _common_classes(patterns)
    present = [labels for labels in classes if not _is_absent(labels, classes, patterns)]
    number = {labels: axis for axis, labels in enumerate(classes)}
    sides = _as_classes(patterns, number)
    split = len(patterns[0].output)
    has_factor = bool(present) or any(pattern.factors for pattern in patterns)
    factors = (tuple([(number[labels],) for labels in present]),) if has_factor else ()
    new = rewritten(factors, sides[:split], sides[split:])
    return _Merged(
        new.pattern,
        tuple([classes[axis][0] for axis in new.axes]),
        tuple([tuple([(labels[k],) for labels in present]) for k in range(len(patterns))]),
    )


def _commonly_grouped(terms: Sequence[Term[Value]]) -> list[Term[Value]]:
    """Split axes until every side's dimensions are the same products in all terms."""
    grouped = list(terms)
    if all(term.pattern.has_plain_sides for term in grouped):
        return grouped
    template = [_sizes(side, grouped[0]) for side in grouped[0].sides]
    while True:
        before = template
        for k, term in enumerate(grouped):
            unifier = Unifier(dict(enumerate(term.sizes)))
            pattern = [tuple([unifier.fresh(size) for size in sizes]) for sizes in template]
            unifier.equate_all(pattern, term.sides)
            template = [
                tuple([unifier.sizes[axis] for axis in unifier.expand(side)]) for side in pattern
            ]
            grouped[k] = term.refined(unifier)
        if template == before:
            return grouped


def _sizes(dimension: Dimension, term: Term[Value]) -> tuple[int, ...]:
    return tuple([term.sizes[axis] for axis in dimension])


Labels = tuple[Axis, ...]
"""The axes that one position of the sides has, term by term."""


def _common_classes(patterns: Sequence[Pattern]) -> list[Labels]:
    """Return the positions of the sides, those that all terms identify being one."""
    flat = [[axis for side in pattern.sides for axis in side] for pattern in patterns]
    return list(dict.fromkeys(zip(*flat, strict=True)))


def _is_absent(labels: Labels, classes: Sequence[Labels], patterns: Sequence[Pattern]) -> bool:
    """Say whether all terms are constant along these positions, with no further delta."""
    for k, (axis, pattern) in enumerate(zip(labels, patterns, strict=True)):
        if axis in pattern.factor_axes or sum(other[k] == axis for other in classes) > 1:
            return False
    return True


def _as_classes(patterns: Sequence[Pattern], number: dict[Labels, int]) -> tuple[Dimension, ...]:
    """Return the sides with each position replaced by the number of its class."""
    return tuple(
        [
            tuple([number[labels] for labels in zip(*dimensions, strict=True)])
            for dimensions in zip(*[pattern.sides for pattern in patterns], strict=True)
        ]
    )
