"""Fusion: an einsum that one other einsum alone reads becomes part of it.

A chain of Jacobians is then one network, whose order is searched as a whole. An einsum that
several nodes read stays a tensor of its own, computed once and used by all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tensorbp.algebra import GroupingConflict, Term
from tensorbp.expression.einsum import Einsum, is_view, term_of
from tensorbp.expression.graph import topological_order
from tensorbp.expression.node import Expression
from tensorbp.planning.finders import Finder, best_path
from tensorbp.planning.network import Network, Path, in_sequence, spliced

__all__ = ["Contraction", "fuse", "plain"]


@dataclass(frozen=True)
class Contraction:
    """A product and the order in which it is contracted.

    Attributes:
        term: the product, without input side.
        path: the pairs.
        follows_graph: whether the path takes the fused einsums one after the other, as the
            elimination order made them, rather than across.
    """

    term: Term[Expression]
    path: Path
    follows_graph: bool

    @property
    def flops(self) -> int:
        """The FLOPs of all pairs."""
        return Network.of(self.term).flops(self.path)


def plain(roots: Sequence[Expression]) -> dict[Expression, Contraction]:
    """Return for each einsum the plain order: its factors in turn, from the cheaper end."""
    contractions = {}
    for node in topological_order(roots):
        if isinstance(node.operator, Einsum) and not is_view(node):
            term = term_of(node)
            network, count = Network.of(term), len(term.factors)
            ends = (in_sequence(count), in_sequence(count, backwards=True))
            contractions[node] = Contraction(term, min(ends, key=network.flops), True)
    return contractions


def fuse(
    roots: Sequence[Expression],
    finders: Mapping[str, Finder] | None = None,
    across: bool = True,
) -> dict[Expression, Contraction]:
    """Return for each einsum that remains after fusion the product and its best order found.

    Args:
        roots: expressions in which no map is left.
        finders: the path finders that compete.
        across: whether a fused chain may be contracted across the order in which it was derived.
    """
    fusion = _Fusion(roots, finders)
    for node in topological_order(roots):
        if isinstance(node.operator, Einsum) and not is_view(node):
            fusion.absorb(node)
    remaining = [node for node in fusion.step_by_step if not fusion.is_absorbed(node)]
    return {
        node: fusion.searched(node) if across else fusion.step_by_step[node] for node in remaining
    }


class _Fusion:
    def __init__(self, roots: Sequence[Expression], finders: Mapping[str, Finder] | None) -> None:
        self.roots = set(roots)
        self.finders = finders
        self.readers: dict[Expression, set[Expression]] = {}
        for node in topological_order(roots):
            for operand in node.operands:
                self.readers.setdefault(operand, set()).add(node)
        self.step_by_step: dict[Expression, Contraction] = {}
        self.kept: set[Expression] = set()

    def is_absorbed(self, node: Expression) -> bool:
        """Say whether a node is part of the one that reads it, and no tensor of its own."""
        return node not in self.kept and self._may_be_absorbed(node)

    def _may_be_absorbed(self, node: Expression) -> bool:
        readers = self.readers.get(node, set())
        return (
            node in self.step_by_step
            and node not in self.roots
            and len(readers) == 1
            and all(isinstance(r.operator, Einsum) and not is_view(r) for r in readers)
        )

    def absorb(self, node: Expression) -> None:
        """Fuse a node with the operands that it alone reads, keeping their order."""
        term = term_of(node)
        path = best_path(Network.of(term), in_sequence(len(term.factors)), self.finders)
        alone = Contraction(term, path, True)
        fused = alone
        inside = 0
        for position in reversed(range(len(term.factors))):
            operand = term.factors[position].value
            if self.is_absorbed(operand):
                part = self.step_by_step[operand]
                try:
                    product = fused.term.inlined(position, part.term)
                except GroupingConflict:
                    self.kept.add(operand)
                    continue
                path = spliced(fused.path, len(fused.term.factors), position, part.path)
                fused = Contraction(product, path, True)
                inside += part.flops
        repeated = len(set(node.operands)) < len(node.operands)
        if repeated and fused is not alone:
            shared = alone.flops + inside // 2
            if self._search(fused).flops >= shared:
                self.kept.update(node.operands)
                fused = alone
        self.step_by_step[node] = fused

    def searched(self, node: Expression) -> Contraction:
        """Return the fused product of a node with the best order that is found for it."""
        return self._search(self.step_by_step[node])

    def _search(self, contraction: Contraction) -> Contraction:
        path = best_path(Network.of(contraction.term), contraction.path, self.finders)
        return Contraction(contraction.term, path, path == contraction.path)
