"""Clusters: tensors of which one is read by several products are given up where that is cheaper.

A tensor that several products read need not be made: each of them can be expanded down to its own
factors and ordered anew, together with the others, which share what they can. A cluster of which
much is needed is taken in windows, the dearest first, until that no longer helps.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from tensorbp.algebra import Factor, Term
from tensorbp.expression.arithmetic import scaled
from tensorbp.expression.graph import Graph
from tensorbp.expression.node import Expression
from tensorbp.planning.fusion import Contraction, is_product, substituted
from tensorbp.planning.joint import Effort, ordered_jointly, ranks, without_values
from tensorbp.planning.network import Network
from tensorbp.planning.programmes import is_tried_in_full
from tensorbp.planning.sharing import joint_flops

__all__ = ["expansions", "planned_jointly"]

Contractions = Mapping[Expression, Contraction]

WINDOW = 12
"""How many tensors that are needed are planned together, at most."""

LARGEST_CLUSTER = 24
"""How many tensors, needed or not, are planned together at most."""

FAILURES = 2
"""After how many windows of a cluster that do not help the others are left alone."""


def planned_jointly(graph: Graph, contractions: Contractions) -> dict[Expression, Contraction]:
    """Return contractions that make the same results, cheaper where tensors can be given up.

    Args:
        graph: the results.
        contractions: the product of each tensor, readers first.
    """
    needed = _needed(graph)
    planned = dict(contractions)
    readers: dict[Expression, set[Expression]] = {}
    for node in planned:
        _note(node, planned, readers)
    effort = Effort()
    hopeless: set[Hashable] = set()
    for cluster in _dearest_first(_clusters(contractions), contractions):
        failures = 0
        for window in _windows(cluster, contractions, needed):
            inside = set(window)
            wanted = {
                node for node in window if node in needed or readers.get(node, inside) - inside
            }
            # what a part of a cluster could share, the rest of it may make anyway
            left = effort if len(window) == len(cluster) <= WINDOW else None
            alike = (left is None, _without_values(window, planned, wanted))
            if (
                alike not in hopeless
                and (replanned := _Window(window, planned, wanted, left)).is_cheaper
            ):
                for node in window:
                    del planned[node]
                planned |= replanned.contractions
                for node in replanned.contractions:
                    _note(node, planned, readers)
            else:
                hopeless.add(alike)
                failures += 1
                if failures == FAILURES:
                    break
    return planned


def _without_values(
    window: Sequence[Expression], contractions: Contractions, wanted: set[Expression]
) -> Hashable:
    """Return what planning a window depends on; a model of many equal blocks has many alike."""
    products = [contractions[node] for node in window]
    rank = ranks([*window, *[value for each in products for value in each.term.values]])
    return tuple(
        [
            (rank[node], node in wanted, each.path, without_values(each.term, rank))
            for node, each in zip(window, products, strict=True)
        ]
    )


def _note(
    node: Expression, contractions: Contractions, readers: dict[Expression, set[Expression]]
) -> None:
    """Take note of what a product reads."""
    for value in contractions[node].term.values:
        readers.setdefault(value, set()).add(node)


def _clusters(contractions: Contractions) -> list[list[Expression]]:
    """Return the groups of tensors that are linked by one reading the other, readers first."""
    leader: dict[Expression, Expression] = {node: node for node in contractions}

    def found(node: Expression) -> Expression:
        while leader[node] is not node:
            leader[node] = node = leader[leader[node]]
        return node

    for node, each in contractions.items():
        for value in each.term.values:
            if value in leader:
                leader[found(value)] = found(node)
    groups: dict[Expression, list[Expression]] = {}
    for node in contractions:
        groups.setdefault(found(node), []).append(node)
    return list(groups.values())


def _needed(graph: Graph) -> set[Expression]:
    """Return the nodes that are results, or read by what is no product."""
    needed = set(graph.roots)
    for node in graph.order:
        if not is_product(node):
            needed.update(node.operands)
    return needed


def expansions(graph: Graph, contractions: Contractions) -> Iterator[list[Term[Expression]] | None]:
    """Yield, for each cluster, the products that something needs, down to their factors.

    Args:
        graph: the results.
        contractions: the product of each tensor, readers first.

    Yields:
        The products, or None where one of them is too large for all its orders to be tried.
    """
    needed = _needed(graph)
    for cluster in _clusters(contractions):
        inside = {node: contractions[node] for node in cluster}
        terms = [
            _expanded(node, inside).term
            for node in (cluster if len(cluster) <= LARGEST_CLUSTER else ())
            if node in needed
        ]
        is_known = all(
            _is_tried_in_full(term) and not any(value in inside for value in term.values)
            for term in terms
        )
        yield terms if terms and is_known else None


def _windows(
    cluster: list[Expression], contractions: Contractions, needed: set[Expression]
) -> list[list[Expression]]:
    """Return neighbours in a cluster, the dearest group first; all where few are needed."""
    if len(cluster) <= LARGEST_CLUSTER and len(needed.intersection(cluster)) <= WINDOW:
        return _dearest_first([cluster], contractions)
    count = -(-len(cluster) // WINDOW)
    length = -(-len(cluster) // count)
    windows = [list(cluster[start : start + length]) for start in range(0, len(cluster), length)]
    return _dearest_first(windows, contractions)


def _dearest_first(
    groups: Iterable[list[Expression]], contractions: Contractions
) -> list[list[Expression]]:
    """Return the groups of more than one tensor, in the order of what they cost."""
    linked = [each for each in groups if len(each) > 1]
    return sorted(linked, key=lambda each: -sum(contractions[node].flops for node in each))


class _Window:
    """A few tensors, planned anew as if only those were made that something else needs.

    Attributes:
        contractions: the products that are left, readers first.
        is_cheaper: whether they cost less than before.
    """

    def __init__(
        self,
        window: Sequence[Expression],
        contractions: Contractions,
        needed: set[Expression],
        effort: Effort | None,
    ) -> None:
        self._inside = {node: _scaled_inside(contractions[node], contractions) for node in window}
        expanded: dict[Expression, Contraction] = {}
        for node in window:
            if node in needed:
                expanded[node] = _expanded(node, self._inside)
                needed |= {each for each in expanded[node].term.values if each in self._inside}
        ordered = [
            node
            for node in reversed(expanded)
            if len(expanded[node].term.values) > 1 and _is_tried_in_full(expanded[node].term)
        ]
        if ordered:
            paths = ordered_jointly([expanded[node].term for node in ordered], effort)
            for node, path in zip(ordered, paths, strict=True):
                expanded[node] = replace(expanded[node], path=path, follows_graph=False)
        self.contractions = expanded
        before = joint_flops((each.term, each.path) for each in _of(contractions, window))
        after = joint_flops((each.term, each.path) for each in expanded.values())
        self.is_cheaper = after < before


def _expanded(node: Expression, inside: Contractions) -> Contraction:
    """Return a product with as many of its factors expanded as can be searched in full."""
    chosen: set[Expression] = set()
    refused: set[Expression] = set()
    best = substituted(node, inside, chosen.__contains__, refused)
    pending = [each for each in best.term.values if each in inside]
    while pending:
        value = pending.pop(0)
        if value in chosen or value in refused:
            continue
        chosen.add(value)
        larger = substituted(node, inside, chosen.__contains__, refused)
        if value in refused or not _is_tried_in_full(larger.term):
            chosen.discard(value)
        else:
            best = larger
            pending += [each for each in inside[value].term.values if each in inside]
    return best


def _of(contractions: Contractions, nodes: Iterable[Expression]) -> list[Contraction]:
    return [contractions[node] for node in nodes]


def _is_tried_in_full(term: Term[Expression]) -> bool:
    network = Network.of(term)
    return is_tried_in_full(network.inputs, network.output)


def _scaled_inside(contraction: Contraction, contractions: Contractions) -> Contraction:
    """Return a product whose number in front has gone into its smallest factor.

    A product that is expanded in several others brings its number to each of them; a factor that
    has been scaled is one tensor, which they share.
    """
    term = contraction.term
    own = [k for k, each in enumerate(term.factors) if each.value not in contractions]
    if term.coefficient == 1 or len(term.values) < 2 or not own:
        return contraction
    smallest = min(own, key=lambda k: term.factors[k].value.size)
    factors = list(term.factors)
    factor = factors[smallest]
    factors[smallest] = Factor(scaled(term.coefficient, factor.value), factor.dimensions)
    return replace(
        contraction, term=Term.of(1, factors, term.output, (), dict(enumerate(term.sizes)))
    )
