"""Checkpoints: which values of a chain of stages are kept, and which are computed again.

Stage i makes a value of that of stage i - 1. Afterwards the stages are gone back through, the last
one first: the way back of a stage reads its input, and what it asks the stage itself for. Within m
bytes the fewest FLOPs for stages s to t, the first of which has its input, are

    best(s, t, m) = min(forward_s + best(s + 1, t, m - kept_s),
                        forward_s + ... + forward_(r-1)
                            + best(r, t, m - output_(r-1)) + best(s, r - 1, m) for s < r <= t)
    best(s, s, m) = again_s

Either s is computed once and kept, or everything up to r - 1 is passed, of which the last output is
kept as a checkpoint until r has been gone back through, and begun anew. What does not fit into m
costs infinitely much. With equal stages of which nothing is asked this is revolve (Griewank and
Walther 2000, Revolve: an implementation of checkpointing); it is the programme of Beaumont,
Eyraud-Dubois, Herrmann, Joly and Shilova 2019, Optimal checkpointing for heterogeneous chains, for
stages that their way back need not ask for anything. No other way costs less in which a value that
is kept stays until the way back has read it.

Memory is counted in slots: in the common divisor of all sizes, or coarser, rounded up.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from math import gcd
from typing import Any, Literal, NamedTuple

__all__ = ["Stage", "Visit", "cheapest"]

MOST_SLOTS = 600
"""Into how many slots memory is divided at most."""


@dataclass(frozen=True)
class Stage:
    """One stage of a chain. Its input is never counted: it is there, and is paid for elsewhere.

    Attributes:
        forward: the FLOPs of all of it.
        again: the FLOPs of what its way back reads, and of nothing else.
        output: the bytes of what it hands on.
        kept: the bytes of its output and of what its way back reads.
        passing: the bytes needed while it is computed, and only its output stays.
        passing_on: those, its input included, where that need not stay.
        keeping: the bytes needed while it is computed, and what its way back reads stays too.
        repeating: the bytes needed while only what its way back reads is computed.
        backward: the bytes needed on its way back: what is read, and what the ways back before it
            have left.
        waiting: the bytes that the ways back before it have left, which are there whatever is done
            until its own begins.
    """

    forward: int
    again: int
    output: int
    kept: int
    passing: int
    passing_on: int
    keeping: int
    repeating: int
    backward: int
    waiting: int


class Visit(NamedTuple):
    """What is done next: a stage computed, computed as far as is read, or gone back through."""

    action: Literal["forward", "again", "backward"]
    stage: int


def cheapest(stages: Sequence[Stage], budget: int) -> list[Visit] | None:
    """Return what to do, with the fewest FLOPs within a budget of bytes; None if nothing fits.

    Takes time in the cube of the number of stages, times the slots.
    """
    if budget < 0:
        return None
    if not stages:
        return []
    table = _Table(stages, budget)
    return table.visits() if table.is_possible else None


class _Table:
    """The fewest FLOPs for all stretches of a chain, by the slots that there are for them."""

    def __init__(self, stages: Sequence[Stage], budget: int) -> None:
        import numpy as np

        self._stages = stages
        sizes = [each.output for each in stages] + [each.kept for each in stages]
        self._slot = max(gcd(*sizes), -(-budget // MOST_SLOTS), 1)
        self._room, self._rest = divmod(budget, self._slot)
        count = len(stages)
        self._slots = np.arange(self._room + 1)
        self._output = [self._in_slots(each.output) for each in stages]
        self._kept = [self._in_slots(each.kept) for each in stages]
        self._passed = np.cumsum([0.0, *[each.forward for each in stages]])
        # by the first stage: the fewest FLOPs to each last one; by the last: from each first one,
        # with what is left when the input of that is kept
        self._from = [np.empty((count - s, self._room + 1)) for s in range(count)]
        self._to = [np.empty((t + 1, self._room + 1)) for t in range(count)]
        for t in range(count):
            for s in range(t, -1, -1):
                self._from[s][t - s] = self._choices(s, t).min(axis=0)
                self._to[t][s] = self._left(self._from[s][t - s], self._output[s - 1] if s else 0)

    @property
    def is_possible(self) -> bool:
        """Say whether there is room enough for the whole chain."""
        return bool(self._from[0][-1, -1] < float("inf"))

    def visits(self) -> list[Visit]:
        """Return what to do for the whole chain."""
        done: list[Visit] = []
        pending: list[Visit | tuple[int, int, int]] = [(0, len(self._stages) - 1, self._room)]
        while pending:
            each = pending.pop()
            if isinstance(each, Visit):
                done.append(each)
                continue
            s, t, room = each
            choice = int(self._choices(s, t)[:, room].argmin())
            if s == t:
                done += [Visit("again", s), Visit("backward", s)]
            elif choice == 0:
                done.append(Visit("forward", s))
                pending += [Visit("backward", s), (s + 1, t, room - self._kept[s])]
            else:
                r = s + choice
                done += [Visit("forward", k) for k in range(s, r)]
                pending += [(s, r - 1, room), (r, t, room - self._output[r - 1])]
        return done

    def _choices(self, s: int, t: int) -> Any:
        """Return the FLOPs, by slots, of keeping stage s and of a checkpoint before each later."""
        import numpy as np

        stage, waiting = self._stages[s], self._stages[t].waiting
        if s == t:
            again = np.full((1, self._room + 1), float(stage.again))
            return self._where_it_fits(again, [max(waiting + stage.repeating, stage.backward)])
        keep = self._left(self._from[s + 1][t - s - 1], self._kept[s]) + stage.forward
        passed = self._passed[s + 1 : t + 1] - self._passed[s]
        checkpoints = self._to[t][s + 1 : t + 1] + self._from[s][: t - s] + passed[:, None]
        passing = [stage.passing, *[each.passing_on for each in self._stages[s + 1 : t]]]
        needed = [waiting + each for each in accumulate(passing, max)]
        kept = max(waiting + stage.keeping, stage.backward)
        return self._where_it_fits(np.vstack([keep, checkpoints]), [kept, *needed])

    def _where_it_fits(self, flops: Any, needed: Sequence[int]) -> Any:
        """Return FLOPs, infinite where slots, and the rest, are fewer bytes than each row needs."""
        least = [[self._in_slots(each - self._rest)] for each in needed]
        flops[self._slots < least] = float("inf")
        return flops

    def _left(self, flops: Any, taken: int) -> Any:
        """Return FLOPs by the slots that there are before some are taken."""
        import numpy as np

        left = np.full(self._room + 1, float("inf"))
        left[taken:] = flops[: max(self._room + 1 - taken, 0)]
        return left

    def _in_slots(self, size: int) -> int:
        return -(-size // self._slot)
