"""The planner: which order of derivation, fusion and contraction is cheapest.

Every map in a query is worked out in some elimination order. The search starts from the natural
one and changes the order of one map at a time while the total falls; within each try, einsums are
fused and their paths searched. Plain forward and plain reverse mode are priced by the same
evaluator, and taken if they are cheaper: no plan costs more than the cheaper of the two.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Literal, cast

from tensorbp.algebra import Factor, LinearMap, Space, Term
from tensorbp.algebra.linear_map import Block
from tensorbp.errors import CompileError
from tensorbp.expression.elimination import Order
from tensorbp.expression.graph import Wanted, maps_of, topological_order
from tensorbp.expression.map_expression import (
    Entries,
    Explicit,
    Jacobian,
    MapExpression,
    Product,
)
from tensorbp.expression.node import Expression
from tensorbp.expression.resolution import Resolution, natural_order, plain_order
from tensorbp.expression.selection import Selection
from tensorbp.planning.cache import remembered
from tensorbp.planning.clusters import planned_jointly
from tensorbp.planning.finders import Finder, checked
from tensorbp.planning.fusion import Contraction, fuse, plain
from tensorbp.planning.labels import spread
from tensorbp.planning.pairing import pair
from tensorbp.planning.plan import (
    Baselines,
    Figures,
    MapOutput,
    OrderName,
    PlainOrder,
    Plan,
    PlannedSelection,
    PlannedValue,
)
from tensorbp.planning.schedule import ITEM_BYTES, Schedule, Seed
from tensorbp.registry import default_registry

__all__ = ["Outputs", "Wanted", "flattened", "plan", "roots_of"]

Outputs = Wanted | Sequence[Wanted | Sequence[Wanted]]
Orders = dict[MapExpression, Order]
Contractions = Literal["plain", "along", "across"]

PLAIN_ORDERS: tuple[PlainOrder, ...] = ("reverse", "forward")

SAME_COST = 0.01
"""A plan is called reverse or forward if that order, each step at its best, costs as much but for
this fraction."""

REMEMBERED = 4
"""How many of the queries without maps that a plan's search makes are remembered."""

MOST_PUSHED = 4096
"""How many tangents or cotangents (summands times nodes) an order may push for it to be tried."""


def plan(
    outputs: Outputs,
    dtype: str = "float64",
    labels: Mapping[Expression, str] | None = None,
    finders: Mapping[str, Finder] | None = None,
    order: PlainOrder | None = None,
) -> Plan:
    """Return the cheapest plan found that computes all the outputs together.

    >>> import tensorbp as tb
    >>> x, W = tb.variable("x", 32, 100), tb.variable("W", 100, 7)
    >>> plan = tb.plan(tb.gradient(tb.mean(tb.tanh(x @ W)), W))
    >>> plan.order, plan.flops <= plan.baselines.reverse.flops < plan.baselines.forward.flops
    ('reverse', True)

    Args:
        outputs: expressions, linear maps and lists of them; what they share is computed once.
        dtype: ``"float32"`` or ``"float64"``, for the bytes.
        labels: for nodes, the name of the layer that they belong to.
        finders: the order finders that compete, by name: functions and PathOptimizers of opt_einsum
            are such finders too; by default the built-in ones and those of plugins.
        order: ``"reverse"`` or ``"forward"`` for that plain order instead of a search.

    Returns:
        The plan; the same one if the same is asked again, for the last few plans are remembered.

    Raises:
        CompileError: there is nothing to compute, the dtype is not known, or a finder is none.
    """
    wanted = flattened(outputs)
    if dtype not in ITEM_BYTES:
        raise CompileError(f"dtype must be one of {', '.join(ITEM_BYTES)}; found {dtype!r}")
    if order not in (None, "reverse", "forward"):
        raise CompileError(f"order must be 'reverse', 'forward' or None, found {order!r}")
    finders = default_registry().path_finders if finders is None else checked(finders)
    return _planned(wanted, dtype, labels or {}, finders, order)


