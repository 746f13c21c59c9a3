"""Liveness: which values are alive at each step, and how many bytes they take.

A sequence of nodes is what a program does, one after the other. A node may occur in it several
times: then it is computed again, and whoever reads it reads the latest copy.
"""

from __future__ import annotations

from collections.abc import Sequence

from tensorbp.expression.leaves import Variable
from tensorbp.expression.node import Expression
from tensorbp.planning.memory.storage import Storage

__all__ = ["alive_at", "bytes_needed", "dead_after", "peak_bytes"]


def peak_bytes(sequence: Sequence[Expression], storage: Storage) -> int:
    """Return the most bytes that are needed at one time, inputs and results included."""
    return max(bytes_needed(sequence, storage), default=0)


def bytes_needed(sequence: Sequence[Expression], storage: Storage) -> list[int]:
    """Return the bytes that are needed while each node of a sequence is computed.

    Inputs are there throughout, results from their making on; a view keeps what it views. One
    number more stands at the end: what is there when the results have been handed over.
    """
    inputs = {each for each in sequence if isinstance(each.operator, Variable)}
    alive = sum(storage.bytes_of(each) for each in inputs)
    needed = []
    for node, dead in zip(sequence, dead_after(sequence, storage), strict=True):
        if node not in inputs:
            alive += storage.bytes_of(node)
        needed.append(alive + storage.scratch_of(node))
        alive -= sum(storage.bytes_of(sequence[each]) for each in dead)
    # an input that is a result is copied when it leaves
    copied = sum(storage.bytes_of(each) for each in inputs if storage.is_result(each))
    return [*needed, alive + copied]


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
        read = [base[latest[each]] for each in node.operands]
        base.append(read[0] if read and storage.is_view(node) else place)
        latest[node] = place
        last.update(dict.fromkeys([*read, base[place]], place))
    dead: list[list[int]] = [[] for _ in sequence]
    for place, end in last.items():
        node = sequence[place]
        if not isinstance(node.operator, Variable) and not storage.is_result(node):
            dead[end].append(place)
    return dead
