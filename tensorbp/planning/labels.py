"""Labels: to which layer of a model a node belongs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tensorbp.expression.einsum import is_view
from tensorbp.expression.graph import dependencies, each_map_once
from tensorbp.expression.node import Expression

__all__ = ["spread"]


def spread(labels: Mapping[Expression, str], nodes: Sequence[Expression]) -> dict[Expression, str]:
    """Return labels for all nodes: one without a label belongs to the layer that reads it first.

    A view that nothing reads belongs to the layer that made what it shows.

    Args:
        labels: the labels that are known.
        nodes: the nodes in topological order.
    """
    if not labels:
        return {}
    complete = dict(labels)
    of_reader: dict[Expression, str] = {}
    for node in reversed(nodes):
        if node not in complete and node in of_reader:
            complete[node] = of_reader[node]
        if node in complete:
            # the first reader is the last one to be met here
            of_reader |= dict.fromkeys(dependencies(node), complete[node])
    needs = each_map_once()
    read = {operand for node in nodes for operand in needs(node)}
    for node in nodes:
        if node not in complete and node not in read and is_view(node):
            found = [complete[each] for each in dependencies(node) if each in complete]
            if found:
                complete[node] = found[0]
    return complete
