"""Convolution on a graph: each node hears its neighbours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tensorbp.errors import LayerError
from tensorbp.expression.arithmetic import sum
from tensorbp.expression.einsum import einsum
from tensorbp.expression.elementwise import heaviside, power, where
from tensorbp.expression.layer import Composite, Example, Input, Parameter, Shape, argument
from tensorbp.expression.node import Expression
from tensorbp.layers.checks import whole_number
from tensorbp.layers.choices import one_of, switch

__all__ = ["GraphConvolution"]

Normalization = Literal["none", "symmetric", "row"]
EXPONENTS = {"symmetric": -0.5, "row": -1.0}


@dataclass(frozen=True)
class GraphConvolution(Composite):
    """Graph convolution: y = Â x W + b, Â = D^-½ (A + I) D^-½, D the row sums of A + I.

    Row n of A says which nodes n hears. With normalization row Â is D⁻¹ (A + I), a mean over the
    neighbours, with none A + I itself. I is not written out: it is a term of its own. dy/dx is
    Â with W, dy/dA follows too. Source: Kipf and Welling 2017, Semi-supervised classification with
    graph convolutional networks, eq. 2.
    """

    name = "graph_convolution"
    formula = "y = Â x W + b, Â = D^-½ (A + I) D^-½"
    inputs = (Input("x"), Input("adjacency", low=0.0, high=1.0))

    units: int = argument("the size of the last axis of the output")
    normalization: Normalization = argument("symmetric, row or none: what Â is", "symmetric")
    self_loops: bool = argument("whether I is added to A, so that each node hears itself", True)
    bias: bool = argument("whether b is added", True)

    def __post_init__(self) -> None:
        object.__setattr__(self, "units", whole_number(self.name, "units", self.units, least=1))
        one_of(self.name, "normalization", self.normalization, ("none", "symmetric", "row"))
        switch(self.name, "self_loops", self.self_loops)
        switch(self.name, "bias", self.bias)

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        """Return one graph, and a batch of features on one graph, with each normalisation."""
        return (
            Example(cls(5), ((3, 4), (3, 3))),
            Example(cls(5, "row", bias=False), ((2, 3, 4), (3, 3))),
            Example(cls(2, "none"), ((3, 4), (3, 3))),
            Example(cls(2, "symmetric", self_loops=False), ((2, 3, 4), (3, 3))),
        )

    def parameters(self, *shapes: Shape) -> dict[str, Parameter]:
        """Return W and, if there is one, b.

        Raises:
            LayerError: x has no nodes and features, or A is no square matrix between the nodes.
        """
        x, adjacency = shapes
        if len(x) < 2 or adjacency != (x[-2], x[-2]):
            raise LayerError(
                f"layer 'graph_convolution': x must have nodes and features as its last axes, and "
                f"adjacency a row and a column for each node, found shapes {x} and {adjacency}"
            )
        weights = {"W": Parameter((x[-1], self.units))}
        return weights | ({"b": Parameter((self.units,), "zeros")} if self.bias else {})

    def build(self, *operands: Expression, **parameters: Expression) -> Expression:
        """Return Â x W + b: what comes from the neighbours, and from the node itself."""
        x, adjacency = operands
        # what is heard and what is said by the node itself are the same features
        features = einsum("...i,io->...o", x, parameters["W"])
        scale = self._scale(adjacency)
        left = [] if scale is None else [scale]
        right = left if self.normalization == "symmetric" else []
        y = einsum(
            f"nm,{'n,' * len(left)}{'m,' * len(right)}...mo->...no",
            *(adjacency, *left, *right, features),
        )
        if self.self_loops:
            own = f"{'n,' * len(left + right)}...no->...no"
            y = y + einsum(own, *left, *right, features)
        return y + parameters["b"] if self.bias else y

    def _scale(self, adjacency: Expression) -> Expression | None:
        """Return a power of the row sums; that of a node that hears nothing is 0."""
        if self.normalization == "none":
            return None
        degree = sum(adjacency, axis=1)
        if self.self_loops:
            degree = degree + 1
        linked = heaviside(degree)
        return where(linked, power(where(linked, degree, 1), EXPONENTS[self.normalization]), 0)
