"""Paths in two forms: pairs of numbers, as plans have them, and opt_einsum's positions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from tensorbp.planning.network import Path

__all__ = ["linear", "numbered", "pairs_of_tree"]


def numbered(linear: Any, factors: int) -> Path:
    """Return opt_einsum's path in our numbering.

    A step of one tensor sums it by itself, which is done beforehand, and puts it at the end; a step
    of several takes them in turn.

    Args:
        linear: for each step the positions of its tensors in the list of what is left; results are
            appended at the end.
        factors: how many tensors there are.

    Raises:
        ValueError: that is no path which leaves one tensor; the text says why.
    """
    left = list(range(factors))
    pairs: list[tuple[int, int]] = []
    for step in _steps(linear):
        if not all(isinstance(each, int) and 0 <= each < len(left) for each in step):
            raise ValueError(f"step {step} has a position outside of the {len(left)} that are left")
        if len(set(step)) < len(step) or not step:
            raise ValueError(f"step {step} must name one tensor or several different ones")
        first, *others = (left[position] for position in step)
        left = [number for k, number in enumerate(left) if k not in step]
        for other in others:
            pairs.append((first, other))
            first = factors + len(pairs) - 1
        left.append(first)
    if len(left) > 1:
        raise ValueError(f"the path leaves {len(left)} tensors instead of one")
    return tuple(pairs)


def _steps(linear: Any) -> list[tuple[Any, ...]]:
    try:
        return [tuple(step) for step in linear]
    except TypeError:
        raise ValueError(
            f"expected a list of tuples of positions, found {type(linear).__name__}"
        ) from None


def linear(pairs: Sequence[tuple[int, int]], alone: Sequence[int] = ()) -> list[tuple[int, ...]]:
    """Return a path in opt_einsum's form: positions in the list of what is left.

    Args:
        pairs: the path.
        alone: the tensors that are summed by themselves first.
    """
    left = list(range(len(pairs) + 1))
    linear: list[tuple[int, ...]] = []
    for number in alone:
        linear.append((left.index(number),))
        left.append(left.pop(linear[-1][0]))
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
