"""The tasks that BackPACK has extensions for: they write the structure by hand, layer by layer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from backpack import backpack, extend
from backpack.extensions import BatchGrad, BatchL2Grad, DiagGGNExact, SumGradSquared

from tensorbp_bench.speed.peers import Computation, Unsupported
from tensorbp_bench.speed.tasks import Arrays, Task

__all__ = ["prepare"]


def prepare(task: Task, arrays: Arrays) -> Computation:
    """Return the task, with its arrays.

    Raises:
        Unsupported: the model is no multilayer network, or there is no extension for the question.
    """
    if task.model != "multilayer" or task.question not in _EXTENSIONS:
        raise Unsupported("BackPACK has no extension for it")
    make, read = _EXTENSIONS[task.question]
    network = extend(_network(task, arrays))
    loss = extend(torch.nn.CrossEntropyLoss(reduction="sum"))
    x, target = torch.from_numpy(arrays["x"]), torch.from_numpy(arrays["target"])

    def run() -> list[Any]:
        with backpack(make()):
            loss(network(x), target).backward()
        found = read(list(network.parameters()))
        network.zero_grad()
        return found

    return run


def _network(task: Task, arrays: Arrays) -> Any:
    """Return the network as modules; their weights are those of the model, turned round."""
    layers: list[torch.nn.Module] = []
    widths = task.sizes["widths"]
    for k in range(len(widths) - 1):
        dense = torch.nn.Linear(widths[k], widths[k + 1])
        dense.weight = torch.nn.Parameter(torch.from_numpy(arrays[f"W{k}"].T.copy()))
        dense.bias = torch.nn.Parameter(torch.from_numpy(arrays[f"b{k}"]))
        layers += [dense, torch.nn.Tanh()]
    return torch.nn.Sequential(*layers[:-1])


def _by_parameter(name: str, dimensions: int) -> Callable[[list[Any]], list[Any]]:
    """Return what reads an attribute; weights have so many dimensions, and are turned round."""

    def read(parameters: list[Any]) -> list[Any]:
        found = [getattr(each, name).detach() for each in parameters]
        return [each.mT if each.ndim == dimensions else each for each in found]

    return read


def _norms(parameters: list[Any]) -> list[Any]:
    return [sum(each.batch_l2 for each in parameters).detach()]


_EXTENSIONS: dict[str, tuple[Callable[[], Any], Callable[[list[Any]], list[Any]]]] = {
    "per-sample gradients": (BatchGrad, _by_parameter("grad_batch", 3)),
    "norms": (BatchL2Grad, _norms),
    "second moment": (SumGradSquared, _by_parameter("sum_grad_squared", 2)),
    "gauss-newton diagonal": (DiagGGNExact, _by_parameter("diag_ggn_exact", 2)),
}
"""For each question the extension, and how its answer is read off the parameters."""
