"""Random graphs, each built twice: of expressions, and of PyTorch functions as the oracle.

All sizes differ, so that a mixed-up axis shows. Values stay small: every product is followed by
something bounded, or is one of few.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import torch
from hypothesis import strategies as st

import tensorbp as tb
from tensorbp.expression import Expression

SHAPES: dict[str, tuple[int, ...]] = {
    "x": (2, 3),
    "W": (3, 4),
    "V": (4, 3),
    "b": (4,),
    "c": (3,),
    "s": (),
    "one": (1, 3),
}

UNARY: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "tanh": (tb.tanh, torch.tanh),
    "sin": (tb.sin, torch.sin),
    "softplus": (tb.softplus, lambda a: torch.logaddexp(a, torch.zeros_like(a))),
    "softmax": (tb.softmax, lambda a: torch.softmax(a, -1)),
    "square": (lambda a: a**2, lambda a: a**2),
    "cube": (lambda a: a**3, lambda a: a**3),
    "transpose": (lambda a: a.T, lambda a: a.permute(tuple(reversed(range(a.ndim))))),
    "negative": (lambda a: 1 - a / 3, lambda a: 1 - a / 3),
    "mean": (lambda a: tb.mean(a, axis=-1), lambda a: a.mean(-1)),
    "kept sum": (
        lambda a: tb.sum(a, axis=0, keepdims=True),
        lambda a: a.sum(0, keepdim=True),
    ),
}
FREE_OF_RANK = {"tanh", "sin", "softplus", "square", "cube", "transpose", "negative"}

BINARY: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "add": (lambda a, b: a + b, lambda a, b: a + b),
    "subtract": (lambda a, b: a - b, lambda a, b: a - b),
    "multiply": (lambda a, b: a * b, lambda a, b: a * b),
    "matmul": (lambda a, b: a @ b, lambda a, b: a @ b),
    "outer": (
        lambda a, b: tb.einsum("...i,...j->...ij", a, b),
        lambda a, b: torch.einsum("...i,...j->...ij", a, b),
    ),
}


@dataclass
class Graph:
    """A graph with two readings.

    Attributes:
        nodes: all expressions, variables first.
        evaluate: the same with torch: from tensors by name to the values of all nodes.
        text: how it was made, for a failing test.
    """

    nodes: list[Expression]
    steps: list[tuple[Callable[..., Any], tuple[int, ...]]]
    text: list[str]

    def __repr__(self) -> str:
        return "; ".join(self.text)

    def evaluate(self, tensors: dict[str, Any]) -> list[Any]:
        values = [tensors[name] for name in SHAPES]
        for function, operands in self.steps:
            values.append(function(*[values[k] for k in operands]))
        return values

    def values(self) -> dict[str, Any]:
        random = np.random.default_rng(len(self.text))
        return {name: random.normal(size=shape) / 2 for name, shape in SHAPES.items()}

    def tensors(self) -> dict[str, Any]:
        return {name: torch.tensor(value) for name, value in self.values().items()}

    def scalar(self) -> Expression:
        return tb.sum(self.nodes[-1])


def fits(name: str, a: tuple[int, ...], b: tuple[int, ...]) -> bool:
    try:
        if name == "matmul":
            return bool(a and b) and len(np.matmul(np.ones(a), np.ones(b)).shape) < 4
        if name == "outer":
            return len(a) == len(b) > 0 and a[:-1] == b[:-1] and len(a) < 3
        return len(np.broadcast_shapes(a, b)) < 4
    except ValueError:
        return False


@st.composite
def graphs(draw: Any, least: int = 2, most: int = 6) -> Graph:
    """Draw a graph; later nodes are more likely to be read, any may be read several times."""
    nodes = [tb.variable(name, *shape) for name, shape in SHAPES.items()]
    graph = Graph(nodes, [], [])
    for _ in range(draw(st.integers(least, most))):
        late = draw(st.booleans()) and len(nodes) > len(SHAPES)
        first = len(nodes) - 1 if late else draw(st.integers(0, len(nodes) - 1))
        a = nodes[first]
        options: dict[str, list[int | None]] = {
            name: [None] for name in UNARY if name in FREE_OF_RANK or a.ndim
        }
        for name in BINARY:
            options[name] = [k for k, b in enumerate(nodes) if fits(name, a.shape, b.shape)]
        if a.size > 1:
            options["reshape"] = [None]
        # a function first, then what else it reads: else nearly all would be those that read two
        name = draw(st.sampled_from([name for name, seconds in options.items() if seconds]))
        second = draw(st.sampled_from(options[name]))
        if name == "reshape":
            shape = draw(st.sampled_from(reshapes(a.size)))
            ours, theirs = (
                lambda e, shape=shape: tb.reshape(e, shape),
                lambda e, shape=shape: e.reshape(shape),
            )
            name = f"reshape{shape}"
        else:
            ours, theirs = UNARY[name] if second is None else BINARY[name]
        operands = (first,) if second is None else (first, second)
        node = ours(*[nodes[k] for k in operands])
        if node.size > 64:
            continue
        nodes.append(node)
        graph.steps.append((theirs, operands))
        graph.text.append(f"n{len(nodes) - 1} = {name}{operands}")
    return graph


def reshapes(size: int) -> list[tuple[int, ...]]:
    """Return shapes with that many elements: all of two dimensions, some of others."""
    pairs = [(k, size // k) for k in range(1, size + 1) if size % k == 0]
    return [(size,), *pairs, *[(1, *pair) for pair in pairs[:1]]]


def sizes_of(shapes: list[tuple[int, ...]]) -> list[int]:
    return [prod(shape) for shape in shapes]


def run(outputs: Any, arrays: dict[str, Any], order: Any = None, dtype: str = "float64") -> Any:
    """Compile and call with those of the arrays that the program takes."""
    program = tb.compile(outputs, dtype, order=order)
    return program({name: arrays[name] for name in program.names})
