"""Rereading: a sum over an elementwise product that is made anyway reads that product.

Σ_b x[b, a] y[b, a] takes as many FLOPs from x · y as from x and y, and reads half the numbers: so
with the gradient with respect to a bias, where that with respect to the weights needs x · y too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from tensorbp.algebra import Axis, Factor, Term
from tensorbp.expression.einsum import Einsum, contract, term_of
from tensorbp.expression.graph import topological_order
from tensorbp.expression.node import Expression

__all__ = ["reread"]


def reread(nodes: Sequence[Expression]) -> dict[Expression, Expression]:
    """Return what becomes of all nodes when sums read the products that are there; maybe nothing.

    Args:
        nodes: what is computed, each after its operands; no einsum has more than two of them.
    """
    products: dict[_Likeness, tuple[Expression, _Elementwise]] = {}
    sums: dict[Expression, _Elementwise] = {}
    for node in nodes:
        found = _elementwise(node)
        if found is not None and term_of(node).pattern.summed:
            sums[node] = found
        elif found is not None and term_of(node).coefficient == 1:
            products[found.likeness] = node, found
    sums = {node: each for node, each in sums.items() if each.likeness in products}
    if not sums:
        return {}

    def needs(node: Expression) -> Sequence[Expression]:
        return [products[sums[node].likeness][0]] if node in sums else node.operands

    new: dict[Expression, Expression] = {}
    for node in topological_order(nodes, needs):
        if node in sums:
            product, made = products[sums[node].likeness]
            axes = dict(zip(made.axes, sums[node].axes, strict=True))
            output = [(axes[axis],) for axis in term_of(product).pattern.output_axes]
            term, factor = term_of(node), Factor(new[product], tuple(output))
            new[node] = contract(Term.of(term.coefficient, [factor], term.output, (), term.sizes))
        else:
            new[node] = node.over(tuple([new[each] for each in node.operands]))
    return new


_Likeness = tuple[Expression, Expression, tuple[int, ...]]


class _Elementwise(NamedTuple):
    """A product of two tensors that have the same axes, summed or not.

    Attributes:
        likeness: the two, and where the axes of the second lie among those of the first.
        axes: the axes of the first.
    """

    likeness: _Likeness
    axes: tuple[Axis, ...]


def _elementwise(node: Expression) -> _Elementwise | None:
    """Return what a node multiplies number by number, or None; a square reads its operand once."""
    operator = node.operator
    if not isinstance(operator, Einsum) or not operator.pattern.is_pair:
        return None
    (one, first), (other, second) = sorted(
        zip(node.operands, operator.pattern.axes, strict=True), key=lambda each: each[0].serial
    )
    is_plain = operator.pattern.is_plain and len(set(first)) == len(first)
    if one is other or not is_plain or sorted(first) != sorted(second):
        return None
    return _Elementwise((one, other, tuple([first.index(axis) for axis in second])), first)
