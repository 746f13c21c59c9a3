"""Liveness: which values are alive at each step, and how many bytes they take.

A sequence of nodes is what a program does, one after the other. A node may occur in it several
times: then it is computed again, and whoever reads it reads the latest copy. Inputs and results
have memory of their own from beginning to end. All other values, and what steps need for a while,
are in one arena: its size is that of a layout, which may be more than is alive at any one time.
"""

from __future__ import annotations

from collections.abc import Sequence

from tensorbp.expression.leaves import Variable
from tensorbp.expression.node import Expression
from tensorbp.planning import arena
from tensorbp.planning.memory.storage import Storage

__all__ = [
    "alive_at",
    "bases",
    "bytes_needed",
    "dead_after",
    "handed_over",
    "peak_bytes",
    "there_always",
]


def peak_bytes(sequence: Sequence[Expression], storage: Storage) -> int:
    """Return the bytes that a program takes: what is there always, and its arena."""
    lifetimes = []
    for begin, (node, dead) in enumerate(zip(sequence, dead_after(sequence, storage), strict=True)):
        lifetimes += [arena.Lifetime(storage.scratch_of(node), begin, begin)]
        lifetimes += [arena.Lifetime(storage.bytes_of(sequence[k]), k, begin) for k in dead]
    _, size = arena.place([each for each in lifetimes if each.size])
    return there_always(sequence, storage) + size


def bytes_needed(sequence: Sequence[Expression], storage: Storage) -> list[int]:
    """Return the bytes that are needed while each node of a sequence is computed.

    What is there always is included; a view keeps what it views. `peak_bytes` is no less than the
    most of them.
    """
    alive = there_always(sequence, storage)
    needed = []
    for node, dead in zip(sequence, dead_after(sequence, storage), strict=True):
        alive += storage.arena_bytes_of(node)
        needed.append(alive + storage.scratch_of(node))
        alive -= sum(storage.bytes_of(sequence[each]) for each in dead)
    return needed


def handed_over(sequence: Sequence[Expression], storage: Storage) -> int:
    """Return the bytes of inputs and results; an input that is a result is copied."""
    nodes = set(sequence)
    inputs = [each for each in nodes if isinstance(each.operator, Variable)]
    results = [each for each in nodes if storage.is_result(each)]
    return sum(map(storage.bytes_of, [*inputs, *results]))


def there_always(sequence: Sequence[Expression], storage: Storage) -> int:
    """Return the bytes that lie outside of the arena: handed over, and what calls allocate."""
    allocated = max(map(storage.allocated_by, sequence), default=0)
    return handed_over(sequence, storage) + allocated


def alive_at(sequence: Sequence[Expression], storage: Storage, place: int) -> list[Expression]:
    """Return the nodes whose values take memory while that of a place is computed."""
    alive = {
        k: each
        for k, each in enumerate(sequence[: place + 1])
        if storage.bytes_of(each) and not isinstance(each.operator, Variable)
    }
    for dead in dead_after(sequence, storage)[:place]:
        for each in dead:
            alive.pop(each, None)
    return list(dict.fromkeys(alive.values()))


def dead_after(sequence: Sequence[Expression], storage: Storage) -> list[list[int]]:
    """Return, for each place in a sequence, the places of the values that it is the last to need.

    Views are not among them, nor inputs and results, which stay to the end.
    """
    latest: dict[Expression, int] = {}
    base: list[int] = []
    last: dict[int, int] = {}
    for place, node in enumerate(sequence):
        own = place
        if node.operands:
            read = [base[latest[each]] for each in node.operands]
            for each in read:
                last[each] = place
            if storage.is_view(node):
                own = read[0]
        base.append(own)
        latest[node] = place
        last[own] = place
    dead: list[list[int]] = [[] for _ in sequence]
    for place, end in last.items():
        node = sequence[place]
        if not isinstance(node.operator, Variable) and not storage.is_result(node):
            dead[end].append(place)
    return dead


def bases(order: Sequence[Expression], storage: Storage) -> dict[Expression, Expression]:
    """Return for each node the one whose memory its value lies in: for a view what it views."""
    base: dict[Expression, Expression] = {}
    for node in order:
        base[node] = base[node.operands[0]] if node.operands and storage.is_view(node) else node
    return base
