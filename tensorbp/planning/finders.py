"""Order finders: functions from a network to a contraction path, and the competition among them.

A finder has the signature that opt_einsum gives to its path functions and its PathOptimizers, so
that any of them, and those of plugins, may compete: the cheapest answer wins.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Hashable, Iterator, Mapping
from copy import deepcopy
from functools import lru_cache
from typing import Any

from tensorbp.algebra import Axis
from tensorbp.errors import CompileError, PluginWarning
from tensorbp.planning.chains import chain, is_chain
from tensorbp.planning.greedy import RandomGreedy, greedy
from tensorbp.planning.improvement import improved
from tensorbp.planning.intervals import interval
from tensorbp.planning.network import Network, Path
from tensorbp.planning.paths import numbered
from tensorbp.planning.programmes import is_tried_in_full, subset
from tensorbp.registry import default_registry

__all__ = ["BUILT_IN_FINDERS", "Finder", "answer", "best_path", "checked", "path_of", "reason"]

Finder = Callable[[list[frozenset[Axis]], frozenset[Axis], dict[Axis, int], int | None], Any]
"""Takes inputs, output, sizes and a memory limit, which plans leave at None; returns opt_einsum's
path: positions in the list of what is left, results appended at the end. None stands for a network
that is too large, or of a kind that the finder is not for."""

BUILT_IN_FINDERS: dict[str, Finder] = {
    "subset": subset,
    "chain": chain,
    "interval": interval,
    "greedy": greedy,
    "random-greedy": RandomGreedy(),
}
"""The finders that come with tensorbp, by name."""

IMPROVED_FACTORS = 150
"""So many of the best paths are made cheaper part by part as have so many factors together."""


def best_path(network: Network, first: Path, finders: Mapping[str, Finder] | None = None) -> Path:
    """Return the path with the fewest FLOPs that any finder knows.

    Where the subset programme competes but the network is too large for it, the best paths are made
    cheaper part by part.

    Args:
        network: what to contract.
        first: a path that is known already; it is left only for a cheaper one.
        finders: the finders that compete; by default the built-in ones.
    """
    if len(network.inputs) < 3:
        return first
    competing = tuple((BUILT_IN_FINDERS if finders is None else finders).items())
    return _remembered(
        network.inputs, network.output, tuple(network.sizes.items()), first, competing
    )


def checked(finders: Mapping[str, Finder]) -> Mapping[str, Finder]:
    """Return finders that somebody asked for.

    Raises:
        CompileError: they are no mapping from names to functions.
    """
    if not isinstance(finders, Mapping):
        raise CompileError(
            "finders must be a mapping from names to order finders, for example "
            f"{{'greedy': opt_einsum.paths.greedy}}; found {type(finders).__name__}"
        )
    for name, finder in finders.items():
        if not callable(finder) or isinstance(finder, type) or not isinstance(finder, Hashable):
            raise CompileError(
                f"finder '{name}' must be a function or a PathOptimizer of opt_einsum; found "
                f"{finder!r}"
            )
    return finders


@lru_cache(maxsize=4096)
def _remembered(
    inputs: tuple[frozenset[Axis], ...],
    output: frozenset[Axis],
    sizes: tuple[tuple[Axis, int], ...],
    first: Path,
    finders: tuple[tuple[str, Finder], ...],
) -> Path:
    """Return the best path for a network of which a model may have many."""
    network = Network(inputs, output, dict(sizes))
    asked = dict(_worth_asking(network, dict(finders)))
    answers = [path_of(finder, network, name) for name, finder in asked.items()]
    found = dict.fromkeys([first, *[each for each in answers if each is not None]])
    known = sorted(found, key=network.cost)
    if subset not in asked.values() or is_tried_in_full(inputs, output):
        return known[0]
    starts = known[: max(1, IMPROVED_FACTORS // len(inputs))]
    return min([improved(network, each) for each in starts], key=network.cost)


def _worth_asking(network: Network, finders: Mapping[str, Finder]) -> Iterator[tuple[str, Finder]]:
    """Yield the finders that can tell something new: none beats one that knows the optimum."""
    inputs, output = network.inputs, network.output
    for name, finder in finders.items():
        if (finder is subset and is_tried_in_full(inputs, output)) or (
            finder is chain and not network.moves and is_chain(inputs, output, network.sizes)
        ):
            yield name, finder
            return
    yield from finders.items()


def path_of(
    finder: Finder, network: Network, name: str, memory_limit: int | None = None
) -> Path | None:
    """Return the path that a finder gives, or None if it has none; a warning says if it failed.

    Args:
        finder: the finder.
        network: what to contract.
        name: what the warning calls the finder.
        memory_limit: the most numbers that an intermediate should have.
    """
    try:
        return answer(finder, network, memory_limit)
    except Exception as error:
        warnings.warn(
            f"order finder '{name}'{_whose(name, finder)} gave no path for a network of "
            f"{len(network.inputs)} factors: {reason(error)}; the other finders go on",
            PluginWarning,
            stacklevel=2,
        )
        return None


def answer(finder: Finder, network: Network, memory_limit: int | None = None) -> Path | None:
    """Return the path that a finder gives for a network, or None if it has none to offer.

    Args:
        finder: the finder; if it is a PathOptimizer, which may remember, a copy of it is asked.
        network: what to contract.
        memory_limit: the most numbers that an intermediate should have.

    Raises:
        ValueError: what the finder returns is no path.
        Exception: whatever the finder raises.
    """
    inputs, sizes = list(network.inputs), dict(network.sizes)
    # RandomGreedy of opt_einsum takes one network only
    fresh = finder if hasattr(finder, "__name__") else deepcopy(finder)
    linear = fresh(inputs, network.output, sizes, memory_limit)
    return None if linear is None else numbered(linear, len(inputs))


def reason(error: Exception) -> str:
    """Return in a line why something failed."""
    return " ".join(f"{type(error).__name__}: {error}".split())


def _whose(name: str, finder: Finder) -> str:
    """Return which plugin a finder came from, where that is known."""
    registry = default_registry()
    if registry.path_finders.get(name) is not finder:
        return ""
    return f" of plugin '{registry.origin('path finder', name).label}'"
