"""The activations against PyTorch: inside, at the bends and far outside."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from names import named
from torch.nn import functional
from torch_oracle import assert_equals_torch

import tensorbp as tb
from tensorbp.errors import LayerError
from tensorbp.expression.activation import (
    Celu,
    Elu,
    Gelu,
    LeakyRelu,
    Mish,
    Selu,
    Softsign,
    Tanhshrink,
)
from tensorbp.expression.piecewise import (
    Hardshrink,
    HardSigmoid,
    HardSwish,
    HardTanh,
    Relu6,
    Softshrink,
)
from tensorbp.expression.rule import Elementwise


def hard_sigmoid(x: Any) -> torch.Tensor:
    """The same without torch's own backward rule, which has 1/6 in single precision."""
    return functional.hardtanh(x + 3, 0.0, 6.0) / 6


PAIRS: list[tuple[Elementwise, Callable[[Any], torch.Tensor]]] = [
    (Celu(), functional.celu),
    (Celu(0.5), lambda x: functional.celu(x, 0.5)),
    (Elu(1.7), lambda x: functional.elu(x, 1.7)),
    (Gelu(), functional.gelu),
    (Gelu("tanh"), lambda x: functional.gelu(x, approximate="tanh")),
    (HardSigmoid(), hard_sigmoid),
    (HardSwish(), functional.hardswish),
    (HardTanh(), functional.hardtanh),
    (HardTanh(-0.5, 2), lambda x: functional.hardtanh(x, -0.5, 2.0)),
    (Hardshrink(), functional.hardshrink),
    (Hardshrink(1.25), lambda x: functional.hardshrink(x, 1.25)),
    (LeakyRelu(0.3), lambda x: functional.leaky_relu(x, 0.3)),
    (Mish(), functional.mish),
    (Relu6(), functional.relu6),
    (Selu(), functional.selu),
    (Softshrink(), functional.softshrink),
    (Softshrink(1.25), lambda x: functional.softshrink(x, 1.25)),
    (Softsign(), functional.softsign),
    (Tanhshrink(), functional.tanhshrink),
]
every_pair = pytest.mark.parametrize(("rule", "reference"), PAIRS, ids=[str(r) for r, _ in PAIRS])
FAR = np.array([[-700.0, -20.0, -8.5], [20.0, 700.0, 8.5]])


@every_pair
def test_activations(rule: Elementwise, reference: Callable[[Any], torch.Tensor]) -> None:
    assert_equals_torch(rule, ((3, 4),), lambda given: reference(given["x"]))


@every_pair
def test_far_from_zero(rule: Elementwise, reference: Callable[[Any], torch.Tensor]) -> None:
    assert_equals_torch(rule, ((2, 3),), lambda given: reference(given["x"]), {"x": FAR})


@pytest.mark.parametrize(
    ("rule", "reference", "bends"),
    [
        (HardSigmoid(), hard_sigmoid, [-3.0, 3.0]),
        (HardTanh(-0.5, 2), lambda x: functional.hardtanh(x, -0.5, 2.0), [-0.5, 2.0]),
        (Hardshrink(), functional.hardshrink, [-0.5, 0.5]),
        (LeakyRelu(0.3), lambda x: functional.leaky_relu(x, 0.3), [0.0]),
        (Relu6(), functional.relu6, [0.0, 6.0]),
        (Softshrink(), functional.softshrink, [-0.5, 0.5]),
        (Softsign(), functional.softsign, [0.0]),
    ],
    ids=named,
)
def test_at_the_bends(
    rule: Elementwise, reference: Callable[[Any], torch.Tensor], bends: list[float]
) -> None:
    x = np.array([bends])
    assert_equals_torch(rule, (x.shape,), lambda given: reference(given["x"]), {"x": x})


def test_functions_are_their_layers() -> None:
    x = tb.variable("x", 3, 4)
    assert tb.celu(x, 0.4) is Celu(0.4)(x)
    assert tb.gelu(x) is Gelu()(x)
    assert tb.gelu(x, "tanh") is Gelu("tanh")(x)
    assert tb.hard_tanh(x, -2, 3) is HardTanh(-2, 3)(x)
    assert tb.hardshrink(x, 0.1) is Hardshrink(0.1)(x)
    assert tb.softshrink(x, 0.1) is Softshrink(0.1)(x)
    assert tb.mish(x) is Mish()(x)


def test_the_approximate_gelu_takes_numbers_whose_cube_overflows() -> None:
    x = tb.variable("x", 4)
    slope = tb.gradient(tb.sum(tb.gelu(x, "tanh")), x)
    with np.errstate(all="raise", under="ignore"):
        y, dy = tb.compile([tb.gelu(x, "tanh"), slope])(x=np.array([-1e200, -30.0, 30.0, 1e200]))
    np.testing.assert_array_equal(y, [0, 0, 30, 1e200])
    np.testing.assert_array_equal(dy, [0, 0, 1, 1])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Celu(0), "layer 'celu': alpha must be above 0, found 0"),
        (
            lambda: Gelu("tan"),  # type: ignore[arg-type]
            "layer 'gelu': approximate must be 'none' or 'tanh', found 'tan'; did you mean 'tanh'?",
        ),
        (lambda: HardTanh(2, 2), "layer 'hard_tanh': low must be below high, found 2 and 2"),
        (lambda: Softshrink(-1), "layer 'softshrink': threshold must not be negative, found -1"),
        (lambda: Hardshrink(-1), "layer 'hardshrink': threshold must not be negative, found -1"),
        (
            lambda: Hardshrink("half"),  # type: ignore[arg-type]
            "layer 'hardshrink': threshold must be a finite number, found 'half'",
        ),
    ],
)
def test_arguments_that_are_refused(make: Callable[[], object], message: str) -> None:
    with pytest.raises(LayerError) as caught:
        make()
    assert str(caught.value) == message
