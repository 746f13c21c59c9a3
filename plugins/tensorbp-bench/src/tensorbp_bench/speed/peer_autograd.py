"""The tasks in HIPS autograd, which has no ``vmap``: samples are taken one after the other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import autograd.numpy as np
from autograd import grad, hessian, jacobian, value_and_grad

from tensorbp_bench.speed import functions_autograd
from tensorbp_bench.speed.peers import Computation, Unsupported
from tensorbp_bench.speed.tasks import Arrays, Task

__all__ = ["prepare"]

Parameters = dict[str, Any]


def prepare(task: Task, arrays: Arrays) -> Computation:
    """Return the task, with its arrays.

    Raises:
        Unsupported: the model has convolutions, or the question needs many Jacobians.
    """
    if task.model in ("lenet", "basic block"):
        raise Unsupported("autograd has no convolution of several channels with padding")
    questions = _Questions(task, arrays)
    functions: dict[str, Callable[[], list[Any]]] = {
        "gradient": questions.gradient,
        "input jacobian": questions.input_jacobian,
        "per-sample gradients": questions.per_sample,
        "gram": questions.gram,
        "norms": questions.norms,
        "second moment": questions.second_moment,
        "hessian": questions.hessian,
    }
    if task.question not in functions or task.mode == "forward":
        raise Unsupported("autograd has neither vmap nor a usable forward mode for it")
    return functions[task.question]


class _Questions:
    def __init__(self, task: Task, arrays: Arrays) -> None:
        self.task = task
        self.parameters = {name: arrays[name] for name in task.definition.parameters(task.sizes)}
        self.x, self.target = arrays["x"], arrays["target"]

    def output(self, parameters: Parameters, x: Any) -> Any:
        return self.task.definition.output(functions_autograd, parameters, x, self.task.sizes)

    def losses(self, parameters: Parameters, x: Any, target: Any) -> Any:
        output = self.output(parameters, x)
        return self.task.definition.losses_of(functions_autograd, output, target)

    def gradient(self) -> list[Any]:
        def loss(parameters: Parameters) -> Any:
            return np.mean(self.losses(parameters, self.x, self.target))

        value, gradient = value_and_grad(loss)(self.parameters)
        return [value, *gradient.values()]

    def input_jacobian(self) -> list[Any]:
        def output_of_one(x: Any) -> Any:
            return self.output(self.parameters, x[None])[0]

        return [np.stack([jacobian(output_of_one)(x) for x in self.x])]

    def per_sample(self) -> list[Any]:
        def loss_of_one(parameters: Parameters, x: Any, target: Any) -> Any:
            return self.losses(parameters, x[None], target[None])[0]

        gradients = [
            grad(loss_of_one)(self.parameters, x, target)
            for x, target in zip(self.x, self.target, strict=True)
        ]
        return [np.stack([each[name] for each in gradients]) for name in self.parameters]

    def gram(self) -> list[Any]:
        flat = [g.reshape(len(self.x), -1) for g in self.per_sample()]
        return [sum(g @ g.T for g in flat)]

    def norms(self) -> list[Any]:
        return [sum((g * g).reshape(len(self.x), -1).sum(1) for g in self.per_sample())]

    def second_moment(self) -> list[Any]:
        return [(g * g).sum(0) for g in self.per_sample()]

    def hessian(self) -> list[Any]:
        first = next(iter(self.parameters))

        def loss(value: Any) -> Any:
            return np.sum(self.losses({**self.parameters, first: value}, self.x, self.target))

        return [hessian(loss)(self.parameters[first])]
