"""Train the model of digits.yaml on the digits of digits.csv, with gradients by tensorbp.

Run it with ``python train_digits.py``; it takes a few seconds. The parameters are one vector, so
Adam with weight decay (Kingma and Ba 2015, Loshchilov and Hutter 2019) is written as on paper.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tensorbp import Model, Parameters, load

HERE = Path(__file__).parent
EPOCHS = 15
BATCH = 64
LEARNING_RATE = 0.01
WEIGHT_DECAY = 0.1

Array = NDArray[np.float64]
Labels = NDArray[np.int64]


def read_digits() -> tuple[Array, Labels]:
    """Return images of shape (1797, 64), from 0 to 1, and the digits that they show."""
    table = np.loadtxt(HERE / "digits.csv", delimiter=",", skiprows=1)
    return table[:, :-1] / 16.0, table[:, -1].astype(np.int64)


def minibatches(count: int, rng: np.random.Generator) -> Iterator[NDArray[np.intp]]:
    """Yield the numbers of the samples in random order, a batch at a time."""
    order = rng.permutation(count)
    for start in range(0, count, BATCH):
        yield order[start : start + BATCH]


def accuracy(model: Model, theta: Parameters, x: Array, label: Labels) -> float:
    """Return the share of images whose largest logit is that of the right digit."""
    return float(np.mean(model.predict(theta, x=x).argmax(axis=1) == label))


def train(model: Model, theta: Parameters, x: Array, label: Labels) -> Iterator[Parameters]:
    """Yield the parameters after each epoch."""
    rng = np.random.default_rng(0)
    first, second = 0.0 * theta, 0.0 * theta
    step, last_step = 0, EPOCHS * -(-len(x) // BATCH)
    for _ in range(EPOCHS):
        for batch in minibatches(len(x), rng):
            step += 1
            _, gradient = model.value_and_gradient(theta, x=x[batch], target=label[batch])
            first = 0.9 * first + 0.1 * gradient
            second = 0.999 * second + 0.001 * gradient**2
            mean = first / (1 - 0.9**step)
            variance = second / (1 - 0.999**step)
            rate = LEARNING_RATE * (1 - step / last_step)
            theta = theta - rate * (mean / (variance**0.5 + 1e-8) + WEIGHT_DECAY * theta)
        yield theta


def main() -> None:
    x, label = read_digits()
    # Every fifth sample is held out: it is never trained on, only measured.
    held_out = np.arange(len(x)) % 5 == 0
    model = load(HERE / "digits.yaml")
    start = model.initialize(seed=0)
    epochs = train(model, start, x[~held_out], label[~held_out])
    for epoch, theta in enumerate(epochs, start=1):
        loss = model.value(theta, x=x[~held_out], target=label[~held_out])
        share = accuracy(model, theta, x[held_out], label[held_out])
        print(f"epoch {epoch:2d}  loss {loss:.4f}  accuracy on the held-out fifth {share:.1%}")
    print(f"final accuracy on the held-out fifth: {share:.4f}")


if __name__ == "__main__":
    main()
