"""What the peers that differentiate functions do alike: a question is a method of its name."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

from tensorbp_bench.speed.tasks import Task

__all__ = ["Answer", "Parameters", "Questions"]

Parameters = dict[str, Any]

Answer = Callable[[Parameters, Any, Any], list[Any]]
"""Takes the parameters by name, the input and the labels."""


class Questions(ABC):
    """The questions about a model; a library answers in its own way where it has a better one.

    Attributes:
        task: what is computed.
        f: the functions of the library.
        names: those of the parameters, in the order of all gradients.
    """

    def __init__(self, task: Task, f: Any) -> None:
        self.task = task
        self.f = f
        self.names = list(task.definition.parameters(task.sizes))

    def answer(self) -> Answer:
        """Return the method that answers the question of the task."""
        name = self.task.question.replace(" ", "_").replace("-", "_")
        method: Answer = getattr(self, name)
        return method

    def output(self, parameters: Parameters, x: Any) -> Any:
        """Return the outputs of all samples."""
        return self.task.definition.output(self.f, parameters, x, self.task.sizes)

    def output_of_one(self, parameters: Parameters, x: Any) -> Any:
        """Return the outputs of a sample."""
        return self.output(parameters, x[None])[0]

    def losses(self, parameters: Parameters, x: Any, target: Any) -> Any:
        """Return the losses of all samples."""
        return self.task.definition.losses(self.f, parameters, x, target, self.task.sizes)

    def loss_of_one(self, parameters: Parameters, x: Any, target: Any) -> Any:
        """Return the loss of a sample."""
        return self.losses(parameters, x[None], target[None])[0]

    def loss_of_output(self, output: Any, target: Any) -> Any:
        """Return the loss of a sample, given its outputs."""
        return self.task.definition.losses_of(self.f, output[None], target[None])[0]

    def listed(self, by_name: Parameters) -> list[Any]:
        """Return what is there for each parameter, in their order."""
        return [by_name[name] for name in self.names]

    @abstractmethod
    def per_sample_gradients(self, parameters: Parameters, x: Any, target: Any) -> list[Any]:
        """Return the gradients of each sample's loss, by parameter."""

    def gram(self, parameters: Parameters, x: Any, target: Any) -> list[Any]:
        """Return the inner products of the per-sample gradients."""
        gradients = self.per_sample_gradients(parameters, x, target)
        flat = [g.reshape(len(x), -1) for g in gradients]
        return [sum(g @ g.T for g in flat)]

    def norms(self, parameters: Parameters, x: Any, target: Any) -> list[Any]:
        """Return the squared norm of each sample's gradient."""
        gradients = self.per_sample_gradients(parameters, x, target)
        return [sum((g * g).reshape(len(x), -1).sum(1) for g in gradients)]

    def second_moment(self, parameters: Parameters, x: Any, target: Any) -> list[Any]:
        """Return the squares of the per-sample gradients summed over the samples, by parameter."""
        return [(g * g).sum(0) for g in self.per_sample_gradients(parameters, x, target)]
