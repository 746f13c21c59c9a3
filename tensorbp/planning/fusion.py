"""Fusion: an einsum that one other einsum alone reads becomes part of it.

A chain of Jacobians is then one network, whose order is searched as a whole. An einsum that
several nodes read stays a tensor of its own, computed once and used by all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from tensorbp.algebra import Factor, GroupingConflict, Term, Unifier
from tensorbp.expression.einsum import Einsum, is_view, term_of
from tensorbp.expression.graph import Graph
from tensorbp.expression.node import Expression
from tensorbp.planning.finders import Finder, best_path
from tensorbp.planning.network import Network, Path, in_sequence
from tensorbp.planning.sharing import shared_flops, twin_path

__all__ = ["Contraction", "fuse", "is_product", "plain", "substituted"]


@dataclass(frozen=True)
class Contraction:
    """A product and the order in which it is contracted.

    Attributes:
        term: the product, without input side.
        path: the pairs.
        follows_graph: whether the path takes the fused einsums one after the other, as the
            elimination order made them, rather than across.
        origins: for each factor the einsums that it was in before they were fused, outermost first.
    """

    term: Term[Expression]
    path: Path
    follows_graph: bool
    origins: tuple[tuple[Expression, ...], ...]

    @cached_property
    def flops(self) -> int:
        """The FLOPs of all pairs, equal ones counted once."""
        return shared_flops(self.term, self.path)


def plain(graph: Graph) -> dict[Expression, Contraction]:
    """Return for each einsum the plain order: one Jacobian after the other, each at its best."""
    contractions = {}
    for node in graph.order:
        if is_product(node):
            term = term_of(node)
            path = _best_path(term, in_sequence(len(term.values)))
            contractions[node] = Contraction(term, path, True, ((node,),) * len(term.values))
    return contractions


def fuse(
    graph: Graph,
    finders: Mapping[str, Finder] | None = None,
    across: bool = True,
) -> list[dict[Expression, Contraction]]:
    """Return for each einsum that remains after fusion the product and its best order found.

    Whether to fuse what one einsum reads twice is guessed einsum by einsum. Where something is, a
    second answer follows in which nothing is.

    Args:
        graph: expressions in which no map is left.
        finders: the path finders that compete.
        across: whether a fused chain may be contracted across the order in which it was derived.
    """
    fusion = _Fusion(graph, finders, twice=True)
    answers = [fusion.contractions(across)]
    if fusion.is_guessed:
        answers.append(_Fusion(graph, finders, twice=False).contractions(across))
    return answers


class _Fusion:
    def __init__(self, graph: Graph, finders: Mapping[str, Finder] | None, twice: bool) -> None:
        self.twice = twice
        self.roots = set(graph.roots)
        self.finders = finders
        self.readers: dict[Expression, set[Expression]] = {}
        for node in graph.order:
            for operand in node.operands:
                self.readers.setdefault(operand, set()).add(node)
        self.alone: dict[Expression, Contraction] = {}
        self.kept: set[Expression] = set()
        self.is_guessed = False
        for node in graph.order:
            if is_product(node):
                self.add(node)

    def contractions(self, across: bool) -> dict[Expression, Contraction]:
        """Return the product of each tensor, readers first."""
        found: dict[Expression, Contraction] = {}
        for node in reversed(self.alone):
            # what a node cannot absorb after all is kept, and comes later in this walk
            if not self.is_absorbed(node):
                found[node] = self.searched(node) if across else self.fused(node)
        return found

    def is_absorbed(self, node: Expression) -> bool:
        """Say whether a node is part of the one that reads it, and no tensor of its own."""
        if node in self.kept or node in self.roots or node not in self.alone:
            return False
        readers = self.readers[node]
        return len(readers) == 1 and all(is_product(reader) for reader in readers)

    def add(self, node: Expression) -> None:
        """Take in a node, by itself; what it reads twice is fused only where that is cheaper."""
        term = term_of(node)
        path = _best_path(term, in_sequence(len(term.values)), self.finders)
        self.alone[node] = Contraction(term, path, True, ((node,),) * len(term.values))
        twice = {each for each in node.operands if node.operands.count(each) > 1}
        if any(self.is_absorbed(each) for each in twice):
            parts = {each for each in node.operands if self.is_absorbed(each)}
            apart = self.alone[node].flops + sum(self.fused(each).flops for each in parts)
            if not self.twice or self.searched(node).flops >= apart:
                self.kept |= twice
            else:
                self.is_guessed = True

    def searched(self, node: Expression) -> Contraction:
        """Return the fused product of a node with the best order that is found for it."""
        fused = self.fused(node)
        if fused is self.alone[node] and len(fused.term.values) < 3:
            return fused
        path = _best_path(fused.term, fused.path, self.finders)
        twin = twin_path(fused.term, self.finders)
        if twin is not None:
            path = min((path, twin), key=lambda each: shared_flops(fused.term, each))
        return replace(fused, path=path, follows_graph=path == fused.path)

    def fused(self, node: Expression) -> Contraction:
        """Return a node together with all that it absorbs, contracted one after the other."""
        if not any(self.is_absorbed(each) for each in node.operands):
            return self.alone[node]
        return substituted(node, self.alone, self.is_absorbed, self.kept)


def substituted(
    node: Expression,
    products: Mapping[Expression, Contraction],
    is_absorbed: Callable[[Expression], bool],
    refused: set[Expression],
) -> Contraction:
    """Return a product together with the products among its factors, one after the other.

    Args:
        node: whose product.
        products: the product of each node.
        is_absorbed: whether a node's product takes its place.
        refused: nodes that cannot be absorbed, because axes are grouped in another way, are added.
    """
    unifier = Unifier({})

    def apart(inner: Expression) -> Term[Expression]:
        """Return a node's product with axes of its own, which the unifier learns."""
        term = products[inner].term
        return term.shifted(unifier.extended(term.sizes))

    factors: list[Factor[Expression]] = []
    origins: list[tuple[Expression, ...]] = []
    done: list[_Piece] = []
    pending = [_Piece(apart(node), products[node], ())]
    root, coefficient = pending[0].term, pending[0].term.coefficient
    while pending:
        piece = pending[-1]
        position = len(piece.operands)
        if position == len(piece.term.values):
            done.append(pending.pop())
            continue
        factor = piece.term.factors[position]
        lineage = piece.lineage + piece.contraction.origins[position]
        if is_absorbed(factor.value):
            inner = apart(factor.value)
            try:
                unifier.equate_all(factor.dimensions, inner.output)
            except GroupingConflict:
                refused.add(factor.value)
            else:
                coefficient *= inner.coefficient
                pending.append(_Piece(inner, products[factor.value], lineage))
                piece.operands.append(pending[-1])
                continue
        piece.operands.append(len(factors))
        factors.append(factor)
        origins.append(lineage)
    whole = Term.of(
        coefficient,
        [Factor(each.value, unifier.expand_all(each.dimensions)) for each in factors],
        unifier.expand_all(root.output),
        (),
        unifier.sizes,
        unused=unifier.expand(tuple(unifier.sizes)),
    )
    return Contraction(whole, _joined_path(done, len(factors)), True, tuple(origins))


