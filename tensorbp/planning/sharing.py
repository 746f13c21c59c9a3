"""Intermediates that are equal: known by what went into them, not by the order that made them.

In J Jᵀ the same factors come twice: contracted alike, the two halves are one tensor, made once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from math import prod

from tensorbp.algebra import Axis, Factor, Number, Pattern, Term
from tensorbp.algebra.pattern import REMEMBERED, Dimensions
from tensorbp.expression.node import Expression
from tensorbp.expression.selection import has_selections
from tensorbp.planning.finders import Finder, best_path
from tensorbp.planning.network import Network, Path, SelectionAxes, in_sequence, pair_flops

__all__ = ["Key", "Leaves", "intermediate_key", "joint_flops", "shared_flops", "twin_path"]

Key = tuple[object, ...]

Leaves = tuple[tuple[int, int], ...]
"""The factors of an intermediate: the serial number of each value, and its place in the product."""

SHARED_LIMIT = 16
"""Intermediates of more factors than this have no key: only equal nodes are shared, being one."""


def intermediate_key(
    leaves: Leaves, kept: Sequence[Axis], term: Term[Expression], coefficient: Number
) -> tuple[Key | None, Mapping[Axis, int]]:
    """Return what an intermediate is known by: its factors, tied by axes, and what is left."""
    if len(leaves) > SHARED_LIMIT:
        return None, {}
    ordered = sorted(leaves)
    serials = tuple([serial for serial, _ in ordered])
    ties, number = _ties(term.pattern, tuple([position for _, position in ordered]))
    sizes = tuple([term.sizes[axis] for axis in number])
    kept_numbers = frozenset([number[axis] for axis in kept])
    return (serials, ties, kept_numbers, sizes, coefficient), number


@lru_cache(maxsize=REMEMBERED)
def _ties(
    pattern: Pattern, positions: tuple[int, ...]
) -> tuple[tuple[Dimensions, ...], Mapping[Axis, int]]:
    """Return the dimensions of some factors with their axes numbered anew, and the numbers."""
    number: dict[Axis, int] = {}
    ties = tuple(
        [
            tuple(
                [
                    tuple([number.setdefault(axis, len(number)) for axis in dimension])
                    for dimension in pattern.factors[position]
                ]
            )
            for position in positions
        ]
    )
    return ties, number


def shared_flops(term: Term[Expression], path: Path) -> int:
    """Return the FLOPs of a path in which equal intermediates are made once."""
    if term.pattern.is_pair and term.coefficient == 1 and not has_selections(term):
        # one intermediate, and nothing summed before: what most products of a model are
        return pair_flops(prod(term.sizes), sums=bool(term.pattern.summed))
    return joint_flops([(term, path)])


def joint_flops(products: Iterable[tuple[Term[Expression], Path]]) -> int:
    """Return the FLOPs of several products in which equal intermediates are made once."""
    seen: set[Key] = set()
    total = 0
    for term, path in products:
        network = Network.of(term)
        leaves: list[Leaves] = [((value.serial, k),) for k, value in enumerate(term.values)]
        total += _sums_of_factors(term, network, leaves, seen)
        if term.coefficient != 1:
            total += _least_to_scale(network, path)
        for (left, right), ((flops, _), kept) in zip(path, network.priced(path), strict=True):
            joined = tuple(sorted(leaves[left] + leaves[right]))
            leaves.append(joined)
            key, _ = intermediate_key(joined, sorted(kept), term, 1)
            if key is None or key not in seen:
                total += flops
            if key is not None:
                seen.add(key)
    return total


def _least_to_scale(network: Network, path: Path) -> int:
    """Return how many numbers the smallest tensor of the last pair has, its result included."""
    tensors = [network.output]
    if path:
        *_, (one, other, _) = network.contractions(path)
        tensors += [each for each in (one, other) if not isinstance(each, SelectionAxes)]
    return min([network.volume(each) for each in tensors])


def _sums_of_factors(
    term: Term[Expression], network: Network, leaves: Sequence[Leaves], seen: set[Key]
) -> int:
    """Return the FLOPs of summing factors over axes that they alone have."""
    total = 0
    summed = network.summed_beforehand()
    for axes, kept, leaf in zip(network.inputs, summed, leaves, strict=True):
        if axes != kept:
            key, _ = intermediate_key(leaf, sorted(kept), term, 1)
            if key not in seen:
                total += pair_flops(network.volume(axes), sums=True)
            if key is not None:
                seen.add(key)
    return total


def twin_path(term: Term[Expression], finders: Mapping[str, Finder] | None) -> Path | None:
    """Return a path that makes two equal halves of a product alike, each by itself.

    Returns:
        The path, or None where the product has no two halves that could be one tensor.
    """
    halves = _halves(term.factors)
    if halves is None or len(halves[0]) < 2:
        return None
    count = len(term.values)
    rest = [k for k in range(count) if k not in halves[0] + halves[1]]
    pairs: list[tuple[int, int]] = []
    tensors: list[int] = []
    outputs: list[frozenset[Axis]] = []
    network = Network.of(term)
    inside: Path = ()
    for number, half in enumerate(halves):
        others = [network.inputs[k] for k in range(count) if k not in half]
        needed = network.output.union(*others)
        kept = frozenset().union(*[network.inputs[k] for k in half]) & needed
        if number == 0:
            part = Network(tuple([network.inputs[k] for k in half]), kept, network.sizes)
            inside = best_path(part, in_sequence(len(half)), finders)
        names = list(half)
        for left, right in inside:
            pairs.append((names[left], names[right]))
            names.append(count + len(pairs) - 1)
        tensors.append(names[-1])
        outputs.append(kept)
    left_over = [*tensors, *rest]
    last = Network((*outputs, *[network.inputs[k] for k in rest]), network.output, network.sizes)
    names = list(left_over)
    for left, right in best_path(last, in_sequence(len(names)), finders):
        pairs.append((names[left], names[right]))
        names.append(count + len(pairs) - 1)
    return tuple(pairs)


def _halves(factors: Sequence[Factor[Expression]]) -> tuple[list[int], list[int]] | None:
    """Return two lists of factors with the same values, tied by axes in the same way."""
    places: dict[Expression, list[int]] = {}
    for k, factor in enumerate(factors):
        places.setdefault(factor.value, []).append(k)
    pairs = [found for found in places.values() if len(found) == 2]
    if len(pairs) < 2 or any(len(found) > 2 for found in places.values()):
        return None
    one: list[int] = []
    other: list[int] = []
    swapped: dict[Axis, Axis] = {}
    for first, second in pairs:
        for a, b in ((first, second), (second, first)):
            extended = _swapped(factors[a], factors[b], swapped)
            if extended is not None:
                swapped = extended
                one.append(a)
                other.append(b)
                break
        else:
            return None
    return one, other


def _swapped(
    one: Factor[Expression], other: Factor[Expression], known: Mapping[Axis, Axis]
) -> dict[Axis, Axis] | None:
    """Return which axes change places when two factors do, or None if that contradicts."""
    if list(map(len, one.dimensions)) != list(map(len, other.dimensions)):
        return None
    changed = dict(known)
    for a, b in zip(one.axes, other.axes, strict=True):
        if changed.setdefault(a, b) != b or changed.setdefault(b, a) != a:
            return None
    return changed
