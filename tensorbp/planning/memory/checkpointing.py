"""Checkpointing: the values of a chain are computed again where that is cheapest.

A graph that can be cut into stages is gone through forwards and back; what each stage costs and
needs is measured here, `checkpoints` says which are kept and which begun anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tensorbp.expression.node import Expression
from tensorbp.planning.cost import cost_of
from tensorbp.planning.memory.checkpoints import Stage, Visit, cheapest
from tensorbp.planning.memory.liveness import bases, there_always
from tensorbp.planning.memory.stages import Chain
from tensorbp.planning.memory.storage import Storage

__all__ = ["Checkpointing"]


class Checkpointing:
    """A graph of which the values are kept as checkpoints, or computed again.

    Args:
        orders: all nodes, each once after its operands, in orders of which each way back of a stage
            takes the one that needs the least.
        storage: what they take.
    """

    def __init__(self, orders: Sequence[Sequence[Expression]], storage: Storage) -> None:
        self._storage = storage
        self._base = bases(orders[0], storage)
        self._chain = Chain(orders[0], storage)
        self._always = there_always(orders[0], storage) + self._bytes(self._chain.given)
        parts = self._chain.parts
        self._forward = [each.forward for each in parts]
        self._asked = [self._asked_of(k) for k in range(len(parts))]
        self._again: list[Sequence[Expression]] = [self._repeated(k) for k in range(len(parts))]
        self._left = self._left_between()
        self._back = [self._in_best_order(k, orders) for k in range(len(parts))]
        self._stages = [self._stage(k) for k in range(len(parts))]

    def sequence(self, limit: int) -> list[Expression] | None:
        """Return the cheapest sequence that needs no more than a limit, None if there is none.

        Args:
            limit: the bytes that may be needed at one time, inputs and results included; gaps
                between values are not counted.
        """
        visits = cheapest(self._stages, limit - self._always)
        return None if visits is None else self._written(visits)

    def _written(self, visits: Iterable[Visit]) -> list[Expression]:
        """Return the steps of some visits, after what is given; results are computed once."""
        steps = {"forward": self._forward, "again": self._again, "backward": self._back}
        nodes = list(self._chain.given)
        results: set[Expression] = set()
        for action, stage in visits:
            nodes += [each for each in steps[action][stage] if each not in results]
            results.update(each for each in steps[action][stage] if self._storage.is_result(each))
        return nodes

    def _asked_of(self, stage: int) -> set[Expression]:
        """Return what the way back of a stage reads of it."""
        part = self._chain.parts[stage]
        read = {x for each in part.back for x in self._chain.read(each)}
        return read.intersection(part.forward)

    def _repeated(self, stage: int) -> list[Expression]:
        """Return the steps to what the way back of a stage reads: all of the last one."""
        forward = self._forward[stage]
        if stage + 1 == len(self._forward):
            return list(forward)
        needed = set(self._asked[stage])
        for each in reversed(forward):
            if each in needed:
                needed.update(each.operands)
        return [each for each in forward if each in needed]

    def _left_between(self) -> list[set[Expression]]:
        """Return the values that are left and still read when each way back is done, and before."""
        left: list[set[Expression]] = [set()]
        back = {each for part in self._chain.parts for each in part.back}
        for part in self._chain.parts:
            read = {self._base[x] for each in part.back for x in each.operands}
            left.append((left[-1] | read & back).difference(part.back))
        return left

    def _in_best_order(
        self, stage: int, orders: Sequence[Sequence[Expression]]
    ) -> Sequence[Expression]:
        """Return the way back of a stage in that order of those given which needs least."""
        back = set(self._chain.parts[stage].back)
        if not back:
            return ()
        return min(
            ([each for each in order if each in back] for order in orders),
            key=lambda steps: self._needed_back(stage, steps),
        )

    def _stage(self, stage: int) -> Stage:
        forward, again = self._forward[stage], self._again[stage]
        output = {self._base[self._chain.parts[stage].output]}
        asked = self._asked_bases(stage)
        return Stage(
            forward=self._flops(forward),
            again=self._flops(again),
            output=self._bytes(output),
            kept=self._bytes(output | asked),
            passing=self._needed(forward, set(), output),
            passing_on=self._needed(forward, self._input(stage), output),
            keeping=self._needed(forward, set(), output | asked),
            repeating=self._needed(again, set(), asked),
            backward=self._needed_back(stage, self._back[stage]),
            waiting=self._bytes(self._left[stage + 1]),
        )

    def _input(self, stage: int) -> set[Expression]:
        """Return the value that a stage gets from the last one; none of the first."""
        return {self._base[self._chain.parts[stage - 1].output]} if stage else set()

    def _asked_bases(self, stage: int) -> set[Expression]:
        """Return the values of a stage that its way back reads."""
        return {self._base[each] for each in self._asked[stage]}.intersection(self._forward[stage])

    def _needed_back(self, stage: int, steps: Sequence[Expression]) -> int:
        """Return the bytes that the way back of a stage needs, its steps in some order.

        Its input is paid for, but gives its place to what comes after it has last been read.
        """
        there = self._asked_bases(stage) | self._left[stage + 1]
        freed = self._input(stage) - (self._asked_bases(stage - 1) if stage else set())
        needed = self._needed(steps, there | freed, self._left[stage])
        return needed - self._bytes(freed)

    def _flops(self, steps: Iterable[Expression]) -> int:
        return sum(cost_of(each).flops for each in steps)

    def _bytes(self, values: Iterable[Expression]) -> int:
        return sum(map(self._storage.arena_bytes_of, values))

    def _needed(
        self, steps: Sequence[Expression], there: set[Expression], staying: set[Expression]
    ) -> int:
        """Return the bytes that some steps need at most; what they find elsewhere is not counted.

        Args:
            steps: the steps, in order.
            there: values that are there before them, and count.
            staying: values that are needed after them.
        """
        last: dict[Expression, int] = {}
        for place, node in enumerate(steps):
            last |= dict.fromkeys([self._base[each] for each in (node, *node.operands)], place)
        alive = set(there)
        taken = most = self._bytes(alive)
        for place, node in enumerate(steps):
            base = self._base[node]
            if base is node:
                alive.add(base)
                taken += self._storage.arena_bytes_of(base)
            most = max(most, taken + self._storage.scratch_of(node))
            ended = {self._base[each] for each in (node, *node.operands)} & alive - staying
            ended = {each for each in ended if last[each] == place}
            taken -= self._bytes(ended)
            alive -= ended
        return most
