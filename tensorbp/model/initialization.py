"""How parameters start."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from math import prod, sqrt
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from tensorbp.expression.layer import Parameter, Shape
from tensorbp.model.parameters import Parameters

__all__ = ["initialize"]


def initialize(
    parameters: Mapping[str, Parameter], seed: int, dtype: DTypeLike = np.float64
) -> Parameters:
    """Return initial values of parameters.

    Every parameter draws from a stream of its own, made of the seed and its name: a layer more,
    or another size somewhere, leaves the others as they were.

    Args:
        parameters: the shapes, and how each starts.
        seed: what makes one start differ from another.
        dtype: the type of the numbers.
    """
    return Parameters.from_arrays(
        {name: _start(parameter, _stream(seed, name)) for name, parameter in parameters.items()},
        dtype=dtype,
    )


def _stream(seed: int, name: str) -> np.random.Generator:
    return np.random.default_rng([seed, zlib.crc32(name.encode())])


def _start(parameter: Parameter, stream: np.random.Generator) -> NDArray[Any]:
    shape = parameter.shape
    fan_in, fan_out = (max(size, 1) for size in _fans(shape))
    match parameter.initializer:
        case "zeros":
            return np.zeros(shape)
        case "ones":
            return np.ones(shape)
        case "he_normal":
            return stream.normal(0.0, sqrt(2.0 / fan_in), shape)
        case "glorot_uniform":
            bound = sqrt(6.0 / (fan_in + fan_out))
            return stream.uniform(-bound, bound, shape)


def _fans(shape: Shape) -> tuple[int, int]:
    """Return how many numbers go into and out of a unit.

    A matrix goes from its rows to its columns, as in x W. With more axes the first two are output
    and input channels, as in a convolution, and the others its window.
    """
    if len(shape) < 2:
        return prod(shape), prod(shape)
    if len(shape) == 2:
        return shape
    window = prod(shape[2:])
    return shape[1] * window, shape[0] * window