@remembered
def _planned(
    wanted: list[Wanted],
    dtype: str,
    labels: Mapping[Expression, str],
    finders: Mapping[str, Finder],
    order: PlainOrder | None,
) -> Plan:
    return _Planner(wanted, dtype, labels, finders).plan(order)


def flattened(outputs: Outputs) -> list[Wanted]:
    """Return everything that is wanted, lists within the list taken apart.

    Raises:
        CompileError: there is nothing, or something that is neither expression nor map.
    """
    if isinstance(outputs, Expression | MapExpression):
        return [outputs]
    if not isinstance(outputs, list | tuple):
        outputs = [cast(Wanted, outputs)]
    wanted: list[Wanted] = []
    for each in outputs:
        wanted += each if isinstance(each, list | tuple) else [cast(Wanted, each)]
    for each in wanted:
        if not isinstance(each, Expression | MapExpression):
            raise CompileError(
                "expected expressions and linear maps to compute, for example [J, gradient(J, w)]; "
                f"found {type(each).__name__}"
            )
    if not wanted:
        raise CompileError("there is nothing to compute: the list of outputs is empty")
    return wanted


@dataclass(frozen=True)
class _Candidate:
    """A query worked out in some orders, down to pairs.

    Attributes:
        outputs: for each wanted thing an expression, or a map with one tensor a block.
        schedule: the nodes in order.
        labels: which layer a node belongs to.
        is_across: whether some chain is contracted across the order in which it was derived.
    """

    outputs: tuple[Expression | LinearMap[Expression], ...]
    schedule: Schedule
    labels: Mapping[Expression, str]
    is_across: bool

    @property
    def figures(self) -> Figures:
        return self.schedule.figures


