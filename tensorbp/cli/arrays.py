"""The arrays that a command computes with: inputs and parameters from files, or fresh ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tensorbp.cli.failures import CommandError
from tensorbp.cli.input_file import read_inputs
from tensorbp.model.layout import Layout
from tensorbp.model.parameters import Parameters
from tensorbp.model.sizes import infer

if TYPE_CHECKING:
    from tensorbp.model import Model

__all__ = ["fitting", "given_inputs", "given_parameters"]


def given_inputs(path: str, model: Model, dtype: str) -> dict[str, NDArray[Any]]:
    """Return the inputs in a file, real ones as numbers of a type.

    Raises:
        CommandError: the file cannot be read, or holds something else.
    """
    arrays = read_inputs(path, model.inputs)
    return {
        name: array.astype(dtype, copy=False) if array.dtype.kind == "f" else array
        for name, array in arrays.items()
    }


def fitting(model: Model, inputs: Mapping[str, NDArray[Any]]) -> Model:
    """Return the model with the sizes that arrays have.

    Raises:
        ShapeError: the sizes contradict each other, or what the file fixes.
    """
    declared = model._network.specification.inputs
    return model.bind(
        **infer(
            {name: each.shape for name, each in declared.items()},
            {name: array.shape for name, array in inputs.items()},
            model.dims,
        )
    )


def given_parameters(path: str | None, model: Model, seed: int, dtype: str) -> Parameters:
    """Return the parameters in a file, or initial ones if there is none.

    Raises:
        CommandError: the file cannot be read, or does not fit the model.
        ParameterError: the file is damaged.
    """
    if path is None:
        return model.initialize(seed, np.dtype(dtype))
    try:
        theta = Parameters.load(path)
    except OSError as error:
        raise CommandError(f"cannot read '{path}': {error.strerror or error}") from None
    shapes = {name: each.shape for name, each in model.parameters.items()}
    if theta.shapes != shapes:
        difference = Layout(tuple(shapes.items())).difference(theta.layout)
        raise CommandError(
            f"'{path}' does not fit the model: {difference} (left: the model, right: the file)"
        )
    return theta.astype(dtype)
