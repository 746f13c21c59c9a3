"""All parameters of a model as one vector.

The gradient of a loss is a vector of the same space, so a step of gradient descent is written as
it is on paper: ``theta - 0.1 * gradient``. The names are views into the vector.
"""

from __future__ import annotations

import operator
import os
from collections.abc import Callable, Iterator, Mapping
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from tensorbp.errors import ParameterError, ShapeError, suggestion
from tensorbp.model import storage
from tensorbp.model.layout import Layout, Shape

Array = NDArray[Any]

_ROWS_SHOWN = 20

__all__ = ["Parameters"]


class Parameters:
    """An immutable vector with named arrays as views.

    Supports ``+``, ``-``, ``*``, ``/`` and ``**`` with numbers and with parameters of the same
    layout, number by number, and ``@``, the inner product. Iteration is over the names, and
    ``**theta`` passes the arrays as keyword arguments.

    >>> import numpy as np
    >>> theta = Parameters.from_arrays({"a": np.ones((2, 2)), "b": np.zeros(3)})
    >>> (theta - 0.5 * theta)["a"]
    array([[0.5, 0.5],
           [0.5, 0.5]])
    >>> theta @ theta
    4.0
    """

    # Without this, numpy scalars and arrays on the left would take the vector apart.
    __array_ufunc__ = None

    def __init__(self, flat: Array, layout: Layout) -> None:
        """Take over a vector; `from_arrays` and `from_flat` copy instead."""
        if flat.shape != (layout.size,):
            raise ShapeError(
                f"a vector of shape {flat.shape} is given for {len(layout.shapes)} parameters, "
                f"expected shape {(layout.size,)}"
            )
        self._flat = flat.view()
        self._flat.flags.writeable = False
        self._layout = layout

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Any], dtype: DTypeLike | None = None) -> Parameters:
        """Return the vector that holds copies of these arrays, in this order.

        Args:
            arrays: the arrays by name.
            dtype: the type of the numbers; by default one that can hold them all.

        Raises:
            ParameterError: an array does not hold real numbers.
        """
        converted = {name: np.asarray(array) for name, array in arrays.items()}
        for name, array in converted.items():
            if array.dtype.kind not in "fiu":
                raise ParameterError(
                    f"parameter '{name}' holds numbers of type {array.dtype}, expected real numbers"
                )
        if dtype is None:
            found = np.result_type(*converted.values()) if converted else np.dtype(np.float64)
            dtype = found if found.kind == "f" else np.float64
        layout = Layout(tuple((name, array.shape) for name, array in converted.items()))
        flat = np.empty(layout.size, dtype)
        for name, array in converted.items():
            flat[layout.slices[name][0]] = array.reshape(-1)
        return cls(flat, layout)

    @classmethod
    def from_flat(cls, flat: Any, shapes: Mapping[str, Shape]) -> Parameters:
        """Return parameters of these shapes whose numbers are a copy of ``flat``, in order.

        Raises:
            ShapeError: the vector does not have as many numbers as the shapes.
        """
        layout = Layout(tuple((name, tuple(shape)) for name, shape in shapes.items()))
        numbers = np.array(flat)
        return cls(numbers if numbers.dtype.kind == "f" else numbers.astype(np.float64), layout)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Parameters:
        """Read what `save` wrote. Nothing in the file is ever run or unpickled.

        Raises:
            ParameterError: the file is damaged, or no uncompressed ``.npz`` of real arrays.
        """
        return cls.from_arrays(storage.load(path))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write an uncompressed ``.npz`` file, which ``numpy.load`` reads too.

        The file appears under its name only when it is complete.

        Raises:
            ParameterError: there is something of that name that is no file.
        """
        storage.save(path, dict(self.items()))

    @property
    def flat(self) -> Array:
        """The vector, as a read-only view."""
        return self._flat

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the arrays, in the order of the vector."""
        return tuple(name for name, _ in self._layout.shapes)

    @property
    def shapes(self) -> dict[str, Shape]:
        """The shapes of the arrays by name."""
        return dict(self._layout.shapes)

    @property
    def size(self) -> int:
        """How many numbers there are in all."""
        return self._layout.size

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of the numbers."""
        return self._flat.dtype

    @property
    def layout(self) -> Layout:
        """Which part of the vector belongs to which name."""
        return self._layout

    def keys(self) -> tuple[str, ...]:
        """Return the names, as a mapping does."""
        return self.names

    def items(self) -> Iterator[tuple[str, Array]]:
        """Iterate over names and arrays."""
        return ((name, self[name]) for name in self)

    def values(self) -> Iterator[Array]:
        """Iterate over the arrays."""
        return (self[name] for name in self)

    def replace(self, arrays: Mapping[str, Any]) -> Parameters:
        """Return parameters in which some arrays are others.

        Raises:
            ParameterError: there is no parameter of some name.
            ShapeError: an array has another shape than the one that it replaces.
        """
        flat = self._flat.copy()
        for name, array in arrays.items():
            place, shape = self._place(name)
            if np.shape(array) != shape:
                raise ShapeError(
                    f"parameter '{name}' has shape {shape}, but is replaced by an array of shape "
                    f"{np.shape(array)}"
                )
            flat[place] = np.reshape(array, -1)
        return Parameters(flat, self._layout)

    def with_arrays(self, arrays: Mapping[str, Any]) -> Parameters:
        """Return other arrays, one for each name, in the layout of these parameters."""
        flat = np.empty(self.size, self.dtype)
        for name, (place, shape) in self._layout.slices.items():
            flat[place].reshape(shape)[...] = arrays[name]
        return Parameters(flat, self._layout)

    def astype(self, dtype: DTypeLike) -> Parameters:
        """Return the same parameters as numbers of another type."""
        return Parameters(self._flat.astype(dtype), self._layout)

    def norm(self) -> float:
        """Return the Euclidean norm of the vector."""
        return float(np.linalg.norm(self._flat))

    def __getitem__(self, name: str) -> Array:
        place, shape = self._place(name)
        return self._flat[place].reshape(shape)

    def __contains__(self, name: object) -> bool:
        return name in self._layout.slices

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self._layout.shapes)

    def __add__(self, other: Parameters | float) -> Parameters:
        return self._combined(other, operator.add)

    def __radd__(self, other: float) -> Parameters:
        return self._combined(other, lambda mine, theirs: theirs + mine)

    def __sub__(self, other: Parameters | float) -> Parameters:
        return self._combined(other, operator.sub)

    def __rsub__(self, other: float) -> Parameters:
        return self._combined(other, lambda mine, theirs: theirs - mine)

    def __mul__(self, other: Parameters | float) -> Parameters:
        return self._combined(other, operator.mul)

    def __rmul__(self, other: float) -> Parameters:
        return self._combined(other, lambda mine, theirs: theirs * mine)

    def __truediv__(self, other: Parameters | float) -> Parameters:
        return self._combined(other, operator.truediv)

    def __rtruediv__(self, other: float) -> Parameters:
        return self._combined(other, lambda mine, theirs: theirs / mine)

    def __pow__(self, exponent: float) -> Parameters:
        return self._combined(exponent, operator.pow)

    def __neg__(self) -> Parameters:
        return Parameters(-self._flat, self._layout)

    def __matmul__(self, other: Parameters) -> float:
        if not isinstance(other, Parameters):
            raise _no_operand(other, "other parameters")
        self._check_layout(other)
        return float(self._flat @ other._flat)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Parameters):
            return False
        return self._layout == other._layout and np.array_equal(self._flat, other._flat)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        count = len(self)
        head = (
            f"Parameters: {self.size} numbers of type {self.dtype} "
            f"in {count} {'array' if count == 1 else 'arrays'}"
        )
        shown = self._layout.shapes[:_ROWS_SHOWN]
        width = max((len(name) for name, _ in shown), default=0)
        rows = [f"  {name:<{width}}  {shape}" for name, shape in shown]
        if count > _ROWS_SHOWN:
            rows.append(f"  ... and {count - _ROWS_SHOWN} more")
        return "\n".join([head, *rows])

    def _place(self, name: str) -> tuple[slice, Shape]:
        try:
            return self._layout.slices[name]
        except KeyError:
            raise ParameterError(
                f"there is no parameter '{name}'{suggestion(name, self.names)}"
            ) from None

    def _check_layout(self, other: Parameters) -> None:
        if self._layout is not other._layout and self._layout != other._layout:
            raise ShapeError(
                "parameters of different layouts meet: " + self._layout.difference(other._layout)
            )

    def _combined(
        self, other: Parameters | float, operation: Callable[[Any, Any], Array]
    ) -> Parameters:
        if isinstance(other, Parameters):
            self._check_layout(other)
            return Parameters(operation(self._flat, other._flat), self._layout)
        if isinstance(other, Real):
            # A Python number leaves the type of the vector alone, a numpy one might not.
            return Parameters(operation(self._flat, float(other)), self._layout)
        raise _no_operand(other, "numbers and other parameters")


def _no_operand(found: object, expected: str) -> TypeError:
    return TypeError(f"parameters combine with {expected}, got {type(found).__name__}")
