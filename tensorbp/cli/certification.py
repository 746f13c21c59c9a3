"""Certifying the gradient of a model, along random directions of its parameters."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np

from tensorbp.cli.failures import CommandError
from tensorbp.cli.memory import require_memory
from tensorbp.cli.random_inputs import random_inputs
from tensorbp.execution import compile
from tensorbp.expression.graph import topological_order
from tensorbp.expression.layer import Layer
from tensorbp.model import Model, Parameters
from tensorbp.report.certificate import Certificate, Comparison
from tensorbp.testing.numerical import central_differences, complex_step

if TYPE_CHECKING:
    from tensorbp.registry import Registry

__all__ = ["certify"]

DIRECTIONS = 3
MOST_BLAMED = 10


def certify(model: Model, registry: Registry, seed: int) -> Certificate:
    """Return how the gradient of the loss compares with numerical derivatives.

    They are found by complex steps, exact to rounding, where every layer of the model takes
    complex numbers, else by central differences.

    Args:
        model: the model.
        registry: where its layers are looked up.
        seed: of the parameters, the inputs and the directions.

    Raises:
        CommandError: there is not enough memory, or the model has no parameters.
        ModelError: the model has no loss.
    """
    check = _Check(model, registry, seed)
    random = np.random.default_rng(seed)
    comparisons = [
        check.compare(f"all parameters, direction {k}", check.direction(random))
        for k in range(1, DIRECTIONS + 1)
    ]
    if not all(each.holds for each in comparisons):
        comparisons += islice(check.blamed(random), MOST_BLAMED)
    return Certificate(check.method, tuple(comparisons))


class _Check:
    """The loss as a function of the parameters, and its gradient.

    Attributes:
        method: how numerical derivatives are found.
    """

    def __init__(self, model: Model, registry: Registry, seed: int) -> None:
        if not model.parameters:
            raise CommandError("the model has no parameters, so there is no gradient to check")
        nodes = topological_order([model.loss])
        layers = [each.operator for each in nodes if isinstance(each.operator, Layer)]
        self._is_analytic = all(each.analytic for each in layers)
        self._program = compile([model.loss], "complex128" if self._is_analytic else "float64")
        require_memory(self._program.plan.peak_bytes, "the check")
        self._theta = model.initialize(seed)
        self._inputs = random_inputs(model, registry, seed)
        self._value, self._gradient = model.value_and_gradient(self._theta, **self._inputs)

    @property
    def method(self) -> str:
        return "complex steps" if self._is_analytic else "central differences"

    def direction(self, random: np.random.Generator) -> Parameters:
        """Return a direction in which all parameters move."""
        return Parameters(random.normal(size=self._theta.size), self._theta.layout)

    def blamed(self, random: np.random.Generator) -> Iterator[Comparison]:
        """Yield the parameters along which the derivatives differ."""
        still = 0 * self._theta
        for name, array in self._theta.items():
            moving = still.replace({name: random.normal(size=array.shape)})
            comparison = self.compare(f"{name} alone", moving)
            if not comparison.holds:
                yield comparison

    def compare(self, name: str, direction: Parameters) -> Comparison:
        """Compare the two derivatives along a direction."""
        start = np.zeros(1)
        if self._is_analytic:
            (expected,) = complex_step(partial(self._loss, direction), start)
            tolerance, rounding = 1e-10, 1e-14
        else:
            (expected,) = central_differences(partial(self._loss, direction), start, 1e-6)
            tolerance, rounding = 1e-5, 1e-8
        terms = self._gradient.flat * direction.flat
        scale = max(float(np.linalg.norm(terms)), abs(float(expected)))
        allowed = tolerance * scale + rounding * abs(self._value)
        return Comparison(name, float(expected), float(np.sum(terms)), allowed)

    def _loss(self, direction: Parameters, t: Any) -> Any:
        """Return the loss at θ + t times a direction."""
        moved = {name: x + t * direction[name] for name, x in self._theta.items()}
        given = {**moved, **self._inputs}
        (value,) = self._program({name: given[name] for name in self._program.names})
        return np.asarray(value)
