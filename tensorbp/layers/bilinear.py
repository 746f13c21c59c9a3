"""Products of two or more vectors: a trainable bilinear form, and the outer product itself."""

from __future__ import annotations

from dataclasses import dataclass
from string import ascii_lowercase

from tensorbp.errors import LayerError
from tensorbp.expression.einsum import einsum
from tensorbp.expression.layer import Composite, Example, Input, Parameter, Shape, argument
from tensorbp.expression.node import Expression
from tensorbp.layers.checks import blame, feature_count, whole_number
from tensorbp.layers.choices import switch

__all__ = ["Bilinear", "TensorProduct", "tensor_product"]


@dataclass(frozen=True)
class Bilinear(Composite):
    """Bilinear map with bias: y_o = Σ_ij x1_i W_oij x2_j + b_o.

    dy_o/dx1_i = Σ_j W_oij x2_j and the other way round, dy_o/dW_oij = x1_i x2_j. Source: Tenenbaum
    and Freeman 2000, Separating style and content with bilinear models.
    """

    name = "bilinear"
    formula = "y_o = Σ_ij x1_i W_oij x2_j + b_o"
    inputs = (Input("x1"), Input("x2"))

    units: int = argument("the size of the last axis of the output")
    bias: bool = argument("whether b is added", True)

    def __post_init__(self) -> None:
        object.__setattr__(self, "units", whole_number(self.name, "units", self.units, least=1))
        switch(self.name, "bias", self.bias)

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        """Return one with and one without bias, the latter on inputs of rank three."""
        return (
            Example(cls(5), ((2, 3), (2, 4))),
            Example(cls(5, bias=False), ((2, 6, 3), (2, 6, 4))),
        )

    def parameters(self, *shapes: Shape) -> dict[str, Parameter]:
        """Return W and, if there is one, b."""
        left, right = (
            feature_count(self.name, shape, name)
            for shape, name in zip(shapes, ("x1", "x2"), strict=True)
        )
        weights = {"W": Parameter((self.units, left, right))}
        return weights | ({"b": Parameter((self.units,), "zeros")} if self.bias else {})

    def build(self, *operands: Expression, **parameters: Expression) -> Expression:
        """Return x1ᵀ W x2 + b."""
        x1, x2 = operands
        _same_leading_axes(self.name, x1, x2)
        y = einsum("...i,oij,...j->...o", x1, parameters["W"], x2)
        return y + parameters["b"] if self.bias else y


@dataclass(frozen=True)
class TensorProduct(Composite):
    """Outer product of vectors: z_ij... = x_i y_j ...; a derivative is the product of the others.

    The vectors are along the last axes; the axes before them are those of a batch.
    """

    name = "tensor_product"
    formula = "z_ij... = x_i y_j ..."
    inputs = (Input("x"), Input("y"))
    variadic = True

    flatten: bool = argument("whether the axes of the product are joined into one", False)

    def __post_init__(self) -> None:
        switch(self.name, "flatten", self.flatten)

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        """Return two vectors, and three whose product is flattened."""
        return (
            Example(cls(), ((2, 3), (2, 4))),
            Example(cls(flatten=True), ((2, 3), (2, 4), (2, 5))),
        )

    def build(self, *operands: Expression, **parameters: Expression) -> Expression:
        """Return the outer product."""
        names = self.input_names(len(operands))
        for name, each in zip(names, operands, strict=True):
            feature_count(self.name, each.shape, name)
        _same_leading_axes(self.name, *operands)
        axes = ascii_lowercase[: len(operands)]
        product = f"({axes})" if self.flatten else axes
        with blame(self.name):
            return einsum(f"{','.join(f'...{axis}' for axis in axes)}->...{product}", *operands)


def tensor_product(*operands: Expression, flatten: bool = False) -> Expression:
    """Return the outer product of vectors along the last axes, as several axes or as one."""
    return TensorProduct(flatten)(*operands)


def _same_leading_axes(layer: str, *operands: Expression) -> None:
    if len({each.shape[:-1] for each in operands}) > 1:
        raise LayerError(
            f"layer '{layer}': the inputs must have the same axes before the last, found shapes "
            f"{', '.join(str(each.shape) for each in operands)}"
        )
