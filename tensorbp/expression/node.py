"""The node of the graph: an operator applied to operands, with a shape.

Nodes are immutable and interned: building the same expression twice gives the same object, so
equality is identity, hashing is free, and what is shared in the mathematics is shared in memory.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from itertools import count
from numbers import Integral, Real
from typing import Any, Protocol, TypeVar

from tensorbp.algebra import Number, Shape
from tensorbp.errors import OperandError, ShapeError
from tensorbp.expression.interning import Interned

__all__ = ["Expression", "Operator", "as_expression", "operation", "provides"]

Function = TypeVar("Function", bound=Callable[..., Any])

_operations: dict[str, Callable[..., Any]] = {}


def provides(name: str) -> Callable[[Function], Function]:
    """Make a function what the nodes of the graph do for an operation of this name.

    The modules that build on nodes know them, and not the other way round.
    """

    def register(function: Function) -> Function:
        _operations[name] = function
        return function

    return register


def operation(name: str) -> Callable[..., Any]:
    """Return the function that was provided for an operation."""
    return _operations[name]


class Operator(Protocol):
    """What a node applies to its operands: a layer, or one of the leaves."""

    def shape(self, *shapes: Shape) -> Shape:
        """Return the shape of the result for operands of these shapes."""


class Expression:
    """An array-valued expression, built with `variable`, operators and the functions of tensorbp.

    Attributes:
        operator: what is applied.
        operands: to which expressions.
        shape: the size of each dimension of the result.
        serial: a number that grows with each new node; operands have smaller ones.
    """

    __slots__ = ("__weakref__", "operands", "operator", "serial", "shape")

    operator: Operator
    operands: tuple[Expression, ...]
    shape: Shape
    serial: int

    # numpy must leave ``array_scalar * expression`` to this class
    __array_ufunc__ = None

    @staticmethod
    def of(operator: Operator, *operands: Expression) -> Expression:
        """Return the node that applies an operator to operands."""
        key = (operator, *[id(each) for each in operands])
        known = _interned.get(key)
        if known is not None:
            return known
        node = object.__new__(Expression)
        node.operator = operator
        node.operands = operands
        node.shape = operator.shape(*[each.shape for each in operands])
        node.serial = next(_serials)
        return _interned.kept(key, node)

    def over(self, operands: tuple[Expression, ...]) -> Expression:
        """Return what is applied here, applied to other operands."""
        return self if operands == self.operands else Expression.of(self.operator, *operands)

    @property
    def size(self) -> int:
        """How many numbers the value holds."""
        size = 1
        for each in self.shape:
            size *= each
        return size

    @property
    def ndim(self) -> int:
        """The number of dimensions."""
        return len(self.shape)

    @property
    def T(self) -> Expression:  # noqa: N802 - the transpose is written so everywhere
        """The expression with its dimensions in reverse order."""
        return _arithmetic("transpose", self)

    def __repr__(self) -> str:
        return str(operation("formula")(self))

    def __reduce__(self) -> tuple[object, ...]:
        # a copy of an expression is the expression, and so is what comes back from a pickle
        return (Expression.of, (self.operator, *self.operands))

    def __bool__(self) -> bool:
        raise ShapeError(
            "an expression has no truth value: it holds no numbers before it is compiled"
        )

    def __add__(self, other: Expression | Number) -> Expression:
        return _arithmetic("add", self, other)

    def __radd__(self, other: Number) -> Expression:
        return _arithmetic("add", other, self)

    def __sub__(self, other: Expression | Number) -> Expression:
        return _arithmetic("subtract", self, other)

    def __rsub__(self, other: Number) -> Expression:
        return _arithmetic("subtract", other, self)

    def __mul__(self, other: Expression | Number) -> Expression:
        return _arithmetic("multiply", self, other)

    def __rmul__(self, other: Number) -> Expression:
        return _arithmetic("multiply", other, self)

    def __truediv__(self, other: Expression | Number) -> Expression:
        return _arithmetic("divide", self, other)

    def __rtruediv__(self, other: Number) -> Expression:
        return _arithmetic("divide", other, self)

    def __pow__(self, exponent: Expression | Number) -> Expression:
        return _arithmetic("power", self, exponent)

    def __rpow__(self, base: Number) -> Expression:
        return _arithmetic("power", base, self)

    def __matmul__(self, other: Expression) -> Expression:
        return _arithmetic("matmul", self, other)

    def __getitem__(self, key: object) -> Expression:
        result: Expression = operation("part")(self, key)
        return result

    # without it Python would take an expression for a sequence, because it can be indexed
    __iter__ = None

    def __neg__(self) -> Expression:
        return _arithmetic("multiply", -1, self)

    def __pos__(self) -> Expression:
        return self


_interned: Interned[Expression] = Interned()
_serials = count()


def _arithmetic(name: str, *operands: object) -> Expression:
    """Apply an operation to expressions and numbers."""
    result: Expression = operation(name)(*[_checked(each) for each in operands])
    return result


def as_expression(value: Expression | Number) -> Expression:
    """Return an expression as it is, and a number as a constant without dimensions.

    Raises:
        OperandError: the value is neither.
    """
    checked = _checked(value)
    if isinstance(checked, Expression):
        return checked
    result: Expression = operation("constant")(checked)
    return result


def _checked(value: object) -> Expression | Number:
    """Return an expression or a number, numbers of numpy as Python's."""
    if isinstance(value, Expression | int | float | Fraction):
        return value
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, Real):
        return float(value)
    raise OperandError(
        f"expected an expression or a number, found {type(value).__name__}; an array is given by "
        "name to the compiled program, in its place stands a variable"
    )
