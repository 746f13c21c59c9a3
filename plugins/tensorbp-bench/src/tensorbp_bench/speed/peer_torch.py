"""The tasks in PyTorch: plain autograd for gradients, ``torch.func`` for everything else."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch.func import grad, hessian, jacfwd, jacrev, vmap

from tensorbp_bench.speed import functions_torch
from tensorbp_bench.speed.peers import Computation
from tensorbp_bench.speed.questions import Parameters, Questions
from tensorbp_bench.speed.tasks import Arrays, Task

__all__ = ["prepare"]


def prepare(task: Task, arrays: Arrays) -> Computation:
    """Return the task in eager mode, with its arrays."""
    questions = _Questions(task, functions_torch)
    parameters = {name: torch.from_numpy(arrays[name]) for name in questions.names}
    if task.question == "gradient":
        for each in parameters.values():
            each.requires_grad_()
    x, target = torch.from_numpy(arrays["x"]), torch.from_numpy(arrays["target"])
    return partial(questions.answer(), parameters, x, target)


class _Questions(Questions):
    def gradient(self, parameters: Parameters, x: Any, target: Any) -> list[Any]:
        loss = self.losses(parameters, x, target).mean()
        return [loss.detach(), *torch.autograd.grad(loss, self.listed(parameters))]

    def input_jacobian(self, parameters: Parameters, x: Any, target: Any) -> list[Any]:
        del target
        derivative = jacfwd if self.task.mode == "forward" else jacrev
        jacobian = derivative(self.output_of_one, argnums=1)
        return [vmap(jacobian, in_dims=(None, 0))(parameters, x)]

    def per_sample_gradients(self, parameters: Parameters, x: Any, target: Any) -> list[Any]:
        gradients = vmap(grad(self.loss_of_one), in_dims=(None, 0, 0))
        return self.listed(gradients(parameters, x, target))

    def gauss_newton_diagonal(self, parameters: Parameters, x: Any, target: Any) -> list[Any]:
        def of_one(x: Any, target: Any) -> Any:
            H = hessian(self.loss_of_output)(self.output_of_one(parameters, x), target)
            J = jacrev(self.output_of_one)(parameters, x)
            return {n: torch.einsum("c...,cd,d...->...", j, H, j) for n, j in J.items()}

        diagonals = vmap(of_one)(x, target)
        return [each.sum(0) for each in self.listed(diagonals)]

    def hessian(self, parameters: Parameters, x: Any, target: Any) -> list[Any]:
        first = self.names[0]

        def loss(value: Any) -> Any:
            return self.losses(parameters | {first: value}, x, target).sum()

        return [hessian(loss)(parameters[first])]
