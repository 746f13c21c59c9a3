"""What the planner is held against: the costs of all orders, counted with opt_einsum's function.

Nothing here uses the evaluator or the search of tensorbp.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Any

from opt_einsum.helpers import flop_count

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "Einsum",
    "best_chain",
    "chain_intervals",
    "chain_with_batch",
    "costs_of_trees",
    "joint_chains",
    "path_flops",
    "random_einsum",
]


@dataclass(frozen=True)
class Einsum:
    """An einsum as sets of indices.

    Attributes:
        inputs: the indices of each tensor.
        output: those that are kept.
        sizes: the size of each index.
    """

    inputs: tuple[frozenset[int], ...]
    output: frozenset[int]
    sizes: Mapping[int, int]

    def kept(self, members: frozenset[int]) -> frozenset[int]:
        """Return the indices that are left once some of the tensors are contracted."""
        inside = frozenset[int]().union(*[self.inputs[k] for k in members])
        others = [axes for k, axes in enumerate(self.inputs) if k not in members]
        return inside & self.output.union(*others)

    def flops(self, left: frozenset[int], right: frozenset[int]) -> int:
        """Return the FLOPs of contracting the results of two sets of tensors."""
        both = self.kept(left) | self.kept(right)
        count: int = flop_count(both, both != self.kept(left | right), 2, self.sizes)
        return count


def random_einsum(random: Random, most: int) -> Einsum:
    """Draw chains, batch indices in many tensors, diagonals, loose ends and outer products."""
    count = random.randint(3, most)
    indices = random.randint(2, count + 2)
    widths = random.choice([(1, 4), (1, 64), (1, 1024)])
    sizes = {k: random.randint(*widths) for k in range(indices + 1)}
    is_chain = random.random() < 0.5
    inputs = []
    for k in range(count):
        drawn = {k % indices, (k + 1) % indices}
        if not is_chain:
            drawn = set(random.sample(range(indices), random.randint(1, min(3, indices))))
        inputs.append(drawn)
    if random.random() < 0.5:
        for each in inputs:
            if random.random() < 0.7:
                each.add(indices)
    made = sorted(set().union(*inputs))
    output = random.sample(made, random.randint(0, min(3, len(made))))
    return Einsum(tuple(map(frozenset, inputs)), frozenset(output), sizes)


def chain_with_batch(random: Random, layers: int, least: int) -> Einsum:
    """Draw the gradient of the lowest weight: cotangent, activation, weight, activation..., input.

    Args:
        random: where numbers come from.
        layers: how many weights the cotangent passes.
        least: the narrowest width.
    """
    batch = layers + 2
    sizes = {k: random.randint(least, 1024) for k in range(batch)} | {batch: random.randint(1, 512)}
    inputs = [frozenset([batch, 0])]
    for k in range(layers):
        inputs += [frozenset([batch, k]), frozenset([k, k + 1])]
    inputs += [frozenset([batch, layers]), frozenset([batch, layers + 1])]
    return Einsum(tuple(inputs), frozenset([layers, layers + 1]), sizes)


def costs_of_trees(einsum: Einsum, is_contiguous: bool = False) -> NDArray[Any]:
    """Return the FLOPs of every binary tree over the tensors, or of all that join neighbours."""
    import numpy as np

    everything = tuple(range(len(einsum.inputs)))
    known: dict[tuple[int, ...], NDArray[Any]] = {(k,): np.zeros(1) for k in everything}

    def costs(members: tuple[int, ...]) -> NDArray[Any]:
        if members not in known:
            found = []
            for left, right in _splits(members, is_contiguous):
                pair = float(einsum.flops(frozenset(left), frozenset(right)))
                found.append(np.add.outer(costs(left), costs(right)).ravel() + pair)
            known[members] = np.concatenate(found)
        return known[members]

    return costs(everything)


def _splits(
    members: tuple[int, ...], is_contiguous: bool
) -> Iterable[tuple[tuple[int, ...], tuple[int, ...]]]:
    if is_contiguous:
        yield from [(members[:k], members[k:]) for k in range(1, len(members))]
        return
    first, *rest = members
    for bits in range(2 ** len(rest) - 1):
        left = (first, *[each for k, each in enumerate(rest) if bits >> k & 1])
        yield left, tuple([each for k, each in enumerate(rest) if not bits >> k & 1])


def path_flops(einsum: Einsum, path: Sequence[tuple[int, ...]]) -> int:
    """Return the FLOPs of a path as opt_einsum writes it: positions in what is left."""
    return sum(step.flops for step in steps(einsum, path))


@dataclass(frozen=True)
class _Step:
    members: frozenset[int]
    kept: frozenset[int]
    flops: int


def steps(einsum: Einsum, path: Sequence[tuple[int, ...]]) -> list[_Step]:
    """Return the pairs of a path, each with the tensors that went into it."""
    outside = [0] * (max(einsum.sizes) + 1)
    for axes in [*einsum.inputs, einsum.output]:
        for axis in axes:
            outside[axis] += 1
    left = []
    for k, axes in enumerate(einsum.inputs):
        left.append((frozenset([k]), frozenset([axis for axis in axes if outside[axis] > 1])))
    found = []
    for positions in path:
        if len(positions) == 1:
            # some finders say that a tensor is summed over by itself, which has been done
            left.append(left.pop(positions[0]))
            continue
        (a, one), (b, other) = [left.pop(k) for k in sorted(positions, reverse=True)]
        for axis in one & other:
            outside[axis] -= 1
        both = one | other
        kept = frozenset([axis for axis in both if outside[axis] > 1])
        found.append(_Step(a | b, kept, flop_count(both, both != kept, 2, einsum.sizes)))
        left.append((a | b, kept))
    return found


def best_chain(dims: Sequence[int]) -> int:
    """Return the fewest FLOPs of a chain of matrices; all intervals of one length at a time."""
    import numpy as np

    count = len(dims) - 1
    size = np.array(dims, dtype=float)
    best = np.zeros((count + 1, count + 1))
    for length in range(2, count + 1):
        starts = np.arange(count - length + 1)
        middles = starts[:, None] + np.arange(1, length)
        ends = starts + length
        joins = 2 * size[starts][:, None] * size[middles] * size[ends][:, None]
        both = best[starts[:, None], middles] + best[middles, ends[:, None]]
        best[starts, ends] = (both + joins).min(axis=1)
    return int(best[0, count])


Interval = tuple[int, int]


def chain_intervals(dims: Sequence[int]) -> tuple[dict[Interval, int], dict[Interval, int]]:
    """Return the fewest FLOPs of each interval of a chain, and where it is split first."""
    count = len(dims) - 1
    best = {(k, k + 1): 0 for k in range(count)}
    split: dict[Interval, int] = {}
    for length in range(2, count + 1):
        for i in range(count - length + 1):
            j = i + length
            best[i, j], split[i, j] = min(
                (best[i, k] + best[k, j] + 2 * dims[i] * dims[k] * dims[j], k)
                for k in range(i + 1, j)
            )
    return best, split


def joint_chains(dims: Sequence[int], targets: Iterable[Interval]) -> int:
    """Return the fewest FLOPs to make several intervals of a chain, each product made once.

    All families of intervals are tried: the longest interval that is wanted is split in every way,
    its halves are wanted then too.
    """
    known: dict[frozenset[Interval], int] = {}

    def best(wanted: frozenset[Interval]) -> int:
        if not wanted:
            return 0
        if wanted not in known:
            i, j = longest = max(wanted, key=lambda each: (each[1] - each[0], each))
            others = wanted - {longest}
            known[wanted] = min(
                2 * dims[i] * dims[k] * dims[j]
                + best(others | {half for half in ((i, k), (k, j)) if half[1] - half[0] > 1})
                for k in range(i + 1, j)
            )
        return known[wanted]

    return best(frozenset([each for each in targets if each[1] - each[0] > 1]))
