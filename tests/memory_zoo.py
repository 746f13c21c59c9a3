"""Programs that are mostly arrays, and what they really take: for tests and for benchmarks.

Run as a script it measures the smallest limit of the operating system under which each runs:
``python tests/memory_zoo.py [NAME ...]``.
"""

from __future__ import annotations

import gc
import os
import resource
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

import tensorbp as tb
from tensorbp.execution import Program
from tensorbp.execution.numpy.lowering import lower
from tensorbp.execution.numpy.memory import laid_out
from tensorbp.expression import Expression

Arrays = dict[str, Any]

OBJECTS = 2**20
"""Bytes for the code of a small program, and for all else of it that is no array; at most."""


def multilayer(scale: int) -> list[Expression]:
    """Return the gradients of a network of six layers, of which no two are equally wide."""
    widths = [97, 131, 113, 149, 101, 127, 89]
    h = tb.variable("x", 500 * scale, widths[0])
    weights = [tb.variable(f"W{k}", *pair) for k, pair in enumerate(pairwise(widths))]
    for W in weights:
        h = tb.tanh(h @ W)
    return tb.gradient(tb.mean(h * h), weights)


def residual(scale: int) -> list[Expression]:
    """Return the gradients of a residual network with layer norm and gelu."""
    width, inner = 83, 167
    h = tb.variable("x", 200 * scale, width)
    weights: list[Expression] = []
    for k in range(4):
        A, B = tb.variable(f"A{k}", width, inner), tb.variable(f"B{k}", inner, width)
        centred = h - tb.mean(h, axis=-1, keepdims=True)
        deviation = tb.sqrt(tb.mean(centred * centred, axis=-1, keepdims=True) + 1e-5)
        h = h + tb.gelu(centred / deviation @ A) @ B
        weights += [A, B]
    return tb.gradient(tb.sum(tb.softplus(h)), weights)


def convolutional(scale: int) -> list[Expression]:
    """Return the gradients of three padded convolutions, one of them strided."""
    x = tb.variable("x", 2 * scale, 3, 32, 30)
    weights = [
        tb.variable("K0", 16, 3, 3, 3),
        tb.variable("K1", 24, 16, 3, 3),
        tb.variable("K2", 20, 24, 5, 5),
    ]
    h = tb.relu(tb.conv(x, weights[0], padding=1))
    h = tb.relu(tb.conv(h, weights[1], padding=1, stride=2))
    h = tb.relu(tb.conv(h, weights[2], padding=2))
    return tb.gradient(tb.mean(h * h), weights)


def recurrent(scale: int) -> list[Expression]:
    """Return the gradients of a recurrent network over seven moments."""
    x = tb.variable("x", 100 * scale, 7, 61)
    W, U = tb.variable("W", 61, 103), tb.variable("U", 103, 103)
    h = tb.variable("h", 100 * scale, 103)
    for t in range(7):
        h = tb.tanh(x[:, t] @ W + h @ U)
    return tb.gradient(tb.mean(h * h), [W, U])


