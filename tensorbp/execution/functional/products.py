"""Values of a plan as products of others: what is compared, for steps come in any order."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from tensorbp.algebra import (
    Axis,
    Dimension,
    Factor,
    GroupingConflict,
    Pattern,
    Shape,
    Term,
    shape_of,
)
from tensorbp.expression.einsum import Einsum
from tensorbp.planning import PlannedValue, Step

__all__ = [
    "Dimensions",
    "Product",
    "Products",
    "as_product",
    "flat",
    "identity_of",
    "itself",
    "renamed",
]

Dimensions = tuple[Dimension, ...]
Product = Term[PlannedValue]

MOST_FACTORS = 8
"""A value is followed back to a product of so many factors."""


def itself(number: int, shape: Shape) -> Product:
    """Return a value as a product of itself alone."""
    axes = tuple([(axis,) for axis in range(len(shape))])
    return _squeezed(Einsum(1, Pattern((axes,), axes), shape), [number])


def as_product(step: Step) -> Product | None:
    """Return the result of an einsum as a product, or None where the step is none.

    A dimension of size one has no axis.
    """
    operator = step.operator
    return _squeezed(operator, step.operands) if isinstance(operator, Einsum) else None


def _squeezed(operator: Einsum, operands: Sequence[int]) -> Product:
    """Return an einsum without the axes of size one."""
    sizes = operator.sizes

    def squeezed(dimensions: Dimensions) -> Dimensions:
        return tuple([tuple([axis for axis in d if sizes[axis] != 1]) for d in dimensions])

    factors = [
        Factor(PlannedValue(number, shape_of(dimensions, sizes)), squeezed(dimensions))
        for number, dimensions in zip(operands, operator.factors, strict=True)
    ]
    return Term.of(operator.coefficient, factors, squeezed(operator.output), (), sizes)


def flat(dimensions: Dimensions) -> list[Axis]:
    """Return the axes of dimensions, in order."""
    return [axis for dimension in dimensions for axis in dimension]


def renamed(dimensions: Dimensions, names: Mapping[Axis, Axis]) -> Dimensions:
    """Return dimensions in which some axes have other names."""
    return tuple([tuple([names.get(axis, axis) for axis in each]) for each in dimensions])


class Products:
    """The values of a plan, followed back to what they are products of.

    Nothing is followed through a product of matrices: what such a product makes is a factor.
    """

    def __init__(self, producers: Mapping[int, Step]) -> None:
        self._producers = producers
        self._known: dict[int, Product] = {}

    def of(self, number: int, shape: Shape) -> Product:
        """Return a value as the product of what cannot be followed back any further.

        Args:
            number: of the value.
            shape: its shape.
        """
        if number not in self._known:
            value = PlannedValue(number, shape)
            made = self.step_of(value)
            self._known[number] = itself(number, shape) if made is None else self.expanded(made)
        return self._known[number]

    def expanded(self, product: Product) -> Product:
        """Return a product in which each factor is followed back."""
        return self._inlined(product, self.of)

    def opened(self, product: Product) -> Product:
        """Return a product in which factors that are products of matrices are followed back too.

        A sum of such a product may have been made without it: of one matrix first.
        """
        return self._inlined(product, self._of_matrices)

    def _of_matrices(self, number: int, shape: Shape) -> Product:
        step = self._producers.get(number)
        made = None if step is None else as_product(step)
        return itself(number, shape) if made is None else self.expanded(made)

    def _inlined(self, product: Product, inner_of: Callable[[int, Shape], Product]) -> Product:
        for at in reversed(range(len(product.values))):
            inner = inner_of(product.values[at].number, product.values[at].shape)
            if len(inner.values) + len(product.values) - 1 <= MOST_FACTORS:
                try:
                    product = product.inlined(at, inner)
                except GroupingConflict:
                    continue
        return product

    def step_of(self, value: PlannedValue) -> Product | None:
        """Return the product that makes a value; None if it is made otherwise or of matrices."""
        step = self._producers.get(value.number)
        inner = None if step is None else as_product(step)
        if inner is None or not inner.values or _is_of_matrices(inner):
            return None
        return inner


def _is_of_matrices(product: Product) -> bool:
    """Say whether something is summed over, and each factor has axes that the other has not."""
    one, *others = (set(factor.axes) for factor in product.factors)
    summed = one.union(*others) - set(flat(product.output))
    return bool(summed) and any(one - other and other - one for other in others)


def identity_of(product: Product) -> tuple[object, ...]:
    """Return what tells a product from others, but for the number in front and its grouping."""
    names = {axis: place for place, axis in enumerate(flat(product.output))}
    factors = sorted(
        product.factors,
        key=lambda each: (each.value.number, [names.get(axis, -1) for axis in each.axes]),
    )
    for factor in factors:
        for axis in factor.axes:
            names.setdefault(axis, len(names))
    named = [
        (each.value.number, tuple([tuple([names[a] for a in d]) for d in each.dimensions]))
        for each in factors
    ]
    return len(flat(product.output)), tuple(named)
