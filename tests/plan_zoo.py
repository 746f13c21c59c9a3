"""Random networks of layers with unequal widths, and questions about them, for the planner."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

import tensorbp as tb
from tensorbp.expression import Expression

WIDTHS = [1, 2, 3, 5, 8, 17, 33, 100, 257, 1024]
widths = st.sampled_from(WIDTHS)


def network(batch: int, sizes: list[int], functions: list[str], skips: list[bool]) -> Any:
    """Return the output of a multilayer network, its weights, and its input.

    A skip adds the layer's input to its output where both have one width.
    """
    h = x = tb.variable("x", batch, sizes[0])
    weights = []
    for k, (function, skip) in enumerate(zip(functions, skips, strict=True)):
        W = tb.variable(f"W{k}", sizes[k], sizes[k + 1])
        weights.append(W)
        z = h @ W
        z = z if function == "linear" else getattr(tb, function)(z)
        h = z + h if skip and z.shape == h.shape else z
    return h, weights, x


QUESTIONS: dict[str, Any] = {
    "gradient": lambda y, w, x: tb.gradient(tb.sum(y * y), w),
    "value and gradient": lambda y, w, x: [tb.mean(y), *tb.gradient(tb.mean(y), w)],
    "jacobian": lambda y, w, x: tb.jacobian(y, w[0]),
    "jacobian of the input": lambda y, w, x: tb.jacobian(y, x),
    "all jacobians": lambda y, w, x: tb.jacobian(tb.sum(y, axis=1), w),
    "norms": lambda y, w, x: ((J := tb.jacobian(tb.sum(y * y, axis=1), w)) @ J.T).diagonal(),
    "gram": lambda y, w, x: (J := tb.jacobian(tb.sum(y, axis=1), w)) @ J.T,
    "second moment": lambda y, w, x: ((J := tb.jacobian(tb.sum(y, axis=1), w)).T @ J).diagonal(),
    "curvature": lambda y, w, x: tb.hessian(tb.sum(y * y), w[-1]),
    "curvature along": lambda y, w, x: (
        tb.hessian(tb.sum(tb.sin(y)), w[0]) @ tb.variable("t", *w[0].shape)
    ),
}


@st.composite
def cases(draw: Any, most: int = 4) -> tuple[Expression, list[Expression], Expression]:
    """Draw a network of one to four layers."""
    depth = draw(st.integers(1, most))
    sizes = draw(st.lists(widths, min_size=depth + 1, max_size=depth + 1))
    if draw(st.booleans()):
        sizes = sizes[:1] + [sizes[1]] * depth
    functions = draw(
        st.lists(
            st.sampled_from(["linear", "tanh", "softmax", "sin"]), min_size=depth, max_size=depth
        )
    )
    skips = draw(st.lists(st.booleans(), min_size=depth, max_size=depth))
    return network(draw(widths), sizes, functions, skips)


questions = st.sampled_from(sorted(QUESTIONS))
