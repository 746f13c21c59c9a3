"""Reordering: the same steps in another order, so that less is alive at one time.

Which order of a graph needs the least memory is hard to find (Sethi 1975, Complete register
allocation problems). A few good ones are tried: depth first from the first result or from the
last, and list scheduling over these, which prefers steps that give back more than they take.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from heapq import heapify, heappop, heappush

from tensorbp.expression.graph import topological_order
from tensorbp.expression.node import Expression
from tensorbp.planning.memory.liveness import bases, bytes_needed, peak_bytes, there_always
from tensorbp.planning.memory.storage import Storage

__all__ = ["listed", "orders", "reordered"]

SMALL_PART = 0.1
"""How much may be added to what is there in any order for the search to be content."""

Priority = Callable[[int, int], tuple[int, ...]]
"""What to do first: the smallest of these for the bytes that a step adds and its place."""


def reordered(roots: Sequence[Expression], storage: Storage) -> tuple[list[Expression], int]:
    """Return the nodes below some roots in the order that needs least memory, and its peak bytes.

    Inputs and results are there whatever the order: when little is added, no other is tried.
    """
    best: list[Expression] = []
    least = 0
    for order in orders(roots, storage):
        if best and max(bytes_needed(order, storage), default=0) >= least:
            continue
        needed = peak_bytes(order, storage)
        if not best or needed < least:
            best, least = order, needed
        if least <= (1 + SMALL_PART) * there_always(order, storage):
            break
    return best, least


def orders(roots: Sequence[Expression], storage: Storage) -> Iterator[list[Expression]]:
    """Yield the orders that are tried for the nodes below some roots."""
    for start in (roots, roots[::-1]):
        order = topological_order(start)
        yield order
        yield listed(order, storage, lambda added, place: (added > 0, place))
        yield listed(order, storage, lambda added, place: (added, place))


def listed(order: Sequence[Expression], storage: Storage, priority: Priority) -> list[Expression]:
    """Return the nodes of an order, each time one of those that are ready and come first.

    Args:
        order: all nodes, each after its operands.
        storage: what they take.
        priority: which of those that are ready come first, by the bytes that they add when what
            they are the last to read is given back, and by their place in the order.
    """
    place = {node: k for k, node in enumerate(order)}
    base = bases(order, storage)
    reads = {node: {base[each] for each in node.operands} for node in order}
    unread: dict[Expression, set[Expression]] = {node: set() for node in order}
    readers: dict[Expression, list[Expression]] = {node: [] for node in order}
    for node in order:
        for each in reads[node]:
            unread[each].add(node)
        for each in set(node.operands):
            readers[each].append(node)

    def key(node: Expression) -> tuple[int, ...]:
        freed = [each for each in reads[node] if len(unread[each]) == 1]
        given = sum(storage.bytes_of(each) for each in freed if not storage.is_result(each))
        return priority(storage.arena_bytes_of(node) - given, place[node])

    waiting = {node: len(set(node.operands)) for node in order}
    ready = [(key(node), place[node]) for node in order if not waiting[node]]
    heapify(ready)
    done: dict[Expression, None] = {}
    while ready:
        node = order[heappop(ready)[1]]
        if node in done:
            continue
        done[node] = None
        for each in reads[node]:
            unread[each].discard(node)
            # the last reader now gives something back, and may come earlier
            if len(unread[each]) == 1:
                (last,) = unread[each]
                if not waiting[last]:
                    heappush(ready, (key(last), place[last]))
        for each in readers[node]:
            waiting[each] -= 1
            if not waiting[each]:
                heappush(ready, (key(each), place[each]))
    return list(done)
