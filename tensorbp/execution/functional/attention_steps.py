"""Attention among the steps of a plan, and the steps that make its gradients.

In a plan softmax(scale · Q Kᵀ + B) V is two products and a softmax, and the gradients with respect
to Q, K and V read the probabilities P once more, in an order that the search has chosen. In any
order, each gradient is a sum of products of P, Q, K, V and the cotangent G of the result: these are
compared, not the steps.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product as choices
from math import isclose, prod

from tensorbp.algebra import (
    Axis,
    Factor,
    GroupingConflict,
    Number,
    Shape,
    Term,
)
from tensorbp.execution.functional.products import (
    Dimensions,
    Product,
    as_product,
    flat,
    itself,
    renamed,
)
from tensorbp.execution.functional.sums import Summand, summands
from tensorbp.expression.arithmetic import Add
from tensorbp.layers.attention.masks import MaskedSoftmax
from tensorbp.layers.softmax import Softmax
from tensorbp.planning import Plan, PlannedValue, Step

__all__ = ["AttentionSteps", "Gradient", "Tensor", "attention_steps"]

MOST_TERMS = 2
"""The gradients with respect to Q and K are sums of so many products."""

MOST_FACTORS = 5
"""They have so many factors: P, P, V, G, and K or Q."""


@dataclass(frozen=True)
class Tensor:
    """A value of the plan with its axes; a dimension of size one has none.

    Axes have one number in all tensors of attention: first those of the probabilities in order,
    then the columns of V, then (in sums over two keys) other keys, then the columns of Q and K.
    """

    number: int
    shape: Shape
    dimensions: Dimensions

    @property
    def axes(self) -> list[Axis]:
        """The axes, in order."""
        return flat(self.dimensions)


@dataclass(frozen=True)
class Gradient:
    """A multiple of a gradient: the scale may be put into a product that comes later.

    Attributes:
        tensor: what a step makes.
        multiple: how many times the gradient it is.
    """

    tensor: Tensor
    multiple: Number


@dataclass(frozen=True)
class AttentionSteps:
    """Steps that are attention.

    Attributes:
        softmax: the step that makes the probabilities.
        scale: what the scores are multiplied with.
        keys: the axis along which the softmax is.
        sizes: the size of each axis; 1 where V has no columns.
        p: the probabilities.
        q: the queries.
        k: the keys.
        v: the values.
        bias: what is added to the scores, if anything is.
        y: the result.
        g: its cotangent; None where no gradient is made.
        gradients: what is made of it, by the number of Q, K or V.
    """

    softmax: Step
    scale: Number
    keys: Axis
    sizes: tuple[int, ...]
    p: Tensor
    q: Tensor
    k: Tensor
    v: Tensor
    bias: Summand | None
    y: Tensor
    g: Tensor | None
    gradients: Mapping[int, Gradient]

    @property
    def batch(self) -> list[Axis]:
        """The axes that all tensors have."""
        return [axis for axis in self.p.axes if axis in self.k.axes and axis != self.keys]

    @property
    def queries(self) -> list[Axis]:
        """The axes along which there are queries."""
        return [axis for axis in self.p.axes if axis not in self.k.axes]


def attention_steps(plan: Plan) -> Iterator[AttentionSteps]:
    """Yield the attention of a plan, whatever else reads the probabilities."""
    producers = {step.result: step for step in plan.steps}
    for softmax in plan.steps:
        if isinstance(softmax.operator, Softmax | MaskedSoftmax) and 0 not in softmax.shape:
            for scores, bias in _scores(softmax.operands[0], producers):
                found = _attention(plan, softmax, scores, bias)
                if found is not None:
                    yield found
                    break


def _scores(number: int, producers: Mapping[int, Step]) -> Iterator[tuple[Product, Summand | None]]:
    """Yield a value as a product of two others, and what is added to it, in each way it is one."""
    product = _product_of_two(number, producers)
    if product is not None:
        yield product, None
    terms = summands(producers[number], producers) if number in producers else []
    for term, bias in (terms, terms[::-1]) if len(terms) == 2 else ():
        product = _product_of_two(term.operand, producers)
        if product is not None and term.repetition is None and bias.number == 1:
            yield product.scaled(term.number), bias


def _product_of_two(number: int, producers: Mapping[int, Step]) -> Product | None:
    """Return a value as a number times a product of two others, or None if it is no such thing."""
    if number not in producers:
        return None
    term = itself(number, producers[number].shape)
    while len(term.values) == 1:
        step = producers.get(term.values[0].number)
        inner = None if step is None else as_product(step)
        if inner is None:
            return None
        try:
            term = term.inlined(0, inner)
        except GroupingConflict:
            return None
    return term if len(term.values) == 2 else None


def _attention(
    plan: Plan, softmax: Step, scores: Product, bias: Summand | None
) -> AttentionSteps | None:
    """Return the attention around a softmax of scores, or None if it is none."""
    p = Tensor(softmax.result, softmax.shape, itself(softmax.result, softmax.shape).output)
    along = p.dimensions[softmax.operator.axis if isinstance(softmax.operator, Softmax) else -1]
    # the scores have the axes of P; those that are left are those along which Q meets K
    column = len(p.axes)
    names = {axis: axis + 2 for axis in range(column, len(scores.sizes))}
    if not along or scores.output != p.dimensions or not names:
        return None
    (keys,), inner = along, {*names.values()}
    q, k = sorted(_factors(scores, names), key=lambda side: keys in side.axes)
    batch = set(q.axes) & set(k.axes) - inner
    queries = set(p.axes) - batch - {keys}
    if q.number == k.number or set(q.axes) != batch | queries | inner:
        return None
    if set(k.axes) != batch | inner | {keys}:
        return None
    v = y = g = None
    columns = 1
    for product, made in _products_with(plan, p):
        (factor,) = _factors(product, {})
        ends = set(factor.axes) - {column}, set(made.axes) - {column}
        if factor.number in (q.number, k.number, *([v.number] if v else [])):
            continue
        if v is None and ends == (batch | {keys}, batch | queries):
            v, y = factor, made
            columns = prod(product.sizes[column:])
        elif g is None and ends == (batch | queries, batch | {keys}):
            g = factor
    if v is None or y is None:
        return None
    sizes = (*scores.sizes[:column], columns, scores.sizes[keys], *scores.sizes[column:])
    found = AttentionSteps(softmax, scores.coefficient, keys, sizes, p, q, k, v, bias, y, g, {})
    return found if g is None else replace(found, gradients=_gradients(plan, found, g))


def _products_with(plan: Plan, p: Tensor) -> Iterator[tuple[Product, Tensor]]:
    """Yield the products of P and one more tensor, as maps to P, and what they make."""
    for step in plan.steps:
        term = as_product(step) if step.operands.count(p.number) == 1 else None
        if term is None or len(term.values) != 2 or term.coefficient != 1:
            continue
        product = term.derivative(step.operands.index(p.number)).T
        if product.output == p.dimensions and len(product.sizes) <= len(p.axes) + 1:
            yield product, Tensor(step.result, step.shape, product.input)


# ----- gradients -----


def _gradients(plan: Plan, found: AttentionSteps, g: Tensor) -> dict[int, Gradient]:
    """Return what steps make of the gradients with respect to Q, K and V."""
    wanted = _expected(found, g)
    leaves = [found.p, found.q, found.k, found.v, g]
    made = {each.number: [itself(each.number, each.shape)] for each in leaves}
    gradients: dict[int, Gradient] = {}
    for step in plan.steps:
        if step.result in made or not all(number in made for number in step.operands):
            continue
        terms = _expanded(step, made)
        if not terms:
            continue
        made[step.result] = terms
        for tensor, expected in wanted.items():
            same = _multiple(terms, expected, found.p)
            if same is not None and tensor.number not in gradients:
                multiple, dimensions = same
                own = [axis for axis in tensor.axes if axis not in found.p.axes]
                named = renamed(dimensions, dict(enumerate(own, len(found.p.axes))))
                made_here = Tensor(step.result, step.shape, named)
                gradients[tensor.number] = Gradient(made_here, multiple)
    return gradients


def _expected(found: AttentionSteps, g: Tensor) -> dict[Tensor, list[Product]]:
    """Return what the gradients are.

    dV = Pᵀ G, and with dP = G Vᵀ and dS = P dP - P Σ P dP it is dQ = scale · dS K and
    dK = scale · dSᵀ Q.
    """
    p, q, k, v = found.p, found.q, found.k, found.v
    other = {found.keys: len(p.axes) + 1}

    def product(number: Number, factors: Sequence[Tensor], result: Tensor) -> Product:
        values = [
            Factor(PlannedValue(each.number, each.shape), each.dimensions) for each in factors
        ]
        return Term.of(number, values, result.dimensions, (), found.sizes)

    p2, v2 = (replace(each, dimensions=renamed(each.dimensions, other)) for each in (p, v))
    return {v: [product(1, [p, g], v)]} | {
        result: [
            product(found.scale, [p, g, v, beside], result),
            product(-found.scale, [p, p2, g, v2, beside], result),
        ]
        for result, beside in ((q, k), (k, q))
    }


def _expanded(step: Step, made: Mapping[int, list[Product]]) -> list[Product]:
    """Return the result of a step as a sum of products; empty if it is none, or a long one."""
    if isinstance(step.operator, Add):
        parts = zip(step.operator.coefficients, step.operands, strict=True)
        terms = [term.scaled(number) for number, value in parts for term in made[value]]
        return terms if len(terms) <= MOST_TERMS else []
    outer = as_product(step)
    if outer is None:
        return []
    terms = []
    for inner in choices(*[made[number] for number in step.operands]):
        term = outer
        try:
            for at in reversed(range(len(inner))):
                term = term.inlined(at, inner[at])
        except GroupingConflict:
            return []
        terms.append(term)
    is_short = all(len(term.values) <= MOST_FACTORS for term in terms)
    return terms if is_short and len(terms) <= MOST_TERMS else []


def _multiple(
    terms: Sequence[Product], expected: Sequence[Product], p: Tensor
) -> tuple[Number, Dimensions] | None:
    """Return how many times the expected sum of products one is, and its axes in their order."""
    found = [_keyed(term, p) for term in terms]
    wanted = {key: term.coefficient for term in expected for key, _ in [_keyed(term, p)]}
    if {key for key, _ in found} != wanted.keys() or len(terms) != len(expected):
        return None
    multiples = [
        term.coefficient if wanted[key] == 1 else float(term.coefficient) / float(wanted[key])
        for (key, _), term in zip(found, terms, strict=True)
    ]
    inputs = [term.input for _, term in found]
    is_same = all(isclose(each, multiples[0], rel_tol=1e-12) for each in multiples)
    if not is_same or any(each != inputs[0] for each in inputs):
        return None
    # a multiple that is one but for rounding is none
    return 1 if isclose(multiples[0], 1, rel_tol=1e-12) else multiples[0], inputs[0]


def _keyed(term: Product, p: Tensor) -> tuple[tuple[object, ...], Product]:
    """Return a product as a map to P, and what tells it, up to its number and its input's order."""
    keyed = []
    for position, value in enumerate(term.values):
        if value.number == p.number:
            rest = term.derivative(position).T
            factors = sorted(rest.factors, key=lambda factor: factor.value.number)
            rest = Term.of(1, factors, rest.output, rest.input, rest.sizes)
            numbers = tuple([each.number for each in rest.values])
            # of two P the one with whose axes the result is named comes first
            key = (tuple(sorted(flat(rest.input))), numbers, rest.pattern.factors, rest.output)
            keyed.append((key, rest))
    return min(keyed, key=lambda pair: pair[0], default=((), term))


# ----- factors -----


def _factors(term: Product, names: Mapping[Axis, Axis]) -> list[Tensor]:
    """Return the factors of a product, some axes of which are renamed."""
    return [
        Tensor(each.value.number, each.value.shape, renamed(each.dimensions, names))
        for each in term.factors
    ]
