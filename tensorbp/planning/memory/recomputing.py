"""Recomputing: values are given up and computed again when they are needed.

A sequence is worked through as a program would, with full knowledge of what is still to come.
Where something does not fit, the value is given up that costs least to compute again, for the
memory that it gives back and the time that it gives it back for. What it costs includes what has
been given up before and would have to be computed for it, so that some values stay between those
that go, as checkpoints (Griewank 1992, Achieving logarithmic growth; Kirisame et al. 2021, Dynamic
tensor rematerialization).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

from tensorbp.expression.leaves import Variable
from tensorbp.expression.node import Expression
from tensorbp.planning.cost import cost_of
from tensorbp.planning.memory.liveness import there_always
from tensorbp.planning.memory.storage import Storage

__all__ = ["recomputed"]

MOST_WORK = 4
"""A sequence is given up when it costs more than this many times what the order costs."""

MOST_LOOKED_AT = 3_000_000
"""A sequence is given up too when so many values have been looked at to see what is cheapest."""


def recomputed(
    order: Sequence[Expression], storage: Storage, limit: int
) -> list[Expression] | None:
    """Return a sequence that needs no more than a limit, or None if none was found.

    Args:
        order: all nodes, each once after its operands.
        storage: what they take.
        limit: the bytes that may be needed at one time, inputs and results included; gaps between
            values are not counted.
    """
    recomputing = _Recomputing(order, storage, limit)
    for place in range(len(order)):
        if not recomputing.compute(place):
            return None
    return recomputing.sequence


class _Recomputing:
    """The memory of a program while a sequence for it is made.

    A value and the views of it stand for what they lie in, the base: it is given up as one.
    """

    def __init__(self, order: Sequence[Expression], storage: Storage, limit: int) -> None:
        self.sequence: list[Expression] = []
        self._order = order
        self._storage = storage
        self._limit = limit
        self._base: dict[Expression, Expression] = {}
        self._views: dict[Expression, list[Expression]] = {}
        self._reads: dict[Expression, list[int]] = {node: [] for node in order}
        self._work = {node: cost_of(node).flops + 1 for node in order}
        for place, node in enumerate(order):
            is_view = node.operands and storage.is_view(node)
            self._base[node] = self._base[node.operands[0]] if is_view else node
            self._views.setdefault(self._base[node], []).append(node)
            for each in {self._base[x] for x in node.operands}:
                self._reads[each].append(place)
        self._there: dict[Expression, None] = {}
        self._pinned: dict[Expression, int] = {}
        self._alive = there_always(order, storage)
        self._place = 0
        self._allowance = MOST_WORK * sum(self._work.values())
        self._looked_at = 0

    def compute(self, place: int) -> bool:
        """Compute the node of a place, and before it what has been given up and is needed."""
        self._place = place
        pending: list[tuple[Expression, bool]] = [(self._order[place], False)]
        while pending:
            node, has_operands = pending.pop()
            if node in self._there:
                continue
            if not has_operands:
                self._pin(node, 1)
                pending.append((node, True))
                pending.extend((each, False) for each in reversed(node.operands))
                continue
            missing = [each for each in node.operands if each not in self._there]
            if missing:
                # an operand was given up while another was computed
                pending.append((node, True))
                pending.extend((each, False) for each in missing)
                continue
            if not self._emit(node):
                return False
            self._pin(node, -1)
            self._give_back(node)
        return True

    def _pin(self, node: Expression, count: int) -> None:
        """Keep the operands of a node that is about to be computed."""
        for each in {self._base[x] for x in node.operands}:
            self._pinned[each] = self._pinned.get(each, 0) + count

    def _emit(self, node: Expression) -> bool:
        """Add a node to the sequence, if there is or can be made room for it."""
        taken = self._storage.arena_bytes_of(node)
        while self._alive + taken + self._storage.scratch_of(node) > self._limit:
            if not self._give_up_one():
                return False
        self._allowance -= self._work[node]
        if self._allowance < 0:
            return False
        self.sequence.append(node)
        self._there[node] = None
        self._alive += taken
        return True

    def _next_read(self, base: Expression) -> int | None:
        """Return where in the order a value is read next, if it is read again at all."""
        reads = self._reads[base]
        k = bisect_right(reads, self._place)
        return reads[k] if k < len(reads) else None

    def _give_back(self, node: Expression) -> None:
        """Give back the operands of a node, and itself, where nothing in the order reads them."""
        for each in {self._base[x] for x in (*node.operands, node)}:
            is_needed = self._pinned.get(each, 0) or self._next_read(each) is not None
            if not is_needed and self._may_go(each) and each in self._there:
                self._give_up(each)

    def _may_go(self, base: Expression) -> bool:
        stays = isinstance(base.operator, Variable) or self._storage.is_result(base)
        return not stays and not self._pinned.get(base, 0)

    def _give_up_one(self) -> bool:
        """Give up the value that is cheapest to be without; say whether there is one."""
        candidates = [
            each
            for each in self._there
            if self._base[each] is each and self._storage.bytes_of(each) and self._may_go(each)
        ]
        if not candidates or self._looked_at > MOST_LOOKED_AT:
            return False
        self._give_up(min(candidates, key=self._price))
        return True

    def _give_up(self, base: Expression) -> None:
        self._alive -= self._storage.bytes_of(base)
        for each in self._views[base]:
            self._there.pop(each, None)

    def _price(self, base: Expression) -> float:
        """Return the FLOPs that giving a value up costs, by bytes and the steps it is away for."""
        following = self._next_read(base)
        if following is None:
            return 0.0
        work, seen, pending = 0, {base}, [base]
        while pending:
            node = pending.pop()
            work += self._work[node]
            self._looked_at += 1
            for each in node.operands:
                if each not in self._there and each not in seen:
                    seen.add(each)
                    pending.append(each)
        return work / (self._storage.bytes_of(base) * (following - self._place))
