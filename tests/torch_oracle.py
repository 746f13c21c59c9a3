"""PyTorch as an oracle: a layer's value, gradient and Hessian against torch's own layer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch

import tensorbp as tb
from tensorbp.expression.layer import Layer, Shape
from tensorbp.testing.case import Case

torch.set_num_threads(1)

HESSIAN_LIMIT = 150
"""Hessians of more rows than this are not compared, they take too long."""

TOLERANCE = 1e-9

Tensors = Mapping[str, Any]


def assert_equals_torch(
    layer: Layer,
    shapes: tuple[Shape, ...],
    reference: Callable[[Tensors], torch.Tensor],
    arrays: Mapping[str, Any] | None = None,
) -> None:
    """Compare a layer with torch: value, gradient by every operand and, where small, the Hessian.

    Args:
        layer: the layer.
        shapes: the shapes of its inputs.
        reference: the same in torch, a function of the operands by name; integers are long.
        arrays: operands to use in place of random ones.
    """
    case = Case(layer, shapes)
    given = case.arrays | dict(arrays or {})
    tensors = {name: torch.tensor(np.asarray(value)) for name, value in given.items()}
    real = {name: tensors[name].requires_grad_() for name in case.real}
    expected = reference(tensors)
    if not real:
        _assert_close(case.values([case.output], given)[0], expected)
        return
    value, weights = case.output, case.cotangent()
    weighted = tb.sum(value * tb.variable("weights", *value.shape))
    sources = list(case.real.values())
    small = sum(x.size for x in sources) <= HESSIAN_LIMIT
    wanted = [value, *tb.gradient(weighted, sources)] + [tb.hessian(weighted, sources)] * small
    program = tb.compile(wanted)
    named = {**given, "weights": weights}
    found = program({name: named[name] for name in program.names})

    def loss(*moved: torch.Tensor) -> torch.Tensor:
        changed = {**tensors, **dict(zip(real, moved, strict=True))}
        return (reference(changed) * torch.tensor(weights)).sum()

    _assert_close(found[0], expected)
    gradients = torch.autograd.grad(
        loss(*real.values()), list(real.values()), materialize_grads=True
    )
    for name, mine, other in zip(real, found[1:], gradients, strict=False):
        _assert_close(mine, other, name)
    if small:
        blocks = torch.autograd.functional.hessian(loss, tuple(real.values()))
        rows = [
            torch.cat([block.reshape(x.numel(), -1) for block in row], dim=1)
            for x, row in zip(real.values(), blocks, strict=True)
        ]
        _assert_close(found[-1].to_dense(), torch.cat(rows), "the Hessian")


def _assert_close(found: Any, expected: torch.Tensor, name: str = "the value") -> None:
    reference = expected.detach().numpy()
    assert np.shape(found) == reference.shape, name
    scale = max(1.0, float(np.max(np.abs(reference), initial=0.0)))
    np.testing.assert_allclose(found, reference, rtol=0, atol=TOLERANCE * scale, err_msg=name)
