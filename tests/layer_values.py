"""What tests of layers begin with: a layer on variables, and what an expression is worth."""

from __future__ import annotations

from typing import Any

from tensorbp.execution import compile
from tensorbp.expression import Expression
from tensorbp.expression.layer import Layer, Shape
from tensorbp.testing import Case


def applied(layer: Layer, *shapes: Shape) -> Expression:
    """Return a layer on variables of these shapes, and on those of its parameters."""
    return Case(layer, shapes).output


def evaluate(y: Expression, dtype: str = "float64", /, **arrays: Any) -> Any:
    """Return the value of an expression, given more arrays than it may have variables."""
    program = compile([y], dtype)
    return program({name: arrays[name] for name in program.names})[0]
