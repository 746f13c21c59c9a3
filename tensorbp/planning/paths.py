"""Paths in two forms: pairs of numbers, as plans have them, and opt_einsum's positions."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tensorbp.planning.network import Path

__all__ = ["linear", "numbered", "pairs_of_tree"]


def numbered(linear: Sequence[tuple[int, ...]], factors: int) -> Path | None:
    """Return opt_einsum's path in our numbering, or None where a step is not a pair."""
    left = list(range(factors))
    pairs: list[tuple[int, int]] = []
    for step in linear:
        if len(step) != 2:
            return None
        a, b = (left[position] for position in step)
        left = [number for number in left if number not in (a, b)] + [factors + len(pairs)]
        pairs.append((a, b))
    return tuple(pairs)


def linear(pairs: Sequence[tuple[int, int]]) -> Sequence[tuple[int, ...]]:
    """Return a path in opt_einsum's form: positions in the list of what is left."""
    left = list(range(len(pairs) + 1))
    linear = []
    for k, pair in enumerate(pairs):
        linear.append(tuple([left.index(number) for number in pair]))
        left = [number for number in left if number not in pair] + [len(pairs) + 1 + k]
    return linear


def pairs_of_tree(
    count: int, everything: int, halves: Callable[[int], tuple[int, int]]
) -> list[tuple[int, int]]:
    """Return the pairs of a tree over subsets of the factors, leaves first."""
    number = {1 << k: k for k in range(count)}
    pairs: list[tuple[int, int]] = []
    pending = [everything]
    while pending:
        members = pending[-1]
        missing = [half for half in halves(members) if half not in number]
        if missing:
            pending.extend(missing)
            continue
        pending.pop()
        if members not in number:
            left, right = halves(members)
            pairs.append((number[left], number[right]))
            number[members] = count + len(pairs) - 1
    return pairs
