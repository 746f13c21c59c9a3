"""One step of a recurrent network: from what it has remembered and what it reads to a new state."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tensorbp.expression.activation import relu, sigmoid, tanh
from tensorbp.expression.einsum import einsum
from tensorbp.expression.layer import Parameter
from tensorbp.expression.node import Expression
from tensorbp.layers.moving.splitting import chunk

__all__ = ["GRU", "LSTM", "RNN", "Recurrence", "States", "Weights"]

States = tuple[Expression, ...]
Weights = Mapping[str, Expression]
"""The arrays weight_ih, weight_hh and, if there are biases, bias_ih and bias_hh."""


@dataclass(frozen=True)
class Recurrence:
    """A kind of recurrent network.

    Reading is apart from the step: what is read from all times can be multiplied at once.

    Attributes:
        gates: how many arrays are computed of what is read, one below the other in the weights.
        states: how many arrays it remembers; the first is its output.
        read: the contribution of x to all gates.
        step: the states after a step, from that contribution and the states before.
    """

    gates: int
    states: int
    read: Callable[[Expression, Weights], Expression]
    step: Callable[[Expression, States, Weights], States]

    def parameters(self, features: int, units: int, bias: bool) -> dict[str, Parameter]:
        """Return the weights: rows are the gates, columns what they are computed of."""
        rows = self.gates * units
        weights = {
            "weight_ih": Parameter((rows, features)),
            "weight_hh": Parameter((rows, units)),
        }
        biases = Parameter((rows,), "zeros")
        return weights | ({"bias_ih": biases, "bias_hh": biases} if bias else {})


def _linear(x: Expression, weight: Expression, *biases: Expression | None) -> Expression:
    y = einsum("...i,oi->...o", x, weight)
    given = [each for each in biases if each is not None]
    return y + sum(given[1:], given[0]) if given else y


def _read_with_both_biases(x: Expression, weights: Weights) -> Expression:
    return _linear(x, weights["weight_ih"], weights.get("bias_ih"), weights.get("bias_hh"))


def _read_with_own_bias(x: Expression, weights: Weights) -> Expression:
    return _linear(x, weights["weight_ih"], weights.get("bias_ih"))


def _simple_step(
    activation: Callable[[Expression], Expression],
) -> Callable[[Expression, States, Weights], States]:
    def step(read: Expression, states: States, weights: Weights) -> States:
        (h,) = states
        return (activation(read + _linear(h, weights["weight_hh"])),)

    return step


def _lstm_step(read: Expression, states: States, weights: Weights) -> States:
    h, c = states
    i, f, g, o = chunk(read + _linear(h, weights["weight_hh"]), 4, -1)
    c = sigmoid(f) * c + sigmoid(i) * tanh(g)
    return sigmoid(o) * tanh(c), c


def _gru_step(read: Expression, states: States, weights: Weights) -> States:
    (h,) = states
    # the bias stands inside of the reset gate, so it cannot be added to what is read
    remembered = _linear(h, weights["weight_hh"], weights.get("bias_hh"))
    read_r, read_z, read_n = chunk(read, 3, -1)
    h_r, h_z, h_n = chunk(remembered, 3, -1)
    n = tanh(read_n + sigmoid(read_r + h_r) * h_n)
    return (n + sigmoid(read_z + h_z) * (h - n),)


RNN = {
    "tanh": Recurrence(1, 1, _read_with_both_biases, _simple_step(tanh)),
    "relu": Recurrence(1, 1, _read_with_both_biases, _simple_step(relu)),
}
LSTM = Recurrence(4, 2, _read_with_both_biases, _lstm_step)
GRU = Recurrence(3, 1, _read_with_own_bias, _gru_step)
