"""Derivatives: Jacobians as linear maps, gradients as expressions, and both ways to apply them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import overload

from tensorbp.algebra import Space
from tensorbp.errors import OperandError, ShapeError
from tensorbp.expression.leaves import Variable
from tensorbp.expression.map_expression import Jacobian, MapExpression
from tensorbp.expression.node import Expression

__all__ = ["gradient", "hessian", "jacobian", "jvp", "vjp"]

Several = Sequence[Expression] | Mapping[str, Expression]
Expressions = Expression | Several


def jacobian(y: Expressions, x: Expressions) -> MapExpression:
    """Return the Jacobian of y with respect to x, as a linear map from x's space to y's.

    It is the total derivative: where one source is computed from another, the path through it
    counts for both. Structure is kept: an axis that input and output share (a batch, the elements
    of an activation) is a Kronecker delta and is never stored.

    >>> import tensorbp as tb
    >>> x = tb.variable("x", 64, 32)
    >>> J = tb.jacobian(tb.tanh(x), x)
    >>> J.size
    2048
    >>> J.to_dense().shape
    (64, 32, 64, 32)

    With a list, the map starts from the direct sum of the spaces, all parameters as ONE object:

    >>> W, b = tb.variable("W", 32, 7), tb.variable("b", 7)
    >>> J = tb.jacobian(tb.sum(x @ W + b, axis=1), [W, b])
    >>> (J @ J.T).to_dense().shape
    (64, 64)

    Args:
        y: one expression, or a list of them (or a dict) for a map to a direct sum.
        x: one expression, or a list of them (or a dict, such as the parameters of a model) for a
            map from a direct sum; usually variables.

    Raises:
        OperandError: something is no expression, or the list is empty.
        ShapeError: x is a variable of integers.
    """
    targets, output = _space(y, "differentiate")
    sources, input_ = _space(x, "differentiate with respect to")
    for source in sources:
        if isinstance(source.operator, Variable) and source.operator.kind == "integer":
            raise ShapeError(
                f"variable '{source.operator.name}' holds integers: nothing is derived with "
                "respect to it"
            )
    return Jacobian(targets, sources, output, input_)


def _space(expressions: Expressions, purpose: str) -> tuple[tuple[Expression, ...], Space]:
    if isinstance(expressions, Expression):
        return (expressions,), Space.of(expressions.shape)
    listed = tuple(expressions.values()) if isinstance(expressions, Mapping) else expressions
    if not isinstance(listed, list | tuple) or not listed:
        raise OperandError(
            f"there must be an expression, or a list of expressions, to {purpose}; "
            f"found {expressions!r}"
        )
    listed = tuple(listed)
    for each in listed:
        if not isinstance(each, Expression):
            raise OperandError(
                f"there must be an expression, or a list of expressions, to {purpose}; found "
                f"{type(each).__name__} in the list"
            )
    return listed, Space(tuple(each.shape for each in listed), is_sum=True)


@overload
def gradient(J: Expression, x: Expression) -> Expression: ...
@overload
def gradient(J: Expression, x: Several) -> list[Expression]: ...


def gradient(J: Expression, x: Expressions) -> Expression | list[Expression]:
    """Return the gradient of a scalar J with respect to x: an expression of the shape of x.

    >>> import tensorbp as tb
    >>> X, y, w = tb.variable("X", 1000, 30), tb.variable("y", 1000), tb.variable("w", 30)
    >>> tb.gradient(tb.mean(tb.softplus(-y * (X @ w))), w)
    -Xᵀ (y ⊙ σ(-y ⊙ X w)) / 1000

    Args:
        J: an expression without dimensions.
        x: one expression, or a list of them (or a dict), which gives a list.

    Raises:
        ShapeError: J has dimensions.
    """
    if J.shape != ():
        raise ShapeError(
            f"the gradient is that of a scalar, found an expression of shape {J.shape}; sum or "
            "average it first, or ask for its jacobian"
        )
    return jacobian(J, x).to_dense()


def hessian(J: Expression, x: Expressions) -> MapExpression:
    """Return the Hessian of a scalar J: the Jacobian of its gradient, a map from x's space to it.

    >>> import tensorbp as tb
    >>> T, U, V = tb.variable("T", 200, 90), tb.variable("U", 200, 5), tb.variable("V", 90, 5)
    >>> H = tb.hessian(tb.sum((T - U @ V.T) ** 2), U)
    >>> H.size, H.to_dense().shape
    (25, (200, 5, 200, 5))

    Args:
        J: an expression without dimensions.
        x: one expression, or a list of them for a map over their direct sum.

    Raises:
        ShapeError: J has dimensions.
    """
    return jacobian(gradient(J, x), x)


@overload
def jvp(y: Expression, x: Expression, tangent: Expression) -> Expression: ...
@overload
def jvp(y: Expression, x: Sequence[Expression], tangent: Sequence[Expression]) -> Expression: ...


def jvp(
    y: Expression, x: Expressions, tangent: Expression | Sequence[Expression]
) -> Expression | list[Expression]:
    """Return J v, the change of y when x moves along a tangent v.

    >>> import tensorbp as tb
    >>> x, v = tb.variable("x", 5), tb.variable("v", 5)
    >>> tb.jvp(tb.sin(x), x, v)
    v ⊙ cos(x)

    Args:
        y: the expression.
        x: one expression, or a list.
        tangent: what x moves along, of the shape of x; a list where x is one.

    Raises:
        ShapeError: the tangent does not have the shape of x.
    """
    return jacobian(y, x) @ tangent


@overload
def vjp(y: Expression, x: Expression, cotangent: Expression) -> Expression: ...
@overload
def vjp(y: Expression, x: Sequence[Expression], cotangent: Expression) -> list[Expression]: ...


def vjp(y: Expression, x: Expressions, cotangent: Expression) -> Expression | list[Expression]:
    """Return Jᵀ u, the gradient with respect to x of y weighted by a cotangent u.

    >>> import tensorbp as tb
    >>> W, x, u = tb.variable("W", 7, 5), tb.variable("x", 5), tb.variable("u", 7)
    >>> tb.vjp(W @ x, x, u)
    Wᵀ u

    Args:
        y: the expression.
        x: one expression, or a list, which gives a list.
        cotangent: the weights, of the shape of y.

    Raises:
        ShapeError: the cotangent does not have the shape of y.
    """
    return jacobian(y, x).T @ cotangent
