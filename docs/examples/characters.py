"""A language model of characters: what it reads, how it is trained, and what it then writes."""

from __future__ import annotations

import os

# The products are small: threads would spend their time waiting for one another.
os.environ.setdefault("OMP_NUM_THREADS", "1")

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from adam import Adam
from numpy.typing import NDArray

from tensorbp import Model, Parameters, load

LICENSE = Path(__file__).parent.parent.parent / "LICENSE"
"""The text that the models learn: it is there wherever the examples are."""

Codes = NDArray[np.int64]


@dataclass(frozen=True)
class Characters:
    """A text as numbers, one for each character of its alphabet."""

    text: str
    alphabet: str = field(init=False)
    codes: Codes = field(init=False, repr=False)

    def __post_init__(self) -> None:
        alphabet = sorted(set(self.text))
        object.__setattr__(self, "alphabet", "".join(alphabet))
        object.__setattr__(self, "codes", np.searchsorted(alphabet, list(self.text)))

    def windows(self, starts: Codes, length: int) -> dict[str, Codes]:
        """Return stretches of the text, and for each of their characters the next one."""
        places = starts[:, None] + np.arange(length)
        return {"characters": self.codes[places], "next": self.codes[places + 1]}

    def all_windows(self, length: int) -> dict[str, Codes]:
        """Return the text from its start, cut into stretches."""
        return self.windows(np.arange(0, len(self.codes) - length, length), length)

    def loss(self, model: Model, theta: Parameters) -> float:
        """Return the loss in nats per character over the whole text."""
        return model.value(theta, **self.all_windows(model.dims["context"]))


def read_license() -> Characters:
    """Return the text of the Apache License."""
    return Characters(LICENSE.read_text(encoding="utf-8"))


def train(
    model: Model, text: Characters, rate: float, steps: int, seed: int = 0
) -> Iterator[Parameters]:
    """Yield the parameters at the start and after every step; the steps get shorter to the end."""
    theta = model.initialize(seed, dtype="float32")
    adam = Adam(rate)
    rng = np.random.default_rng(seed)
    batch, context = model.dims["batch"], model.dims["context"]
    yield theta
    for step in range(steps):
        starts = rng.integers(0, len(text.codes) - context, batch)
        _, gradient = model.value_and_gradient(theta, **text.windows(starts, context))
        theta = adam.step(theta, gradient, scale=min(1, 2 - 2 * step / steps))
        yield theta


def learn_license(name: str, rate: float, steps: int) -> None:
    """Train the model of a file, and print its loss on the way and what it writes at the end."""
    text = read_license()
    model = load(Path(__file__).parent / name, dims={"vocabulary": len(text.alphabet)})
    print(f"{len(text.codes)} characters, {len(text.alphabet)} different ones; {model}")
    for step, theta in enumerate(train(model, text, rate, steps)):
        if step % 100 == 0:
            print(f"step {step:4d}  loss {text.loss(model, theta):.4f} nats per character")
    print(f"final loss: {text.loss(model, theta):.4f}")
    print(f"it writes: {write(model, theta, text, start='You may reproduce and distribute ')!r}")


def write(model: Model, theta: Parameters, text: Characters, start: str, count: int = 60) -> str:
    """Return characters that a model puts after a start, each time the likeliest."""
    context = model.dims["context"]
    codes = list(np.searchsorted(list(text.alphabet), list(start)))
    for _ in range(count):
        logits = model.predict(theta, characters=np.array([codes[-context:]]))
        codes.append(logits[0, -1].argmax())
    return "".join(text.alphabet[code] for code in codes[len(start) :])
