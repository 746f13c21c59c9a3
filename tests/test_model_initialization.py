"""How parameters start: the published formulas, and streams that do not disturb each other."""

from __future__ import annotations

import numpy as np
import pytest

from tensorbp.expression import Parameter
from tensorbp.model.initialization import initialize


def start(shape: tuple[int, ...], initializer: str, seed: int = 0) -> np.ndarray:
    parameter = Parameter(shape, initializer)  # type: ignore[arg-type]
    return initialize({"W": parameter}, seed)["W"]


def test_constants() -> None:
    assert start((2, 3), "zeros").tolist() == [[0.0] * 3] * 2
    assert start((2, 3), "ones").tolist() == [[1.0] * 3] * 2


@pytest.mark.parametrize(
    ("shape", "fan_in", "fan_out"),
    [
        ((300, 200), 300, 200),
        ((200, 300), 200, 300),
        ((40, 30, 5, 3), 450, 600),
        ((50_000,), 50_000, 50_000),
    ],
)
def test_formulas(shape: tuple[int, ...], fan_in: int, fan_out: int) -> None:
    glorot = start(shape, "glorot_uniform")
    bound = np.sqrt(6 / (fan_in + fan_out))
    assert np.abs(glorot).max() == pytest.approx(bound, rel=0.01)
    assert np.abs(glorot).max() <= bound
    assert glorot.std() == pytest.approx(bound / np.sqrt(3), rel=0.02)
    he = start(shape, "he_normal")
    assert he.std() == pytest.approx(np.sqrt(2 / fan_in), rel=0.02)
    assert abs(he.mean()) < 0.02 * he.std() * np.sqrt(60_000 / he.size)


def test_seeds() -> None:
    assert np.array_equal(start((5, 4), "he_normal", 1), start((5, 4), "he_normal", 1))
    assert not np.array_equal(start((5, 4), "he_normal", 1), start((5, 4), "he_normal", 2))


def test_streams_are_independent() -> None:
    one = initialize({"a.W": Parameter((5, 4)), "b.W": Parameter((5, 4))}, 0)
    other = initialize({"c.W": Parameter((7, 7)), "b.W": Parameter((5, 4))}, 0)
    assert np.array_equal(one["b.W"], other["b.W"])
    assert not np.array_equal(one["a.W"], one["b.W"])


def test_types_of_numbers() -> None:
    parameters = {"W": Parameter((5, 4))}
    single, double = initialize(parameters, 0, "float32"), initialize(parameters, 0)
    assert (single.dtype, double.dtype) == (np.float32, np.float64)
    assert np.array_equal(single["W"], double["W"].astype(np.float32))


@pytest.mark.parametrize("shape", [(), (0,), (0, 3), (1,)])
def test_small_shapes(shape: tuple[int, ...]) -> None:
    for initializer in ("glorot_uniform", "he_normal"):
        assert start(shape, initializer).shape == shape