class _Planner:
    def __init__(
        self,
        wanted: list[Wanted],
        dtype: str,
        labels: Mapping[Expression, str],
        finders: Mapping[str, Finder] | None,
    ) -> None:
        self.wanted = wanted
        self.dtype = dtype
        graph = topological_order([root for each in wanted for root in _expressions_of(each)])
        self.labels = spread(labels, graph) if labels else {}
        self.finders = finders
        self.maps = maps_of(wanted)
        self.inside = {below for each in self.maps for below in maps_of(each.dependencies)}
        self._known: dict[
            tuple[object, ...], tuple[list[Expression | LinearMap[Expression]], Resolution]
        ] = {}

    def plan(self, order: PlainOrder | None) -> Plan:
        natural: Orders = {each: natural_order(each) for each in self.maps}
        reverse = self._worked_out(self._outermost("reverse"), "plain", _stacked_output).figures
        forward = self._worked_out(self._outermost("forward"), "plain", _stacked).figures
        baselines = Baselines(forward, reverse)
        if order is not None:
            chosen = self._worked_out(self._outermost(order), "plain")
            return self._written(chosen, order, baselines)
        orders, best = self._searched(natural)
        name = self._name(orders, best)
        for each, baseline in zip(PLAIN_ORDERS, (reverse, forward), strict=True):
            if baseline.flops < best.figures.flops:
                candidate = self._worked_out(self._outermost(each), "plain")
                if candidate.figures.flops < best.figures.flops:
                    name, best = each, candidate
        return self._written(best, name, baselines)

    def _outermost(self, order: Order) -> Orders:
        """Return plain orders, the given one for the maps that no other map differentiates."""
        return {each: plain_order(each) if each in self.inside else order for each in self.maps}

    def _searched(self, orders: Orders) -> tuple[Orders, _Candidate]:
        """Change the order of one map after the other, as long as the total falls."""
        best = self._worked_out(orders, "across")
        for wanted in self.maps:
            for order in _orders_to_try(wanted):
                if order != orders[wanted]:
                    trial = orders | {wanted: order}
                    candidate = self._worked_out(trial, "across")
                    if candidate.figures.flops < best.figures.flops:
                        orders, best = trial, candidate
        return orders, best

    def _name(self, orders: Orders, candidate: _Candidate) -> OrderName:
        """Return the textbook order that costs as much as the candidate, if there is one."""
        outermost = [each for each in self.maps if each not in self.inside]
        used = {orders[each] for each in outermost}
        if not outermost:
            return "forward"
        if not candidate.is_across and len(used) == 1 and "separate" not in used:
            return cast(OrderName, used.pop())
        for name in PLAIN_ORDERS:
            if all(name in _orders_to_try(each) for each in outermost):
                along = self._worked_out(orders | dict.fromkeys(outermost, name), "along")
                if along.figures.flops <= candidate.figures.flops * (1 + SAME_COST):
                    return name
        return "mixed"

    def _worked_out(
        self,
        orders: Orders,
        contraction: Contractions,
        change: Callable[[MapExpression], MapExpression] = lambda wanted: wanted,
    ) -> _Candidate:
        """Return the query in given orders.

        Args:
            orders: the elimination order of each map.
            contraction: how einsums are contracted: plainly, or each with the best path, along
                the order of derivation or across it.
            change: what is worked out in the place of a map.
        """
        outputs, resolution = self._resolved(orders, {each: change(each) for each in self.maps})
        roots = [root for each in outputs for root in roots_of(each)]
        if contraction == "plain":
            return self._paired(outputs, roots, plain(roots), resolution)
        across = contraction == "across"
        fused = fuse(roots, self.finders, across)
        # whether to fuse what is read twice is guessed einsum by einsum: see what it costs not to
        tries = [fused]
        apart = fuse(roots, self.finders, across, twice=False)
        if apart.keys() != fused.keys():
            tries.append(apart)
        if across:
            jointly = [planned_jointly(roots, each) for each in tries]
            tries += [new for new, old in zip(jointly, tries, strict=True) if new != old]
        candidates = [self._paired(outputs, roots, each, resolution) for each in tries]
        return min(candidates, key=lambda each: each.figures.flops)

    def _resolved(
        self, orders: Orders, changed: Mapping[MapExpression, MapExpression]
    ) -> tuple[list[Expression | LinearMap[Expression]], Resolution]:
        """Return the query without maps; the last few are remembered.

        Args:
            orders: the elimination order of each map.
            changed: what is worked out in the place of each map.
        """
        key = (tuple(orders.values()), tuple(changed.values()))
        if key not in self._known:
            known = {changed[each]: order for each, order in orders.items()} | orders
            resolution = Resolution(self.wanted, lambda each: known[each], self.labels)
            outputs: list[Expression | LinearMap[Expression]] = []
            for each in self.wanted:
                if isinstance(each, MapExpression):
                    outputs.append(resolution.map(changed[each]))
                else:
                    outputs.append(resolution.expression(_substituted(each, changed)))
            if len(self._known) == REMEMBERED:
                del self._known[next(iter(self._known))]
            self._known[key] = (outputs, resolution)
        return self._known[key]

    def _paired(
        self,
        outputs: Sequence[Expression | LinearMap[Expression]],
        roots: Sequence[Expression],
        contractions: Mapping[Expression, Contraction],
        resolution: Resolution,
    ) -> _Candidate:
        """Return what is left of a query once all contractions are written out in pairs."""
        paired, labels = pair(roots, contractions, resolution.labels)
        final = dict(zip(roots, paired, strict=True))
        return _Candidate(
            tuple([_replaced(each, final) for each in outputs]),
            Schedule(list(dict.fromkeys(paired)), self.dtype),
            labels,
            not all(each.follows_graph for each in contractions.values()),
        )

    def _written(self, best: _Candidate, order: OrderName, baselines: Baselines) -> Plan:
        inputs, steps, number = best.schedule.numbered(best.labels)
        outputs: list[int | MapOutput] = []
        for each in best.outputs:
            if isinstance(each, Expression):
                outputs.append(number[each])
            else:
                outputs.append(_numbered_map(each, number))
        return Plan(self.dtype, inputs, steps, tuple(outputs), order, best.figures, baselines)


def _expressions_of(wanted: Wanted) -> list[Expression]:
    return [wanted] if isinstance(wanted, Expression) else wanted.dependencies


