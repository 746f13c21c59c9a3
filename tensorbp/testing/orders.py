"""Order finders against brute force: random networks, and what every order of them costs."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from random import Random
from typing import Any

from tensorbp.planning.finders import Finder
from tensorbp.planning.network import Network
from tensorbp.planning.paths import numbered
from tensorbp.testing.case import CheckFailure

__all__ = ["Optimality", "check_finder", "costs_of_all_orders", "random_network"]


@dataclass(frozen=True)
class Optimality:
    """How near the paths of a finder came to the optimum.

    Attributes:
        networks: how many networks there were.
        optimal: of how many the path was the cheapest of all.
        mean: the geometric mean of the ratio of FLOPs to the optimum.
        worst: the largest ratio.
    """

    networks: int
    optimal: int
    mean: float
    worst: float


def check_finder(finder: Finder, networks: int = 100, seed: int = 0, most: int = 7) -> Optimality:
    """Compare an order finder with all orders of small random networks.

    >>> from tensorbp.planning.programmes import subset
    >>> check_finder(subset, networks=5)
    Optimality(networks=5, optimal=5, mean=1.0, worst=1.0)

    Args:
        finder: a function with the signature of opt_einsum's path functions.
        networks: how many networks are drawn.
        seed: equal seeds draw equal networks.
        most: how many factors a network has at most; brute force lists (2n - 3)!! orders.

    Raises:
        CheckFailure: an answer is no path; the text names the network.
    """
    random = Random(seed)
    ratios = []
    for _ in range(networks):
        network = random_network(random, most)
        answer: Any = finder(list(network.inputs), network.output, dict(network.sizes), None)
        try:
            path = numbered(answer, len(network.inputs))
        except ValueError as error:
            raise CheckFailure(f"{answer!r} is no path for {network}: {error}") from error
        least = min(costs_of_all_orders(network))
        # where the optimum costs nothing, so does every order: there is one factor, or none
        ratios.append(network.flops(path) / least if least else 1.0)
    mean = math.exp(math.fsum(math.log(ratio) for ratio in ratios) / len(ratios))
    return Optimality(networks, ratios.count(1.0), mean, max(ratios))


def random_network(random: Random, most: int = 7) -> Network:
    """Return a network of a kind that derivatives have, or of none.

    Chains with or without diagonals, rings, outer products, unconnected parts, axes that many
    factors share, a batch in some factors or in all; widths of 1 to 1,024.

    Args:
        random: where it is drawn from.
        most: how many factors it has at most; two at least.
    """
    count = random.randint(2, most)
    kind = random.choice(["chain", "diagonals", "ring", "any", "apart"])
    if kind in ("chain", "ring"):
        inputs = [{k, (k + 1) % count if kind == "ring" else k + 1} for k in range(count)]
    elif kind == "diagonals":
        inputs = [{(k + 1) // 2, k // 2 + 1} for k in range(count)]
    elif kind == "apart":
        inputs = [{random.randrange(count) + count * (k % 2)} for k in range(count)]
    else:
        inputs = [set(random.sample(range(count + 1), random.randint(0, 3))) for _ in range(count)]
    batch = random.choice(["none", "some", "all"])
    for axes in inputs:
        if batch == "all" or (batch == "some" and random.random() < 0.5):
            axes.add(-1)
    made = sorted(set().union(*inputs))
    ends = [min(made, default=0), max(made, default=0)]
    chosen = random.choice([ends, random.sample(made, min(len(made), 2)), made[:1], []])
    widths = random.choice([range(1, 5), range(1, 65), range(8, 1025), range(1, 1025)])
    sizes = {axis: random.choice(widths) for axis in made}
    output = frozenset(chosen) & frozenset(made)
    return Network(tuple([frozenset(axes) for axes in inputs]), output, sizes)


def costs_of_all_orders(
    network: Network, is_contiguous: bool = False, largest: float = math.inf
) -> list[int]:
    """Return the FLOPs of every binary tree over the factors of a network without selections.

    Contractions are counted by opt_einsum; an axis that one factor alone has is summed beforehand.

    Args:
        network: what is contracted, n factors.
        is_contiguous: whether only neighbours are joined: then there are Catalan(n - 1) trees, and
            otherwise (2n - 3)!!.
        largest: the most numbers that an intermediate may have; other trees are left out.
    """
    # opt_einsum brings numpy with it, which the rest of the package can do without
    from opt_einsum.helpers import compute_size_by_dict, flop_count

    everything = tuple(range(len(network.inputs)))

    @cache
    def kept(members: tuple[int, ...]) -> frozenset[int]:
        others = [axes for k, axes in enumerate(network.inputs) if k not in members]
        inside = frozenset().union(*[network.inputs[k] for k in members])
        return inside & network.output.union(*others)

    @cache
    def costs(members: tuple[int, ...]) -> list[int]:
        if len(members) == 1:
            return [0]
        left_over = kept(members)
        if members != everything and compute_size_by_dict(left_over, network.sizes) > largest:
            return []
        found = []
        for one, other in _splits(members, is_contiguous):
            both = kept(one) | kept(other)
            flops = flop_count(both, both != left_over, 2, network.sizes)
            found += [flops + a + b for a in costs(one) for b in costs(other)]
        return found

    return costs(everything)


def _splits(
    members: tuple[int, ...], is_contiguous: bool
) -> Iterator[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Yield all ways to take a set apart, or all cuts of a sequence."""
    if is_contiguous:
        yield from ((members[:k], members[k:]) for k in range(1, len(members)))
        return
    first, *rest = members
    for chosen in range(2 ** len(rest) - 1):
        inside = [each for k, each in enumerate(rest) if chosen >> k & 1]
        yield (first, *inside), tuple([each for each in rest if each not in inside])
