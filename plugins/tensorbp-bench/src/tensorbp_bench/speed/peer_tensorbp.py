"""The tasks in tensorbp, on any of its backends."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorbp as tb
from tensorbp_bench.speed import functions_tensorbp
from tensorbp_bench.speed.peers import Computation
from tensorbp_bench.speed.tasks import Arrays, Task

__all__ = ["outputs", "prepare"]


def prepare(task: Task, arrays: Arrays, backend: str = "numpy") -> Computation:
    """Return the compiled program of a task, with its arrays."""
    taken: Callable[[Any], Any] = _LIBRARIES.get(backend, lambda array: array)
    # JAX is told of double precision when it takes its first array, which the program must find
    given = {name: taken(array) for name, array in arrays.items()}
    program = tb.compile(outputs(task), str(arrays["x"].dtype), backend)
    given = {name: given[name] for name in program.names}
    return lambda: _finished(backend, program(given))


def outputs(task: Task) -> list[tb.Expression]:
    """Return what a task asks for, as expressions."""
    model, sizes = task.definition, task.sizes
    x = tb.variable("x", *model.input(sizes))
    target = tb.variable("target", x.shape[0], kind="integer")
    parameters = {n: tb.variable(n, *shape) for n, shape in model.parameters(sizes).items()}
    output = model.output(functions_tensorbp, parameters, x, sizes)
    losses = model.losses_of(functions_tensorbp, output, target)
    found = _QUESTIONS[task.question](output, losses, x, list(parameters.values()))
    return found if isinstance(found, list) else [found]


def _gradient(output: Any, losses: Any, x: Any, theta: list[Any]) -> Any:
    del output, x
    loss = tb.mean(losses)
    return [loss, *_listed(tb.gradient(loss, theta))]


def _input_jacobian(output: Any, losses: Any, x: Any, theta: list[Any]) -> Any:
    del losses, theta
    # a sample's outputs depend on its own inputs only, so their sum has all Jacobians
    summed = tb.jacobian(tb.sum(output, axis=0), x).to_dense()
    return tb.einsum("obi->boi", *_listed(summed))


def _per_sample(output: Any, losses: Any, x: Any, theta: list[Any]) -> Any:
    del output, x
    return [tb.jacobian(losses, each).to_dense() for each in theta]


def _gram(output: Any, losses: Any, x: Any, theta: list[Any]) -> Any:
    del output, x
    J = tb.jacobian(losses, theta)
    return (J @ J.T).to_dense()


def _norms(output: Any, losses: Any, x: Any, theta: list[Any]) -> Any:
    del output, x
    J = tb.jacobian(losses, theta)
    return (J @ J.T).diagonal()


def _second_moment(output: Any, losses: Any, x: Any, theta: list[Any]) -> Any:
    del output, x
    J = tb.jacobian(losses, theta)
    return (J.T @ J).diagonal()


def _gauss_newton(output: Any, losses: Any, x: Any, theta: list[Any]) -> Any:
    del x
    J, H = tb.jacobian(output, theta), tb.hessian(tb.sum(losses), output)
    return (J.T @ H @ J).diagonal()


def _hessian(output: Any, losses: Any, x: Any, theta: list[Any]) -> Any:
    del output, x
    return tb.hessian(tb.sum(losses), theta[0]).to_dense()


_QUESTIONS: dict[str, Callable[[Any, Any, Any, list[Any]], Any]] = {
    "gradient": _gradient,
    "input jacobian": _input_jacobian,
    "per-sample gradients": _per_sample,
    "gram": _gram,
    "norms": _norms,
    "second moment": _second_moment,
    "gauss-newton diagonal": _gauss_newton,
    "hessian": _hessian,
}


def _listed(found: Any) -> list[Any]:
    return found if isinstance(found, list) else [found]


def _torch_array(array: Any) -> Any:
    import torch

    return torch.from_numpy(array)


def _jax_array(array: Any) -> Any:
    import jax

    jax.config.update("jax_enable_x64", True)  # type: ignore[no-untyped-call]
    return jax.numpy.asarray(array)


_LIBRARIES: dict[str, Callable[[Any], Any]] = {
    "torch": _torch_array,
    "torch-compile": _torch_array,
    "jax": _jax_array,
}
"""How the arrays of a backend are made, where they are not numpy's."""


def _finished(backend: str, results: list[Any]) -> list[Any]:
    if backend == "jax":
        import jax

        jax.block_until_ready(results)  # type: ignore[no-untyped-call]
    return results
