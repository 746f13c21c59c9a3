"""Resolution: maps and their entries are worked out, in given elimination orders.

What comes out is a graph without maps: einsums, sums and the nodes of layers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from tensorbp.algebra import Block, LinearMap, Space, Term
from tensorbp.expression.arithmetic import Add, linear_combination, total
from tensorbp.expression.einsum import Einsum, absorb_views, constant, contract, term_of
from tensorbp.expression.elimination import Order, eliminate, elimination_order
from tensorbp.expression.graph import Wanted, maps_of, topological_order
from tensorbp.expression.linearization import Vertex, linearize
from tensorbp.expression.map_expression import Entries, Jacobian, MapExpression
from tensorbp.expression.node import Expression, provides
from tensorbp.expression.selection import merged_beside

__all__ = ["Resolution", "natural_order", "plain_order"]


def plain_order(wanted: MapExpression) -> Order:
    """Return the plain order that starts from the side with fewer numbers."""
    return "reverse" if wanted.output.size <= wanted.input.size else "forward"


def natural_order(wanted: MapExpression) -> Order:
    """Return the order that starts from the side with fewer numbers.

    It is used where something is only looked at, and as the first guess of the search.
    """
    if len(list(wanted.leaves)) > 1:
        return "forward" if wanted.input.size == 1 else "separate"
    return plain_order(wanted)


@provides("worked_out")
def worked_out(wanted: MapExpression) -> LinearMap[Expression]:
    """Return a map worked out in its natural order."""
    return Resolution([wanted]).map(wanted)


class Resolution:
    """Works out maps, each in an order of its own, and remembers what it worked out.

    On the way views are absorbed by what reads them, so that a transposition in the user's graph is
    no obstacle to the products around it. What a map differentiates with respect to stays whole.

    Attributes:
        labels: for nodes of the given graph, the name of the layer they belong to; the nodes that
            are made when a vertex is eliminated get the label of the vertex.
    """

    def __init__(
        self,
        wanted: Iterable[Wanted],
        order_of: Callable[[MapExpression], Order] = natural_order,
        labels: Mapping[Expression, str] | None = None,
        distributes: Callable[[MapExpression], bool] = lambda wanted: False,
    ) -> None:
        self.labels = dict(labels or {})
        self._order_of = order_of
        self._distributes = distributes
        self._sources = {
            source
            for each in maps_of(wanted)
            for leaf in each.leaves
            if isinstance(leaf, Jacobian)
            for source in leaf.sources
        }
        self._kept: set[Expression] = set()
        self._resolved: dict[Expression, Expression] = {}
        self._maps: dict[tuple[MapExpression, bool], LinearMap[Expression]] = {}

    def expression(self, expression: Expression) -> Expression:
        """Return an equal expression in which no map is left."""
        if expression in self._resolved:
            return self._resolved[expression]
        for node in topological_order([expression], self._unresolved):
            if node not in self._resolved:
                resolved = self._resolve(node)
                if node in self._sources:
                    self._kept.add(resolved)
                self._resolved[node] = self._resolved[resolved] = resolved
        return self._resolved[expression]

    def map(self, wanted: MapExpression) -> LinearMap[Expression]:
        """Return a map worked out: for each block one term with at most one tensor.

        Selections that tie its two sides stay beside the tensor, like deltas.
        """
        found = self._eliminated(wanted, only_diagonal=False)
        return LinearMap(
            found.output,
            found.input,
            {at: (merged_beside(terms, self._total),) for at, terms in found.blocks.items()},
        )

    def absorbed(self, term: Term[Expression]) -> Term[Expression]:
        """Return an equal term in which no factor is a view, but those that are kept."""
        return absorb_views(term, self._kept.__contains__)

    def _unresolved(self, node: Expression) -> Sequence[Expression]:
        if node in self._resolved:
            return ()
        operator = node.operator
        if isinstance(operator, Entries):
            is_known = (operator.map, operator.form != "dense") in self._maps
            return () if is_known else operator.map.dependencies
        return node.operands

    def _resolve(self, node: Expression) -> Expression:
        operator = node.operator
        if isinstance(operator, Entries):
            return self._entries(operator, node)
        if not node.operands:
            return node
        resolved = node.over(tuple([self._resolved[each] for each in node.operands]))
        is_source = node in self._sources
        if isinstance(operator, Einsum) and not is_source:
            resolved = contract(term_of(resolved), self._kept.__contains__)
        elif isinstance(operator, Add) and not is_source:
            pairs = list(zip(operator.coefficients, resolved.operands, strict=True))
            resolved = linear_combination(pairs, self._kept.__contains__)
        if node in self.labels:
            self.labels.setdefault(resolved, self.labels[node])
        return resolved

    def _entries(self, entries: Entries, node: Expression) -> Expression:
        if entries.form == "dense":
            block = self._eliminated(entries.map, only_diagonal=False).block(*entries.block)
            tensors = [t.with_sides(t.sides) for t in block.terms]
        else:
            square = self._eliminated(entries.map, only_diagonal=True)
            if entries.form == "trace":
                tensors = list(square.trace(self._total).terms)
            else:
                tensors = list(square.block(*entries.block).diagonal(self._total).terms)
        return self._total(tensors) if tensors else constant(0, node.shape)

    def _eliminated(self, wanted: MapExpression, only_diagonal: bool) -> LinearMap[Expression]:
        """Return a map as sums of terms, after elimination of all that lies between its ends."""
        key = (wanted, only_diagonal)
        if key not in self._maps:
            graph = linearize(wanted, self)
            order = elimination_order(graph, self._order_of(wanted))
            spaces: tuple[Space, Space] = (wanted.output, wanted.input)

            is_symmetric = isinstance(wanted, Jacobian) and wanted.is_hessian

            def is_wanted(block: Block) -> bool:
                row, column = block
                return row == column or not (only_diagonal or (is_symmetric and row > column))

            distributes = self._distributes(wanted)
            eliminated = eliminate(graph, order, self._total_at, spaces, is_wanted, distributes)
            self._maps[key] = _mirrored(eliminated) if is_symmetric else eliminated
        return self._maps[key]

    def _total(self, terms: Sequence[Term[Expression]]) -> Expression:
        return total([_ordered(term) for term in terms], self._kept.__contains__)

    def _total_at(self, vertex: Vertex, terms: Sequence[Term[Expression]]) -> Expression:
        """Return a sum of tensors, labelled as belonging to a vertex."""
        value = self._total(terms)
        label = self.labels.get(vertex.node) if vertex.node is not None else None
        if label is not None:
            for node in (value, *value.operands):
                self.labels.setdefault(node, label)
        return value


def _ordered(term: Term[Expression]) -> Term[Expression]:
    """Return the term with a pair of factors in the order of their making.

    A map and its transpose lead to the same pair, from either side; in one order it is one node.
    """
    if len(term.values) != 2 or term.values[0].serial <= term.values[1].serial:
        return term
    return Term.of(term.coefficient, term.factors[::-1], term.output, term.input, term.sizes)


def _mirrored(upper: LinearMap[Expression]) -> LinearMap[Expression]:
    """Return the symmetric map of which the blocks on and above the diagonal are given."""
    below = {(i, j): terms for (i, j), terms in upper.T.blocks.items() if i > j}
    return LinearMap(upper.output, upper.input, {**upper.blocks, **below})
