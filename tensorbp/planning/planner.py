"""The planner: which order of derivation, fusion and contraction is cheapest.

Every map in a query is worked out in some elimination order. The search starts from the natural
one and changes one map at a time while the total falls; within each try, einsums are fused, and
products that have something in common are ordered together. Plain forward and plain reverse mode
are priced by the same evaluator, and taken if they are cheaper: no plan costs more than the cheaper
of the two.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from itertools import chain
from typing import Any, cast

from tensorbp.algebra import LinearMap
from tensorbp.errors import CompileError
from tensorbp.expression.graph import Wanted
from tensorbp.expression.map_expression import MapExpression
from tensorbp.expression.node import Expression
from tensorbp.expression.selection import Selection
from tensorbp.planning.cache import remembered
from tensorbp.planning.collection import no_collection
from tensorbp.planning.finders import Finder, checked
from tensorbp.planning.memory.amounts import bytes_from
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
from tensorbp.planning.query import Candidate, Query, within_limit
from tensorbp.planning.schedule import ITEM_BYTES
from tensorbp.planning.search import PLAIN_ORDERS, Search, baseline
from tensorbp.registry import default_registry

__all__ = ["Outputs", "Wanted", "flattened", "plan"]

Outputs = Wanted | Sequence[Wanted | Sequence[Wanted]]


def plan(
    outputs: Outputs,
    dtype: str = "float64",
    labels: Mapping[Expression, str] | None = None,
    finders: Mapping[str, Finder] | None = None,
    order: PlainOrder | None = None,
    seed: int = 0,
    seconds: float | None = None,
    memory_limit: int | str | None = None,
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
        seed: of the random numbers of the search; the same seed gives the same plan.
        seconds: how long the search may take: more for better elimination orders of graphs with
            many junctions, less for an answer at once. By default a fixed number of tries is made.
        memory_limit: the bytes that may be needed at one time, inputs and results included: a
            number, or a text such as ``"2GiB"``; `Plan.kept_by` says how it was kept.

    Returns:
        The plan; the same one if the same is asked again, for the last few plans are remembered.

    Raises:
        CompileError: there is nothing to compute, the dtype is not known, a finder is none, the
            seconds are negative, or the limit is no amount of memory.
        MemoryLimitError: no plan was found to keep the limit.
    """
    limit = None if memory_limit is None else bytes_from(memory_limit)
    wanted = flattened(outputs)
    if dtype not in ITEM_BYTES:
        raise CompileError(f"dtype must be one of {', '.join(ITEM_BYTES)}; found {dtype!r}")
    if order not in (None, "reverse", "forward"):
        raise CompileError(f"order must be 'reverse', 'forward' or None, found {order!r}")
    finders = default_registry().path_finders if finders is None else checked(finders)
    if seconds is not None and not seconds >= 0:
        raise CompileError(f"seconds must be a number of seconds, 0 or more; found {seconds!r}")
    return _planned(wanted, dtype, labels or {}, finders, order, seed, seconds, limit)


@remembered
@no_collection()
def _planned(
    wanted: list[Wanted],
    dtype: str,
    labels: Mapping[Expression, str],
    finders: Mapping[str, Finder],
    order: PlainOrder | None,
    seed: int,
    seconds: float | None,
    limit: int | None,
) -> Plan:
    asked = (wanted, dtype, labels, finders)
    search = Search(Query(*asked), seed, seconds)
    best, name = search.best() if order is None else (search.plain(order), order)
    if limit is not None:
        others = PLAIN_ORDERS if order is None else ()
        best = within_limit(chain([best], map(search.plain, others)), limit)
    # no node is kept for the baselines: what is there when the same is planned again would get its
    # place among the nodes that are made anew
    baselines = Baselines(partial(_priced, asked, "forward"), partial(_priced, asked, "reverse"))
    return _written(best, name, baselines, dtype)


def _priced(asked: tuple[Any, ...], order: PlainOrder) -> Figures:
    """Return what a query costs in plain forward or plain reverse mode."""
    return baseline(Query(*asked), order).figures


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


def _written(best: Candidate, order: OrderName, baselines: Baselines, dtype: str) -> Plan:
    """Return a candidate as plain data."""
    inputs, steps, number = best.schedule.numbered(best.labels)
    outputs: list[int | MapOutput] = []
    for each in best.outputs:
        if isinstance(each, Expression):
            outputs.append(number[each])
        else:
            outputs.append(_numbered_map(each, number))
    return Plan(
        dtype,
        inputs,
        steps,
        tuple(outputs),
        order,
        best.figures,
        baselines,
        best.lower_bound,
        best.kept_by,
    )


def _numbered_map(linear_map: LinearMap[Expression], number: Mapping[Expression, int]) -> MapOutput:
    def planned(node: Expression) -> PlannedValue | PlannedSelection:
        if isinstance(node.operator, Selection):
            operands = tuple([number[each] for each in node.operands])
            return PlannedSelection(node.operator, operands, node.shape)
        return PlannedValue(number[node], node.shape)

    values = linear_map.with_values(planned)
    return MapOutput(linear_map.output, linear_map.input, values.blocks)
