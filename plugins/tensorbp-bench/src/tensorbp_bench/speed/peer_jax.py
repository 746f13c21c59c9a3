"""The tasks in JAX: ``vmap`` outside of the derivative, everything in one ``jit``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from tensorbp_bench.speed import functions_jax
from tensorbp_bench.speed.peers import Computation
from tensorbp_bench.speed.tasks import Arrays, Task

__all__ = ["prepare"]

jax.config.update("jax_enable_x64", True)  # type: ignore[no-untyped-call]

Parameters = dict[str, Any]


def prepare(task: Task, arrays: Arrays) -> Computation:
    """Return the jitted task, with its arrays."""
    names = list(task.definition.parameters(task.sizes))
    parameters = {name: jnp.asarray(arrays[name]) for name in names}
    x, target = jnp.asarray(arrays["x"]), jnp.asarray(arrays["target"])
    compute = jax.jit(_Questions(task).function())

    def run() -> list[Any]:
        results: list[Any] = compute(parameters, x, target)
        return jax.block_until_ready(results)  # type: ignore[no-any-return, no-untyped-call]

    return run


class _Questions:
    def __init__(self, task: Task) -> None:
        self.task = task
        self.names = list(task.definition.parameters(task.sizes))

    def function(self) -> Callable[[Parameters, Any, Any], list[Any]]:
        """Return the function of parameters, inputs and labels that answers the question."""
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
        return self.task.definition.output(functions_jax, parameters, x, self.task.sizes)

    def losses(self, parameters: Parameters, x: Any, target: Any) -> Any:
        output = self.output(parameters, x)
        return self.task.definition.losses_of(functions_jax, output, target)

    def loss_of_one(self, parameters: Parameters, x: Any, target: Any) -> Any:
        return self.losses(parameters, x[None], target[None])[0]

    def output_of_one(self, parameters: Parameters, x: Any) -> Any:
        return self.output(parameters, x[None])[0]

    def listed(self, by_name: Parameters) -> list[Any]:
        return [by_name[name] for name in self.names]

    def gradient(self, parameters: Parameters, x: Any, target: Any) -> list[Any]:
        def loss(parameters: Parameters) -> Any:
            return jnp.mean(self.losses(parameters, x, target))

        value, gradient = jax.value_and_grad(loss)(parameters)
        return [value, *self.listed(gradient)]

    def input_jacobian(self, parameters: Parameters, x: Any, target: Any) -> list[Any]:
        del target
        derivative = jax.jacfwd if self.task.mode == "forward" else jax.jacrev
        jacobian = derivative(self.output_of_one, argnums=1)
        return [jax.vmap(jacobian, in_axes=(None, 0))(parameters, x)]

    def per_sample(self, parameters: Parameters, x: Any, target: Any) -> list[Any]:
        gradients = jax.vmap(jax.grad(self.loss_of_one), in_axes=(None, 0, 0))
        return self.listed(gradients(parameters, x, target))

    def gram(self, parameters: Parameters, x: Any, target: Any) -> list[Any]:
        flat = [g.reshape(len(x), -1) for g in self.per_sample(parameters, x, target)]
        return [sum(g @ g.T for g in flat)]

    def norms(self, parameters: Parameters, x: Any, target: Any) -> list[Any]:
        def squared_norm(x: Any, target: Any) -> Any:
            gradient = jax.grad(self.loss_of_one)(parameters, x, target)
            return sum(jnp.vdot(g, g) for g in gradient.values())

        return [jax.vmap(squared_norm)(x, target)]

    def second_moment(self, parameters: Parameters, x: Any, target: Any) -> list[Any]:
        return [jnp.sum(g * g, axis=0) for g in self.per_sample(parameters, x, target)]

    def gauss_newton(self, parameters: Parameters, x: Any, target: Any) -> list[Any]:
        def of_one(x: Any, target: Any) -> Any:
            def loss(output: Any) -> Any:
                return self.task.definition.losses_of(functions_jax, output[None], target[None])[0]

            H = jax.hessian(loss)(self.output_of_one(parameters, x))
            J = jax.jacrev(self.output_of_one)(parameters, x)
            return {n: jnp.einsum("c...,cd,d...->...", j, H, j) for n, j in J.items()}

        diagonals = jax.vmap(of_one)(x, target)
        return [jnp.sum(each, axis=0) for each in self.listed(diagonals)]

    def hessian(self, parameters: Parameters, x: Any, target: Any) -> list[Any]:
        first = self.names[0]

        def loss(value: Any) -> Any:
            return jnp.sum(self.losses(parameters | {first: value}, x, target))

        return [jax.hessian(loss)(parameters[first])]