def _orders_to_try(wanted: MapExpression) -> list[Order]:
    """Return the orders that are worth a try, by how much there is to push."""
    leaves = list(wanted.leaves)
    jacobians = [each for each in leaves if isinstance(each, Jacobian)]
    if not jacobians:
        return []
    nodes = {each: len(topological_order(each.targets)) for each in jacobians}
    work: dict[Order, int] = {
        "reverse": len(wanted.output.shapes) * sum(nodes.values()),
        "forward": len(wanted.input.shapes) * sum(nodes.values()),
    }
    if len(leaves) > 1:
        work["separate"] = sum(
            min(len(each.output.shapes), len(each.input.shapes)) * count
            for each, count in nodes.items()
        )
    natural = natural_order(wanted)
    return [order for order in work if order == natural or work[order] <= MOST_PUSHED]


def _stacked(wanted: MapExpression) -> MapExpression:
    """Return the map from ONE space of as many numbers as a direct sum has.

    Plain forward mode pushes one tangent for each number of θ = (θ_1, ..., θ_N) through the whole
    graph; the blocks of the identity with which it starts are leaves that cost nothing.
    """
    shapes = wanted.input.shapes
    if len(shapes) < 2:
        return wanted
    size = wanted.input.size
    blocks: dict[Block, tuple[Term[Expression], ...]] = {}
    offset = 0
    for k, shape in enumerate(shapes):
        seed = Expression.of(Seed((*shape, size), offset))
        axes = tuple([(axis,) for axis in range(seed.ndim)])
        term = Term.of(1, [Factor(seed, axes)], axes[:-1], axes[-1:], dict(enumerate(seed.shape)))
        blocks[k, 0] = (term,)
        offset += prod(shape)
    seeds = LinearMap(wanted.input, Space.of((size,)), blocks)
    return Product(wanted, Explicit(seeds))


def _stacked_output(wanted: MapExpression) -> MapExpression:
    """Return the map to ONE space, as plain reverse mode pulls back from it: `_stacked` turned."""
    return _stacked(wanted.T).T if len(wanted.output.shapes) > 1 else wanted


def _substituted(expression: Expression, maps: Mapping[MapExpression, MapExpression]) -> Expression:
    """Return the expression with its maps replaced; only plain derivatives can be."""
    operator = expression.operator
    if not isinstance(operator, Entries) or operator.form != "dense":
        return expression
    replaced = maps[operator.map]
    row, column = operator.block
    # a space that has become ONE has only its first block
    at = (
        row if len(replaced.output.shapes) > 1 else 0,
        column if len(replaced.input.shapes) > 1 else 0,
    )
    return Expression.of(Entries(replaced, "dense", at))


def roots_of(output: Expression | LinearMap[Expression]) -> list[Expression]:
    """Return the nodes that are computed for an output that was worked out."""
    if isinstance(output, Expression):
        return [output]
    values = [factor.value for term in output.terms for factor in term.factors]
    # a selection in a map stays the rule that it is, only its integers are computed
    return [
        each
        for value in values
        for each in (value.operands if isinstance(value.operator, Selection) else [value])
    ]


def _replaced(
    output: Expression | LinearMap[Expression], final: Mapping[Expression, Expression]
) -> Expression | LinearMap[Expression]:
    if isinstance(output, Expression):
        return final[output]

    def replaced(value: Expression) -> Expression:
        if isinstance(value.operator, Selection):
            return Expression.of(value.operator, *[final[each] for each in value.operands])
        return final[value]

    return output.with_values(replaced)


def _numbered_map(linear_map: LinearMap[Expression], number: Mapping[Expression, int]) -> MapOutput:
    def planned(node: Expression) -> PlannedValue | PlannedSelection:
        if isinstance(node.operator, Selection):
            operands = tuple([number[each] for each in node.operands])
            return PlannedSelection(node.operator, operands, node.shape)
        return PlannedValue(number[node], node.shape)

    values = linear_map.with_values(planned)
    return MapOutput(linear_map.output, linear_map.input, values.blocks)
