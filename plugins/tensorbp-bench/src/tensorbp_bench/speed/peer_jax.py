"""The tasks in JAX: ``vmap`` outside of the derivative, everything in one ``jit``."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from tensorbp_bench.speed import functions_jax
from tensorbp_bench.speed.peers import Computation
from tensorbp_bench.speed.questions import Parameters, Questions
from tensorbp_bench.speed.tasks import Arrays, Task

__all__ = ["prepare"]

jax.config.update("jax_enable_x64", True)  # type: ignore[no-untyped-call]


def prepare(task: Task, arrays: Arrays) -> Computation:
    """Return the jitted task, with its arrays."""
    questions = _Questions(task, functions_jax)
    parameters = {name: jnp.asarray(arrays[name]) for name in questions.names}
    x, target = jnp.asarray(arrays["x"]), jnp.asarray(arrays["target"])
    compute = jax.jit(questions.answer())

    def run() -> list[Any]:
        results: list[Any] = compute(parameters, x, target)
        return jax.block_until_ready(results)  # type: ignore[no-any-return, no-untyped-call]

    return run


class _Questions(Questions):
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

    def per_sample_gradients(self, parameters: Parameters, x: Any, target: Any) -> list[Any]:
        gradients = jax.vmap(jax.grad(self.loss_of_one), in_axes=(None, 0, 0))
        return self.listed(gradients(parameters, x, target))

    def norms(self, parameters: Parameters, x: Any, target: Any) -> list[Any]:
        def squared_norm(x: Any, target: Any) -> Any:
            gradient = jax.grad(self.loss_of_one)(parameters, x, target)
            return sum(jnp.vdot(g, g) for g in gradient.values())

        return [jax.vmap(squared_norm)(x, target)]

    def gauss_newton_diagonal(self, parameters: Parameters, x: Any, target: Any) -> list[Any]:
        def of_one(x: Any, target: Any) -> Any:
            H = jax.hessian(self.loss_of_output)(self.output_of_one(parameters, x), target)
            J = jax.jacrev(self.output_of_one)(parameters, x)
            return {n: jnp.einsum("c...,cd,d...->...", j, H, j) for n, j in J.items()}

        diagonals = jax.vmap(of_one)(x, target)
        return [jnp.sum(each, axis=0) for each in self.listed(diagonals)]

    def hessian(self, parameters: Parameters, x: Any, target: Any) -> list[Any]:
        first = self.names[0]

        def loss(value: Any) -> Any:
            return jnp.sum(self.losses(parameters | {first: value}, x, target))

        return [jax.hessian(loss)(parameters[first])]
