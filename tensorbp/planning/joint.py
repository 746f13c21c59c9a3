"""Joint planning: several products that may have intermediates in common are ordered together.

A sub-result that another product makes costs nothing. Products are ordered one after the other,
each by the subset programme at these discounted prices, and then again in turn for as long as the
total falls. A sub-result is known by its factors and the axes that are left, not by its tree.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache
from itertools import islice
from itertools import product as combinations

from tensorbp.algebra import Axis, Term
from tensorbp.expression.node import Expression
from tensorbp.expression.selection import Selection
from tensorbp.planning.bits import members_of
from tensorbp.planning.network import Network, Path
from tensorbp.planning.paths import pairs_of_tree
from tensorbp.planning.sharing import Key, intermediate_key
from tensorbp.planning.subsets import SubsetProgramme

__all__ = ["Effort", "ordered_jointly", "ranks", "without_values"]

ROUNDS = 4
"""How often each product is ordered anew, at most."""

LARGEST_PART = 4
"""Of how many factors a sub-result is that is offered for nothing, at most."""

MOST_SPLITS = 2_000_000
"""How many splits of subsets are priced in one search for sub-results that are offered, about."""

SPLITS_OF_A_PRODUCT = 2_000
"""How many splits are priced in the time that it takes to begin with a product, about."""

MOST_PLACES = 16
"""In how many places of a product one sub-result is looked for."""


@dataclass(frozen=True)
class _Made:
    """A sub-result in an order.

    Attributes:
        half: which of its factors, in the order of their values, are in the one half.
        halves: what the two halves are known by; None for a single factor.
        flops: what it costs to contract them.
    """

    half: tuple[bool, ...]
    halves: tuple[Key | None, Key | None]
    flops: int


_Table = dict[Key, _Made]


class Effort:
    """What is left of the effort of a search for sub-results that could be shared but are not."""

    def __init__(self, splits: int = MOST_SPLITS) -> None:
        self.splits = splits

    def allows(self, products: Sequence[_Product]) -> bool:
        """Say whether products can be ordered once more, from both ends, and take note of it."""
        count = sum(3 ** len(each.serials) + SPLITS_OF_A_PRODUCT for each in products)
        self.splits -= 2 * count
        return self.splits >= 0


def ordered_jointly(terms: Sequence[Term[Expression]], effort: Effort | None = None) -> list[Path]:
    """Return a path for each product, such that all together cost little.

    Args:
        terms: products of two to a dozen factors, those that others contain first.
        effort: what may be done to find sub-results that none of them would make for itself, and
            that only pay if several do; by default nothing.
    """
    pattern = _Pattern(terms)
    if effort is None:
        return _remembered(pattern)
    orders = _with_more_in_common(_one_after_the_other(terms), effort)
    return orders.paths()


class _Pattern:
    """What the paths of products depend on: axes, sizes, and which values are the same.

    A model may have many products alike, whose values are others.

    Attributes:
        terms: the products.
    """

    def __init__(self, terms: Sequence[Term[Expression]]) -> None:
        self.terms = terms
        rank = ranks([value for term in terms for value in term.values])
        self._key = tuple([without_values(term, rank) for term in terms])
        self._hash = hash(self._key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Pattern) and self._key == other._key

    def __hash__(self) -> int:
        return self._hash


def ranks(values: Iterable[Expression]) -> dict[Expression, int]:
    """Return the place of each value in the order of their making."""
    made = sorted(set(values), key=lambda value: value.serial)
    return {value: k for k, value in enumerate(made)}


def without_values(term: Term[Expression], rank: Mapping[Expression, int]) -> Hashable:
    """Return what is left of a product when only the ranks of its values are known."""
    return (
        term.coefficient,
        term.pattern,
        term.sizes,
        tuple([rank[value] for value in term.values]),
        tuple([v.operator for v in term.values if isinstance(v.operator, Selection)]),
    )


@lru_cache(maxsize=256)
def _remembered(pattern: _Pattern) -> list[Path]:
    return _one_after_the_other(pattern.terms).paths()


def _one_after_the_other(terms: Sequence[Term[Expression]]) -> _Orders:
    """Order each product at the prices that those before have left, from either end."""
    products = [_Product(term) for term in terms]
    forwards = range(len(terms))
    return min(
        (_improved(_Orders.of(products, each)) for each in (forwards, forwards[::-1])),
        key=lambda each: each.flops,
    )


@dataclass(frozen=True)
class _Orders:
    """An order for each product.

    Attributes:
        products: the products.
        sequence: in which of them are ordered one after the other.
        tables: the sub-results of each.
        flops: what all together cost.
    """

    products: Sequence[_Product]
    sequence: Sequence[int]
    tables: Sequence[_Table]
    flops: int

    @staticmethod
    def of(
        products: Sequence[_Product], sequence: Sequence[int], offered: _Table | None = None
    ) -> _Orders:
        """Order one product after the other; what is offered costs nothing at first."""
        tables: list[_Table] = [{} for _ in products]
        for k in sequence:
            tables[k] = products[k].ordered(_united([*tables, offered or {}]))
        return _Orders(products, sequence, tables, _total(products, tables))

    def paths(self) -> list[Path]:
        """Return the path of each product."""
        united = _united(self.tables)
        return [each.path(united) for each in self.products]

    def again(self, k: int) -> _Orders:
        """Order one product anew, the others given."""
        others = [*self.tables[:k], {}, *self.tables[k + 1 :]]
        others[k] = self.products[k].ordered(_united(others))
        return _Orders(self.products, self.sequence, others, _total(self.products, others))


def _improved(orders: _Orders) -> _Orders:
    """Order one product after the other anew, while the total falls."""
    for _ in range(ROUNDS):
        before = orders.flops
        for k in orders.sequence:
            orders = min(orders, orders.again(k), key=lambda each: each.flops)
        if orders.flops == before:
            break
    return orders


def _with_more_in_common(orders: _Orders, effort: Effort) -> _Orders:
    """Give the products one more sub-result for nothing, and see whether it pays to make it."""
    for _ in range(ROUNDS):
        before = orders.flops
        for table in _in_common(orders):
            if not effort.allows(orders.products):
                return orders
            for sequence in (orders.sequence, orders.sequence[::-1]):
                trial = _Orders.of(orders.products, sequence, table)
                if trial.flops < orders.flops:
                    orders = _improved(trial)
        if orders.flops == before:
            break
    return orders


def _in_common(orders: _Orders) -> Iterator[_Table]:
    """Yield sub-results that several products could share but do not, with all that makes them."""
    united = _united(orders.tables)
    seen: set[Key] = set(united)
    for product in sorted(orders.products, key=lambda each: -each.everything):
        for members in product.small_parts:
            key = product.key(members)
            if key is None or key in seen:
                continue
            seen.add(key)
            if sum(any(True for _ in each.occurrences(key)) for each in orders.products) > 1:
                yield product.ordered(united, members)


def _united(tables: Sequence[_Table]) -> _Table:
    """Return all sub-results; of two ways to make the same one, the first."""
    united: _Table = {}
    for table in reversed(tables):
        united |= table
    return united


def _total(products: Sequence[_Product], tables: Sequence[_Table]) -> int:
    """Return the FLOPs of all sub-results that the products need, each made once."""
    united = _united(tables)
    pending: list[Key | None] = [each.key(each.everything) for each in products]
    needed: set[Key] = set()
    total = 0
    while pending:
        key = pending.pop()
        if key is not None and key not in needed:
            needed.add(key)
            total += united[key].flops
            pending += united[key].halves
    return total


class _Product:
    """A product whose factors stand in the order in which their values were made."""

    def __init__(self, term: Term[Expression]) -> None:
        self.term = term
        serials = [value.serial for value in term.values]
        self.places = sorted(range(len(serials)), key=lambda k: (serials[k], k))
        self.serials = [serials[k] for k in self.places]
        self.network = Network.of(term)
        self.inputs = [self.network.inputs[k] for k in self.places]
        self.everything = (1 << len(serials)) - 1
        self._programme = SubsetProgramme(self.inputs, self.network.output, self.network.sizes)
        self._halves = cache(self._programme.halves)
        self._keys: dict[int, Key | None] = {}
        self._at: dict[int, list[int]] = {}
        for k, serial in enumerate(self.serials):
            self._at.setdefault(serial, []).append(k)

    def key(self, members: int) -> Key | None:
        """Return what a subset is known by; a single factor needs no making."""
        if members & (members - 1) == 0:
            return None
        if members not in self._keys:
            inside, outside = set[Axis](), set(self.network.output)
            for k, axes in enumerate(self.inputs):
                (inside if members >> k & 1 else outside).update(axes)
            leaves = tuple([(self.serials[k], self.places[k]) for k in members_of(members)])
            kept = sorted(inside & outside)
            self._keys[members] = intermediate_key(leaves, kept, self.term, 1)[0]
        return self._keys[members]

    @cached_property
    def small_parts(self) -> list[int]:
        """Subsets of linked factors, the small ones first."""
        found: list[int] = []
        layer = [1 << k for k in range(len(self.inputs))]
        for _ in range(2, min(len(self.inputs), LARGEST_PART + 1)):
            layer = sorted(
                {
                    members | 1 << k
                    for members in layer
                    for k in range(len(self.inputs))
                    if not members >> k & 1 and self._is_linked(members, k)
                }
            )
            found += layer
        return found

    def _is_linked(self, members: int, k: int) -> bool:
        return any(self.inputs[k] & self.inputs[j] for j in members_of(members))

    def ordered(self, known: _Table, whole: int | None = None) -> _Table:
        """Return the sub-results of the cheapest order, given those that cost nothing.

        Args:
            known: what is made already.
            whole: the subset that is wanted; all by default.
        """
        free = {members: made for key, made in known.items() for members in self.occurrences(key)}
        halves = self._halves(frozenset(free))
        table: _Table = {}
        pending = [whole or self.everything]
        while pending:
            members = pending.pop()
            key = self.key(members)
            if key is not None and key not in table:
                made = free.get(members)
                if made is None:
                    half = halves[members]
                    split = tuple([bool(half >> k & 1) for k in members_of(members)])
                    rest = members ^ half
                    flops, _ = self._programme.price(half, rest)
                    made = _Made(split, (self.key(half), self.key(rest)), flops)
                table[key] = made
                half = _scattered(made.half, members)
                pending += [half, members ^ half]
        return table

    def path(self, known: _Table) -> Path:
        """Return the path that makes the product out of sub-results."""
        tree: dict[int, int] = {}
        pending = [self.everything]
        while pending:
            members = pending.pop()
            key = self.key(members)
            if key is not None:
                tree[members] = half = _scattered(known[key].half, members)
                pending += [half, members ^ half]
        return self._pairs(tree)

    def _pairs(self, tree: Mapping[int, int]) -> Path:
        """Return a tree over the ordered factors as pairs of the factors as they are given."""
        pairs = pairs_of_tree(len(self.places), self.everything, lambda m: (tree[m], m ^ tree[m]))
        number = [*self.places, *range(len(self.places), 2 * len(self.places) - 1)]
        return tuple([(number[left], number[right]) for left, right in pairs])

    def occurrences(self, key: Key) -> Iterator[int]:
        """Yield the subsets of the factors that are known by a key."""
        serials = key[0]
        assert isinstance(serials, tuple)
        if len(serials) > len(self.serials):
            return
        places = [self._at.get(serial, ()) for serial in serials]
        for chosen in islice(combinations(*places), MOST_PLACES):
            members = 0
            for k in chosen:
                members |= 1 << k
            if members.bit_count() == len(serials) and self.key(members) == key:
                yield members


def _scattered(half: Sequence[bool], members: int) -> int:
    """Return a half of a subset as bits."""
    return sum(1 << k for is_in, k in zip(half, members_of(members), strict=True) if is_in)
