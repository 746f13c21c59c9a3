"""Recurrent networks over sequences: cells unrolled in time, stacked and in both directions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

from tensorbp.errors import LayerError
from tensorbp.expression.einsum import constant
from tensorbp.expression.indexing import concatenate, stack
from tensorbp.expression.layer import Composite, Example, Input, Parameter, Shape, argument
from tensorbp.expression.node import Expression
from tensorbp.layers.checks import whole_number
from tensorbp.layers.choices import choose_inputs, one_of, switch
from tensorbp.layers.moving.splitting import split
from tensorbp.layers.recurrence.cells import ACTIVATION, BIAS, UNITS
from tensorbp.layers.recurrence.step import GRU, LSTM, RNN, Recurrence, States

__all__ = ["Gru", "Lstm", "Rnn"]

OUTPUTS = ("sequence", "last", "state")
X, H, C = Input("x"), Input("h"), Input("c")


@dataclass(frozen=True)
class Recurrent(Composite):
    """A recurrent network: one cell for all times, in each layer and direction."""

    units: int = argument(UNITS)
    num_layers: int = argument("how many layers; each reads what the one before it gives", 1)
    bias: bool = argument(BIAS, True)
    reverse: bool = argument("whether the sequence is read from its end", False)
    bidirectional: bool = argument(
        "whether it is read in both directions by cells of their own, their outputs joined", False
    )
    initial_state: bool = argument(
        "whether what is remembered at first is an input, instead of zero: the states of all "
        "layers and directions, joined along the last axis",
        False,
    )
    output: Literal["sequence", "last", "state"] = argument(
        "sequence for all times, last for what the last layer gives when it has read everything, "
        "state for what all layers and directions then remember, joined along the last axis",
        "sequence",
    )

    recurrence: ClassVar[Recurrence]

    def __post_init__(self) -> None:
        for name in ("units", "num_layers"):
            number = whole_number(self.name, name, getattr(self, name), least=1)
            object.__setattr__(self, name, number)
        for name in ("bias", "reverse", "bidirectional", "initial_state"):
            switch(self.name, name, getattr(self, name))
        one_of(self.name, "output", self.output, OUTPUTS)
        if self.reverse and self.bidirectional:
            raise LayerError(
                f"layer '{self.name}': reverse and bidirectional cannot both be true; "
                "bidirectional alone reads in both directions"
            )
        states = type(self).inputs[1:]
        choose_inputs(self, [X, *(states if self.initial_state else ())])

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        """Return both directions, two layers, and states that are given and returned."""
        given = ((2, 1),) * (len(cls.inputs) - 1)
        return (
            Example(cls(2), ((1, 2, 3),)),
            Example(cls(1, bias=False, reverse=True, output="last"), ((2, 3, 1),)),
            Example(cls(1, bias=False, bidirectional=True), ((1, 2, 3),)),
            Example(cls(1, num_layers=2, bias=False), ((1, 2, 3),)),
            Example(cls(1, bias=False, initial_state=True, output="state"), ((2, 2, 3), *given)),
        )

    def parameters(self, *shapes: Shape) -> dict[str, Parameter]:
        """Return the weights of all layers and directions: weight_ih_l0, weight_hh_l0, ...

        Raises:
            LayerError: x is no sequence, or the states do not fit.
        """
        x, *states = shapes
        if len(x) != 3 or not x[1]:
            raise LayerError(
                f"layer '{self.name}': x must have shape (batch, time, features) with at least one "
                f"time, found {x}"
            )
        expected = (x[0], len(self._suffixes()) * self.units)
        for each, state in zip(self.inputs[1:], states, strict=True):
            if state != expected:
                raise LayerError(
                    f"layer '{self.name}': the initial state {each.name} must have shape "
                    f"{expected}, {self.units} numbers for each layer and direction, found {state}"
                )
        arrays: dict[str, Parameter] = {}
        for layer, suffix in enumerate(self._suffixes()):
            below = self._directions * self.units
            features = x[2] if layer < self._directions else below
            own = self.recurrence.parameters(features, self.units, self.bias)
            arrays |= {name + suffix: each for name, each in own.items()}
        return arrays

    @property
    def _directions(self) -> int:
        return 2 if self.bidirectional else 1

    def _suffixes(self) -> list[str]:
        """Return what ends the names of the weights, for each layer and direction in it."""
        directions = ["", "_reverse"][: self._directions]
        return [f"_l{k}{each}" for k in range(self.num_layers) for each in directions]

    def build(self, *operands: Expression, **parameters: Expression) -> Expression:
        """Return the outputs at all times, the last one, or the states at the end."""
        x, *given = operands
        starts = self._starts(x, given)
        finals: list[States] = []
        for layer in range(self.num_layers):
            first = layer * self._directions
            sequences = []
            for k, suffix in enumerate(self._suffixes()[first : first + self._directions]):
                own = {
                    name.removesuffix(suffix): each
                    for name, each in parameters.items()
                    if name.endswith(suffix)
                }
                states = self._unrolled(x, starts[first + k], own, self.reverse or k == 1)
                sequences.append([each[0] for each in states])
                finals.append(states[0 if self.reverse or k == 1 else -1])
            if layer + 1 < self.num_layers or self.output == "sequence":
                x = concatenate([stack(each, 1) for each in sequences], -1)
        if self.output == "state":
            return concatenate([each for kind in zip(*finals, strict=True) for each in kind], -1)
        if self.output == "last":
            return concatenate([each[0] for each in finals[-self._directions :]], -1)
        return x

    def _starts(self, x: Expression, given: list[Expression]) -> list[States]:
        """Return the states at the start, for each layer and direction."""
        count = len(self._suffixes())
        if not given:
            zero = constant(0, (x.shape[0], self.units))
            return [(zero,) * self.recurrence.states] * count
        return list(zip(*[split(each, self.units, -1) for each in given], strict=True))

    def _unrolled(
        self, x: Expression, states: States, weights: Mapping[str, Expression], reverse: bool
    ) -> list[States]:
        """Return the states after each time, in the order of time."""
        read = self.recurrence.read(x, weights)
        times = range(x.shape[1])
        after: dict[int, States] = {}
        for t in reversed(times) if reverse else times:
            states = self.recurrence.step(read[:, t], states, weights)
            after[t] = states
        return [after[t] for t in times]


@dataclass(frozen=True)
class Rnn(Recurrent):
    """Recurrent network: h_t = φ(W_ih x_t + b_ih + W_hh h_(t-1) + b_hh).

    It reads (batch, time, features). Its derivatives are those of its parts, backpropagation
    through time: dh_t/dh_(t-1) = φ' W_hh.
    Source: Elman 1990, Finding structure in time.
    """

    name = "rnn"
    formula = "h_t = φ(W_ih x_t + b_ih + W_hh h_(t-1) + b_hh)"
    inputs = (X, H)

    activation: Literal["tanh", "relu"] = argument(ACTIVATION, "tanh")

    def __post_init__(self) -> None:
        super().__post_init__()
        one_of(self.name, "activation", self.activation, tuple(RNN))

    @property
    def recurrence(self) -> Recurrence:  # type: ignore[override]
        """The step with its activation."""
        return RNN[self.activation]


@dataclass(frozen=True)
class Lstm(Recurrent):
    """Long short-term memory over time: the cell lstm_cell at each t, for (batch, time, features).

    c_t = σ(f) ⊙ c_(t-1) + σ(i) ⊙ tanh(g), h_t = σ(o) ⊙ tanh(c_t). Its derivatives are those of its
    parts: along the memory dc_t/dc_(t-1) = σ(f). Sources: Hochreiter and Schmidhuber 1997, Long
    short-term memory; Gers, Schmidhuber and Cummins 2000, Learning to forget.
    """

    name = "lstm"
    formula = "c_t = σ(f) ⊙ c_(t-1) + σ(i) ⊙ tanh(g), h_t = σ(o) ⊙ tanh(c_t)"
    inputs = (X, H, C)
    recurrence = LSTM


@dataclass(frozen=True)
class Gru(Recurrent):
    """Gated recurrent units over time: the cell gru_cell at each t, for (batch, time, features).

    h_t = (1 - z) ⊙ n + z ⊙ h_(t-1). Its derivatives are those of its parts. Source: Cho et al.
    2014, Learning phrase representations using RNN encoder-decoder.
    """

    name = "gru"
    formula = "h_t = (1 - z) ⊙ n + z ⊙ h_(t-1)"
    inputs = (X, H)
    recurrence = GRU
