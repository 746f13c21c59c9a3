"""Train LeNet-5, that of lenet5.yaml, on the digits of digits.csv.

Run it with ``python train_lenet.py``; it takes a few seconds. At least 97.5 % of the digits that it
has never seen are read rightly.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from adam import Adam
from numpy.typing import NDArray

from tensorbp import Model, Parameters, load

HERE = Path(__file__).parent
EPOCHS = 40
BATCH = 32
RATE = 0.005
WEIGHT_DECAY = 0.1

Images = NDArray[np.float32]
Labels = NDArray[np.int64]


def read_images() -> tuple[Images, Labels]:
    """Return images of shape (1797, 1, 8, 8), from 0 to 1, and the digits that they show."""
    table = np.loadtxt(HERE / "digits.csv", delimiter=",", skiprows=1)
    images = table[:, :-1].reshape(-1, 1, 8, 8) / 16
    return images.astype(np.float32), table[:, -1].astype(np.int64)


def train(
    model: Model, image: Images, target: Labels, seed: int = 0
) -> Iterator[tuple[float, Parameters]]:
    """Yield the mean loss of each epoch and the parameters after it."""
    theta = model.initialize(seed, dtype="float32")
    adam = Adam(RATE, WEIGHT_DECAY)
    rng = np.random.default_rng(seed)
    for epoch in range(EPOCHS):
        losses = []
        order = rng.permutation(len(image))
        for batch in np.split(order, range(BATCH, len(image), BATCH)):
            loss, gradient = model.value_and_gradient(
                theta, image=image[batch], target=target[batch]
            )
            theta = adam.step(theta, gradient, scale=1 - epoch / EPOCHS)
            losses.append(loss)
        yield float(np.mean(losses)), theta


def accuracy(model: Model, theta: Parameters, image: Images, target: Labels) -> float:
    """Return the share of images whose largest logit is that of the right digit."""
    return float(np.mean(model.predict(theta, image=image).argmax(axis=1) == target))


def main() -> None:
    image, target = read_images()
    # Every fifth image is held out: it is never trained on, only measured.
    held_out = np.arange(len(image)) % 5 == 0
    model = load(HERE / "lenet5.yaml")
    print(model)
    epochs = train(model, image[~held_out], target[~held_out])
    for epoch, (loss, theta) in enumerate(epochs, start=1):
        if epoch % 5 == 0:
            share = accuracy(model, theta, image[held_out], target[held_out])
            print(f"epoch {epoch:2d}  loss {loss:.4f}  accuracy on the held-out fifth {share:.1%}")
    print(f"final accuracy on the held-out fifth: {share:.4f}")


if __name__ == "__main__":
    main()
