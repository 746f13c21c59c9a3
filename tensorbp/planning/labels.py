"""Labels: to which layer of a model a node belongs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tensorbp.expression.einsum import is_view
from tensorbp.expression.graph import dependencies
from tensorbp.expression.node import Expression

__all__ = ["spread"]


def spread(labels: Mapping[Expression, str], nodes: Sequence[Expression]) -> dict[Expression, str]:
    """Return labels for all nodes: one without a label belongs to the layer that reads it first.

    A view that nothing reads belongs to the layer that made what it shows.

    Args:
        labels: the labels that are known.
        nodes: the nodes in topological order.
    """
    readers: dict[Expression, list[Expression]] = {}
    for node in nodes:
        for operand in dependencies(node):
            readers.setdefault(operand, []).append(node)
    complete = dict(labels)
    for node in reversed(nodes):
        if node not in complete:
            found = [complete[each] for each in readers.get(node, ()) if each in complete]
            if found:
                complete[node] = found[0]
    for node in nodes:
        if node not in complete and node not in readers and is_view(node):
            found = [complete[each] for each in dependencies(node) if each in complete]
            if found:
                complete[node] = found[0]
    return complete
