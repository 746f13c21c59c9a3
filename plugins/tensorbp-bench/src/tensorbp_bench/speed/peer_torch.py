"""The tasks in PyTorch: plain autograd for gradients, ``torch.func`` for everything else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.func import grad, hessian, jacfwd, jacrev, vmap

from tensorbp_bench.speed import functions_torch
from tensorbp_bench.speed.peers import Computation
from tensorbp_bench.speed.tasks import Arrays, Task

__all__ = ["prepare"]

Parameters = dict[str, Any]


def prepare(task: Task, arrays: Arrays) -> Computation:
    """Return the task in eager mode, with its arrays."""
    return _Questions(task, arrays).function()


class _Questions:
    def __init__(self, task: Task, arrays: Arrays) -> None:
        self.task = task
        names = task.definition.parameters(task.sizes)
        self.parameters = {name: torch.from_numpy(arrays[name]) for name in names}
        self.x, self.target = torch.from_numpy(arrays["x"]), torch.from_numpy(arrays["target"])
        if task.question == "gradient":
            for each in self.parameters.values():
                each.requires_grad_()

    def function(self) -> Callable[[], list[Any]]:
        """Return the function that answers the question."""
        return {
            "gradient": self.gradient,
            "input jacobian": self.input_jacobian,
            "per-sample gradients": self.per_sample,
            "gram": self.gram,
            "norms": self.norms,
            "second moment": self.second_moment,
            "gauss-newton diagonal": self.gauss_newton,
            "hessian": self.hessian,
        }[self.task.question]

    def output(self, parameters: Parameters, x: Any) -> Any:
        return self.task.definition.output(functions_torch, parameters, x, self.task.sizes)

    def losses(self, parameters: Parameters, x: Any, target: Any) -> Any:
        output = self.output(parameters, x)
        return self.task.definition.losses_of(functions_torch, output, target)

    def loss_of_one(self, parameters: Parameters, x: Any, target: Any) -> Any:
        return self.losses(parameters, x[None], target[None])[0]

    def output_of_one(self, parameters: Parameters, x: Any) -> Any:
        return self.output(parameters, x[None])[0]

    def gradient(self) -> list[Any]:
        loss = self.losses(self.parameters, self.x, self.target).mean()
        return [loss.detach(), *torch.autograd.grad(loss, list(self.parameters.values()))]

    def input_jacobian(self) -> list[Any]:
        derivative = jacfwd if self.task.mode == "forward" else jacrev
        jacobian = derivative(self.output_of_one, argnums=1)
        return [vmap(jacobian, in_dims=(None, 0))(self.parameters, self.x)]

    def per_sample(self) -> list[Any]:
        gradients = vmap(grad(self.loss_of_one), in_dims=(None, 0, 0))
        return list(gradients(self.parameters, self.x, self.target).values())

    def gram(self) -> list[Any]:
        return [sum(g.flatten(1) @ g.flatten(1).T for g in self.per_sample())]

    def norms(self) -> list[Any]:
        return [sum((g * g).flatten(1).sum(1) for g in self.per_sample())]

    def second_moment(self) -> list[Any]:
        return [(g * g).sum(0) for g in self.per_sample()]

    def gauss_newton(self) -> list[Any]:
        def of_one(x: Any, target: Any) -> Any:
            def loss(output: Any) -> Any:
                return self.task.definition.losses_of(functions_torch, output[None], target[None])[
                    0
                ]

            H = hessian(loss)(self.output_of_one(self.parameters, x))
            J = jacrev(self.output_of_one)(self.parameters, x)
            return {n: torch.einsum("c...,cd,d...->...", j, H, j) for n, j in J.items()}

        diagonals = vmap(of_one)(self.x, self.target)
        return [each.sum(0) for each in diagonals.values()]

    def hessian(self) -> list[Any]:
        first = next(iter(self.parameters))

        def loss(value: Any) -> Any:
            return self.losses(self.parameters | {first: value}, self.x, self.target).sum()

        return [hessian(loss)(self.parameters[first])]
