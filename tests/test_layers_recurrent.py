"""Recurrent layers: what they cost as time goes on, their names, edges and refusals."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest

import tensorbp as tb
from tensorbp.errors import LayerError
from tensorbp.expression.layer import Layer
from tensorbp.layers.moving.embedding import Embedding
from tensorbp.layers.recurrence.cells import GruCell, LstmCell, RnnCell
from tensorbp.layers.recurrence.sequences import Gru, Lstm, Recurrent, Rnn

TIMES = (8, 16, 24)


def applied(layer: Layer, *inputs: tb.Expression) -> tuple[tb.Expression, list[tb.Expression]]:
    """A layer with variables for its parameters, and these."""
    parameters = {
        name: tb.variable(f"{layer.name}.{name}", *each.shape)
        for name, each in layer.parameters(*(each.shape for each in inputs)).items()
    }
    return layer(*inputs, **parameters), list(parameters.values())


@cache
def language_model(layer: Recurrent, times: int) -> tb.Plan:
    """The plan of a loss and its gradient, with the sequence itself among what is trained."""
    words = tb.variable("words", 3, times, kind="integer")
    embedded, table = applied(Embedding(11, 4), words)
    y, weights = applied(layer, embedded)
    loss = tb.sum(y * y)
    return tb.plan([loss, *tb.gradient(loss, table + weights)])


growing = pytest.mark.parametrize(
    "layer",
    [Lstm(5), Gru(5), Lstm(5, output="last"), Gru(4, bidirectional=True), Rnn(5, num_layers=2)],
    ids=str,
    scope="module",
)


@growing
def test_plans_grow_in_line_with_time(layer: Recurrent) -> None:
    plans = [language_model(layer, times) for times in TIMES]
    for quantity in (
        [plan.flops for plan in plans],
        [len(plan.steps) for plan in plans],
        [plan.multiplications for plan in plans],
    ):
        growth = np.diff(quantity)
        assert growth[0] > 0
        # products are ordered together in windows, which do not end with the time steps
        np.testing.assert_allclose(growth, growth[0], rtol=0.01)


@growing
def test_memory_grows_in_line_with_time(layer: Recurrent) -> None:
    """But for a few hundredths: with few times the peak may stand at another step."""
    peaks = [language_model(layer, times).peak_bytes for times in TIMES]
    first, second = np.diff(peaks)
    assert first > 0
    assert abs(first / second - 1) < 0.06


@pytest.mark.parametrize("layer", [Lstm(5), Gru(5), Rnn(5)], ids=str)
def test_what_is_read_is_multiplied_for_all_times_at_once(layer: Recurrent) -> None:
    x = tb.variable("x", 3, 8, 4)
    y, _ = applied(layer, x)
    rows = layer.recurrence.gates * 5
    products = [step for step in tb.plan([y]).steps if step.multiply_adds]
    reading = [step for step in products if step.multiply_adds == 3 * 8 * 4 * rows]
    remembering = [step for step in products if step.multiply_adds == 3 * 5 * rows]
    assert (len(reading), len(remembering), len(products)) == (1, 7, 8)


@pytest.mark.parametrize("layer", [Lstm(5), Gru(5), Rnn(5)], ids=str)
def test_a_step_of_time_costs_two_steps_back(layer: Recurrent) -> None:
    """A gradient costs at most three times the value, and a bit for sums."""
    x = tb.variable("x", 30, 12, 20)
    y, weights = applied(layer, x)
    loss = tb.sum(y * y)
    value = tb.plan([loss])
    both = tb.plan([loss, *tb.gradient(loss, [x, *weights])])
    assert both.multiply_adds <= 3.1 * value.multiply_adds


@pytest.mark.parametrize(("layer", "gates"), [(Rnn(2), 1), (Gru(2), 3), (Lstm(2), 4)], ids=str)
def test_parameters_have_the_names_and_shapes_of_torch(layer: Recurrent, gates: int) -> None:
    stacked = type(layer)(2, num_layers=2, bidirectional=True)
    shapes = {name: each.shape for name, each in stacked.parameters((3, 4, 5)).items()}
    expected: dict[str, Any] = {}
    for suffix, features in (("l0", 5), ("l0_reverse", 5), ("l1", 4), ("l1_reverse", 4)):
        expected[f"weight_ih_{suffix}"] = (2 * gates, features)
        expected[f"weight_hh_{suffix}"] = (2 * gates, 2)
        expected[f"bias_ih_{suffix}"] = expected[f"bias_hh_{suffix}"] = (2 * gates,)
    assert shapes == expected
    assert list(layer.parameters((3, 4, 5))) == [
        "weight_ih_l0",
        "weight_hh_l0",
        "bias_ih_l0",
        "bias_hh_l0",
    ]


@pytest.mark.parametrize("cell", [RnnCell(3), GruCell(3), LstmCell(3)], ids=str)
def test_a_sequence_is_its_cell_step_by_step(cell: Layer) -> None:
    network = {"rnn_cell": Rnn(3), "gru_cell": Gru(3), "lstm_cell": Lstm(3)}[cell.name]
    x = tb.variable("x", 2, 4, 5)
    y, weights = applied(network, x)
    names = ["weight_ih", "weight_hh", "bias_ih", "bias_hh"]
    own = dict(zip(names, weights, strict=True))
    states = [tb.constant(0, (2, 3))] * (len(cell.inputs) - 1)
    for t in range(4):
        states = list(tb.split(cell(x[:, t], *states, **own), 3, -1))
    program = tb.compile([y[:, -1], states[0]])
    rng = np.random.default_rng(0)
    shapes = {name: each.shape for name, each in zip(names, weights, strict=True)}
    given = {f"{network.name}.{n}_l0": rng.normal(size=s) for n, s in shapes.items()}
    last, stepped = program(x=rng.normal(size=(2, 4, 5)), **given)
    np.testing.assert_allclose(last, stepped, rtol=0, atol=1e-14)


@pytest.mark.parametrize("layer", [Lstm(2), Gru(2), Rnn(2)], ids=str)
def test_large_inputs_saturate(layer: Recurrent) -> None:
    x = tb.variable("x", 2, 3, 4)
    y, weights = applied(layer, x)
    program = tb.compile([y, *tb.gradient(tb.sum(y), [x, *weights])])
    arrays = {name: np.full(shape, 1e150) for name, shape in shapes_of([x, *weights]).items()}
    with np.errstate(over="ignore"):
        values = program({name: arrays[name] for name in program.names})
    for each in values:
        assert np.isfinite(each).all()
    assert np.abs(values[0]).max() <= 1


def shapes_of(variables: list[tb.Expression]) -> dict[str, tuple[int, ...]]:
    return {each.operator.name: each.shape for each in variables}  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Lstm(0), "layer 'lstm': units must be a whole number from 1, found 0"),
        (lambda: Gru(2, 0), "layer 'gru': num_layers must be a whole number from 1, found 0"),
        (
            lambda: Gru(2, reverse=True, bidirectional=True),
            "layer 'gru': reverse and bidirectional cannot both be true; bidirectional alone reads "
            "in both directions",
        ),
        (
            lambda: Lstm(2, output="all"),  # type: ignore[arg-type]
            "layer 'lstm': output must be one of sequence, last, state, found 'all'",
        ),
        (
            lambda: Rnn(2, activation="relo"),  # type: ignore[arg-type]
            "layer 'rnn': activation must be one of tanh, relu, found 'relo'; did you mean 'relu'?",
        ),
        (
            lambda: RnnCell(2, bias=1),  # type: ignore[arg-type]
            "layer 'rnn_cell': bias must be true or false, found 1",
        ),
        (
            lambda: Lstm(2).parameters((3, 4)),
            "layer 'lstm': x must have shape (batch, time, features) with at least one time, found "
            "(3, 4)",
        ),
        (
            lambda: Lstm(2).parameters((3, 0, 4)),
            "layer 'lstm': x must have shape (batch, time, features) with at least one time, found "
            "(3, 0, 4)",
        ),
        (
            lambda: Lstm(2, 2, initial_state=True).parameters((3, 5, 4), (3, 4), (3, 2)),
            "layer 'lstm': the initial state c must have shape (3, 4), 2 numbers for each layer "
            "and direction, found (3, 2)",
        ),
        (
            lambda: LstmCell(2).parameters((3, 4), (3, 2), (2, 2)),
            "layer 'lstm_cell': for x of shape (3, 4) and 2 units the state c must have shape "
            "(3, 2), found (2, 2)",
        ),
        (
            lambda: GruCell(2).parameters((), (2,)),
            "layer 'gru_cell': x needs an axis of features, found a number of shape ()",
        ),
    ],
)
def test_what_is_refused(make: Callable[[], object], message: str) -> None:
    with pytest.raises(LayerError) as caught:
        make()
    assert str(caught.value) == message