def _best_path(
    term: Term[Expression], first: Path, finders: Mapping[str, Finder] | None = None
) -> Path:
    """Return the best path of a product; of two factors, as most have, there is but one."""
    return first if len(term.values) < 3 else best_path(Network.of(term), first, finders)


def is_product(node: Expression) -> bool:
    """Say whether a node is an einsum that computes something."""
    return isinstance(node.operator, Einsum) and not is_view(node)


class _Piece:
    """An einsum among those that are fused: its operands are factors, by number, or pieces."""

    def __init__(
        self, term: Term[Expression], contraction: Contraction, lineage: tuple[Expression, ...]
    ) -> None:
        self.term = term
        self.contraction = contraction
        self.lineage = lineage
        self.operands: list[int | _Piece] = []
        self.result = -1


def _joined_path(pieces: Sequence[_Piece], factors: int) -> Path:
    """Return the path that contracts the pieces one after the other, each by its own path."""
    pairs: list[tuple[int, int]] = []
    for piece in pieces:
        numbers = [each if isinstance(each, int) else each.result for each in piece.operands]
        for left, right in piece.contraction.path:
            pairs.append((numbers[left], numbers[right]))
            numbers.append(factors + len(pairs) - 1)
        piece.result = numbers[-1]
    return tuple(pairs)
