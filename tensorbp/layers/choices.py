"""Arguments that are switches or choices, and inputs that depend on them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tensorbp.errors import LayerError, suggestion
from tensorbp.expression.layer import Input, Layer

__all__ = ["choose_inputs", "one_of", "switch"]


def switch(layer: str, name: str, value: Any) -> bool:
    """Return an argument that is true or false.

    Raises:
        LayerError: it is neither.
    """
    if not isinstance(value, bool):
        raise LayerError(f"layer '{layer}': {name} must be true or false, found {value!r}")
    return value


def one_of(layer: str, name: str, value: Any, options: Sequence[str]) -> str:
    """Return an argument that is one of some texts.

    Raises:
        LayerError: it is none of them.
    """
    if value not in options:
        meant = suggestion(str(value), options)
        # without a likely one, the suggestion would say all of them a second time
        guess = meant if "did you mean" in meant else ""
        raise LayerError(
            f"layer '{layer}': {name} must be one of {', '.join(options)}, found {value!r}{guess}"
        )
    return str(value)


def choose_inputs(layer: Layer, inputs: Sequence[Input | None]) -> None:
    """Let a layer read those of its inputs that are not None: which, its arguments say.

    The class declares all of them, the layer those that it reads.
    """
    chosen = tuple([each for each in inputs if each is not None])
    object.__setattr__(layer, "inputs", chosen)
