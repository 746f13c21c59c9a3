"""The linearised graph: the Jacobians between nodes, as the edges of a graph of spaces.

Every operator declares the Jacobian with respect to each of its operands. Put together they are
one tensor network, from the sources of a map to its sinks; products, sums and transposes of maps
are glued from the networks of their parts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from tensorbp.algebra import Number, Shape, Term
from tensorbp.errors import LayerError
from tensorbp.expression.arithmetic import Add
from tensorbp.expression.einsum import Einsum, jacobian_of_operand
from tensorbp.expression.graph import between
from tensorbp.expression.layer import Primitive
from tensorbp.expression.map_expression import (
    Explicit,
    Jacobian,
    MapExpression,
    Product,
    Scaled,
    Sum,
    Transposed,
)
from tensorbp.expression.node import Expression

__all__ = ["LinearizedGraph", "Vertex", "linearize", "local_jacobian"]

Terms = tuple[Term[Expression], ...]


@dataclass(eq=False)
class Vertex:
    """A space in the linearised graph.

    Attributes:
        node: the expression whose tangents or cotangents live here; None at a seam of maps.
    """

    node: Expression | None = None


@dataclass
class LinearizedGraph:
    """Vertices in topological order, sources first, and the Jacobians between them.

    Attributes:
        sources: where the map starts, one vertex for each summand of its input space.
        sinks: where it ends.
        inner: the vertices between, in topological order.
        edges: the terms of the Jacobian from one vertex to another.
        parts: the inner vertices of each Jacobian that the map is made of, in the order that
            eliminates the side first that has fewer numbers.
    """

    sources: list[Vertex]
    sinks: list[Vertex]
    inner: list[Vertex] = field(default_factory=list)
    edges: dict[tuple[Vertex, Vertex], Terms] = field(default_factory=dict)
    parts: list[list[Vertex]] = field(default_factory=list)

    def connect(self, source: Vertex, sink: Vertex, terms: Terms) -> None:
        """Add terms to the edge between two vertices."""
        if terms:
            self.edges[source, sink] = self.edges.get((source, sink), ()) + terms


def local_jacobian(
    node: Expression, wanted: Callable[[Expression], bool], resolver: Resolver
) -> list[tuple[Expression, Terms]]:
    """Return the terms of the Jacobian of a node with respect to the operands that are wanted."""
    operator = node.operator
    if isinstance(operator, Einsum):
        return [
            (each, (jacobian_of_operand(node, position),))
            for position, each in enumerate(node.operands)
            if wanted(each)
        ]
    if isinstance(operator, Add):
        return [
            (each, _identity(each.shape, number))
            for each, number in zip(node.operands, operator.coefficients, strict=True)
            if wanted(each)
        ]
    assert isinstance(operator, Primitive)
    declared = operator.jacobian(node, *node.operands)
    names = operator.input_names(len(node.operands))
    for name in declared:
        if name not in names:
            raise LayerError(
                f"layer '{operator.name}' declares a Jacobian with respect to '{name}', which is "
                f"none of its operands {', '.join(names)}"
            )
    return [
        (each, _bound(declared[name].terms, node, each, resolver))
        for name, each in zip(names, node.operands, strict=True)
        if name in declared and wanted(each)
    ]


def _identity(shape: Shape, number: Number = 1) -> Terms:
    axes = tuple([(axis,) for axis in range(len(shape))])
    return (Term.of(number, (), axes, axes, dict(enumerate(shape))),)


def _bound(
    declared: Sequence[tuple[Number, str, tuple[Expression, ...]]],
    node: Expression,
    operand: Expression,
    resolver: Resolver,
) -> Terms:
    """Give the declared signatures the shapes of a node."""
    terms = []
    for number, spec, factors in declared:
        resolved = [resolver.expression(factor) for factor in factors]
        term = Term.from_signature(spec, resolved, node.shape, operand.shape)
        absorbed = resolver.absorbed(term)
        if absorbed.coefficient != 0:
            terms.append(absorbed.scaled(number))
    return tuple(terms)


class Resolver(Protocol):
    """What linearisation needs to know of the resolution that it serves."""

    def expression(self, expression: Expression) -> Expression:
        """Return an equal expression in which no map is left."""

    def absorbed(self, term: Term[Expression]) -> Term[Expression]:
        """Return an equal term in which no factor is a view, but those to be kept."""


def linearize(wanted: MapExpression, resolver: Resolver) -> LinearizedGraph:
    """Return the linearised graph of a map.

    Args:
        wanted: the map.
        resolver: works out the maps that are met in the expressions.
    """
    pending: list[tuple[MapExpression, bool]] = [(wanted, False)]
    graphs: list[LinearizedGraph] = []
    while pending:
        current, has_parts = pending.pop()
        if not has_parts:
            pending.append((current, True))
            pending.extend((part, False) for part in reversed(current.parts))
            continue
        parts = [graphs.pop() for _ in current.parts][::-1]
        graphs.append(_glued(current, parts, resolver))
    return graphs.pop()


def _glued(
    wanted: MapExpression, parts: Sequence[LinearizedGraph], resolver: Resolver
) -> LinearizedGraph:
    """Return the graph of a map, given those of its parts."""
    if isinstance(wanted, Jacobian):
        return _of_jacobian(wanted, resolver)
    if isinstance(wanted, Explicit):
        return _of_explicit(wanted, resolver)
    if isinstance(wanted, Transposed):
        return _transposed(parts[0])
    if isinstance(wanted, Scaled):
        return _scaled(parts[0], wanted.number)
    left, right = parts
    if isinstance(wanted, Product):
        return _chained(right, left, wanted)
    assert isinstance(wanted, Sum)
    return _side_by_side(left, right, wanted)


def _of_jacobian(wanted: Jacobian, resolver: Resolver) -> LinearizedGraph:
    targets = [resolver.expression(each) for each in wanted.targets]
    origins = [resolver.expression(each) for each in wanted.sources]
    nodes = between(targets, origins)
    vertices = {node: Vertex(node) for node in nodes}
    graph = LinearizedGraph(
        [Vertex(each) for each in origins], [Vertex(each) for each in targets], [*vertices.values()]
    )
    for origin, source in zip(origins, graph.sources, strict=True):
        if origin in vertices:
            graph.connect(source, vertices[origin], _identity(origin.shape))
    for node, vertex in vertices.items():
        if any(each in vertices for each in node.operands):
            for operand, terms in local_jacobian(node, vertices.__contains__, resolver):
                graph.connect(vertices[operand], vertex, terms)
    for target, sink in zip(targets, graph.sinks, strict=True):
        if target in vertices:
            graph.connect(vertices[target], sink, _identity(target.shape))
    output_first = wanted.output.size <= wanted.input.size
    graph.parts = [graph.inner[::-1] if output_first else list(graph.inner)]
    return graph


def _of_explicit(wanted: Explicit, resolver: Resolver) -> LinearizedGraph:
    graph = LinearizedGraph(
        [Vertex() for _ in wanted.input.shapes], [Vertex() for _ in wanted.output.shapes]
    )
    for (i, j), terms in wanted.map.blocks.items():
        resolved = [
            Term(
                term.coefficient,
                tuple([resolver.expression(value) for value in term.values]),
                term.pattern,
                term.sizes,
            )
            for term in terms
        ]
        graph.connect(graph.sources[j], graph.sinks[i], tuple(map(resolver.absorbed, resolved)))
    return graph


def _transposed(graph: LinearizedGraph) -> LinearizedGraph:
    return LinearizedGraph(
        graph.sinks,
        graph.sources,
        graph.inner[::-1],
        {(v, u): tuple([term.T for term in terms]) for (u, v), terms in graph.edges.items()},
        graph.parts,
    )


def _scaled(graph: LinearizedGraph, number: Number) -> LinearizedGraph:
    sinks = set(graph.sinks)
    for (u, v), terms in graph.edges.items():
        if v in sinks:
            graph.edges[u, v] = tuple([term.scaled(number) for term in terms])
    return graph


def _chained(first: LinearizedGraph, second: LinearizedGraph, wanted: Product) -> LinearizedGraph:
    """Glue the sinks of the map applied first to the sources of the second."""
    graph = LinearizedGraph(
        first.sources,
        second.sinks,
        [*first.inner, *first.sinks, *second.sources, *second.inner],
        first.edges | second.edges,
        [*first.parts, *second.parts],
    )
    for sink, source, shape in zip(
        first.sinks, second.sources, wanted.right.output.shapes, strict=True
    ):
        graph.connect(sink, source, _identity(shape))
    return graph


def _side_by_side(left: LinearizedGraph, right: LinearizedGraph, wanted: Sum) -> LinearizedGraph:
    """Let two maps start from the same sources and end in the same sinks."""
    graph = LinearizedGraph(
        [Vertex() for _ in wanted.input.shapes],
        [Vertex() for _ in wanted.output.shapes],
        [],
        left.edges | right.edges,
        [*left.parts, *right.parts],
    )
    for side in (left, right):
        graph.inner += [*side.sources, *side.inner, *side.sinks]
        for k, shape in enumerate(wanted.input.shapes):
            graph.connect(graph.sources[k], side.sources[k], _identity(shape))
        for k, shape in enumerate(wanted.output.shapes):
            graph.connect(side.sinks[k], graph.sinks[k], _identity(shape))
    return graph
