"""The einsum node: a coefficient times a product of operands, summed over some axes.

It is multilinear, so nobody writes its Jacobian down: with respect to an operand it is what is
left when that operand is taken away. With no operand it is a constant array, with one it may be a
transposition, a broadcast, a reshape, a diagonal or the writing of one: a view.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from tensorbp.algebra import (
    Axis,
    Dimension,
    Factor,
    GroupingConflict,
    Number,
    Pattern,
    Shape,
    Term,
    shape_of,
    simplify,
)
from tensorbp.errors import SignatureError
from tensorbp.expression.node import Expression, as_expression, provides
from tensorbp.expression.selection import idempotent

__all__ = [
    "Einsum",
    "Keeps",
    "absorb_views",
    "constant",
    "contract",
    "einsum",
    "is_view",
    "jacobian_of_operand",
    "keeps_all",
    "keeps_none",
    "product",
    "term_of",
]


@dataclass(frozen=True)
class Einsum:
    """The operator of an einsum node.

    y[output] = coefficient · Σ x_1[...] ··· x_n[...], summed over the axes that are not in the
    output. An axis twice in the output is a delta that is written out; an axis of the output that
    is in no operand repeats the values.

    Attributes:
        coefficient: the number in front.
        pattern: the dimensions of each operand, and of the result.
        sizes: the size of axis k at position k.
    """

    name: ClassVar[str] = "einsum"

    coefficient: Number
    pattern: Pattern
    sizes: tuple[int, ...]

    def shape(self, *shapes: Shape) -> Shape:
        """Return the shape of the result."""
        del shapes
        return shape_of(self.pattern.output, self.sizes)

    @property
    def factors(self) -> tuple[tuple[Dimension, ...], ...]:
        """The dimensions of each operand."""
        return self.pattern.factors

    @property
    def output(self) -> tuple[Dimension, ...]:
        """The dimensions of the result."""
        return self.pattern.output

    @property
    def summed(self) -> frozenset[Axis]:
        """The axes that are summed over."""
        return self.pattern.summed


def term_of(node: Expression) -> Term[Expression]:
    """Return an einsum node as a term without input side."""
    operator = node.operator
    assert isinstance(operator, Einsum)
    return Term(operator.coefficient, node.operands, operator.pattern, operator.sizes)


def is_view(node: Expression) -> bool:
    """Say whether a node only rearranges, repeats or scales the numbers of one operand or none."""
    operator = node.operator
    return isinstance(operator, Einsum) and operator.pattern.is_view


Keeps = Callable[[Expression], bool]
"""Says which factors of a product stay whole, though they are views of something else."""


def keeps_none(value: Expression) -> bool:
    """Let every view be absorbed."""
    del value
    return False


def keeps_all(value: Expression) -> bool:
    """Let constants be absorbed, and nothing else."""
    return bool(value.operands)


def product(term: Term[Expression]) -> Expression:
    """Return a tensor (a term without input side) as a node that reads its factors as they are.

    It is how the user's graph is built: each node of it can be differentiated with respect to.
    """
    return contract(term, keeps_all)


def contract(term: Term[Expression], keeps: Keeps = keeps_none) -> Expression:
    """Return a tensor (a term without input side) as an expression.

    Views among the factors are absorbed: a transposition or a constant costs nothing in a product.

    Args:
        term: the tensor.
        keeps: which views are not absorbed.
    """
    term = idempotent(absorb_views(term, keeps))
    if term.coefficient == 0:
        term = Term.of(0, (), term.output, (), term.sizes)
    pattern = term.pattern
    if pattern.has_delta and (len(term.values) > 1 or pattern.summed):
        axes = dict.fromkeys(pattern.output_axes)
        kept = tuple([(axis,) for axis in axes if axis in pattern.factor_axes])
        inner = contract(term.with_sides(kept), keeps)
        term = Term.of(1, [Factor(inner, kept)], term.output, (), term.sizes)
    if term.coefficient == 1 and term.pattern.is_identity:
        return term.values[0]
    return Expression.of(Einsum(term.coefficient, term.pattern, term.sizes), *term.values)


def absorb_views(term: Term[Expression], keeps: Keeps = keeps_none) -> Term[Expression]:
    """Replace each factor that is a view, and not to be kept, by what it views."""
    position = 0
    while position < len(term.values):
        value = term.values[position]
        if is_view(value) and not keeps(value):
            try:
                term = term.inlined(position, term_of(value))
                continue
            except GroupingConflict:
                pass
        position += 1
    return term


@provides("constant")
def constant(number: Number, shape: Shape = ()) -> Expression:
    """Return a constant: one number, repeated to a shape.

    >>> import tensorbp as tb
    >>> tb.constant(2, (3,)).shape
    (3,)
    """
    axes = tuple([(axis,) for axis in range(len(shape))])
    return Expression.of(Einsum(simplify(number), Pattern((), axes), tuple(shape)))


def einsum(spec: str, *operands: Expression) -> Expression:
    """Return the einsum of expressions, in the notation of `numpy.einsum` and einops.

    >>> import tensorbp as tb
    >>> x, W = tb.variable("x", 64, 30), tb.variable("W", 30, 7)
    >>> tb.einsum("bi,io->bo", x, W).shape
    (64, 7)

    Args:
        spec: letters are axes, ``...`` stands for any number of leading axes, parentheses group
            axes into one dimension, as in ``"b(chw)->bchw"``. ``->`` is required.
        *operands: one expression for each comma-separated group.

    Raises:
        SignatureError: the spec cannot be read or does not fit the operands.
    """
    if "/" in spec:
        raise SignatureError(f"einsum '{spec}' gives a tensor: there is no '/' in it")
    return product(Term.from_signature(spec, [as_expression(each) for each in operands]))


def jacobian_of_operand(node: Expression, position: int) -> Term[Expression]:
    """Return the Jacobian of an einsum node with respect to one of its operands.

    ∂y/∂x_p: what is left of the product when x_p is taken away, from the axes of x_p to those of
    the output.
    """
    return term_of(node).derivative(position)
