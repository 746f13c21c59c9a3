"""A trainable token before the others, of which a network may read off what the whole is."""

from __future__ import annotations

from dataclasses import dataclass

from tensorbp.errors import LayerError
from tensorbp.expression.arithmetic import broadcast_to
from tensorbp.expression.indexing import concatenate
from tensorbp.expression.layer import Composite, Example, Parameter, Shape, argument
from tensorbp.expression.node import Expression
from tensorbp.layers.checks import whole_number

__all__ = ["ClassToken"]


@dataclass(frozen=True)
class ClassToken(Composite):
    """Trainable tokens before those of each sequence: y = [token, x] along the axis of tokens.

    dy/dx and dy/dtoken are selections: of the places after the new tokens, and of theirs. Sources:
    Devlin et al. 2019, BERT; Dosovitskiy et al. 2021, An image is worth 16x16 words, eq. 1.
    """

    name = "class_token"
    formula = "y = [token, x]"

    tokens: int = argument("how many tokens are added", 1)

    def __post_init__(self) -> None:
        object.__setattr__(self, "tokens", whole_number(self.name, "tokens", self.tokens, least=1))

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        """Return one token, and several, before a single sequence and before those of a batch."""
        return (
            Example(cls(), ((2, 3, 4),)),
            Example(cls(2), ((3, 4),)),
            Example(cls(3), ((2, 4, 3, 5),)),
        )

    def parameters(self, *shapes: Shape) -> dict[str, Parameter]:
        """Return the new tokens.

        Raises:
            LayerError: x has no axes of tokens and features.
        """
        if len(shapes[0]) < 2:
            raise LayerError(
                f"layer 'class_token': x must have axes of tokens and features, found shape "
                f"{shapes[0]}"
            )
        return {"token": Parameter((self.tokens, shapes[0][-1]), "zeros")}

    def build(self, *operands: Expression, **parameters: Expression) -> Expression:
        """Return the new tokens, the same for all sequences, and then x."""
        (x,) = operands
        token = parameters["token"]
        return concatenate([broadcast_to(token, (*x.shape[:-2], *token.shape)), x], -2)
