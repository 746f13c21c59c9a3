"""What a node costs: FLOPs and multiplications, counted before any array exists.

Contractions are counted as opt_einsum counts them: the product of the sizes of all axes of the
two tensors, twice if one is summed over. Elementwise functions say their own count.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import prod

from tensorbp.expression.arithmetic import Add
from tensorbp.expression.einsum import Einsum, is_view
from tensorbp.expression.layer import Primitive
from tensorbp.expression.node import Expression
from tensorbp.planning.network import pair_flops
from tensorbp.planning.selecting import Selected, SummedUp

__all__ = ["Cost", "cost_of", "is_free", "total_cost"]


@dataclass(frozen=True)
class Cost:
    """What something costs.

    Attributes:
        flops: floating-point operations.
        multiplications: those of them that multiply two numbers in a contraction or scaling.
        multiply_adds: the multiplications among them whose products are summed up.
    """

    flops: int = 0
    multiplications: int = 0
    multiply_adds: int = 0


def is_free(node: Expression) -> bool:
    """Say whether a node is a view of its operand, or one number: nothing is stored."""
    operator = node.operator
    if not (isinstance(operator, Einsum) and is_view(node)):
        return False
    writes_delta = operator.pattern.has_delta
    return not writes_delta and (not node.operands or operator.coefficient == 1)


def cost_of(node: Expression) -> Cost:
    """Return what computing a node costs when its operands are there."""
    operator = node.operator
    if is_free(node):
        return Cost()
    if isinstance(operator, Einsum):
        return _cost_of_einsum(node, operator)
    if isinstance(operator, Add):
        scaled = sum(abs(number) != 1 for number in operator.coefficients)
        additions = (len(node.operands) - 1) * node.size
        return Cost(additions + scaled * node.size, scaled * node.size)
    if isinstance(operator, Selected | SummedUp):
        return Cost(operator.flops)
    if isinstance(operator, Primitive):
        return Cost(operator.flops(node.shape, *[each.shape for each in node.operands]))
    return Cost()


def total_cost(
    nodes: Iterable[Expression], cost_of: Callable[[Expression], Cost] = cost_of
) -> Cost:
    """Return what computing some nodes costs.

    Args:
        nodes: the nodes; one that occurs again is computed again.
        cost_of: what a node costs, for those who remember it.
    """
    costs = [cost_of(node) for node in nodes]
    return Cost(
        sum([each.flops for each in costs]),
        sum([each.multiplications for each in costs]),
        sum([each.multiply_adds for each in costs]),
    )


def _cost_of_einsum(node: Expression, operator: Einsum) -> Cost:
    if not node.operands:
        return Cost()
    scaling = 0 if operator.coefficient == 1 else node.size
    summed = operator.summed
    if len(node.operands) == 1:
        sums = pair_flops(prod(operator.sizes), sums=True) if summed else 0
        return Cost(sums + scaling, scaling)
    pairs = prod(operator.sizes) * (len(node.operands) - 1)
    return Cost(pair_flops(pairs, bool(summed)) + scaling, pairs + scaling, pairs if summed else 0)
