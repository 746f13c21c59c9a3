"""The search over elimination orders: of one map after the other, and of all maps at once."""

from __future__ import annotations

from collections.abc import Iterator
from time import monotonic
from typing import cast

from tensorbp.expression.elimination import ORDERS, Order
from tensorbp.expression.map_expression import MapExpression
from tensorbp.expression.resolution import natural_order, plain_order
from tensorbp.planning.bounds import least_pushed
from tensorbp.planning.collection import no_collection
from tensorbp.planning.cross_country import CrossCountry
from tensorbp.planning.phases import announce
from tensorbp.planning.plan import OrderName, PlainOrder
from tensorbp.planning.prospects import Prospects
from tensorbp.planning.query import Candidate, Elimination, Eliminations, Query
from tensorbp.planning.schedule import Schedule
from tensorbp.planning.stacking import stacked_input, stacked_output

__all__ = ["PLAIN_ORDERS", "Search", "baseline"]

PLAIN_ORDERS: tuple[PlainOrder, ...] = ("reverse", "forward")

SAME_COST = 0.01
"""A plan is called reverse or forward if that order, each step at its best, costs as much but for
this fraction."""


class Search:
    """The cheapest way to work out a query."""

    def __init__(self, query: Query, seed: int, seconds: float | None) -> None:
        """Take a query.

        Args:
            query: what is wanted.
            seed: of the random numbers; the same seed gives the same plan unless time runs out.
            seconds: how long the search may take; the answer is then the best so far. By default
                it takes as long as it takes to try a number of orders.
        """
        self._query = query
        self._seed, self._seconds = seed, seconds
        self._deadline = None if seconds is None else monotonic() + seconds
        self._prospects = {each: Prospects(each) for each in query.maps}
        self._baselines: dict[PlainOrder, Schedule] = {}

    def _is_at_most(self, order: PlainOrder, flops: float) -> bool:
        """Say whether a plain order costs no more than so many FLOPs."""
        query = self._query
        if len(query.maps) == len(query.outermost) and any(
            least_pushed(each, order) > flops for each in query.maps
        ):
            return False
        if order not in self._baselines:
            self._baselines[order] = baseline(query, order)
        return self._baselines[order].cost.flops <= flops

    def plain(self, order: PlainOrder) -> Candidate:
        """Return the query in a plain order, block by block, step after step as derived."""
        return self._query.worked_out(_plainly(self._query, order), "plain").as_derived

    def best(self) -> tuple[Candidate, OrderName]:
        """Return the cheapest candidate, and the name of its order."""
        eliminations, best = self._searched()
        name = self._name(eliminations, best)
        for each in PLAIN_ORDERS:
            if self._is_at_most(each, best.flops - 1):
                candidate = self._query.worked_out(_plainly(self._query, each), "plain")
                if candidate.flops < best.flops:
                    name, best = each, candidate
        return best.rereading, name

    def _searched(self) -> tuple[Eliminations, Candidate]:
        """Change how one map after the other is worked out, as long as the total falls."""
        chosen = {each: Elimination(natural_order(each)) for each in self._query.maps}
        announce("ordering products")
        best = self._query.worked_out(chosen, "across")
        for wanted in self._query.maps:
            for order in self._orders_to_try(wanted):
                chosen, best = self._better(chosen, best, {wanted: Elimination(order)})
            if self._prospects[wanted].are_small and self._prospects[wanted].have_sums:
                distributed = Elimination(chosen[wanted].order, distributes=True)
                chosen, best = self._better(chosen, best, {wanted: distributed})
        if len(chosen) > 1 and all(each.are_small for each in self._prospects.values()):
            # what no map gains alone they may gain together
            for order in PLAIN_ORDERS:
                if all(each.allow(order) for each in self._prospects.values()):
                    together = dict.fromkeys(chosen, Elimination(order))
                    chosen, best = self._better(chosen, best, together)
        return chosen, best

    def _better(
        self,
        chosen: Eliminations,
        best: Candidate,
        changed: Eliminations,
    ) -> tuple[Eliminations, Candidate]:
        """Return the better of what is chosen, and the same with some maps worked out otherwise."""
        is_late = self._deadline is not None and monotonic() > self._deadline
        trial = chosen | changed
        if is_late or trial == chosen:
            return chosen, best
        announce("trying another order of elimination")
        candidate = self._query.worked_out(trial, "across")
        return (trial, candidate) if candidate.flops < best.flops else (chosen, best)

    def _orders_to_try(self, wanted: MapExpression) -> Iterator[Order]:
        """Yield the orders that are worth a try."""
        prospects = self._prospects[wanted]
        yield from filter(prospects.allow, ORDERS)
        # with one number at an end, each Jacobian is met once, and from that end
        is_open = wanted.output.size > 1 and wanted.input.size > 1
        has_time = self._seconds is not None or prospects.are_small
        if is_open and has_time and prospects.have_sums:
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
            if self._is_at_most(name, candidate.flops * (1 + SAME_COST)):
                return name
        for name in PLAIN_ORDERS:
            if all(self._prospects[each].allow(name) for each in outermost):
                named = eliminations | dict.fromkeys(outermost, Elimination(name))
                along = self._query.worked_out(named, "along")
                if along.flops <= candidate.flops * (1 + SAME_COST):
                    return name
        return "mixed"


@no_collection()
def baseline(query: Query, order: PlainOrder) -> Schedule:
    """Return a query in plain forward or plain reverse mode, spaces as ONE, step after step."""
    announce(f"pricing plain {order} mode")
    stacked = stacked_output if order == "reverse" else stacked_input
    return query.worked_out(_plainly(query, order), "plain", stacked).as_derived.schedule


def _plainly(query: Query, order: PlainOrder) -> Eliminations:
    """Return plain orders, the given one for the maps that no other map differentiates."""
    outermost = set(query.outermost)
    return {
        each: Elimination(order if each in outermost else plain_order(each)) for each in query.maps
    }
