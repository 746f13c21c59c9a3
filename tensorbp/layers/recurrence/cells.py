"""Recurrent cells: one step of a recurrent network, as a layer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from tensorbp.errors import LayerError
from tensorbp.expression.indexing import concatenate
from tensorbp.expression.layer import Composite, Example, Input, Parameter, Shape, argument
from tensorbp.expression.node import Expression
from tensorbp.layers.checks import feature_count, whole_number
from tensorbp.layers.choices import one_of, switch
from tensorbp.layers.recurrence.step import GRU, LSTM, RNN, Recurrence

__all__ = ["GruCell", "LstmCell", "RnnCell"]

UNITS = "how many numbers are remembered"
BIAS = "whether biases are added"
ACTIVATION = "φ: tanh or relu"


@dataclass(frozen=True)
class Cell(Composite):
    """One step of a recurrent network, its weights laid out as those of PyTorch."""

    units: int = argument(UNITS)
    bias: bool = argument(BIAS, True)

    recurrence: ClassVar[Recurrence]

    def __post_init__(self) -> None:
        object.__setattr__(self, "units", whole_number(self.name, "units", self.units, least=1))
        switch(self.name, "bias", self.bias)

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        """Return one with biases, and one without."""
        states = len(cls.inputs) - 1
        return (
            Example(cls(2), ((3, 4), *((3, 2),) * states)),
            Example(cls(3, bias=False), ((2, 1), *((2, 3),) * states)),
        )

    def parameters(self, *shapes: Shape) -> dict[str, Parameter]:
        """Return weight_ih and weight_hh and, if there are any, bias_ih and bias_hh.

        Raises:
            LayerError: the states do not fit to x or to the units.
        """
        x, *states = shapes
        features = feature_count(self.name, x)
        expected = (*x[:-1], self.units)
        for each, state in zip(self.inputs[1:], states, strict=True):
            if state != expected:
                raise LayerError(
                    f"layer '{self.name}': for x of shape {x} and {self.units} units the state "
                    f"{each.name} must have shape {expected}, found {state}"
                )
        return self.recurrence.parameters(features, self.units, self.bias)

    def build(self, *operands: Expression, **parameters: Expression) -> Expression:
        """Return the states after the step, joined along the last axis."""
        x, *states = operands
        recurrence = self.recurrence
        after = recurrence.step(recurrence.read(x, parameters), tuple(states), parameters)
        return concatenate(after, -1)


@dataclass(frozen=True)
class RnnCell(Cell):
    """Recurrent cell: h' = φ(W_ih x + b_ih + W_hh h + b_hh).

    Its derivatives are those of its parts: dh'/dh = φ' W_hh. Source: Elman 1990, Finding structure
    in time.
    """

    name = "rnn_cell"
    formula = "h' = φ(W_ih x + b_ih + W_hh h + b_hh)"
    inputs = (Input("x"), Input("h"))

    activation: Literal["tanh", "relu"] = argument(ACTIVATION, "tanh")

    def __post_init__(self) -> None:
        super().__post_init__()
        one_of(self.name, "activation", self.activation, tuple(RNN))

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        """Return the default, and one without biases and with relu."""
        return (
            Example(cls(2), ((3, 4), (3, 2))),
            Example(cls(3, False, "relu"), ((2, 1), (2, 3))),
        )

    @property
    def recurrence(self) -> Recurrence:  # type: ignore[override]
        """The step with its activation."""
        return RNN[self.activation]


@dataclass(frozen=True)
class LstmCell(Cell):
    """Long short-term memory: c' = σ(f) ⊙ c + σ(i) ⊙ tanh(g), h' = σ(o) ⊙ tanh(c').

    i, f, g and o are the four parts of W_ih x + b_ih + W_hh h + b_hh. The output holds both states
    along its last axis, h' first; slices of it take them apart. Its derivatives are those of its
    parts: along the memory dc'/dc = σ(f). Sources: Hochreiter and Schmidhuber 1997, Long short-term
    memory; Gers, Schmidhuber and Cummins 2000, Learning to forget.
    """

    name = "lstm_cell"
    formula = "c' = σ(f) ⊙ c + σ(i) ⊙ tanh(g), h' = σ(o) ⊙ tanh(c'), y = [h', c']"
    inputs = (Input("x"), Input("h"), Input("c"))
    recurrence = LSTM


@dataclass(frozen=True)
class GruCell(Cell):
    """Gated recurrent unit: h' = (1 - z) ⊙ n + z ⊙ h.

    n = tanh(W_in x + b_in + r ⊙ (W_hn h + b_hn)); r and z are the sigmoids of
    W_ir x + b_ir + W_hr h + b_hr and of W_iz x + b_iz + W_hz h + b_hz. The rows of the weights are
    those of r, z and n. Its derivatives are those of its parts. Source: Cho et al. 2014, Learning
    phrase representations using RNN encoder-decoder, where in the first version, as here, the reset
    gate stands behind the matrix.
    """

    name = "gru_cell"
    formula = "h' = (1 - z) ⊙ n + z ⊙ h, n = tanh(W_in x + b_in + r ⊙ (W_hn h + b_hn))"
    inputs = (Input("x"), Input("h"))
    recurrence = GRU
