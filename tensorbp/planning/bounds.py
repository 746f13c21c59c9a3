"""Lower bounds: FLOPs below which no order of contraction gets, where that is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

from tensorbp.algebra import Term
from tensorbp.expression.graph import topological_order
from tensorbp.expression.node import Expression
from tensorbp.planning.clusters import expansions
from tensorbp.planning.cost import Cost, cost_of
from tensorbp.planning.finders import best_path
from tensorbp.planning.fusion import Contraction, is_product
from tensorbp.planning.network import Network, in_sequence

__all__ = ["lower_bound"]

MOST_PRODUCTS = 256
"""Of how many products it is looked up which of them may share, at most."""


def lower_bound(
    roots: Sequence[Expression], contractions: Mapping[Expression, Contraction]
) -> int | None:
    """Return what all orders of contraction cost at least, products and the rest taken together.

    Products that may have intermediates in common, having two factors in common, cost at least what
    the dearest of them costs alone, expanded down to its factors and in its best order.

    Args:
        roots: the results.
        contractions: the product of each tensor, readers first.

    Returns:
        The FLOPs, or None where some product is too large for all its orders to be tried, or has
        factors twice, so that two of its intermediates may be one, or where there are too many.
    """
    products: list[Term[Expression]] = []
    for cluster in expansions(roots, contractions):
        if cluster is None or any(_has_twins(each) for each in cluster):
            return None
        products += cluster
        if len(products) > MOST_PRODUCTS:
            return None
    total = sum(max(map(_least_flops, group)) for group in _groups(products))
    others = [node for node in topological_order(roots) if not is_product(node)]
    return total + sum((cost_of(node) for node in others), Cost()).flops


def _groups(products: Sequence[Term[Expression]]) -> list[list[Term[Expression]]]:
    """Return groups of products, such that two groups have no intermediate in common."""
    groups: list[tuple[set[frozenset[Expression]], list[Term[Expression]]]] = []
    for product in products:
        pairs = {frozenset(pair) for pair in combinations(product.values, 2)}
        together = [product]
        apart = []
        for known, members in groups:
            if known.isdisjoint(pairs):
                apart.append((known, members))
            else:
                pairs |= known
                together += members
        groups = [*apart, (pairs, together)]
    return [members for _, members in groups]


def _has_twins(term: Term[Expression]) -> bool:
    """Say whether two parts of a product may be the same intermediate, of two factors or more."""
    return sum(term.values.count(each) > 1 for each in set(term.values)) > 1


def _least_flops(term: Term[Expression]) -> int:
    network = Network.of(term)
    return network.flops(best_path(network, in_sequence(len(term.factors))))
