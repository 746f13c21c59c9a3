"""Adam, as on paper: the parameters are one vector, and so are its gradient and its moments."""

from __future__ import annotations

from dataclasses import dataclass

from tensorbp import Parameters


@dataclass
class Adam:
    """Steps along the mean of the gradients, each number by the size that its own ones have.

    Sources: Kingma and Ba 2015, Adam; Loshchilov and Hutter 2019, Decoupled weight decay
    regularization.
    """

    rate: float
    weight_decay: float = 0.0
    first: Parameters | float = 0.0
    second: Parameters | float = 0.0
    steps: int = 0

    def step(self, theta: Parameters, gradient: Parameters, scale: float = 1.0) -> Parameters:
        """Return the parameters after a step at ``scale`` times the rate."""
        self.steps += 1
        self.first = 0.9 * self.first + 0.1 * gradient
        self.second = 0.99 * self.second + 0.01 * gradient**2
        mean, variance = self.first / (1 - 0.9**self.steps), self.second / (1 - 0.99**self.steps)
        direction = mean / (variance**0.5 + 1e-8) + self.weight_decay * theta
        return theta - scale * self.rate * direction
