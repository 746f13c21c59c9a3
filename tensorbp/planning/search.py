"""The search over elimination orders: one map after the other, as long as the total falls."""

from __future__ import annotations

from collections.abc import Iterator
from time import monotonic
from typing import cast

from tensorbp.expression.elimination import ORDERS, Order
from tensorbp.expression.graph import topological_order
from tensorbp.expression.map_expression import Jacobian, MapExpression, Sum
from tensorbp.expression.node import Expression
from tensorbp.expression.resolution import natural_order, plain_order
from tensorbp.planning.cross_country import CrossCountry
from tensorbp.planning.phases import announce
from tensorbp.planning.plan import Baselines, OrderName, PlainOrder
from tensorbp.planning.query import Candidate, Elimination, Eliminations, Query
from tensorbp.planning.stacking import stacked_input, stacked_output

__all__ = ["PLAIN_ORDERS", "Search"]

PLAIN_ORDERS: tuple[PlainOrder, ...] = ("reverse", "forward")

SAME_COST = 0.01
"""A plan is called reverse or forward if that order, each step at its best, costs as much but for
this fraction."""

MOST_PUSHED = 4096
"""How many tangents or cotangents (summands times nodes) an order may push for it to be tried."""

MOST_CROSSED = 512
"""How many nodes a map may have for a cross-country order to be tried where no time is given."""


class Search:
    """The cheapest way to work out a query.

    Attributes:
        baselines: what plain forward and plain reverse mode cost.
    """

    def __init__(self, query: Query, seed: int, seconds: float | None) -> None:
        """Price the two plain orders.

        Args:
            query: what is wanted.
            seed: of the random numbers; the same seed gives the same plan unless time runs out.
            seconds: how long the search may take; the answer is then the best so far. By default
                it takes as long as it takes to try a number of orders.
        """
        self._query = query
        self._seed, self._seconds = seed, seconds
        self._deadline = None if seconds is None else monotonic() + seconds
        announce("pricing plain reverse mode")
        reverse = query.worked_out(self._plainly("reverse"), "plain", stacked_output)
        announce("pricing plain forward mode")
        forward = query.worked_out(self._plainly("forward"), "plain", stacked_input)
        self.baselines = Baselines(forward.as_derived.figures, reverse.as_derived.figures)

    def plain(self, order: PlainOrder) -> Candidate:
        """Return the query in a plain order, block by block, step after step as derived."""
        return self._query.worked_out(self._plainly(order), "plain").as_derived

    def best(self) -> tuple[Candidate, OrderName]:
        """Return the cheapest candidate, and the name of its order."""
        eliminations, best = self._searched()
        name = self._name(eliminations, best)
        for each in PLAIN_ORDERS:
            if getattr(self.baselines, each).flops < best.flops:
                candidate = self._query.worked_out(self._plainly(each), "plain")
                if candidate.flops < best.flops:
                    name, best = each, candidate
        return best, name

    def _plainly(self, order: PlainOrder) -> Eliminations:
        """Return plain orders, the given one for the maps that no other map differentiates."""
        outermost = set(self._query.outermost)
        return {
            each: Elimination(order if each in outermost else plain_order(each))
            for each in self._query.maps
        }

    def _searched(self) -> tuple[Eliminations, Candidate]:
        """Change how one map after the other is worked out, as long as the total falls."""
        chosen = {each: Elimination(natural_order(each)) for each in self._query.maps}
        announce("ordering products")
        best = self._query.worked_out(chosen, "across")
        for wanted in self._query.maps:
            for order in self._orders_to_try(wanted):
                chosen, best = self._better(chosen, best, wanted, Elimination(order))
            if _is_small(wanted) and _has_sums(wanted):
                distributed = Elimination(chosen[wanted].order, distributes=True)
                chosen, best = self._better(chosen, best, wanted, distributed)
        return chosen, best

    def _better(
        self,
        chosen: Eliminations,
        best: Candidate,
        wanted: MapExpression,
        elimination: Elimination,
    ) -> tuple[Eliminations, Candidate]:
        """Return the better of what is chosen, and the same with one map worked out otherwise."""
        is_late = self._deadline is not None and monotonic() > self._deadline
        if is_late or elimination == chosen[wanted]:
            return chosen, best
        announce("trying another order of elimination")
        trial = chosen | {wanted: elimination}
        candidate = self._query.worked_out(trial, "across")
        return (trial, candidate) if candidate.flops < best.flops else (chosen, best)

    def _orders_to_try(self, wanted: MapExpression) -> Iterator[Order]:
        """Yield the orders that are worth a try."""
        for order in ORDERS:
            if _is_worth_a_try(wanted, order):
                yield order
        # with one number at an end, each Jacobian is met once, and from that end
        is_open = wanted.output.size > 1 and wanted.input.size > 1
        if is_open and (self._seconds is not None or _is_small(wanted)) and _has_sums(wanted):
            yield CrossCountry(self._seed, self._seconds)

    def _name(self, eliminations: Eliminations, candidate: Candidate) -> OrderName:
        """Return the textbook order that costs as much as the candidate, if there is one."""
        outermost = self._query.outermost
        used = {eliminations[each].order for each in outermost}
        if not outermost:
            return "forward"
        if not candidate.is_across and len(used) == 1 and used <= {*PLAIN_ORDERS}:
            return cast(OrderName, used.pop())
        for name in PLAIN_ORDERS:
            if getattr(self.baselines, name).flops <= candidate.flops * (1 + SAME_COST):
                return name
        for name in PLAIN_ORDERS:
            if all(_is_worth_a_try(each, name) for each in outermost):
                named = eliminations | dict.fromkeys(outermost, Elimination(name))
                along = self._query.worked_out(named, "along")
                if along.flops <= candidate.flops * (1 + SAME_COST):
                    return name
        return "mixed"


def _work(wanted: MapExpression) -> dict[Order, int]:
    """Return, for each order, how many tangents or cotangents it pushes through how many nodes."""
    leaves = list(wanted.leaves)
    nodes = {
        each: len(topological_order(each.targets)) for each in leaves if isinstance(each, Jacobian)
    }
    if not nodes:
        return {}
    work: dict[Order, int] = {
        "reverse": len(wanted.output.shapes) * sum(nodes.values()),
        "forward": len(wanted.input.shapes) * sum(nodes.values()),
    }
    if len(leaves) > 1:
        work["separate"] = sum(
            min(len(each.output.shapes), len(each.input.shapes)) * count
            for each, count in nodes.items()
        )
    return work


def _is_worth_a_try(wanted: MapExpression, order: Order) -> bool:
    work = _work(wanted)
    return order in work and (order == natural_order(wanted) or work[order] <= MOST_PUSHED)


def _is_small(wanted: MapExpression) -> bool:
    return max(_work(wanted).values(), default=0) <= MOST_CROSSED


def _has_sums(wanted: MapExpression) -> bool:
    """Say whether paths meet somewhere in a map, so that there is an order to choose."""
    pending: list[MapExpression] = [wanted]
    while pending:
        current = pending.pop()
        if isinstance(current, Sum) or (isinstance(current, Jacobian) and _is_branched(current)):
            return True
        pending.extend(current.parts)
    return False


def _is_branched(jacobian: Jacobian) -> bool:
    """Say whether a node between the ends of a Jacobian is read twice, or one reads two of them."""
    between: set[Expression] = set(jacobian.sources)
    read: set[Expression] = set()
    for node in topological_order(jacobian.targets):
        inside = {each for each in node.operands if each in between}
        if not inside:
            continue
        if len(inside) > 1 or inside & read:
            return True
        read |= inside
        between.add(node)
    return False
