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
from tensorbp.planning.memory.liveness import bases, peak_bytes, there_always
from tensorbp.planning.memory.storage import Storage

__all__ = ["Reordering", "orders", "reordered"]

SMALL_PART = 0.1
"""How much may be added to what is there in any order for the search to be content."""

Priority = Callable[[int, int], tuple[int, ...]]
"""What to do first: the smallest of these for the bytes that a step adds and its place."""


def reordered(roots: Sequence[Expression], storage: Storage) -> tuple[list[Expression], int]:
    """Return the nodes below some roots in the order that needs least memory, and its peak bytes.

    Inputs and results are there whatever the order: when little is added, no other is tried.
    """
    graph = Reordering(roots, storage)
    always = there_always(graph.nodes, storage)
    tried: list[tuple[int, list[int]]] = []
    for numbers in graph.orders():
        tried.append((graph.most_added(numbers), numbers))
        if tried[-1][0] <= SMALL_PART * always:
            break
    best: list[Expression] = []
    least = inf
    # what is alive is known at once, what the arena adds to it is not
    for added, numbers in sorted(tried, key=lambda each: each[0]):
        if always + added < least:
            order = graph.named(numbers)
            needed = peak_bytes(order, storage)
            if needed < least:
                best, least = order, needed
    return best, int(least)


def orders(roots: Sequence[Expression], storage: Storage) -> Iterator[list[Expression]]:
    """Yield the orders that are tried for the nodes below some roots."""
    graph = Reordering(roots, storage)
    yield from map(graph.named, graph.orders())


class Reordering:
    """Nodes by number: what each reads, and how many bytes it adds.

    What is given back are the bases of the values that are read: of a view what it views.

    Attributes:
        nodes: all nodes, each after its operands.
    """

    def __init__(self, roots: Sequence[Expression], storage: Storage) -> None:
        self.nodes = topological_order(roots)
        self._roots = roots
        self._number = {node: k for k, node in enumerate(self.nodes)}
        base = bases(self.nodes, storage)
        self._operands = [{self._number[each] for each in node.operands} for node in self.nodes]
        self._reads = [{self._number[base[each]] for each in node.operands} for node in self.nodes]
        self._readers: list[list[int]] = [[] for _ in self.nodes]
        for k, operands in enumerate(self._operands):
            for each in operands:
                self._readers[each].append(k)
        # how many are to read a value, and the sum of their numbers: of one, it is its number
        self._unread, self._to_read = [0] * len(self.nodes), [0] * len(self.nodes)
        for k, reads in enumerate(self._reads):
            for each in reads:
                self._unread[each] += 1
                self._to_read[each] += k
        self._bytes = list(map(storage.arena_bytes_of, self.nodes))
        self._scratch = list(map(storage.scratch_of, self.nodes))

    def named(self, numbers: Sequence[int]) -> list[Expression]:
        """Return the nodes that have some numbers."""
        return [self.nodes[k] for k in numbers]

    def orders(self) -> Iterator[list[int]]:
        """Yield the orders that are tried."""
        for backwards in (False, True):
            order = list(range(len(self.nodes)))
            if backwards:
                order = [self._number[each] for each in topological_order(self._roots[::-1])]
            yield order
            yield self._listed(order, lambda added, place: (added > 0, place))
            yield self._listed(order, lambda added, place: (added, place))

    def most_added(self, order: Sequence[int]) -> int:
        """Return the most bytes that an order needs at one time beside what is there always."""
        unread, alive, most = list(self._unread), 0, 0
        for k in order:
            alive += self._bytes[k]
            most = max(most, alive + self._scratch[k])
            if not unread[k]:
                alive -= self._bytes[k]
            for each in self._reads[k]:
                unread[each] -= 1
                if not unread[each]:
                    alive -= self._bytes[each]
        return most

    def _listed(self, order: Sequence[int], priority: Priority) -> list[int]:
        """Return the nodes of an order, each time one of those that are ready and come first.

        Args:
            order: all nodes, each after its operands.
            priority: which of those that are ready come first, by the bytes that they add when what
                they are the last to read is given back, and by their place in the order.
        """
        place = [0] * len(order)
        for k, number in enumerate(order):
            place[number] = k
        unread, to_read = list(self._unread), list(self._to_read)

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
        return list(done)
