"""Lower bounds: FLOPs below which no order of contraction, or no plain order, gets."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from itertools import chain, combinations

from tensorbp.algebra import Term
from tensorbp.expression.einsum import is_view, term_of
from tensorbp.expression.graph import Graph, between, topological_order
from tensorbp.expression.map_expression import Jacobian, MapExpression
from tensorbp.expression.node import Expression
from tensorbp.expression.selection import has_selections
from tensorbp.planning.clusters import expansions
from tensorbp.planning.cost import total_cost
from tensorbp.planning.finders import best_path
from tensorbp.planning.fusion import Contraction, is_product
from tensorbp.planning.network import Network, in_sequence
from tensorbp.planning.plan import PlainOrder

__all__ = ["least_pushed", "lower_bound"]

MOST_PRODUCTS = 256
"""Of how many products it is looked up which of them may share, at most."""


def lower_bound(graph: Graph, contractions: Mapping[Expression, Contraction]) -> int | None:
    """Return what all orders of contraction cost at least, products and the rest taken together.

    Products that may have intermediates in common, having two factors in common, cost at least what
    the dearest of them costs alone, expanded down to its factors and in its best order.

    Args:
        graph: the results.
        contractions: the product of each tensor, readers first.

    Returns:
        The FLOPs, or None where some product is too large for all its orders to be tried, or has
        factors twice, so that two of its intermediates may be one, or selections, so that FLOPs are
        not all that its order is chosen by, where there are too many, or where two tensors are
        perhaps the same, so that some order needs only one of them.
    """
    products: list[Term[Expression]] = []
    for cluster in expansions(graph, contractions):
        if cluster is None or any(_has_twins(each) or _weighs_writes(each) for each in cluster):
            return None
        products += cluster
        if len(products) > MOST_PRODUCTS:
            return None
    if _are_perhaps_equal(graph, contractions):
        return None
    total = sum(max(map(_least_flops, group)) for group in _groups(products))
    others = [node for node in graph.order if not is_product(node)]
    return total + total_cost(others).flops


def least_pushed(wanted: MapExpression, order: PlainOrder) -> int:
    """Return FLOPs below which a plain order of a map does not get; 0 where nothing is known.

    Plain forward mode pushes one tangent for each of N input numbers, and where the inputs are a
    direct sum all of them are dense: to push them through a product v of two tensors or more takes
    N · |v| FLOPs at least. Plain reverse mode is the same from the other end.

    Args:
        wanted: a map in which no other is differentiated.
        order: which of the two.
    """
    end = wanted.input if order == "forward" else wanted.output
    if not isinstance(wanted, Jacobian) or len(end.shapes) < 2:
        return 0
    nodes = between(wanted.targets, wanted.sources)
    through = [each for each in nodes if is_product(each) and len(each.operands) > 1]
    return end.size * sum(each.size for each in through if not has_selections(term_of(each)))


def _are_perhaps_equal(graph: Graph, contractions: Mapping[Expression, Contraction]) -> bool:
    """Say whether two tensors could be one: products of the same factors, or made of such alike."""

    def needs(node: Expression) -> Sequence[Expression]:
        return contractions[node].term.values if node in contractions else node.operands

    number: dict[Hashable, int] = {}
    leaves: dict[Expression, tuple[int, ...]] = {}
    for node in topological_order(graph.roots, needs):
        inside = tuple(sorted(chain.from_iterable([leaves[each] for each in needs(node)])))
        if is_view(node) and inside:
            leaves[node] = inside
            continue
        likeness: Hashable = (inside, tuple(sorted(node.shape)))
        if not is_product(node):
            likeness = (node.operator, likeness)
        if likeness in number:
            return True
        number[likeness] = len(number)
        leaves[node] = inside if is_product(node) else (number[likeness],)
    return False


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


def _weighs_writes(term: Term[Expression]) -> bool:
    """Say whether orders of a product are compared by more than FLOPs; a pair has only one."""
    return len(term.values) > 2 and has_selections(term)


def _least_flops(term: Term[Expression]) -> int:
    network = Network.of(term)
    return network.flops(best_path(network, in_sequence(len(term.factors))))
