"""What an elementwise rule is: a function of numbers, and its derivatives, applied to arrays."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from inspect import Parameter, Signature
from math import isfinite, nan
from typing import Any, ClassVar

from tensorbp.algebra import Number, Shape
from tensorbp.errors import LayerError
from tensorbp.expression.arithmetic import broadcast_shape, broadcast_to
from tensorbp.expression.declaration import Declaration, signature
from tensorbp.expression.layer import Input, Primitive
from tensorbp.expression.node import Expression, as_expression

Derivatives = tuple[Expression | None, ...]
Function = Callable[..., Expression]

__all__ = [
    "Derivatives",
    "Elementwise",
    "Function",
    "apply",
    "elementwise",
    "function",
    "number_argument",
]


class Elementwise(Primitive):
    """A layer that applies one function to each element, so that its Jacobian is diagonal.

    dy/dx is an array of the shape of x, read as the map ``"... -> .../..."``: the same axes on
    both sides are a Kronecker delta, which is never stored.

    Attributes:
        cost_per_element: floating-point operations for each number of the output.
    """

    cost_per_element: ClassVar[int] = 1

    @abstractmethod
    def derivatives(self, y: Expression, *x: Expression) -> Derivatives:
        """Return the derivative with respect to each operand, as expressions; None is zero."""

    def shape(self, *shapes: Shape) -> Shape:
        """Return the shape that all operands have.

        Raises:
            LayerError: the shapes differ.
        """
        if len(set(shapes)) > 1:
            raise LayerError(
                f"layer '{self.name}' is elementwise: its operands must have one shape, found "
                f"{', '.join(map(str, shapes))}; repeat the smaller ones with broadcast_to first"
            )
        return shapes[0]

    def jacobian(self, y: Expression, *operands: Expression) -> dict[str, Declaration]:
        """Return the diagonal Jacobians that `derivatives` gives."""
        return {
            each.name: signature("... -> .../...", derivative)
            for each, derivative in zip(self.inputs, self.derivatives(y, *operands), strict=True)
            if derivative is not None
        }

    def flops(self, shape: Shape, *shapes: Shape) -> int:
        """Return the number of elements times the cost of each."""
        return super().flops(shape, *shapes) * self.cost_per_element


def elementwise(
    name: str,
    formula: str,
    derivative: str,
    forward: Callable[..., Any],
    derivatives: Callable[..., Expression | Derivatives | None],
    *,
    inputs: tuple[Input, ...] = (Input("x"),),
    source: str = "",
    analytic: bool = True,
    temporaries: int = Elementwise.temporaries,
) -> type[Elementwise]:
    """Return the layer class of an elementwise rule, which is one line.

    >>> import tensorbp as tb
    >>> Cube = tb.elementwise(
    ...     "cube", "y = x³", "dy/dx = 3x²", lambda xp, x: x * x * x, lambda y, x: 3 * x * x
    ... )
    >>> x = tb.variable("x", 5)
    >>> tb.jacobian(Cube()(x), x).diagonal().shape
    (5,)

    Args:
        name: what models call the layer.
        formula: what it computes, ``"y = exp(x)"``.
        derivative: its derivative, ``"dy/dx = y"``.
        forward: the function on arrays, ``forward(xp, *x)``, where ``xp`` is numpy or the like.
        derivatives: the derivative with respect to each operand, as expressions in the output and
            the operands, ``derivatives(y, *x)``; one may stand without a tuple, None is zero.
        inputs: the operands, with the range in which the function is smooth.
        source: where the rule was introduced.
        analytic: whether ``forward`` also takes complex arrays.
        temporaries: how many arrays as large as its output ``forward`` holds beside it, at most.
    """

    def apply_forward(self: Elementwise, xp: Any, *arrays: Any) -> Any:
        del self
        return forward(xp, *arrays)

    def all_derivatives(self: Elementwise, y: Expression, *x: Expression) -> Derivatives:
        del self
        result = derivatives(y, *x)
        return result if isinstance(result, tuple) else (result,)

    rule = type(
        name.title().replace("_", ""),
        (Elementwise,),
        {
            "__doc__": f"Elementwise {formula}; {derivative}."
            + (f"\n\nSource: {source}." if source else ""),
            "__module__": derivatives.__module__,
            "name": name,
            "formula": formula,
            "inputs": inputs,
            "analytic": analytic,
            "temporaries": temporaries,
            "forward": apply_forward,
            "derivatives": all_derivatives,
        },
    )
    return dataclass(frozen=True)(rule)


def number_argument(layer: str, name: str, value: object) -> int | float:
    """Return an argument of a layer as a whole number where it is one, else as a float.

    Raises:
        LayerError: it is no finite number.
    """
    if isinstance(value, bool | str) or not isfinite(number := _as_float(value)):
        raise LayerError(f"layer '{layer}': {name} must be a finite number, found {value!r}")
    return int(number) if number.is_integer() else number


def _as_float(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        return nan


def apply(rule: Elementwise, *operands: Expression | Number) -> Expression:
    """Return a rule applied to operands that are broadcast to one shape."""
    values = [as_expression(each) for each in operands]
    rule.check_inputs(len(values))
    shape = broadcast_shape(*[each.shape for each in values])
    return rule(*[broadcast_to(each, shape) for each in values])


def function(rule: type[Elementwise]) -> Function:
    """Return a rule without arguments as a function of expressions, which it broadcasts."""
    layer = rule()

    def applied(*operands: Expression | Number) -> Expression:
        return apply(layer, *operands)

    applied.__name__ = applied.__qualname__ = rule.name
    applied.__module__ = rule.__module__
    applied.__doc__ = rule.__doc__
    parameters = [Parameter(each.name, Parameter.POSITIONAL_ONLY) for each in rule.inputs]
    applied.__signature__ = Signature(parameters)  # type: ignore[attr-defined]
    return applied
