"""Random networks and paths, and the brute force that the path finders are held against."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from tensorbp.planning.network import Network, Path
from tensorbp.testing.orders import costs_of_all_orders


@st.composite
def networks(draw: Any, least: int, most: int) -> Network:
    """Draw a network: chains, batch axes in every factor, diagonals, loose ends, outer products."""
    count = draw(st.integers(least, most))
    axes = draw(st.integers(1, count + 2))
    widths = st.one_of(st.sampled_from([1, 2, 3]), st.integers(1, 1024))
    sizes = {axis: draw(widths) for axis in range(axes)}
    kind = draw(st.sampled_from(["chain", "any"]))
    inputs = []
    for k in range(count):
        if kind == "chain":
            drawn = {k % axes, (k + 1) % axes}
        else:
            drawn = draw(st.sets(st.integers(0, axes - 1), max_size=3))
        inputs.append(frozenset(drawn))
    if draw(st.booleans()):
        batch = axes
        sizes[batch] = draw(widths)
        inputs = [each | {batch} if draw(st.booleans()) else each for each in inputs]
    made = sorted(frozenset().union(*inputs))
    output = frozenset(draw(st.sets(st.sampled_from(made), max_size=3))) if made else frozenset()
    return Network(tuple(inputs), output, sizes)


@st.composite
def paths_of(draw: Any, count: int) -> Path:
    """Draw any path that contracts that many factors, pair by pair."""
    left, pairs = list(range(count)), []
    while len(left) > 1:
        a = left.pop(draw(st.integers(0, len(left) - 1)))
        b = left.pop(draw(st.integers(0, len(left) - 1)))
        pairs.append((a, b))
        left.append(count + len(pairs) - 1)
    return tuple(pairs)


def tree(path: Path, count: int) -> Any:
    """Return a path as nested sets of leaves; every number must be used once."""
    nodes: dict[int, Any] = dict(enumerate(range(count)))
    for k, (a, b) in enumerate(path):
        nodes[count + k] = frozenset([nodes.pop(a), nodes.pop(b)])
    (root,) = nodes.values()
    return root


def least_flops(network: Network, is_contiguous: bool = False) -> int:
    """Return the fewest FLOPs of all trees."""
    return min(costs_of_all_orders(network, is_contiguous))
