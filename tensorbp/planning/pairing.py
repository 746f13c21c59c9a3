"""Pairing: every einsum is written out as contractions of pairs, and equal ones are shared.

No step of a plan has more than two tensors to contract. A pair is known by the set of factors
that went into it and the axes that are left, not by the tree that made it: two orders that pass
through the same intermediate share it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod

from tensorbp.algebra import Axis, Factor, Number, Term
from tensorbp.expression.arithmetic import scaled
from tensorbp.expression.einsum import absorb_views, contract
from tensorbp.expression.graph import topological_order
from tensorbp.expression.node import Expression
from tensorbp.expression.selection import determined_by
from tensorbp.planning.fusion import Contraction
from tensorbp.planning.selecting import Selected, gathered, joined, selecting_operand
from tensorbp.planning.sharing import Key, Leaves, intermediate_key

__all__ = ["Made", "pair"]


def pair(
    roots: Sequence[Expression],
    contractions: Mapping[Expression, Contraction],
    labels: Mapping[Expression, str],
    made: Made | None = None,
) -> tuple[list[Expression], dict[Expression, str]]:
    """Return the roots rewritten so that no einsum has more than two operands, and new labels.

    Args:
        roots: expressions in which no map is left.
        contractions: for each einsum that is to be a tensor, its product and path.
        labels: which layer a node belongs to.
        made: what products of pairs are as nodes, to which those are added that are made.
    """
    pairing = _Pairing(labels, {} if made is None else made)

    def needs(node: Expression) -> Sequence[Expression]:
        if node in contractions:
            return contractions[node].term.values
        return node.operands

    for node in topological_order(roots, needs):
        pairing.rewrite(node, contractions.get(node))
    paired = [pairing.rewritten[root] for root in roots]
    return gathered(paired, pairing.labels) if pairing.selects else (paired, pairing.labels)


Made = dict[Term[Expression], Expression]
"""Products of pairs as nodes."""


class _Pairing:
    def __init__(self, labels: Mapping[Expression, str], made: Made) -> None:
        self.rewritten: dict[Expression, Expression] = {}
        self.labels: dict[Expression, str] = {}
        self.selects = False
        self._made = made
        self._given_labels = labels
        self._shared: dict[Key, tuple[Expression, tuple[int, ...]]] = {}

    def rewrite(self, node: Expression, contraction: Contraction | None) -> None:
        """Rewrite one node whose operands are rewritten already."""
        label = self._given_labels.get(node)
        if contraction is not None:
            result = self._contract(contraction, label)
        else:
            result = node.over(tuple([self.rewritten[each] for each in node.operands]))
        self.rewritten[node] = result
        self._label(result, label)

    def _label(self, node: Expression, label: str | None) -> None:
        if label is not None:
            self.labels.setdefault(node, label)

    def _contract(self, contraction: Contraction, label: str | None) -> Expression:
        term = contraction.term
        values = tuple([self.rewritten[each] for each in term.values])
        whole = Term(term.coefficient, values, term.pattern, term.sizes)
        if len(values) == 1:
            return self._noted(_node(whole))
        if term.pattern.is_pair:
            value = self._pair(whole)
            origin = _in_common(*contraction.origins)
            self._label(value, self._given_labels.get(origin[-1], label))
            return value
        uses = list(term.pattern.uses)
        tensors = [
            self._presummed(_Tensor.of(value, factor, k, origin), uses, term)
            for k, (value, factor, origin) in enumerate(
                zip(values, term.factors, contraction.origins, strict=True)
            )
        ]
        last = len(contraction.path) - 1
        for k, (left, right) in enumerate(contraction.path):
            a, b = tensors[left], tensors[right]
            for axis in a.axes:
                if axis in b.axes:
                    uses[axis] -= 1
            if k == last:
                axes = dict.fromkeys(term.pattern.output_axes)
                order = [axis for axis in axes if axis in term.pattern.factor_axes]
                joined = self._joined(a, b, uses, term, order, term.coefficient)
            else:
                joined = self._joined(a, b, uses, term)
            self._label(joined.value, self._given_labels.get(joined.origin[-1], label))
            tensors.append(joined)
        return contract(Term.of(1, [tensors[-1].factor], term.output, (), term.sizes))

    def _pair(self, term: Term[Expression]) -> Expression:
        """Return a product that is a pair as it stands: what `_joined` would make of it."""
        one, other = term.values
        leaves = ((one.serial, 0), (other.serial, 1))
        key, number = intermediate_key(leaves, term.pattern.output_axes, term, term.coefficient)
        assert key is not None
        known = self._shared.get(key)
        if known is not None:
            named = {k: axis for axis, k in number.items()}
            factor = Factor(known[0], tuple([(named[k],) for k in known[1]]))
            return contract(Term.of(1, [factor], term.output, (), term.sizes))
        value = self._node(term)
        self._shared[key] = (value, tuple([number[axis] for axis in term.pattern.output_axes]))
        return value

    def _node(self, term: Term[Expression]) -> Expression:
        """Return a product of two tensors as a node, the older one first."""
        found = self._made.get(term)
        if found is None:
            one, other = term.values
            ordered = term.swapped() if one.serial > other.serial else term
            found = self._made[term] = _node(_scaled_where_small(ordered))
        return self._noted(found)

    def _noted(self, node: Expression) -> Expression:
        """Take note of whether anything is selected."""
        self.selects = self.selects or isinstance(node.operator, Selected)
        return node

    def _presummed(self, tensor: _Tensor, uses: Sequence[int], term: Term[Expression]) -> _Tensor:
        """Sum over the axes that one factor alone has, unless it is a selection."""
        kept = tuple([axis for axis in tensor.axes if uses[axis] > 1])
        if len(kept) == len(tensor.axes) or determined_by(tensor.factor):
            return tensor
        output = [(axis,) for axis in kept]
        value = contract(Term.of(1, [tensor.factor], output, (), term.sizes))
        return _Tensor(value, Factor(value, tuple(output)), kept, tensor.leaves, tensor.origin)

    def _joined(
        self,
        a: _Tensor,
        b: _Tensor,
        uses: Sequence[int],
        term: Term[Expression],
        order: Sequence[Axis] | None = None,
        coefficient: Number = 1,
    ) -> _Tensor:
        """Contract a pair, or find that it has been contracted before."""
        a, b = sorted((a, b), key=lambda each: each.value.serial)
        kept = [axis for axis in dict.fromkeys((*a.axes, *b.axes)) if uses[axis] > 1]
        leaves = a.leaves + b.leaves
        key, number = intermediate_key(leaves, kept, term, coefficient)
        known = self._shared.get(key) if key else None
        if known is not None:
            named = {number[axis]: axis for axis in kept}
            axes = tuple([named[k] for k in known[1]])
            value = known[0]
        else:
            first = [axis for axis in kept if axis in a.axes and axis in b.axes]
            axes = tuple(order or first + [axis for axis in kept if axis not in first])
            output = [(x,) for x in axes]
            value = self._node(Term.of(coefficient, [a.factor, b.factor], output, (), term.sizes))
            if key:
                self._shared[key] = (value, tuple([number[axis] for axis in axes]))
        factor = Factor(value, tuple([(axis,) for axis in axes]))
        return _Tensor(value, factor, axes, leaves, _in_common(a.origin, b.origin))


Origin = tuple[Expression, ...]
"""The einsums that all of an intermediate was in before they were fused, outermost first."""


def _in_common(one: Origin, other: Origin) -> Origin:
    """Return the origin of what two tensors are contracted to."""
    if one is other:
        return one
    return tuple([x for x, y in zip(one, other, strict=False) if x is y])


class _Tensor:
    """An intermediate: its value, how it takes part in the product, and what went into it."""

    __slots__ = ("axes", "factor", "leaves", "origin", "value")

    def __init__(
        self,
        value: Expression,
        factor: Factor[Expression],
        axes: tuple[Axis, ...],
        leaves: Leaves,
        origin: Origin,
    ) -> None:
        self.value, self.factor, self.axes, self.leaves = value, factor, axes, leaves
        self.origin = origin

    @staticmethod
    def of(
        value: Expression,
        factor: Factor[Expression],
        position: int,
        origin: Origin,
    ) -> _Tensor:
        axes = tuple(dict.fromkeys(factor.axes))
        leaf = (value.serial, position)
        return _Tensor(value, Factor(value, factor.dimensions), axes, (leaf,), origin)


def _scaled_where_small(term: Term[Expression]) -> Term[Expression]:
    """Return a product of a pair with its number in the smallest of the two tensors and itself."""
    if term.coefficient == 1 or any(determined_by(factor) for factor in term.factors):
        return term
    factors = list(term.factors)
    small = min(range(len(factors)), key=lambda k: factors[k].value.size)
    value, dimensions = factors[small].value, factors[small].dimensions
    if value.size >= prod(term.output_shape):
        return term
    factors[small] = Factor(scaled(term.coefficient, value), dimensions)
    return Term.of(1, factors, term.output, (), term.sizes)


def _node(term: Term[Expression]) -> Expression:
    """Return a product of one or two tensors, of which one may be a selection."""
    position = selecting_operand(term)
    if position is not None:
        return joined(term, position)
    size = prod(term.output_shape) if len(term.values) > 1 else 0

    def is_scaled_small(value: Expression) -> bool:
        """Say whether it is cheaper to scale a tensor before it is multiplied."""
        number = getattr(value.operator, "coefficient", 1)
        return bool(value.operands) and number != 1 and value.size < size

    return contract(_summed_apart(absorb_views(term, is_scaled_small)), is_scaled_small)


def _summed_apart(term: Term[Expression]) -> Term[Expression]:
    """Return a product in which no factor has an axis to be summed that the other has not.

    A view that repeated a tensor along such an axis has been absorbed.
    """
    if len(term.values) < 2 or 1 not in term.pattern.uses:
        return term
    needed = {axis for dimension in term.output for axis in dimension}
    factors = []
    for k, factor in enumerate(term.factors):
        others = {axis for j, other in enumerate(term.factors) if j != k for axis in other.axes}
        kept = [axis for axis in dict.fromkeys(factor.axes) if axis in needed | others]
        if set(kept) != set(factor.axes):
            output = tuple([(axis,) for axis in kept])
            factor = Factor(contract(Term.of(1, [factor], output, (), term.sizes)), output)
        factors.append(factor)
    return Term.of(term.coefficient, factors, term.output, (), term.sizes)
