"""Lower bounds: FLOPs below which no order of contraction gets, where that is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tensorbp.algebra import Term
from tensorbp.expression.graph import topological_order
from tensorbp.expression.node import Expression
from tensorbp.planning.clusters import expansions
from tensorbp.planning.cost import Cost, cost_of
from tensorbp.planning.finders import best_path
from tensorbp.planning.fusion import Contraction, is_product
from tensorbp.planning.network import Network, in_sequence

__all__ = ["lower_bound"]


def lower_bound(
    roots: Sequence[Expression], contractions: Mapping[Expression, Contraction]
) -> int | None:
    """Return what all orders of contraction cost at least, products and the rest taken together.

    Products that may have intermediates in common cost at least what the dearest of them costs
    alone, expanded down to its factors and in its best order.

    Args:
        roots: the results.
        contractions: the product of each tensor, readers first.

    Returns:
        The FLOPs, or None where some product is too large for all its orders to be tried, or has a
        factor twice, so that two of its intermediates may be one.
    """
    total = 0
    for products in expansions(roots, contractions):
        if products is None or any(_has_twins(each) for each in products):
            return None
        total += max(_least_flops(each) for each in products)
    others = [node for node in topological_order(roots) if not is_product(node)]
    return total + sum((cost_of(node) for node in others), Cost()).flops


def _has_twins(term: Term[Expression]) -> bool:
    values = [factor.value for factor in term.factors]
    return len(set(values)) < len(values)


def _least_flops(term: Term[Expression]) -> int:
    network = Network.of(term)
    return network.flops(best_path(network, in_sequence(len(term.factors))))
