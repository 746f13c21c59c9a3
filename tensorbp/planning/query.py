"""A query worked out: maps in given elimination orders, einsums in given orders of contraction."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

from tensorbp.algebra import LinearMap
from tensorbp.expression.elimination import Order
from tensorbp.expression.graph import Graph, Wanted, maps_of, topological_order
from tensorbp.expression.map_expression import Entries, MapExpression
from tensorbp.expression.node import Expression
from tensorbp.expression.resolution import Resolution
from tensorbp.expression.selection import Selection
from tensorbp.planning.bounds import lower_bound
from tensorbp.planning.clusters import planned_jointly
from tensorbp.planning.finders import Finder
from tensorbp.planning.fusion import Contraction, fuse, plain
from tensorbp.planning.labels import spread
from tensorbp.planning.memory.limit import within
from tensorbp.planning.pairing import Made, pair
from tensorbp.planning.phases import announce
from tensorbp.planning.plan import Figures
from tensorbp.planning.rereading import reread
from tensorbp.planning.schedule import Schedule

__all__ = [
    "Candidate",
    "Contractions",
    "Elimination",
    "Eliminations",
    "Query",
    "roots_of",
    "within_limit",
]

Contractions = Literal["plain", "along", "across"]

REMEMBERED = 4
"""How many of the queries without maps that a search makes are remembered."""


@dataclass(frozen=True)
class Elimination:
    """How a map is worked out.

    Attributes:
        order: the order in which the vertices between its ends are eliminated.
        distributes: whether products are distributed over short sums, or each sum is merged first.
    """

    order: Order
    distributes: bool = False


Eliminations = dict[MapExpression, Elimination]

Output = Expression | LinearMap[Expression]
"""What a wanted thing becomes: an expression, or a map with one tensor a block."""


@dataclass(frozen=True)
class Candidate:
    """A query worked out in some orders, down to pairs.

    Attributes:
        outputs: for each wanted thing an expression, or a map with one tensor a block.
        schedule: the nodes in order.
        labels: which layer a node belongs to.
        graph: what was to be computed, before contractions were written out in pairs.
        contractions: the products with their orders of contraction.
        kept_by: how a limit on memory was kept, in words.
    """

    outputs: tuple[Output, ...]
    schedule: Schedule
    labels: Mapping[Expression, str]
    graph: Graph
    contractions: Mapping[Expression, Contraction]
    kept_by: tuple[str, ...] = ()

    @property
    def flops(self) -> int:
        """The floating-point operations."""
        return self.schedule.cost.flops

    @property
    def figures(self) -> Figures:
        """What the whole costs."""
        return self.schedule.figures

    @property
    def as_derived(self) -> Candidate:
        """The same step after step as it was derived, nothing moved to save memory."""
        given = self.schedule
        return replace(self, schedule=Schedule(given.roots, given.dtype, given.derived))

    @property
    def rereading(self) -> Candidate:
        """The same with as many FLOPs, where sums read the products that are made anyway."""
        given = self.schedule
        new = reread(given.derived)
        if not new:
            return self
        labels = {new[node]: label for node, label in self.labels.items() if node in new}
        return replace(
            self,
            outputs=tuple([_replaced(each, new) for each in self.outputs]),
            schedule=Schedule(
                list(dict.fromkeys([new[each] for each in given.roots])), given.dtype
            ),
            labels={**self.labels, **labels},
        )

    @property
    def is_across(self) -> bool:
        """Whether some chain is contracted across the order in which it was derived."""
        return not all(each.follows_graph for each in self.contractions.values())

    @cached_property
    def lower_bound(self) -> int | None:
        """FLOPs below which no order of contraction of its products gets, where that is known."""
        return lower_bound(self.graph, self.contractions)


class Query:
    """What is wanted, and what it becomes in given orders.

    Attributes:
        wanted: expressions and maps.
        maps: all maps in it, those inside others included.
        outermost: the maps that no other map differentiates.
    """

    def __init__(
        self,
        wanted: Sequence[Wanted],
        dtype: str,
        labels: Mapping[Expression, str],
        finders: Mapping[str, Finder] | None,
    ) -> None:
        self.wanted = wanted
        self.maps = maps_of(wanted)
        inside = {below for each in self.maps for below in maps_of(each.dependencies)}
        self.outermost = [each for each in self.maps if each not in inside]
        self._dtype = dtype
        roots = [root for each in wanted for root in _expressions_of(each)]
        self._labels = spread(labels, topological_order(roots)) if labels else {}
        self._finders = finders
        self._made: Made = {}
        self._known: dict[tuple[object, ...], _Resolved] = {}

    def worked_out(
        self,
        eliminations: Eliminations,
        contraction: Contractions,
        change: Callable[[MapExpression], MapExpression] = lambda wanted: wanted,
    ) -> Candidate:
        """Return the query in given orders.

        Args:
            eliminations: how each map is worked out.
            contraction: how einsums are contracted: plainly, or each with the best path, along
                the order of derivation or across it.
            change: what is worked out in the place of a map.
        """
        changed = {each: change(each) for each in self.maps}
        resolved = self._resolved(eliminations, changed)
        graph = resolved.graph
        if contraction == "plain":
            return self._paired(resolved, plain(graph))
        across = contraction == "across"
        tries = fuse(graph, self._finders, across)
        if across:
            announce("planning products jointly")
            jointly = [planned_jointly(graph, each) for each in tries]
            tries += [new for new, old in zip(jointly, tries, strict=True) if new != old]
        candidates = [self._paired(resolved, each) for each in tries]
        return min(candidates, key=lambda each: each.flops)

    def _resolved(
        self, eliminations: Eliminations, changed: Mapping[MapExpression, MapExpression]
    ) -> _Resolved:
        """Return the query without maps; the last few are remembered.

        Args:
            eliminations: how each map is worked out.
            changed: what is worked out in the place of each map.
        """
        key = (tuple(eliminations.values()), tuple(changed.values()))
        if key not in self._known:
            known = {changed[each]: found for each, found in eliminations.items()} | eliminations
            resolution = Resolution(
                self.wanted,
                lambda each: known[each].order,
                self._labels,
                lambda each: known[each].distributes,
            )
            outputs: list[Output] = []
            for each in self.wanted:
                if isinstance(each, MapExpression):
                    outputs.append(resolution.map(changed[each]))
                else:
                    outputs.append(resolution.expression(_substituted(each, changed)))
            if len(self._known) == REMEMBERED:
                del self._known[next(iter(self._known))]
            graph = Graph([root for each in outputs for root in roots_of(each)])
            self._known[key] = _Resolved(outputs, graph, resolution.labels)
        return self._known[key]

    def _paired(
        self, resolved: _Resolved, contractions: Mapping[Expression, Contraction]
    ) -> Candidate:
        """Return what is left of a query once all contractions are written out in pairs."""
        roots = resolved.graph.roots
        paired, labels = pair(roots, contractions, resolved.labels, self._made)
        final = dict(zip(roots, paired, strict=True))
        return Candidate(
            tuple([_replaced(each, final) for each in resolved.outputs]),
            Schedule(list(dict.fromkeys(paired)), self._dtype),
            labels,
            resolved.graph,
            contractions,
        )


@dataclass(frozen=True)
class _Resolved:
    """A query without maps.

    Attributes:
        outputs: for each wanted thing an expression, or a map with one tensor a block.
        graph: what is computed for them.
        labels: which layer a node belongs to.
    """

    outputs: Sequence[Output]
    graph: Graph
    labels: Mapping[Expression, str]


def within_limit(candidates: Iterable[Candidate], limit: int) -> Candidate:
    """Return a candidate that keeps a limit on memory: the first one, or what is made of some.

    Args:
        candidates: at least one, the cheapest first.
        limit: the bytes that may be needed at one time, inputs and results included.

    Raises:
        MemoryLimitError: nothing that was found keeps the limit.
    """
    announce("keeping the limit on memory")
    kept = within(candidates, limit)
    return replace(
        kept.candidate,
        outputs=tuple([_replaced(each, kept.roots) for each in kept.candidate.outputs]),
        schedule=kept.schedule,
        labels=kept.labels,
        kept_by=kept.means,
    )


def _expressions_of(wanted: Wanted) -> list[Expression]:
    return [wanted] if isinstance(wanted, Expression) else wanted.dependencies


def roots_of(output: Output) -> list[Expression]:
    """Return the nodes that are computed for an output that was worked out."""
    if isinstance(output, Expression):
        return [output]
    values = [value for term in output.terms for value in term.values]
    # a selection in a map stays the rule that it is, only its integers are computed
    return [
        each
        for value in values
        for each in (value.operands if isinstance(value.operator, Selection) else [value])
    ]


def _substituted(expression: Expression, maps: Mapping[MapExpression, MapExpression]) -> Expression:
    """Return the expression with its maps replaced; only plain derivatives can be."""
    operator = expression.operator
    if not isinstance(operator, Entries) or operator.form != "dense":
        return expression
    replaced = maps[operator.map]
    row, column = operator.block
    # a space that has become ONE has only its first block
    at = (
        row if len(replaced.output.shapes) > 1 else 0,
        column if len(replaced.input.shapes) > 1 else 0,
    )
    return Expression.of(Entries(replaced, "dense", at))


def _replaced(output: Output, final: Mapping[Expression, Expression]) -> Output:
    if isinstance(output, Expression):
        return final[output]

    def replaced(value: Expression) -> Expression:
        if isinstance(value.operator, Selection):
            return Expression.of(value.operator, *[final[each] for each in value.operands])
        return final[value]

    return output.with_values(replaced)
