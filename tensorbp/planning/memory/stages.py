"""Stages: a graph as a chain that is gone through forwards, and then back.

The values through which everything that comes later depends on what came before cut a graph into
stages: layers, or the blocks of a residual network. Where later steps read a value inside past such
a cut, the stages between are one. What is not below the last of these values is the way back: each
step of it belongs to the last stage that it can, so that a value is read while it is the input of
the next stage.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from tensorbp.expression.node import Expression
from tensorbp.planning.bits import members_of
from tensorbp.planning.memory.liveness import bases
from tensorbp.planning.memory.storage import Storage

__all__ = ["Chain", "Part"]

MOST_STAGES = 100
"""Into how many stages a chain is cut at most."""


@dataclass(frozen=True)
class Part:
    """The steps of a stage.

    Attributes:
        output: the last step, of which alone the next stage knows.
        forward: the steps on the way forward, in order.
        back: the steps on the way back, in order.
    """

    output: Expression
    forward: Sequence[Expression]
    back: Sequence[Expression]


class Chain:
    """A graph cut into stages, of which there may be only one.

    Args:
        order: all nodes, each once after its operands.
        storage: what they take.

    Attributes:
        given: what is made of nothing, and views of it, in order, all of which is there always.
        parts: the stages, in order; together they have all other nodes.
    """

    def __init__(self, order: Sequence[Expression], storage: Storage) -> None:
        self._storage = storage
        self._base = bases(order, storage)
        self.given: dict[Expression, None] = {}
        for node in order:
            if self._is_given(node):
                self.given[node] = None
        self._steps = [each for each in order if each not in self.given]
        self._place = {node: k for k, node in enumerate(self._steps)}
        self._below = self._all_below()
        self._cuts = self._narrow_places()
        self._forward: dict[Expression, int] = {}
        self._back: dict[Expression, int] = {}
        self._assign()
        for needless in (self._crossed, self._idle, self._too_many):
            while dropped := needless():
                self._cuts = [each for k, each in enumerate(self._cuts) if k not in dropped]
                self._assign()
        forward, back = _grouped(self._forward), _grouped(self._back)
        self.parts = [Part(cut, forward[k], back.get(k, ())) for k, cut in enumerate(self._cuts)]

    def _is_given(self, node: Expression) -> bool:
        """Say whether a node is made of nothing, as inputs and masks are, or a view of such."""
        if not node.operands:
            return True
        is_free = not self._storage.bytes_of(node) and not self._storage.is_result(node)
        return is_free and all(each in self.given for each in node.operands)

    def read(self, node: Expression) -> list[Expression]:
        """Return the steps that a step reads, and for a view also what it is a view of."""
        read = dict.fromkeys([*node.operands, *[self._base[each] for each in node.operands]])
        return [each for each in read if each not in self.given]

    def _all_below(self) -> list[int]:
        """Return for each step the places of those that it depends on, itself among them."""
        below: list[int] = []
        for place, node in enumerate(self._steps):
            bits = 1 << place
            for each in self.read(node):
                bits |= below[self._place[each]]
            below.append(bits)
        return below

    def _narrow_places(self) -> list[Expression]:
        """Return the longest chain of values through which all depends that comes after each.

        These are the dominators of a step. What is made beside, and used only together with the
        value that depends on more, belongs to the stage of that.
        """
        dominators: list[int] = []
        for place, node in enumerate(self._steps):
            read = [self._place[each] for each in self.read(node)]
            widest = max([self._below[k] for k in read], key=int.bit_count, default=0)
            common = widest
            for k in read:
                if self._below[k] & widest:
                    common &= dominators[k]
            dominators.append(common | 1 << place)
        longest = max(dominators, key=int.bit_count, default=0)
        nodes = [self._steps[k] for k in members_of(longest)]
        return [each for each in nodes[:-1] if self._base[each] is each] + nodes[-1:]

    def _assign(self) -> None:
        """Find the stage of each step, forward and on the way back."""
        self._forward, self._back = {}, {}
        done = 0
        for stage, cut in enumerate(self._cuts):
            below = self._below[self._place[cut]]
            for k in members_of(below & ~done):
                self._forward[self._steps[k]] = stage
            done |= below
        rest = [each for each in self._steps if each not in self._forward]
        for node in rest:
            self._back[node] = min(map(self._latest, self.read(node)), default=len(self._cuts) - 1)
        self._postpone(rest)

    def _postpone(self, steps: Sequence[Expression]) -> None:
        """Make values on the way back when they are first read, where that keeps no more."""
        readers: dict[Expression, list[Expression]] = {}
        for node in steps:
            for each in self.read(node):
                readers.setdefault(each, []).append(node)
        for node in reversed(steps):
            read = self.read(node)
            if node not in readers or any(each in self._forward for each in read):
                continue
            first = max(self._back[each] for each in readers[node])
            held = [
                each
                for each in {self._base[each] for each in read}
                if all(self._back[x] > first for x in readers[each] if x is not node)
            ]
            if sum(map(self._storage.arena_bytes_of, held)) <= self._storage.arena_bytes_of(node):
                self._back[node] = first

    def _latest(self, node: Expression) -> int:
        """Return the last stage on the way back of which a value can be read."""
        if node in self._back:
            return self._back[node]
        stage = self._forward[node]
        is_input = node is self._cuts[stage] and stage + 1 < len(self._cuts)
        return stage + 1 if is_input else stage

    def _crossed(self) -> set[int]:
        """Return the cuts that some value is read across, other than the one that it is."""
        crossed: set[int] = set()
        for node in self._steps:
            for each in self.read(node):
                if each not in self._forward:
                    continue
                made = self._forward[each]
                if node in self._forward:
                    first = made + (each is self._cuts[made])
                    crossed.update(range(first, self._forward[node]))
                else:
                    crossed.update(range(self._back[node], made))
        return crossed

    def _idle(self) -> set[int]:
        """Return the cuts before a stage that has no way back, and is no larger for it."""
        sizes = [self._storage.arena_bytes_of(each) for each in self._cuts]
        busy = set(self._back.values())
        return {k - 1 for k in range(1, len(sizes)) if k not in busy and sizes[k] <= sizes[k - 1]}

    def _too_many(self) -> set[int]:
        """Return all cuts but the smallest of each few in turn, the last of these among equals."""
        count, last = len(self._cuts), len(self._cuts) - 1
        if count <= MOST_STAGES:
            return set()
        sizes = [self._storage.arena_bytes_of(each) for each in self._cuts]
        ends = [last * k // (MOST_STAGES - 1) for k in range(MOST_STAGES)]
        kept = {min(reversed(range(*few)), key=sizes.__getitem__) for few in pairwise(ends)}
        return set(range(last)) - kept


def _grouped(stages: Mapping[Expression, int]) -> dict[int, list[Expression]]:
    groups: dict[int, list[Expression]] = {}
    for node, stage in stages.items():
        groups.setdefault(stage, []).append(node)
    return groups
