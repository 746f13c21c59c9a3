"""Any einsum of its inputs, as a layer."""

from __future__ import annotations

from dataclasses import dataclass

from tensorbp.errors import LayerError
from tensorbp.expression.einsum import einsum
from tensorbp.expression.layer import Composite, Example, Input, argument
from tensorbp.expression.node import Expression
from tensorbp.layers.checks import blame

__all__ = ["Einsum"]


@dataclass(frozen=True)
class Einsum(Composite):
    """Einsum of its inputs: y[o] = Σ x[i] x2[j] ...; each derivative is the product of the others.

    Source: Einstein 1916, Die Grundlage der allgemeinen Relativitätstheorie, section 5.
    """

    name = "einsum"
    formula = "y[o] = Σ x[i] x2[j] ..."
    inputs = (Input("x"),)
    variadic = True

    spec: str = argument('the axes of each input and of the output, as in "bqd,bkd->bqk"')

    def __post_init__(self) -> None:
        if not isinstance(self.spec, str):
            raise LayerError(f"layer 'einsum': spec must be a text, found {self.spec!r}")

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        """Return the scores of attention, a flattening and a bilinear form."""
        return (
            Example(cls("bqd,bkd->bqk"), ((2, 3, 4), (2, 5, 4))),
            Example(cls("bhw->b(wh)"), ((2, 3, 4),)),
            Example(cls("bi,ij,bj->b"), ((2, 3), (3, 4), (2, 4))),
        )

    def build(self, *operands: Expression, **parameters: Expression) -> Expression:
        """Return the einsum."""
        with blame(self.name):
            return einsum(self.spec, *operands)
