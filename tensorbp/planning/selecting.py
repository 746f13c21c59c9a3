"""Contraction with selections, as operators of a plan: what is moved, and where to.

A tensor and a selection are contracted by taking and by adding, never by multiplying with zeros.
Selections that are applied one after the other are applied in one step, and a sum of scattered
tensors is gathered in one array.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import ClassVar

from tensorbp.algebra import (
    Axis,
    Dimension,
    Factor,
    Number,
    Shape,
    Term,
    Unifier,
    shape_of,
    simplify,
)
from tensorbp.expression.arithmetic import Add
from tensorbp.expression.einsum import constant
from tensorbp.expression.graph import topological_order
from tensorbp.expression.node import Expression
from tensorbp.expression.selection import Affine, Selection, determined_by, has_selections

__all__ = ["Applied", "Selected", "SummedUp", "gathered", "joined", "selecting_operand"]


@dataclass(frozen=True)
class Applied:
    """A selection in a product.

    Attributes:
        selection: the rule.
        dimensions: the dimensions by which it takes part; the last is determined.
    """

    selection: Selection
    dimensions: tuple[Dimension, ...]

    @property
    def free(self) -> tuple[Axis, ...]:
        """The axes that determine."""
        return tuple([axis for each in self.dimensions[:-1] for axis in each])

    @property
    def determined(self) -> Dimension:
        """The axes that are determined."""
        return self.dimensions[-1]


@dataclass(frozen=True)
class Selected:
    """The operator of a product of one tensor and selections.

    y[output] = coefficient · Σ x[...] S_1[...] ··· S_n[...], summed over the axes that are not in
    the output. The operands are the tensor, then the integers of those selections that have any.

    Attributes:
        coefficient: the number in front.
        factor: the dimensions of the tensor; an axis that it does not have repeats it.
        selections: the selections.
        output: the dimensions of the result.
        sizes: the size of axis k at position k.
    """

    name: ClassVar[str] = "select"

    coefficient: Number
    factor: tuple[Dimension, ...]
    selections: tuple[Applied, ...]
    output: tuple[Dimension, ...]
    sizes: tuple[int, ...]

    def shape(self, *shapes: Shape) -> Shape:
        """Return the shape of the result."""
        del shapes
        return shape_of(self.output, self.sizes)

    @property
    def flops(self) -> int:
        """One for each number that is moved or added; a view moves what is padded for it."""
        return self.padded if self.is_view else max(self.moved, prod(self.shape()))

    @property
    def is_view(self) -> bool:
        """Whether the result is a view of the tensor, which may have to be padded first."""
        taken = self.gathers and all(each.selection.is_view for each in self.selections)
        return taken and self.coefficient == 1

    @property
    def padded(self) -> int:
        """How many numbers the padded tensor has; none where it need not be padded."""
        sizes = dict(enumerate(self.sizes))
        reaches = [each for each in self.selections if not each.selection.is_inside]
        for each in reaches:
            rule = each.selection
            assert isinstance(rule, Affine)
            axis, *rest = each.determined
            sizes |= {axis: max(rule.size, rule.highest + 1) - min(0, rule.lowest)}
            sizes |= dict.fromkeys(rest, 1)
        return prod(shape_of(self.factor, sizes)) if reaches else 0

    @property
    def moved(self) -> int:
        """How many numbers are moved."""
        determined = _determined(self)
        return prod(size for axis, size in enumerate(self.sizes) if axis not in determined)

    @property
    def operand_count(self) -> int:
        """The number of operands: the tensor, and the integers of the selections."""
        return 1 + sum(len(each.selection.inputs) for each in self.selections)

    @property
    def scatters(self) -> bool:
        """Whether every selection only puts numbers where they belong."""
        inside = _axes(self.factor)
        outside = _axes(self.output)
        return all(
            inside.isdisjoint(each.determined) and outside.issuperset(each.determined)
            for each in self.selections
        )

    @property
    def gathers(self) -> bool:
        """Whether every selection only takes numbers from the tensor, and nothing is summed."""
        inside = _axes(self.factor)
        taken = _determined(self)
        free = set(range(len(self.sizes))) - taken
        return (
            inside.issuperset(taken)
            and _axes(self.output) == free
            and all(inside.isdisjoint(each.free) for each in self.selections)
        )


@dataclass(frozen=True)
class SummedUp:
    """The operator of a sum of which some parts are scattered: they are added where they belong.

    y = Σ_k c_k x_k, where x_k stands for itself or for what its `Selected` makes of it.

    Attributes:
        coefficients: the number in front of each part.
        parts: how each part is scattered; None where it is added whole.
        size: the shape of the result.
    """

    name: ClassVar[str] = "sum_up"

    coefficients: tuple[Number, ...]
    parts: tuple[Selected | None, ...]
    size: Shape

    def shape(self, *shapes: Shape) -> Shape:
        """Return the shape of the result."""
        del shapes
        return self.size

    @property
    def flops(self) -> int:
        """One for each number of the result, and one for each that is added."""
        whole = prod(self.size)
        return whole + sum(whole if each is None else each.moved for each in self.parts)


def _determined(selected: Selected) -> set[Axis]:
    return {axis for each in selected.selections for axis in each.determined}


def _axes(dimensions: Iterable[Dimension]) -> set[Axis]:
    return {axis for dimension in dimensions for axis in dimension}


def selecting_operand(term: Term[Expression]) -> int | None:
    """Return which factor of a pair, or of a single one, is applied as a selection, if any is.

    It can be where the other tensor has all the axes that it determines, or none of them.
    """
    if not has_selections(term):
        return None
    best: tuple[int, int] | None = None
    for position, factor in enumerate(term.factors):
        determined = set(determined_by(factor))
        if not determined:
            continue
        others = [each for k, each in enumerate(term.factors) if k != position]
        tensor = {axis for each in others for axis in each.axes}
        if determined & tensor in (set(), determined):
            free = prod(s for a, s in enumerate(term.sizes) if a not in determined)
            written_out = prod(
                [prod(each.value.shape) for each in others if determined_by(each)] or [0]
            )
            cost = (free + written_out, position)
            best = min(best, cost) if best else cost
    return best[1] if best else None


def joined(term: Term[Expression], position: int) -> Expression:
    """Return a product of a selection, at a position, and at most one tensor as one node."""
    factor = term.factors[position]
    rest = [each for k, each in enumerate(term.factors) if k != position]
    tensor = rest[0] if rest else Factor(constant(1), ())
    selection = factor.value.operator
    assert isinstance(selection, Selection)
    ordered = Term.of(term.coefficient, [tensor, factor], term.output, (), term.sizes)
    operator = Selected(
        ordered.coefficient,
        ordered.factors[0].dimensions,
        (Applied(selection, ordered.factors[1].dimensions),),
        ordered.output,
        ordered.sizes,
    )
    return Expression.of(operator, tensor.value, *factor.value.operands)


def gathered(
    roots: Sequence[Expression], labels: Mapping[Expression, str]
) -> tuple[list[Expression], dict[Expression, str]]:
    """Return the roots with selections of selections, and sums of scattered tensors, in one step.

    Args:
        roots: what is computed.
        labels: which layer a node belongs to.
    """
    order = topological_order(roots)
    readers: dict[Expression, int] = dict.fromkeys(roots, 2)
    for node in order:
        for operand in node.operands:
            readers[operand] = readers.get(operand, 0) + 1
    rewriting = _Rewriting(readers)
    for node in order:
        rewriting.rewrite(node)
    new = rewriting.new
    moved = {new[node]: label for node, label in labels.items() if node in new}
    return [new[root] for root in roots], {**labels, **moved}


class _Rewriting:
    def __init__(self, readers: Mapping[Expression, int]) -> None:
        self.readers = readers
        self.new: dict[Expression, Expression] = {}

    def rewrite(self, node: Expression) -> None:
        result = node.over(tuple([self.new[each] for each in node.operands]))
        if isinstance(node.operator, Selected):
            result = self._with_inner(node, result)
        elif isinstance(node.operator, Add):
            result = self._summed_up(node, result)
        self.new[node] = result

    def _is_read_once(self, node: Expression) -> bool:
        return self.readers[node] == 1

    def _with_inner(self, node: Expression, result: Expression) -> Expression:
        """Merge a selection of a selection where both gather, or both scatter."""
        inner, outer = result.operands[0], result.operator
        assert isinstance(outer, Selected)
        if not isinstance(inner.operator, Selected) or not self._is_read_once(node.operands[0]):
            return result
        both_gather = outer.gathers and inner.operator.gathers
        if not both_gather and not (outer.scatters and inner.operator.scatters):
            return result
        merged = _merged(outer, inner.operator)
        if merged is None or not (merged.gathers if both_gather else merged.scatters):
            return result
        # selections that share axes cannot be applied at the same time
        axes = [axis for each in merged.selections for axis in (*each.free, *each.determined)]
        if len(set(axes)) < len(axes):
            return result
        integers = [*inner.operands[1:], *result.operands[1:]]
        return Expression.of(merged, inner.operands[0], *integers)

    def _summed_up(self, node: Expression, result: Expression) -> Expression:
        """Add scattered tensors to the sum where they belong."""
        operator = result.operator
        assert isinstance(operator, Add)
        parts: list[Selected | None] = []
        operands: list[Expression] = []
        coefficients: list[Number] = []
        for number, old, new in zip(
            operator.coefficients, node.operands, result.operands, strict=True
        ):
            scattered = new.operator
            if isinstance(scattered, Selected) and scattered.scatters and self._is_read_once(old):
                coefficients.append(simplify(number * scattered.coefficient))
                parts.append(replace(scattered, coefficient=1))
                operands += new.operands
            else:
                coefficients.append(number)
                parts.append(None)
                operands.append(new)
        if not any(parts):
            return result
        return Expression.of(SummedUp(tuple(coefficients), tuple(parts), node.shape), *operands)


def _merged(outer: Selected, inner: Selected) -> Selected | None:
    """Return a selection of a selection as one product; None where their axes do not fit."""
    unifier = Unifier(dict(enumerate(outer.sizes)))
    first = unifier.extended(inner.sizes)

    def shift(dimensions: Sequence[Dimension]) -> tuple[Dimension, ...]:
        return tuple([tuple([axis + first for axis in each]) for each in dimensions])

    for left, right in zip(outer.factor, shift(inner.output), strict=True):
        if len(left) != 1 or len(right) != 1:
            return None
        unifier.equate(left, right)
    applied = [Applied(each.selection, shift(each.dimensions)) for each in inner.selections]
    applied += outer.selections
    parts = [shift(inner.factor), *(each.dimensions for each in applied)]
    term = Term.of(
        outer.coefficient * inner.coefficient,
        [Factor(_Anything(), unifier.expand_all(each)) for each in parts],
        unifier.expand_all(outer.output),
        (),
        unifier.sizes,
    )
    tensor, *others = term.factors
    return Selected(
        term.coefficient,
        tensor.dimensions,
        tuple(
            [
                Applied(each.selection, factor.dimensions)
                for each, factor in zip(applied, others, strict=True)
            ]
        ),
        term.output,
        term.sizes,
    )


@dataclass(frozen=True)
class _Anything:
    """A value of which only the axes matter."""

    shape: Shape = ()
