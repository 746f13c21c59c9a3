"""What is timed: a model, its sizes, and a question about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from tensorbp_bench.speed.models import MODELS, Model, Sizes

Question = Literal[
    "gradient",
    "input jacobian",
    "per-sample gradients",
    "gram",
    "norms",
    "second moment",
    "gauss-newton diagonal",
    "hessian",
]
"""All of them return a list of arrays, and are about the losses of the samples:

- gradient: the mean loss, and its gradient by each parameter;
- input jacobian: of the outputs, for each sample, (batch, outputs, inputs);
- per-sample gradients: (batch, *parameter) for each parameter;
- gram: the inner products of the per-sample gradients, (batch, batch);
- norms: the squared norm of each sample's gradient, (batch,);
- second moment: the squares of the per-sample gradients summed over the samples, by parameter;
- gauss-newton diagonal: that of Jᵀ H J, summed over the samples, by parameter;
- hessian: of the summed losses by the first parameter, dense.
"""

Mode = Literal["forward", "reverse"]

SEED_OF_LABELS = 1

__all__ = ["TASKS", "Arrays", "Mode", "Question", "Task"]

Arrays = dict[str, Any]
"""The parameters by name, the input ``x`` and the labels ``target``."""


@dataclass(frozen=True)
class Task:
    """Something to compute.

    Attributes:
        name: what it is called on the command line.
        title: what it is.
        model: which of `MODELS`.
        question: what is asked.
        sizes: of the model.
        small: those of a quick run.
        mode: in which mode peers that need to be told take a Jacobian.
    """

    name: str
    title: str
    model: str
    question: Question
    sizes: Mapping[str, Any]
    small: Mapping[str, Any] = field(default_factory=dict)
    mode: Mode = "reverse"

    def quick(self) -> Task:
        """Return the same task on small arrays."""
        return replace(self, sizes={**self.sizes, **self.small}, small={})

    @property
    def definition(self) -> Model:
        """The model."""
        return MODELS[self.model]

    def arrays(self, dtype: str, seed: int) -> Arrays:
        """Return parameters, inputs and labels; the same numbers in every process."""
        import numpy as np

        random = np.random.default_rng(seed)
        found: Arrays = {"x": random.normal(size=self.definition.input(self.sizes))}
        for name, shape in self.definition.parameters(self.sizes).items():
            fan_in = shape[0] if len(shape) == 2 else int(np.prod(shape[1:]))
            scale = 0.1 if len(shape) == 1 else fan_in**-0.5
            found[name] = scale * random.normal(size=shape) + (name[0] == "g")
        found = {name: array.astype(dtype) for name, array in found.items()}
        labels = np.random.default_rng(SEED_OF_LABELS)
        found["target"] = labels.integers(0, self.classes, len(found["x"]))
        return found

    @property
    def classes(self) -> int:
        """How many labels there are."""
        sizes: Sizes = self.sizes
        return int(sizes["widths"][-1] if "widths" in sizes else sizes.get("classes", 10))


def _multilayer(
    name: str,
    what: str,
    question: Question,
    widths: tuple[int, ...],
    batch: int,
    mode: Mode = "reverse",
    detail: str = "",
) -> Task:
    """Return a task on a tanh network; its title ends with a detail, or else with the batch."""
    small = tuple([max(2, min(width, 5 + k)) for k, width in enumerate(widths[:2] + widths[-2:])])
    is_even = len(set(widths)) == 1
    shape = f"{len(widths) - 1} × {widths[0]}" if is_even else "-".join(map(str, widths))
    return Task(
        name,
        f"{what}, {shape}, {detail or f'batch {batch}'}",
        "multilayer",
        question,
        {"widths": widths, "batch": batch},
        {"widths": small, "batch": min(batch, 3)},
        mode,
    )


def _input_jacobian(name: str, widths: tuple[int, ...], mode: Mode) -> Task:
    """Return the Jacobian of one sample, and the mode that peers are in."""
    best = "forward" if widths[0] < widths[-1] else "reverse"
    peers = f"peers in {mode} mode{'' if mode == best else ', the wrong one'}"
    return _multilayer(
        f"{name}-{mode}", "input Jacobian", "input jacobian", widths, 1, mode, detail=peers
    )


CLASSIFIER = (784, 512, 512, 10)
WIDENING = (10, 1000, 1000, 1000)
NARROWING = (1000, 5000, 1000, 10)

_ALL = [
    _multilayer("mlp", "gradient", "gradient", CLASSIFIER, 128),
    _multilayer("deep-mlp", "gradient", "gradient", (256,) * 33, 64),
    _multilayer("tiny-mlp", "gradient", "gradient", (8,) * 11, 4),
    Task(
        "residual",
        "gradient, 8 residual blocks 256-512-256 with layer norm, batch 64",
        "residual",
        "gradient",
        {"width": 256, "inner": 512, "blocks": 8, "classes": 10, "batch": 64},
        {"width": 5, "inner": 7, "blocks": 2, "batch": 3},
    ),
    Task(
        "attention",
        "gradient, attention of 4 heads, width 128, 64 tokens, batch 16",
        "attention",
        "gradient",
        {"width": 128, "heads": 4, "tokens": 64, "batch": 16, "causal": False},
        {"width": 8, "heads": 2, "tokens": 5, "batch": 3},
    ),
    _multilayer(
        "bottleneck",
        "input Jacobian of each sample",
        "input jacobian",
        (512, 512, 4, 512, 512),
        32,
    ),
    _input_jacobian("widening", WIDENING, "reverse"),
    _input_jacobian("widening", WIDENING, "forward"),
    _input_jacobian("narrowing", NARROWING, "forward"),
    _input_jacobian("narrowing", NARROWING, "reverse"),
    Task(
        "factorisation",
        "dense Hessian of matrix factorisation, 300 × 300 of rank 5",
        "factorisation",
        "hessian",
        {"rows": 300, "columns": 300, "rank": 5},
        {"rows": 4, "columns": 6, "rank": 2},
    ),
    Task(
        "neuron",
        "dense Hessian of a tanh neuron, 500 inputs, batch 1000",
        "neuron",
        "hessian",
        {"inputs": 500, "batch": 1000},
        {"inputs": 5, "batch": 7},
    ),
    _multilayer("gram", "Gram matrix of per-sample gradients", "gram", CLASSIFIER, 64),
    _multilayer(
        "second-moment", "second moment of per-sample gradients", "second moment", CLASSIFIER, 64
    ),
    _multilayer(
        "gauss-newton", "diagonal of Gauss-Newton", "gauss-newton diagonal", (256, 256, 256, 10), 32
    ),
    _multilayer("per-sample", "per-sample gradients", "per-sample gradients", CLASSIFIER, 64),
    _multilayer("norms", "squared norms of per-sample gradients", "norms", CLASSIFIER, 64),
    Task(
        "lenet",
        "gradient, LeNet-5, batch 64",
        "lenet",
        "gradient",
        {"channels": 1, "side": 28, "batch": 64},
        {"side": 12, "batch": 2},
    ),
    Task(
        "resnet-block-64",
        "gradient, basic block of ResNet-18, 64 channels of 56 × 56, batch 4",
        "basic block",
        "gradient",
        {"channels": 64, "side": 56, "batch": 4},
        {"channels": 3, "side": 5, "batch": 2},
    ),
    Task(
        "resnet-block-256",
        "gradient, basic block of ResNet-18, 256 channels of 14 × 14, batch 4",
        "basic block",
        "gradient",
        {"channels": 256, "side": 14, "batch": 4},
        {"channels": 4, "side": 4, "batch": 2},
    ),
    Task(
        "gpt2-block",
        "value and gradient, block of GPT-2 small, 256 tokens, batch 1",
        "gpt block",
        "gradient",
        {"width": 768, "heads": 12, "tokens": 256, "batch": 1, "causal": True},
        {"width": 8, "heads": 2, "tokens": 5, "batch": 2},
    ),
]

TASKS: dict[str, Task] = {task.name: task for task in _ALL}
