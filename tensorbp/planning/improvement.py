"""Making a path cheaper part by part: its tree of contractions is re-planned where it is dear.

Three neighbourhoods take turns until none finds anything: all orders of a part of the tree with a
few tensors that reaches along what is dear, as in the reconfiguration of subtrees of Gray and
Kourtis, "Hyper-optimized tensor network contraction", 2021; all trees over the factors in the order
in which the tree has them, among which the tree itself is; and parts that are as deep on all sides.
"""

from __future__ import annotations

from collections.abc import Iterable

from tensorbp.algebra import Axis
from tensorbp.planning.intervals import INTERVAL_LIMIT, interval_path
from tensorbp.planning.network import Network, Path
from tensorbp.planning.paths import numbered
from tensorbp.planning.programmes import subset

__all__ = ["improved"]

PART = 8
"""How many tensors a part of the tree has, of which all orders are tried."""

MOST_PARTS = 1000
"""How many parts are tried at most."""


def improved(network: Network, path: Path, parts: int = MOST_PARTS) -> Path:
    """Return a path that costs no more, and that re-planning a part does not make cheaper.

    Args:
        network: what to contract.
        path: any path for it.
        parts: how many parts are tried at most; the work grows with it, and no clock is read.
    """
    least, is_by_cost = network.cost(path), True
    while True:
        tree = _Tree(network, path)
        parts -= tree.improve(parts, is_by_cost)
        candidates = [tree.path()]
        if is_by_cost and len(network.inputs) <= INTERVAL_LIMIT:
            candidates.append(_over_its_own_order(network, candidates[0]))
        best = min(candidates, key=network.cost)
        cost = network.cost(best)
        if cost < least:
            path, least, is_by_cost = best, cost, True
        elif is_by_cost:
            is_by_cost = False
        else:
            return path


def _over_its_own_order(network: Network, path: Path) -> Path:
    """Return the cheapest path over the factors in the order in which a tree has them."""
    order = _order_of(network, path)
    count = len(order)
    turned = Network(tuple([network.inputs[k] for k in order]), network.output, network.sizes)
    named = [*order, *range(count, 2 * count)]
    return tuple([(named[a], named[b]) for a, b in interval_path(turned)])


def _order_of(network: Network, path: Path) -> list[int]:
    """Return the factors as a tree has them from left to right.

    Of the two sides of a contraction either may be on the left, and mirrored: those factors meet in
    the middle that share most.
    """
    orders = [[k] for k in range(len(network.inputs))]
    for left, right in path:
        one, other = orders[left], orders[right]
        sides = [(a, b) for a in (one, one[::-1]) for b in (other, other[::-1])]
        a, b = max(
            sides,
            key=lambda side: network.volume(
                network.inputs[side[0][-1]] & network.inputs[side[1][0]]
            ),
        )
        orders.append(a + b)
    return orders[-1]


class _Tree:
    """A path as a tree whose parts can be replaced.

    Attributes:
        axes: what each tensor has left, by number; factors come first.
        children: the pair that each other tensor is made of.
        costs: what that pair costs, and how many numbers it writes.
    """

    def __init__(self, network: Network, path: Path) -> None:
        self.network = network
        self.axes = dict(enumerate(network.summed_beforehand()))
        self.children: dict[int, tuple[int, int]] = {}
        self.costs: dict[int, tuple[int, int]] = {}
        self.root = 0
        for pair, (cost, kept) in zip(path, network.priced(path), strict=True):
            self.root = self._add(len(self.axes), pair, network.weighed(cost), kept)
        self.numbers = len(self.axes)

    def path(self) -> Path:
        """Return the tree as a path, left sides first."""
        order, pending = [], [self.root]
        while pending:
            each = pending.pop()
            if each in self.children:
                order.append(each)
                pending += self.children[each]
        number = {k: k for k in range(len(self.network.inputs))}
        pairs = []
        for each in reversed(order):
            left, right = self.children[each]
            pairs.append((number[left], number[right]))
            number[each] = len(number)
        return tuple(pairs)

    def improve(self, most: int, is_by_cost: bool) -> int:
        """Re-plan parts, the dear ones first, until none gets cheaper; return how many were tried.

        Args:
            most: how many parts are tried at most.
            is_by_cost: whether parts reach along what is dear, or as deep on all sides.
        """
        tried: set[frozenset[int]] = set()
        was_cheaper = True
        while was_cheaper:
            was_cheaper = False
            for root in sorted(self.children, key=lambda each: self.costs[each], reverse=True):
                part = self._part(root, is_by_cost) if root in self.children else []
                if len(part) < 3 or frozenset(part) in tried:
                    continue
                if len(tried) == most:
                    return most
                tried.add(frozenset(part))
                was_cheaper |= self._replan(root, part)
        return len(tried)

    def _add(
        self, number: int, pair: tuple[int, int], cost: tuple[int, int], kept: frozenset[Axis]
    ) -> int:
        self.axes[number], self.children[number], self.costs[number] = kept, pair, cost
        return number

    def _part(self, root: int, is_by_cost: bool) -> list[int]:
        """Return the tensors of which a part is made; the dearest or the first are taken apart."""
        part = list(self.children[root])
        while len(part) < PART:
            inside = [each for each in part if each in self.children]
            if not inside:
                break
            chosen = max(inside, key=lambda each: self.costs[each]) if is_by_cost else inside[0]
            part.remove(chosen)
            part += self.children[chosen]
        return part

    def _replan(self, root: int, part: list[int]) -> bool:
        """Replace what makes the root out of a part, if that is cheaper, and say whether it was."""
        inputs, output = [self.axes[each] for each in part], self.axes[root]
        inside, pending = [], [root]
        while pending:
            each = pending.pop()
            if each not in part:
                inside.append(each)
                pending += self.children[each]
        network = Network(tuple(inputs), output, self.network.sizes)
        linear = subset(inputs, output, dict(network.sizes))
        if linear is None:
            return False
        path = numbered(linear, len(part))
        before = [self.costs[each] for each in inside]
        # of the whole network: a part may have no selection of its own
        after = [self.network.weighed(cost) for cost, _ in network.priced(path)]
        if _total(after) >= _total(before):
            return False
        for each in inside:
            del self.axes[each], self.children[each], self.costs[each]
        names = list(part)
        for k, (pair, (cost, kept)) in enumerate(zip(path, network.priced(path), strict=True)):
            is_last = k == len(path) - 1
            self.numbers += not is_last
            number = root if is_last else self.numbers
            weighed = self.network.weighed(cost)
            names.append(self._add(number, (names[pair[0]], names[pair[1]]), weighed, kept))
        return True


def _total(costs: Iterable[tuple[int, int]]) -> tuple[int, int]:
    """Return the sums of FLOPs and of numbers written."""
    flops, written = zip(*costs, strict=True)
    return sum(flops), sum(written)
