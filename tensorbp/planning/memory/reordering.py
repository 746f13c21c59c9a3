"""Reordering: the same steps in another order, so that less is alive at one time.

Which order of a graph needs the least memory is hard to find (Sethi 1975, Complete register
allocation problems). A few good ones are tried: depth first from the first result or from the
last, and list scheduling over these, which prefers steps that give back more than they take.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from heapq import heapify, heappop, heappush
from math import inf

from tensorbp.expression.graph import topological_order
from tensorbp.expression.node import Expression
from tensorbp.planning.memory.liveness import bases, bytes_needed, peak_bytes, there_always
from tensorbp.planning.memory.storage import Storage

__all__ = ["orders", "reordered"]

SMALL_PART = 0.1
"""How much may be added to what is there in any order for the search to be content."""

Priority = Callable[[int, int], tuple[int, ...]]
"""What to do first: the smallest of these for the bytes that a step adds and its place."""


def reordered(roots: Sequence[Expression], storage: Storage) -> tuple[list[Expression], int]:
    """Return the nodes below some roots in the order that needs least memory, and its peak bytes.

    Inputs and results are there whatever the order: when little is added, no other is tried.
    """
    tried: list[tuple[int, list[Expression]]] = []
    for order in orders(roots, storage):
        tried.append((max(bytes_needed(order, storage), default=0), order))
        if tried[-1][0] <= (1 + SMALL_PART) * there_always(order, storage):
            break
    best: list[Expression] = []
    least = inf
    # what is alive is known at once, what the arena adds to it is not
    for alive, order in sorted(tried, key=lambda each: each[0]):
        if alive < least and (needed := peak_bytes(order, storage)) < least:
            best, least = order, needed
    return best, int(least)


def orders(roots: Sequence[Expression], storage: Storage) -> Iterator[list[Expression]]:
    """Yield the orders that are tried for the nodes below some roots."""
    graph: _Graph | None = None
    for start in (roots, roots[::-1]):
        order = topological_order(start)
        yield order
        graph = graph or _Graph(order, storage)
        yield graph.listed(order, lambda added, place: (added > 0, place))
        yield graph.listed(order, lambda added, place: (added, place))


class _Graph:
    """Nodes by number: what each reads, and how many bytes it adds.

    What is given back are the bases of the values that are read: of a view what it views.
    """

    def __init__(self, order: Sequence[Expression], storage: Storage) -> None:
        """Take all nodes, each after its operands."""
        self._nodes = order
        self._number = {node: k for k, node in enumerate(order)}
        base = bases(order, storage)
        self._operands = [{self._number[each] for each in node.operands} for node in order]
        self._reads = [{self._number[base[each]] for each in node.operands} for node in order]
        self._readers: list[list[int]] = [[] for _ in order]
        for k, operands in enumerate(self._operands):
            for each in operands:
                self._readers[each].append(k)
        self._bytes = list(map(storage.arena_bytes_of, order))

    def listed(self, order: Sequence[Expression], priority: Priority) -> list[Expression]:
        """Return the nodes of an order, each time one of those that are ready and come first.

        Args:
            order: all nodes, each after its operands.
            priority: which of those that are ready come first, by the bytes that they add when what
                they are the last to read is given back, and by their place in the order.
        """
        place = [0] * len(order)
        for k, node in enumerate(order):
            place[self._number[node]] = k
        # how many are still to read a value, and the sum of their numbers: of one, it is its number
        unread, to_read = [0] * len(order), [0] * len(order)
        for k, reads in enumerate(self._reads):
            for each in reads:
                unread[each] += 1
                to_read[each] += k

        def entry(k: int) -> tuple[tuple[int, ...], int]:
            given = [self._bytes[each] for each in self._reads[k] if unread[each] == 1]
            return priority(self._bytes[k] - sum(given), place[k]), k

        waiting = list(map(len, self._operands))
        ready = [entry(k) for k, count in enumerate(waiting) if not count]
        heapify(ready)
        done: dict[int, None] = {}
        while ready:
            k = heappop(ready)[1]
            if k in done:
                continue
            done[k] = None
            for each in self._reads[k]:
                unread[each] -= 1
                to_read[each] -= k
                # the last reader now gives something back, and may come earlier
                if unread[each] == 1 and not waiting[to_read[each]]:
                    heappush(ready, entry(to_read[each]))
            for each in self._readers[k]:
                waiting[each] -= 1
                if not waiting[each]:
                    heappush(ready, entry(each))
        return [self._nodes[k] for k in done]
