"""The same query by every order finder there is, side by side with its plan.

Each finder is asked for the order of every einsum of the query: derived in the natural order, from
the side with fewer numbers, and fused along single paths, as is done for those who hand the einsum
of a derivative to opt_einsum. What it answers is taken as it is, and priced by the same evaluator.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from time import perf_counter
from typing import Any

from tensorbp.expression.graph import Graph
from tensorbp.expression.map_expression import MapExpression
from tensorbp.expression.node import Expression
from tensorbp.expression.resolution import Resolution
from tensorbp.planning.finders import Finder, answer, reason
from tensorbp.planning.fusion import Contraction, fuse
from tensorbp.planning.network import Network, Path
from tensorbp.planning.pairing import pair
from tensorbp.planning.plan import Figures, Plan
from tensorbp.planning.planner import Outputs, flattened, plan
from tensorbp.planning.query import roots_of
from tensorbp.planning.schedule import Schedule
from tensorbp.registry import default_registry

__all__ = ["SCHEMA", "Compared", "Comparison", "compare"]

SCHEMA = "tensorbp/comparison/1"

SECONDS = 10.0
"""No finder is asked for another einsum after so many seconds."""

OPT_EINSUM_FINDERS = (
    *("auto", "auto-hq", "greedy", "random-greedy", "random-greedy-128"),
    *("branch-1", "branch-2", "branch-all", "dp", "optimal"),
)

MOST_FACTORS: dict[tuple[str, str], int] = {
    ("opt_einsum", "optimal"): 7,
    ("opt_einsum", "branch-all"): 7,
    ("opt_einsum", "branch-2"): 10,
    ("opt_einsum", "branch-1"): 100,
    ("opt_einsum", "dp"): 15,
    ("opt_einsum", "auto-hq"): 60,
    ("opt_einsum", "random-greedy"): 100,
    ("opt_einsum", "random-greedy-128"): 60,
    ("opt_einsum", "greedy"): 1000,
    ("opt_einsum", "auto"): 1000,
}
"""The largest einsum of which a finder is asked: the search takes seconds beyond, or days."""


@dataclass(frozen=True)
class Compared:
    """What one way to order a query costs.

    Attributes:
        name: of the finder or of the order.
        source: the package that it comes from; empty for the plan and the plain orders.
        figures: what the query costs, or None if it was not tried.
        seconds: how long the search took; None for the plain orders, which need none.
        note: why it was not tried.
    """

    name: str
    source: str
    figures: Figures | None
    seconds: float | None = None
    note: str = ""


@dataclass(frozen=True)
class Comparison:
    """A plan, and what the same query costs in other orders.

    Attributes:
        plan: the plan.
        entries: the plan first, the plain orders, and every finder.
    """

    plan: Plan
    entries: tuple[Compared, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON writes it; ratios are those of FLOPs to the FLOPs of the plan."""
        entries: list[dict[str, Any]] = []
        for each in self.entries:
            flops = each.figures.flops if each.figures else None
            times = flops / self.plan.flops if flops is not None and self.plan.flops else None
            entries.append({**asdict(each), "ratio": times})
        return {"schema": SCHEMA, "entries": entries}


def compare(
    outputs: Outputs,
    dtype: str = "float64",
    labels: Mapping[Expression, str] | None = None,
    seconds: float = SECONDS,
) -> Comparison:
    """Price a query in the order of its plan, in both plain orders and by every order finder.

    Finders are those of opt_einsum, those that are built in and those of plugins. One whose search
    would take too long is not tried.

    >>> import tensorbp as tb
    >>> x, W = tb.variable("x", 32, 100), tb.variable("W", 100, 7)
    >>> comparison = tb.compare(tb.gradient(tb.mean(tb.tanh(x @ W)), W))
    >>> plan, *others = comparison.entries
    >>> all(plan.figures.flops <= each.figures.flops for each in others)
    True

    Args:
        outputs: expressions, linear maps and lists of them.
        dtype: ``"float32"`` or ``"float64"``, for the bytes.
        labels: for nodes, the name of the layer that they belong to.
        seconds: a finder is asked for no further einsum after so many.

    Raises:
        CompileError: there is nothing to compute, or the dtype is not known.
    """
    start = perf_counter()
    made = plan(outputs, dtype, labels)
    took = perf_counter() - start
    entries = [
        Compared(f"this plan ({made.order})", "", made.figures, took),
        Compared("plain reverse", "", made.baselines.reverse),
        Compared("plain forward", "", made.baselines.forward),
    ]
    query = _Query(outputs, dtype)
    for source, name, finder in _finders():
        entries.append(query.ordered_by(finder, name, source, seconds))
    return Comparison(made, tuple(entries))


def _finders() -> Iterator[tuple[str, str, Finder]]:
    """Yield every finder, with the package that it comes from and its name."""
    # opt_einsum brings numpy with it, which planning itself does without
    from opt_einsum import paths

    for name in OPT_EINSUM_FINDERS:
        yield "opt_einsum", name, paths.get_path_fn(name)
    registry = default_registry()
    for name, finder in registry.path_finders.items():
        yield registry.origin("path finder", name).label, name, finder


class _Query:
    """A query derived in the natural order and fused, for finders to order its einsums."""

    def __init__(self, outputs: Outputs, dtype: str) -> None:
        wanted = flattened(outputs)
        self.dtype = dtype
        self.resolution = Resolution(wanted)
        derived = [
            self.resolution.map(each)
            if isinstance(each, MapExpression)
            else self.resolution.expression(each)
            for each in wanted
        ]
        self.graph = Graph([root for each in derived for root in roots_of(each)])
        self.products = fuse(self.graph, {}, across=False)[0]

    def ordered_by(self, finder: Finder, name: str, source: str, seconds: float) -> Compared:
        """Return what the query costs if a finder orders each of its einsums."""
        networks = {node: Network.of(each.term) for node, each in self.products.items()}
        note = _too_large((source, name), list(networks.values()))
        if note:
            return Compared(name, source, None, note=note)
        start = perf_counter()
        contractions: dict[Expression, Contraction] = {}
        for node, network in networks.items():
            if perf_counter() - start > seconds:
                note = f"given up: it took more than {seconds:g} s"
                return Compared(name, source, None, perf_counter() - start, note)
            product = self.products[node]
            try:
                path = _asked(finder, network, product.path)
            except Exception as error:
                return Compared(name, source, None, note=f"failed: {reason(error)}")
            if path is None:
                note = f"not tried: it is not for this einsum of {len(network.inputs)} factors"
                return Compared(name, source, None, note=note)
            contractions[node] = replace(product, path=path)
        took = perf_counter() - start
        return Compared(name, source, self._figures(contractions), took)

    def _figures(self, contractions: Mapping[Expression, Contraction]) -> Figures:
        paired, _ = pair(self.graph.roots, contractions, self.resolution.labels)
        return Schedule(list(dict.fromkeys(paired)), self.dtype).figures


def _too_large(finder: tuple[str, str], networks: Sequence[Network]) -> str:
    """Return why a finder is not tried, or nothing."""
    largest = max([len(each.inputs) for each in networks], default=0)
    most = MOST_FACTORS.get(finder, largest)
    if largest > most:
        return f"not tried: an einsum has {largest} factors, more than {most}"
    return ""


def _asked(finder: Finder, network: Network, only: Path) -> Path | None:
    """Return the answer of a finder; one or two factors have only one path."""
    return answer(finder, network) if len(network.inputs) > 2 else only
