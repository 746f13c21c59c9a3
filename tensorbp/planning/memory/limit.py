"""Limits: a plan that needs no more memory than it may, with the fewest FLOPs that were found.

What is tried: another order of the same steps, which costs nothing; slices of an axis, which cost
the adding up of what they give; values computed again, from checkpoints where the graph is a chain
of stages, else as they come; another candidate of the search; and slices in which values are
computed again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from typing import Generic, Protocol, TypeVar

from tensorbp.errors import MemoryLimitError
from tensorbp.expression.graph import topological_order
from tensorbp.expression.leaves import Variable
from tensorbp.expression.node import Expression
from tensorbp.planning.memory.amounts import byte_text
from tensorbp.planning.memory.checkpointing import Checkpointing
from tensorbp.planning.memory.liveness import alive_at, bytes_needed, handed_over, peak_bytes
from tensorbp.planning.memory.recomputing import recomputed
from tensorbp.planning.memory.reordering import orders
from tensorbp.planning.memory.slicing import Axis, Slicer
from tensorbp.planning.schedule import Schedule, describe

__all__ = ["Candidate", "Kept", "Way", "laid_out", "within"]

MOST_VALUES = 16
"""Of how many values the axes are looked at, the largest first."""

MOST_AXES = 4
"""How many axes are tried."""

MOST_NODES = 20_000
"""How many nodes a graph in slices may have."""

WORTHWHILE = 0.98
"""Twice as many slices are tried while they bring the peak below this part of what it was."""

FOLLOWED = 2
"""Of how many axes more than two slices are tried."""

ALMOST_FREE = 1.01
"""Nothing else is tried where slices keep the limit with no more than this part of the FLOPs."""

DEAR = 1.5
"""Other orders of contraction are worked out, which takes long, where all else costs more."""

LAYOUTS = 12
"""How often less is aimed at where there are gaps in the layout of what keeps a limit."""

LESS = 50
"""Each time less is aimed at by one such part of the limit at most: other gaps may be smaller."""

QUICKLY_TRIED = 1_000
"""Up to so many nodes all ways of computing values again are tried, beyond until one is found."""

TRIES = 8
"""How many limits are tried to find the least that can be kept."""

LOOKED_THROUGH = 4_000
"""Of up to so many nodes they are tried."""

Way = Callable[[int], "list[Expression] | None"]
"""Takes a limit and returns a sequence in which values are computed again, or None."""


class Candidate(Protocol):
    """What the search found: a schedule, and which layer each node belongs to."""

    @property
    def schedule(self) -> Schedule:
        """What is computed, in order."""

    @property
    def labels(self) -> Mapping[Expression, str]:
        """The layers, by node."""


Found = TypeVar("Found", bound=Candidate)


@dataclass(frozen=True)
class Kept(Generic[Found]):
    """A schedule that keeps a limit.

    Attributes:
        candidate: what it was made of.
        schedule: what is computed, in order.
        roots: what each root of the candidate has become.
        origin: of which node of the candidate each new one is a part.
        means: how the limit was kept, in words; nothing if it was kept anyway.
    """

    candidate: Found
    schedule: Schedule
    roots: Mapping[Expression, Expression]
    origin: Mapping[Expression, Expression]
    means: tuple[str, ...]

    @property
    def labels(self) -> dict[Expression, str]:
        """Which layer each node belongs to: a part to that of the whole."""
        known = self.candidate.labels
        return {**known, **{new: known[old] for new, old in self.origin.items() if old in known}}


def within(candidates: Iterable[Found], limit: int) -> Kept[Found]:
    """Return the schedule with the fewest FLOPs among those found that keep a limit.

    Args:
        candidates: what the search found; at least one, the cheapest first.
        limit: the bytes that may be needed at one time, inputs and results included.

    Raises:
        MemoryLimitError: nothing that was found keeps the limit.
    """
    remaining = iter(candidates)
    first = next(remaining)
    if first.schedule.peak_bytes <= limit:
        order = topological_order(first.schedule.roots)
        is_reordered = peak_bytes(order, first.schedule.storage) > limit
        return _whole(first, "steps reordered" if is_reordered else None)
    reordered = Schedule(first.schedule.roots, first.schedule.dtype)
    if reordered.peak_bytes <= limit:
        # a plain order is left as it was derived, until memory is short
        return replace(_whole(first, "steps reordered"), schedule=reordered)
    slices = _in_slices(first, limit)
    if handed_over(first.schedule.nodes, first.schedule.storage) > limit:
        peaks = [each.schedule.peak_bytes for each in (_whole(first, None), *slices)]
        raise _refusal(first, min(peaks), limit)
    found = [each for each in slices if each.schedule.peak_bytes <= limit]
    if not _is_cheap(found, ALMOST_FREE):
        whole = _whole(first, None)
        found += _computed_again(whole, _ways_of(whole), limit)
    if not _is_cheap(found, DEAR):
        others = [_whole(each, "another order of contraction") for each in remaining]
        found += [each for each in others if each.schedule.peak_bytes <= limit]
    if not found:
        for each in slices:
            found += _computed_again(each, _ways_of(each), limit)
    if not found:
        least = min([_whole(first, None), *slices], key=lambda each: each.schedule.peak_bytes)
        raise _refusal(first, _least_limit(least), limit)
    best = min(found, key=_flops)
    return replace(best, means=(*best.means, _extra(best)))


def _is_cheap(found: Sequence[Kept[Found]], factor: float) -> bool:
    """Say whether something was found that costs no more than so many times the FLOPs."""
    return any(_flops(each) <= factor * each.candidate.schedule.cost.flops for each in found)


def _extra(kept: Kept[Found]) -> str:
    """Return by how much a limit changes the FLOPs."""
    share = 100 * Fraction(_flops(kept), max(kept.candidate.schedule.cost.flops, 1)) - 100
    return f"{float(share):+.3g} % FLOPs"


def _flops(kept: Kept[Found]) -> int:
    return kept.schedule.cost.flops


def _whole(candidate: Found, means: str | None) -> Kept[Found]:
    roots = {each: each for each in candidate.schedule.roots}
    return Kept(candidate, candidate.schedule, roots, {}, (means,) if means else ())


def _in_slices(candidate: Found, limit: int) -> list[Kept[Found]]:
    """Return a graph in twice as many slices as before, until the limit is kept or that is in vain.

    Of all axes two slices are tried, and more of those of which two bring the peak down furthest.
    """
    schedule = candidate.schedule
    slicer = Slicer(schedule.nodes, schedule.roots)
    halves = [(axis, _sliced(candidate, slicer, axis, 2)) for axis in _axes(schedule, slicer)]
    halves.sort(key=lambda each: each[1].schedule.peak_bytes)
    found = []
    for axis, kept in halves[:FOLLOWED]:
        peak, count = schedule.peak_bytes, 2
        while kept.schedule.peak_bytes < peak * WORTHWHILE:
            found.append(kept)
            peak = kept.schedule.peak_bytes
            if peak <= limit or count == axis.size or 2 * len(kept.schedule.nodes) > MOST_NODES:
                break
            count = min(2 * count, axis.size)
            kept = _sliced(candidate, slicer, axis, count)
    return found


def _sliced(candidate: Found, slicer: Slicer, axis: Axis, count: int) -> Kept[Found]:
    rewritten = slicer.sliced(axis, count)
    roots = list(dict.fromkeys(rewritten.roots.values()))
    made = Schedule(roots, candidate.schedule.dtype, rewritten.order)
    means = f"{axis.label} in {count} slices"
    return Kept(candidate, made, rewritten.roots, rewritten.origin, (means,))


def _axes(schedule: Schedule, slicer: Slicer) -> list[Axis]:
    """Return the axes of the largest values at the worst step, those first that most values have.

    That is the batch, as a rule.
    """
    nodes, storage = schedule.nodes, schedule.storage
    needed = bytes_needed(nodes, storage)
    alive = alive_at(nodes, storage, needed.index(max(needed)))
    found: dict[frozenset[Expression], tuple[int, Axis]] = {}
    for node in sorted(alive, key=storage.bytes_of, reverse=True)[:MOST_VALUES]:
        for dimension in range(node.ndim):
            axis = slicer.axis_of(node, dimension)
            if axis is not None:
                carriers = slicer.carriers(axis)
                total = sum(map(storage.bytes_of, carriers))
                found.setdefault(frozenset(carriers), (total, axis))
    ranked = sorted(found.values(), key=lambda each: each[0], reverse=True)
    return [axis for _, axis in ranked[:MOST_AXES]]


def _computed_again(kept: Kept[Found], ways: Iterable[Way], limit: int) -> list[Kept[Found]]:
    """Return the cheapest way of keeping a limit by computing values again, if there is one."""
    schedule = kept.schedule
    found: list[Kept[Found]] = []
    for way in ways:
        made = laid_out(way, schedule, limit)
        if made is not None:
            again = len(made.nodes) - len(schedule.nodes)
            means = (*kept.means, f"{again} value{'s' * (again != 1)} computed again")
            found.append(Kept(kept.candidate, made, kept.roots, kept.origin, means))
            if len(schedule.nodes) > QUICKLY_TRIED:
                break
    return sorted(found, key=_flops)[:1]


def laid_out(way: Way, schedule: Schedule, limit: int) -> Schedule | None:
    """Return a schedule with values computed again, of which the layout keeps a limit too.

    Args:
        way: how values are computed again.
        schedule: each value computed once.
        limit: the bytes that may be needed at one time, inputs, results and gaps included.
    """
    aim = limit
    for _ in range(LAYOUTS):
        sequence = way(aim)
        if sequence is None:
            return None
        made = Schedule(schedule.roots, schedule.dtype, sequence)
        if made.peak_bytes <= limit:
            return made
        # gaps between values take what is missing
        aim -= min(made.peak_bytes - limit, limit // LESS + 1)
    return None


def _ways_of(kept: Kept[Found]) -> list[Way]:
    """Return the ways of computing values again; slices stay one after the other."""
    schedule = kept.schedule
    if kept.origin:
        return [partial(recomputed, schedule.nodes, schedule.storage)]
    tried = list(orders(schedule.roots, schedule.storage))
    ways: list[Way] = [Checkpointing(tried, schedule.storage).sequence]
    return ways + [partial(recomputed, each, schedule.storage) for each in tried]


def _least_limit(kept: Kept[Found]) -> int:
    """Return the least limit that was found to be kept; in a large graph nothing more is tried."""
    low, least, ways = 0, kept.schedule.peak_bytes, _ways_of(kept)
    for _ in range(TRIES if len(kept.schedule.nodes) <= LOOKED_THROUGH else 0):
        middle = (low + least) // 2
        found = _computed_again(kept, ways, middle)
        if found:
            least = found[0].schedule.peak_bytes
        else:
            low = middle
    return least


def _refusal(candidate: Candidate, least: int, limit: int) -> MemoryLimitError:
    """Return the error that names the worst step and what would fit."""
    schedule, labels = candidate.schedule, candidate.labels
    needed = bytes_needed(schedule.nodes, schedule.storage)
    # inputs are no steps
    is_step = [not isinstance(each.operator, Variable) for each in schedule.nodes]
    _, _, place = max(zip(needed, is_step, range(0, -len(needed), -1), strict=True))
    worst = schedule.nodes[-place]
    operation, equation, _ = describe(worst)
    layer = f" of layer '{labels[worst]}'" if worst in labels else ""
    own = byte_text(schedule.storage.bytes_of(worst))
    unavoidable = handed_over(schedule.nodes, schedule.storage)
    reason = (
        f"inputs and results alone take {byte_text(unavoidable)}"
        if unavoidable > limit
        else f"the least found to be enough is {byte_text(least)}, with slices and values computed "
        "again"
    )
    return MemoryLimitError(
        f"the memory limit of {byte_text(limit)} cannot be kept: {reason}. Without a limit the "
        f"worst step is {operation} '{equation}'{layer}: its result of shape {worst.shape} takes "
        f"{own}, and {byte_text(schedule.peak_bytes)} are needed in all. Raise the limit to "
        f"{byte_text(least)}, choose smaller dimensions, or dtype float32",
        limit,
        least,
    )