def attention(scale: int) -> list[Expression]:
    """Return the gradients of attention with three heads, and of the projections around it."""
    batch, tokens, width, heads = 2 * scale, 37, 96, 3
    x = tb.variable("x", batch, tokens, width)
    weights = [tb.variable(name, width, width) for name in ("Q", "K", "V", "O")]

    def split(z: Expression) -> Expression:
        opened = tb.reshape(z, (batch, tokens, heads, width // heads))
        return tb.einsum("bthd->bhtd", opened)

    query, key, value = [split(x @ each) for each in weights[:3]]
    scores = tb.einsum("bhtd,bhsd->bhts", query, key) / 5
    mixed = tb.einsum("bhts,bhsd->bthd", tb.softmax(scores), value)
    y = tb.reshape(mixed, (batch, tokens, width)) @ weights[3]
    return tb.gradient(tb.mean(y * y), weights)


ZOO: dict[str, Callable[[int], list[Expression]]] = {
    each.__name__: each for each in (multilayer, residual, convolutional, recurrent, attention)
}
"""Gradients by name; each takes what the batch is multiplied by."""

LARGE = {"multilayer": 40, "residual": 40, "convolutional": 40, "recurrent": 60, "attention": 200}
"""By what the batch is multiplied for 50 to 300 MiB."""


def arrays_for(program: Program, seed: int = 0) -> Arrays:
    """Return random arrays for all inputs of a program."""
    random = np.random.default_rng(seed)
    return {
        each.name: random.integers(0, 2, each.shape)
        if each.kind == "integer"
        else (random.normal(size=each.shape) / 5).astype(program.dtype)
        for each in program.plan.inputs
    }


def taken(program: Program) -> int:
    """Return the bytes of inputs, results and arena of a program in numpy."""
    lowered = lower(program.plan)
    handed_over = [each for each in lowered.values if each.kind in ("input", "result")]
    arena = laid_out(lowered.values, lowered.instructions).size
    return arena + sum(int(each.size * each.dtype.itemsize) for each in handed_over)


def traced_peak(program: Program, arrays: Arrays) -> int:
    """Return the most bytes that are allocated while a program runs first, its inputs included."""
    # what is loaded when something first runs is no array, and what a program keeps is
    program(arrays)
    again = tb.compile(program.plan)
    gc.collect()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        again(arrays)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    return most - before + sum(int(each.nbytes) for each in arrays.values())


@dataclass(frozen=True)
class Measured:
    """What a program was predicted to need, and the smallest limit under which it ran.

    Attributes:
        name: which of the zoo.
        predicted: the peak of its plan, in bytes.
        measured: inputs and what the process could be denied no byte of, but for `PRECISION`.
        flops: of the plan.
    """

    name: str
    predicted: int
    measured: int
    flops: int

    @property
    def ratio(self) -> float:
        """The predicted peak over the measured one."""
        return self.predicted / self.measured


PRECISION = 2**18
"""To how many bytes the smallest limit is found."""


def measured_under_limits(name: str, scale: int, memory_limit: int | None = None) -> Measured:
    """Return the smallest limit on its data segment under which a process runs a program.

    Each try is a process of its own, which loads everything and makes the inputs before its limit
    is set, so that the limit is on what the program itself allocates.
    """
    program = _program(name, scale, memory_limit)
    given = sum(each.nbytes for each in arrays_for(program).values())
    low, high = 0, 2 * program.plan.peak_bytes
    while high - low > PRECISION:
        middle = (low + high) // 2
        if _runs_within(name, scale, memory_limit, middle):
            high = middle
        else:
            low = middle
    return Measured(name, program.plan.peak_bytes, high + given, program.plan.flops)


def _program(name: str, scale: int, memory_limit: int | None) -> Program:
    return tb.compile(ZOO[name](scale), memory_limit=memory_limit)


def _runs_within(name: str, scale: int, memory_limit: int | None, room: int) -> bool:
    """Say whether a process that may allocate so many bytes more runs a program."""
    script = f"import memory_zoo; memory_zoo.run_limited({name!r}, {scale}, {memory_limit}, {room})"
    # each array is a mapping of its own, so that what is measured is arrays and not how an
    # allocator fills its gaps
    environment = {**os.environ, "MALLOC_MMAP_THRESHOLD_": "65536"}
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        cwd=Path(__file__).parent,
        env=environment,
        check=False,
    )
    return done.returncode == 0


def run_limited(name: str, scale: int, memory_limit: int | None, room: int) -> None:
    """Run a program with so many bytes above what the process has; MemoryError if they run out."""
    program = _program(name, scale, memory_limit)
    arrays = arrays_for(program)
    # what is loaded when a program first runs is no part of what it allocates
    small = _program(name, 1, None)
    small(arrays_for(small))
    gc.collect()
    limit = _data_bytes() + room
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    program(arrays)


def _data_bytes() -> int:
    """Return the bytes of this process that its limit on data counts."""
    with open("/proc/self/status") as status:
        line = next(each for each in status if each.startswith("VmData"))
    return int(line.split()[1]) * 1024


def main(names: list[str]) -> None:
    """Print predicted and measured peaks."""
    for name in names or ZOO:
        found = measured_under_limits(name, LARGE[name])
        print(
            f"{name:16} predicted {found.predicted / 2**20:7.1f} MiB, measured "
            f"{found.measured / 2**20:7.1f} MiB, ratio {found.ratio:.3f}"
        )


if __name__ == "__main__":
    main(sys.argv[1:])
