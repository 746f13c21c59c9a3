"""The tasks in HIPS autograd, which has no ``vmap``: samples are taken one after the other."""

from __future__ import annotations

from functools import partial
from typing import Any

import autograd.numpy as np
from autograd import grad, hessian, jacobian, value_and_grad

from tensorbp_bench.speed import functions_autograd
from tensorbp_bench.speed.peers import Computation, Unsupported
from tensorbp_bench.speed.questions import Parameters, Questions
from tensorbp_bench.speed.tasks import Arrays, Task

__all__ = ["prepare"]


def prepare(task: Task, arrays: Arrays) -> Computation:
    """Return the task, with its arrays.

    Raises:
        Unsupported: the model has convolutions, or the question needs many Jacobians.
    """
    if task.model in ("lenet", "basic block"):
        raise Unsupported("autograd has no convolution of several channels with padding")
    if task.question == "gauss-newton diagonal" or task.mode == "forward":
        raise Unsupported("autograd has neither vmap nor a usable forward mode for it")
    questions = _Questions(task, functions_autograd)
    parameters = {name: arrays[name] for name in questions.names}
    return partial(questions.answer(), parameters, arrays["x"], arrays["target"])


class _Questions(Questions):
    def gradient(self, parameters: Parameters, x: Any, target: Any) -> list[Any]:
        def loss(parameters: Parameters) -> Any:
            return np.mean(self.losses(parameters, x, target))

        value, gradient = value_and_grad(loss)(parameters)
        return [value, *self.listed(gradient)]

    def input_jacobian(self, parameters: Parameters, x: Any, target: Any) -> list[Any]:
        del target
        of_one = jacobian(self.output_of_one, argnum=1)
        return [np.stack([of_one(parameters, each) for each in x])]

    def per_sample_gradients(self, parameters: Parameters, x: Any, target: Any) -> list[Any]:
        of_one = grad(self.loss_of_one)
        gradients = [of_one(parameters, *sample) for sample in zip(x, target, strict=True)]
        return [np.stack([each[name] for each in gradients]) for name in self.names]

    def hessian(self, parameters: Parameters, x: Any, target: Any) -> list[Any]:
        first = self.names[0]

        def loss(value: Any) -> Any:
            return np.sum(self.losses(parameters | {first: value}, x, target))

        return [hessian(loss)(parameters[first])]
