"""The training runs: what they reach, and that their gradients are those of torch."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from math import log
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

import tensorbp as tb

ROOT = Path(__file__).parent.parent
EXAMPLES = ROOT / "docs" / "examples"
CHARACTERS = len(set((ROOT / "LICENSE").read_text(encoding="utf-8")))

View = Callable[[torch.Tensor], torch.Tensor]
Places = dict[str, tuple[str, View]]
"""Where torch keeps a parameter: in which one of its own, and as which view of it."""


def run(script: str) -> list[str]:
    """Return what a script prints."""
    # The products are small: a second thread would spend its time waiting.
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(EXAMPLES / script)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    return done.stdout.splitlines()


def last_number(line: str) -> float:
    return float(re.findall(r"\d+\.\d+", line)[-1])


def test_lenet_reads_97_5_percent_of_the_held_out_fifth() -> None:
    """Four seeds gave from 97.8 % to 98.1 %."""
    lines = run("train_lenet.py")
    assert lines[-1].startswith("final accuracy on the held-out fifth: ")
    assert last_number(lines[-1]) >= 0.975


@pytest.mark.parametrize("script", ["train_character_lstm.py", "train_character_gpt.py"])
def test_language_models_fall_from_a_guess_to_1_4_nats_per_character(script: str) -> None:
    """Four seeds gave from 1.20 to 1.26 nats, with both models."""
    lines = run(script)
    assert re.search(r"step +0 +loss (\S+)", lines[1])[1] == f"{log(CHARACTERS):.4f}"
    assert lines[-2].startswith("final loss: ")
    assert last_number(lines[-2]) < 1.4


def whole(parameter: torch.Tensor) -> torch.Tensor:
    return parameter


def transposed(parameter: torch.Tensor) -> torch.Tensor:
    return parameter.T


def convolution(name: str) -> Places:
    return {f"{name}.W": (f"{name}.weight", whole), f"{name}.b": (f"{name}.bias", whole)}


def linear(name: str) -> Places:
    return {f"{name}.W": (f"{name}.weight", transposed), f"{name}.b": (f"{name}.bias", whole)}


class LeNet(nn.Module):
    def __init__(self, model: tb.Model) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 6, 5, padding=2), nn.Conv2d(6, 16, 3, padding=1)
        self.dense1, self.dense2 = nn.Linear(64, 120), nn.Linear(120, 84)
        self.logits = nn.Linear(84, model.dims["classes"])
        self.places = convolution("conv1") | convolution("conv2")
        self.places |= linear("dense1") | linear("dense2") | linear("logits")

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        y = functional.avg_pool2d(torch.tanh(self.conv1(image)), 2)
        y = functional.avg_pool2d(torch.tanh(self.conv2(y)), 2)
        y = torch.tanh(self.dense1(y.flatten(1)))
        return self.logits(torch.tanh(self.dense2(y)))


class CharacterLstm(nn.Module):
    def __init__(self, model: tb.Model) -> None:
        super().__init__()
        self.vocabulary, units = model.dims["vocabulary"], model.dims["units"]
        self.memory = nn.LSTM(self.vocabulary, units, batch_first=True)
        self.logits = nn.Linear(units, self.vocabulary)
        own = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
        self.places = {f"memory.{name}": (f"memory.{name}", whole) for name in own}
        self.places |= linear("logits")

    def forward(self, characters: torch.Tensor) -> torch.Tensor:
        symbols = functional.one_hot(characters, self.vocabulary).double()
        return self.logits(self.memory(symbols)[0])


class CharacterGpt(nn.Module):
    def __init__(self, model: tb.Model) -> None:
        super().__init__()
        vocabulary, context, width = (
            model.dims[name] for name in ("vocabulary", "context", "width")
        )
        self.embed, self.place = nn.Embedding(vocabulary, width), nn.Embedding(context, width)
        self.blocks = nn.ModuleList(
            nn.TransformerEncoderLayer(
                *(width, 4, 4 * width, 0.0, "gelu"), batch_first=True, norm_first=True
            )
            for _ in range(2)
        )
        self.norm, self.logits = nn.LayerNorm(width), nn.Linear(width, vocabulary)
        self.places = {"embed.W": ("embed.weight", whole), "place.table": ("place.weight", whole)}
        self.places |= self._norm("norm.", "norm") | linear("logits")
        for k in range(2):
            self.places |= self._block(f"block{k + 1}.", f"blocks.{k}.", width)

    def forward(self, characters: torch.Tensor) -> torch.Tensor:
        context = characters.shape[1]
        y = self.embed(characters) + self.place.weight
        mask = nn.Transformer.generate_square_subsequent_mask(context, dtype=torch.float64)
        for block in self.blocks:
            y = block(y, src_mask=mask)
        return self.logits(self.norm(y))

    @classmethod
    def _block(cls, mine: str, theirs: str, width: int) -> Places:
        places = cls._norm(f"{mine}norm1_", f"{theirs}norm1")
        places |= cls._norm(f"{mine}norm2_", f"{theirs}norm2")
        projections = {
            "attention_out": "self_attn.out_proj",
            "feed_forward_up": "linear1",
            "feed_forward_down": "linear2",
        }
        for name, other in projections.items():
            places[mine + name] = (f"{theirs}{other}.weight", transposed)
            places[f"{mine}{name}_bias"] = (f"{theirs}{other}.bias", whole)
        for k, name in enumerate(["query", "key", "value"]):
            rows = slice(k * width, (k + 1) * width)
            weight = f"{theirs}self_attn.in_proj_weight"
            bias = f"{theirs}self_attn.in_proj_bias"
            places[f"{mine}attention_{name}"] = (weight, lambda p, rows=rows: p[rows].T)
            places[f"{mine}attention_{name}_bias"] = (bias, lambda p, rows=rows: p[rows])
        return places

    @staticmethod
    def _norm(mine: str, theirs: str) -> Places:
        return {
            f"{mine}gain": (f"{theirs}.weight", whole),
            f"{mine}bias": (f"{theirs}.bias", whole),
        }


def digits(model: tb.Model) -> dict[str, Any]:
    table = np.loadtxt(EXAMPLES / "digits.csv", delimiter=",", skiprows=1)[: model.dims["batch"]]
    image = table[:, :-1].reshape(-1, 1, 8, 8) / 16
    return {"image": image, "target": table[:, -1].astype(int)}


def characters(model: tb.Model) -> dict[str, Any]:
    rng = np.random.default_rng(1)
    shape = (model.dims["batch"], model.dims["context"])
    size = model.dims["vocabulary"]
    return {"characters": rng.integers(0, size, shape), "next": rng.integers(0, size, shape)}


@pytest.mark.parametrize(
    ("name", "dims", "module", "data"),
    [
        ("lenet5", {"batch": 13}, LeNet, digits),
        ("character_lstm", {"batch": 3, "context": 7, "units": 5}, CharacterLstm, characters),
        ("character_gpt", {"batch": 3, "context": 7, "width": 12}, CharacterGpt, characters),
    ],
)
def test_the_loss_and_its_gradient_are_those_of_torch(
    name: str,
    dims: Mapping[str, int],
    module: Callable[[tb.Model], nn.Module],
    data: Callable[[tb.Model], dict[str, Any]],
) -> None:
    model = tb.load(EXAMPLES / f"{name}.yaml", dims=dims)
    rng = np.random.default_rng(0)
    theta = tb.Parameters.from_arrays(
        {key: rng.normal(0, 0.3, each.shape) for key, each in model.parameters.items()}
    )
    arrays = data(model)
    value, gradient = model.value_and_gradient(theta, **arrays)
    other = module(model).double()
    own = dict(other.named_parameters())
    assert set(other.places) == set(theta)
    with torch.no_grad():
        for key, (parameter, view) in other.places.items():
            view(own[parameter]).copy_(torch.tensor(theta[key]))
    read, target = (torch.tensor(each) for each in arrays.values())
    logits = other(read).flatten(0, -2)
    loss = functional.cross_entropy(logits, target.flatten())
    loss.backward()
    assert value == pytest.approx(loss.item(), abs=1e-12)
    for key, (parameter, view) in other.places.items():
        grad = own[parameter].grad
        assert grad is not None
        expected = view(grad).numpy()
        np.testing.assert_allclose(gradient[key], expected, rtol=0, atol=1e-8, err_msg=key)
    assert sum(each.numel() for each in own.values()) == theta.size
