"""The laws that every layer must obey.

A law is a function of a `Case` that raises `CheckFailure`; its name, with dashes, is the name of
the check, and its docstring says what must hold.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from tensorbp.errors import LayerError, ShapeError
from tensorbp.expression.derivative import jacobian, jvp, vjp
from tensorbp.expression.layer import Primitive, Shape
from tensorbp.expression.leaves import variable
from tensorbp.expression.node import Expression
from tensorbp.testing.case import Case

Law = Callable[[Case], None]

__all__ = ["LAWS", "Law"]

COTANGENT = "output cotangent"
EXACT = 1e-12
SINGLE = 1e-4


def description(case: Case) -> None:
    """A layer says what it computes, and what its arguments are for."""
    layer = case.layer
    if not getattr(layer, "formula", "").strip():
        case.fail("it has no formula")
    if not (type(layer).__doc__ or "").strip():
        case.fail("it has no docstring")
    if not type(layer).examples():
        case.fail("it has no examples")


def equality(case: Case) -> None:
    """Two layers with the same arguments are equal, and make the same node of the same operands."""
    twin = type(case.layer)(**case.layer.arguments())
    if twin != case.layer or hash(twin) != hash(case.layer):
        case.fail("a layer with the same arguments is not equal to it")
    if case.applied(twin) is not case.output:
        case.fail("applied twice to the same operands, it gives different expressions")


def shape_rule(case: Case) -> None:
    """The forward rule gives an array of the shape that the shape rule says."""
    if isinstance(case.layer, Primitive):
        found = case.layer.forward(np, *case.arrays.values()).shape
    else:
        found = case.values([case.output])[0].shape
    if found != case.output.shape:
        case.fail(
            f"the shape rule says {case.output.shape}, the forward rule gives shape {found}",
        )


def declared_jacobian(case: Case) -> None:
    """The Jacobian is the derivative of the forward rule."""
    for name, x in case.real.items():
        (found,) = case.values([_dense(case.output, x)])
        expected = case.numerical_jacobian(case.output, name)
        case.require_equal(
            f"the derivative by '{name}'", expected, found, case.tolerance, case.output.ndim
        )


def second_derivative(case: Case) -> None:
    """The derivative of Jᵀu is that of its expression: J's factors can be differentiated too."""
    u = variable(COTANGENT, *case.output.shape)
    more = {COTANGENT: case.cotangent()}
    for first, x in case.real.items():
        pulled_back = vjp(case.output, x, u)
        for second, z in case.real.items():
            (found,) = case.values([_dense(pulled_back, z)], more)
            expected = case.numerical_jacobian(pulled_back, second, more)
            case.require_equal(
                f"the second derivative by '{first}' and '{second}'",
                expected,
                found,
                case.tolerance,
                x.ndim,
            )


def adjointness(case: Case) -> None:
    """Pushing forward and pulling back are adjoint: ⟨u, J v⟩ = ⟨Jᵀ u, v⟩."""
    if not case.real:
        return
    u = variable(COTANGENT, *case.output.shape)
    names, sources = list(case.real), list(case.real.values())
    tangents = {f"tangent of {name}": v for name, v in case.tangents().items()}
    v = [variable(f"tangent of {name}", *case.real[name].shape) for name in names]
    more = {COTANGENT: case.cotangent()} | tangents
    pushed, *pulled = case.values(
        [jvp(case.output, sources, v), *vjp(case.output, sources, u)], more
    )
    forward = np.vdot(more[COTANGENT], pushed)
    backward = sum(np.vdot(a, b) for a, b in zip(pulled, tangents.values(), strict=True))
    case.require_equal("⟨Jᵀu, v⟩", np.asarray(forward), np.asarray(backward), EXACT * pushed.size)


def order_invariance(case: Case) -> None:
    """The order in which Jacobians are multiplied changes the cost, not the numbers."""
    u = variable(COTANGENT, *case.output.shape)
    more = {COTANGENT: case.cotangent()}
    for name, x in case.real.items():
        wanted = [
            _dense(vjp(case.output, x, u), x),
            _dense(case.output, x),
        ]
        reverse = case.values(wanted, more, order="reverse")
        forward = case.values(wanted, more, order="forward")
        for one, other in zip(reverse, forward, strict=True):
            case.require_equal(f"forward mode by '{name}'", one, other, 100 * EXACT)


def size_one(case: Case) -> None:
    """Every size may be one: axes of one size are set to one together, then all of them."""
    sizes = sorted({size for shape in case.shapes for size in shape if size > 1})
    for ones in [*([size] for size in sizes), sizes]:
        small = replace(case, shapes=_resized(case.shapes, ones, 1))
        if _accepts(small):
            shape_rule(small)
            declared_jacobian(small)


def empty_batch(case: Case) -> None:
    """The first axis may have size zero, and the results have it too."""
    if not case.shapes[0]:
        return
    empty = replace(case, shapes=_resized(case.shapes, [case.shapes[0][0]], 0))
    if _accepts(empty):
        shape_rule(empty)
        declared_jacobian(empty)


def single_precision(case: Case) -> None:
    """A program in single precision stays in it, and is close to double precision."""
    wanted: list[Expression] = [case.output]
    wanted += [_dense(case.output, x) for x in case.real.values()]
    rounded = {name: x.astype(np.float32) for name, x in case.arrays.items() if name in case.real}
    exact = case.values(wanted, {name: x.astype(np.float64) for name, x in rounded.items()})
    single = case.values(wanted, rounded, dtype="float32")
    quantities = ["the output", *(f"the derivative by '{name}'" for name in case.real)]
    for quantity, expected, found in zip(quantities, exact, single, strict=True):
        if found.dtype != np.float32:
            case.fail(f"{quantity} has dtype {found.dtype}, expected float32")
        case.require_equal(quantity, expected, found, SINGLE)


LAWS: tuple[Law, ...] = (
    description,
    equality,
    shape_rule,
    declared_jacobian,
    second_derivative,
    adjointness,
    order_invariance,
    size_one,
    empty_batch,
    single_precision,
)


def _dense(y: Expression, x: Expression) -> Expression:
    entries = jacobian(y, x).to_dense()
    assert isinstance(entries, Expression)
    return entries


def _resized(shapes: Sequence[Shape], sizes: Sequence[int], new: int) -> tuple[Shape, ...]:
    return tuple(tuple(new if size in sizes else size for size in shape) for shape in shapes)


def _accepts(case: Case) -> bool:
    """Say whether a layer takes inputs of these shapes; it may refuse, with an error of its own."""
    try:
        case.values([case.output])
    except (LayerError, ShapeError):
        return False
    return True
