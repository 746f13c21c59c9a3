"""The total derivative, unrolled: how the chain rule writes itself down, with θ as one vector.

A network is f_N ∘ ... ∘ f_1, each f_i a function of the output before it and of parameters θ_i of
its own. With θ = (θ_1, ..., θ_N),

    df_i/dθ = ∂f_i/∂θ_i dθ_i/dθ + ∂f_i/∂f_{i-1} df_{i-1}/dθ

and the last factor unrolls in the same way. No basis is chosen, no weight has an index.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from tensorbp.errors import ShapeError
from tensorbp.expression.graph import between, topological_order
from tensorbp.expression.leaves import Variable
from tensorbp.expression.node import Expression

__all__ = ["total_derivative"]


def total_derivative(stages: Mapping[str, Expression], parameters: Iterable[Expression]) -> str:
    """Return the text of the total derivative of the last stage with respect to all parameters.

    A stage that is read more than once is unrolled on a line of its own.

    >>> import tensorbp as tb
    >>> x = tb.variable("x", 1000)
    >>> A, B, c = tb.variable("A", 50, 1000), tb.variable("B", 7, 50), tb.variable("c", 7)
    >>> f1 = tb.tanh(A @ x)
    >>> f2 = tb.tanh(B @ f1)
    >>> L = c @ f2
    >>> print(tb.total_derivative({"f1": f1, "f2": f2, "L": L}, [A, B, c]))
    dL/dθ = ∂L/∂c dc/dθ + ∂L/∂f2 (∂f2/∂B dB/dθ + ∂f2/∂f1 ∂f1/∂A dA/dθ)

    Args:
        stages: the outputs of the layers by name, the last one being differentiated.
        parameters: variables, the parts of θ.

    Raises:
        ShapeError: there is no stage, or a parameter is no variable.
    """
    if not stages:
        raise ShapeError("total_derivative needs at least one stage, the one to differentiate")
    sources = list(parameters)
    for each in sources:
        if not isinstance(each.operator, Variable):
            raise ShapeError(f"total_derivative: the parameters must be variables, found {each!r}")
    return _Unrolling(stages, sources).text()


class _Unrolling:
    def __init__(self, stages: Mapping[str, Expression], sources: list[Expression]) -> None:
        self.last = list(stages)[-1]
        self.stages = stages
        self.names = {stage: name for name, stage in stages.items()}
        self.sources = set(sources)
        self.dependent = set(between(stages.values(), sources))
        self.reads = {stage: self._reads(stage) for stage in self.names}
        self.readers: dict[Expression, int] = {}
        for found in self.reads.values():
            for stage in found:
                self.readers[stage] = self.readers.get(stage, 0) + 1

    def _reads(self, stage: Expression) -> list[Expression]:
        """Return the parameters, then the stages, from which a stage is computed directly."""

        def stops(node: Expression) -> bool:
            return node is not stage and (node in self.names or node in self.sources)

        found = [
            node
            for node in topological_order(
                [stage], lambda node: () if stops(node) else node.operands
            )
            if stops(node) and node in self.dependent
        ]
        found.sort(key=lambda node: (node not in self.sources, -node.serial))
        return found

    def text(self) -> str:
        """Return one line for the last stage, and one for each that is read more than once."""
        shared = [stage for stage in self.names if self.readers.get(stage, 0) > 1]
        wanted = [self.stages[self.last]]
        wanted += sorted(shared, key=lambda stage: -stage.serial)
        return "\n".join(
            f"d{self.names[stage]}/dθ = {' + '.join(self._terms(stage)) or '0'}" for stage in wanted
        )

    def _terms(self, stage: Expression) -> list[str]:
        name = self.names[stage]
        terms = []
        for node in self.reads[stage]:
            if node in self.sources:
                assert isinstance(node.operator, Variable)
                inner = node.operator.name
                terms.append(f"∂{name}/∂{inner} d{inner}/dθ")
                continue
            inner = self.names[node]
            if self.readers[node] > 1:
                rest = f"d{inner}/dθ"
            else:
                below = self._terms(node)
                rest = below[0] if len(below) == 1 else f"({' + '.join(below)})"
            terms.append(f"∂{name}/∂{inner} {rest}")
        return terms
