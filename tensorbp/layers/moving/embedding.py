"""Embeddings: a trainable row for each integer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from tensorbp.errors import LayerError
from tensorbp.expression.arithmetic import sum as total
from tensorbp.expression.einsum import einsum
from tensorbp.expression.elementwise import maximum, reciprocal
from tensorbp.expression.indexing import select
from tensorbp.expression.layer import Composite, Example, Input, Parameter, Shape, argument
from tensorbp.expression.node import Expression
from tensorbp.expression.selection import Selection
from tensorbp.layers.checks import whole_number
from tensorbp.layers.choices import one_of
from tensorbp.layers.moving.labels import check_labels, one_hot

__all__ = ["Embedding", "EmbeddingBag"]

INDICES = Input("indices", kind="integer", low=0, high=2)
PADDING = "the index whose row is zero and stays so, where there is one"


@dataclass(frozen=True)
class UnpaddedRows(Selection):
    """Which row an index takes: y_bv = 1 where index_b = v, none where it is padding."""

    name = "unpadded_rows"
    formula = "y_bv = 1 where index_b = v and v is not padding, else 0"
    inputs = (INDICES,)

    rows: int = argument("how many rows there are")
    padding_idx: int = argument("the index that takes none")

    def shape(self, *shapes: Shape) -> Shape:
        """Return the shape of the indices, with an axis of rows at the end."""
        return (*shapes[0], self.rows)

    def places(self, xp: Any, *arrays: Any) -> Any:
        """Return the indices, -1 where they are padding.

        Raises:
            LayerError: an index is not from 0 to rows - 1.
        """
        (indices,) = arrays
        check_labels(xp, "embedding", indices, self.rows)
        return xp.where(indices == self.padding_idx, -1, indices)


@dataclass(frozen=True)
class Rows(Composite):
    """A table of trainable rows, and which of them is padding."""

    num_embeddings: int = argument("how many rows; indices are from 0 to num_embeddings - 1")
    embedding_dim: int = argument("how many numbers a row has")
    padding_idx: int | None = argument(PADDING, None)

    def __post_init__(self) -> None:
        for name in ("num_embeddings", "embedding_dim"):
            number = whole_number(self.name, name, getattr(self, name), least=1)
            object.__setattr__(self, name, number)
        if self.padding_idx is None:
            return
        rows = self.num_embeddings
        padding = whole_number(self.name, "padding_idx", self.padding_idx)
        if not -rows <= padding < rows:
            raise LayerError(
                f"layer '{self.name}': padding_idx must be from {-rows} to {rows - 1}, found "
                f"{padding}"
            )
        object.__setattr__(self, "padding_idx", padding % rows)

    def parameters(self, *shapes: Shape) -> dict[str, Parameter]:
        """Return weight, the table."""
        return {"weight": Parameter((self.num_embeddings, self.embedding_dim))}

    def rows_of(self, indices: Expression) -> Expression:
        """Return the selection of the rows that the indices take."""
        if self.padding_idx is None:
            return one_hot(indices, self.num_embeddings, self.name)
        return UnpaddedRows(self.num_embeddings, self.padding_idx)(indices)


@dataclass(frozen=True)
class Embedding(Rows):
    """Trainable rows that integers name: y_bd = weight_(index_b)d; padding gives zeros.

    dy/dweight is a selection: a gradient is added to the rows that were taken, and no row of zeros
    with a one is made. The row of padding_idx is never read, so it gets no gradient; elsewhere it
    may be found to be read, and stay as it starts. Source: Bengio et al. 2003, A neural
    probabilistic language model.
    """

    name = "embedding"
    formula = "y_bd = weight_(index_b)d"
    inputs = (INDICES,)

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        """Return sentences, single words, and sentences with padding."""
        return (
            Example(cls(5, 4), ((2, 3),)),
            Example(cls(4, 3), ((5,),)),
            Example(cls(5, 3, padding_idx=1), ((2, 4),)),
        )

    def build(self, *operands: Expression, **parameters: Expression) -> Expression:
        """Return the rows."""
        (indices,) = operands
        return select(parameters["weight"], {0: self.rows_of(indices)})


@dataclass(frozen=True)
class EmbeddingBag(Rows):
    """Sum or mean of the rows that integers name: y_bd = Σ_l weight_(index_bl)d, over l / count_b.

    The last axis of the indices is summed; padding is left out, also of the count, and a bag of
    padding alone gives zeros. dy/dweight is a selection: nothing is taken apart before it is
    summed. Source: Joulin et al. 2017, Bag of tricks for efficient text classification.
    """

    name = "embedding_bag"
    formula = "y_bd = Σ_l weight_(index_bl)d, for mean over their count"
    inputs = (INDICES,)

    mode: Literal["mean", "sum"] = argument("mean or sum of the rows of a bag", "mean")

    def __post_init__(self) -> None:
        super().__post_init__()
        one_of(self.name, "mode", self.mode, ("mean", "sum"))

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        """Return sums and means, the latter also with padding."""
        return (
            Example(cls(5, 4, mode="sum"), ((2, 3),)),
            Example(cls(4, 3), ((2, 5),)),
            Example(cls(4, 2, padding_idx=1), ((3, 5),)),
        )

    def build(self, *operands: Expression, **parameters: Expression) -> Expression:
        """Return the sums or means.

        Raises:
            LayerError: the indices have no axis of bags.
        """
        (indices,) = operands
        if not indices.ndim:
            raise LayerError(
                f"layer '{self.name}': indices must have an axis that is summed, found a number"
            )
        rows = self.rows_of(indices)
        sums = einsum("...lv,vd->...d", rows, parameters["weight"])
        if self.mode == "sum":
            return sums
        if self.padding_idx is None:
            return sums / indices.shape[-1]
        count = maximum(total(rows, (-2, -1)), 1)
        return einsum("...d,...->...d", sums, reciprocal(count))
