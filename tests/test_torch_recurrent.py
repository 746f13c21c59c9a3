"""Recurrent cells and networks against PyTorch, with its weights by its names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.func import functional_call
from torch_oracle import assert_equals_torch

from tensorbp.expression.layer import Shape
from tensorbp.layers.recurrence.cells import Cell, GruCell, LstmCell, RnnCell
from tensorbp.layers.recurrence.sequences import Gru, Lstm, Recurrent, Rnn

TORCH: dict[str, Callable[..., torch.nn.Module]] = {
    "rnn": torch.nn.RNN,
    "lstm": torch.nn.LSTM,
    "gru": torch.nn.GRU,
    "rnn_cell": torch.nn.RNNCell,
    "lstm_cell": torch.nn.LSTMCell,
    "gru_cell": torch.nn.GRUCell,
}


def weights(given: Any) -> dict[str, Any]:
    return {name: each for name, each in given.items() if name.startswith(("weight", "bias"))}


@pytest.mark.parametrize("units", [2, 3])
@pytest.mark.parametrize(
    "make",
    [
        RnnCell,
        LstmCell,
        GruCell,
        lambda units: RnnCell(units, activation="relu"),
        lambda units: LstmCell(units, bias=False),
        lambda units: GruCell(units, bias=False),
    ],
)
def test_cells(make: Callable[[int], Cell], units: int) -> None:
    cell = make(units)
    features = 5 - units
    more = {"nonlinearity": cell.activation} if isinstance(cell, RnnCell) else {}
    module = TORCH[cell.name](features, units, bias=cell.bias, **more)
    names = [each.name for each in cell.inputs[1:]]

    def reference(given: Any) -> torch.Tensor:
        states = tuple(given[name] for name in names)
        after = functional_call(
            module, weights(given), (given["x"], states if len(states) > 1 else states[0])
        )
        return torch.cat(after, -1) if len(states) > 1 else after

    assert_equals_torch(cell, ((2, features), *((2, units),) * len(names)), reference)


def by_torch(layer: Recurrent, features: int) -> Callable[[Any], torch.Tensor]:
    """The same layer of PyTorch; a single direction backwards is a flip before and behind."""
    more = {"nonlinearity": layer.activation} if isinstance(layer, Rnn) else {}
    module = TORCH[layer.name](
        features,
        layer.units,
        num_layers=layer.num_layers,
        bias=layer.bias,
        bidirectional=layer.bidirectional,
        batch_first=True,
        **more,
    )
    names = [each.name for each in layer.inputs[1:]]

    def taken_apart(states: torch.Tensor) -> torch.Tensor:
        return torch.stack(states.split(layer.units, -1))

    def joined(states: torch.Tensor) -> torch.Tensor:
        return torch.cat(tuple(states), -1)

    def reference(given: Any) -> torch.Tensor:
        x = given["x"].flip(1) if layer.reverse else given["x"]
        starts = tuple(taken_apart(given[name]) for name in names)
        start = (starts if len(starts) > 1 else starts[0],) if starts else ()
        sequence, finals = functional_call(module, weights(given), (x, *start))
        finals = finals if isinstance(finals, tuple) else (finals,)
        if layer.output == "state":
            return torch.cat([joined(each) for each in finals], -1)
        if layer.output == "last":
            return joined(finals[0][-2 if layer.bidirectional else -1 :])
        return sequence.flip(1) if layer.reverse else sequence

    return reference


def check_sequence(layer: Recurrent, batch: int, times: int, features: int) -> None:
    count = layer.num_layers * (2 if layer.bidirectional else 1)
    states: tuple[Shape, ...] = ((batch, layer.units * count),) * (len(layer.inputs) - 1)
    assert_equals_torch(layer, ((batch, times, features), *states), by_torch(layer, features))


@pytest.mark.parametrize("kind", [Rnn, Lstm, Gru])
@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"bias": False, "reverse": True},
        {"num_layers": 2},
        {"num_layers": 2, "bidirectional": True},
        {"num_layers": 2, "bidirectional": True, "output": "last"},
        {"bidirectional": True, "bias": False, "initial_state": True, "output": "state"},
        {"num_layers": 2, "reverse": True, "initial_state": True, "output": "state"},
        {"initial_state": True, "output": "last"},
    ],
    ids=str,
)
def test_sequences(kind: type[Recurrent], arguments: dict[str, Any]) -> None:
    check_sequence(kind(5, **arguments), batch=2, times=3, features=4)


@pytest.mark.parametrize(
    "layer",
    [
        Rnn(2, activation="relu"),
        Lstm(2, bias=False, initial_state=True),
        Gru(2, initial_state=True, output="last"),
        Lstm(1, num_layers=2, bias=False, reverse=True, output="state"),
        Gru(1, bidirectional=True),
    ],
    ids=str,
)
def test_hessians(layer: Recurrent) -> None:
    check_sequence(layer, batch=1, times=3, features=2)
