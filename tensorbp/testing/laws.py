"""The laws that every layer must obey.

A law is a function of a `Case` that raises `CheckFailure`; its name, with dashes, is the name of
the check, and its docstring says what must hold.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from tensorbp.errors import LayerError, ShapeError
from tensorbp.expression.derivative import jvp, vjp
from tensorbp.expression.layer import Primitive, Shape
from tensorbp.expression.leaves import Variable, variable
from tensorbp.expression.node import Expression
from tensorbp.testing.case import Case
from tensorbp.testing.numerical import Array

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
    expected = case.numerical_jacobians([case.output])
    for (_, name), found in case.jacobians([case.output]).items():
        case.require_equal(
            f"the derivative by '{name}'",
            expected[0, name],
            found,
            case.tolerance,
            case.output.ndim,
        )


def second_derivative(case: Case) -> None:
    """The derivative of Jᵀu is that of its expression: J's factors can be differentiated too."""
    pulled, more = _pulled_back(case)
    expected = case.numerical_jacobians(pulled, more)
    names = list(case.real)
    for (row, second), found in case.jacobians(pulled, more).items():
        case.require_equal(
            f"the second derivative by '{names[row]}' and '{second}'",
            expected[row, second],
            found,
            case.tolerance,
            pulled[row].ndim,
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
    pulled, more = _pulled_back(case)
    for wanted in ([case.output], pulled):
        reverse = case.jacobians(wanted, more, order="reverse")
        forward = case.jacobians(wanted, more, order="forward")
        for at, expected in reverse.items():
            case.require_equal(f"forward mode by '{at[1]}'", expected, forward[at], 100 * EXACT)


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
    rounded = {name: x.astype(np.float32) for name, x in case.arrays.items() if name in case.real}
    widened = {name: x.astype(np.float64) for name, x in rounded.items()}
    expected = _value_and_jacobians(case, widened, "float64")
    are_integers = getattr(case.output.operator, "kind", "real") == "integer"
    for quantity, found in _value_and_jacobians(case, rounded, "float32").items():
        if found.dtype != np.float32 and not are_integers:
            case.fail(f"{quantity} has dtype {found.dtype}, expected float32")
        case.require_equal(quantity, expected[quantity], found, SINGLE)
    operator, operands = case.output.operator, case.output.operands
    if isinstance(operator, Primitive) and all(isinstance(x.operator, Variable) for x in operands):
        # programs write numbers of any dtype to where single ones are kept: ask the rule itself
        given = case.arrays | rounded
        names = [x.operator.name for x in operands if isinstance(x.operator, Variable)]
        found = operator.forward(np, *[given[name] for name in names])
        if found.dtype == np.float64 and case.real:
            case.fail(f"the output has dtype {found.dtype}, expected float32")


def _value_and_jacobians(case: Case, arrays: dict[str, Array], dtype: str) -> dict[str, Array]:
    """Return the output and its Jacobians, by what they are."""
    (value,) = case.values([case.output], arrays, dtype=dtype)
    found = case.jacobians([case.output], arrays, dtype=dtype)
    return {"the output": value} | {
        f"the derivative by '{name}'": each for (_, name), each in found.items()
    }


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


def _pulled_back(case: Case) -> tuple[list[Expression], dict[str, Array]]:
    """Return Jᵀu for each real operand, and the array of the cotangent u."""
    if not case.real:
        return [], {}
    u = variable(COTANGENT, *case.output.shape)
    return vjp(case.output, list(case.real.values()), u), {COTANGENT: case.cotangent()}


def _resized(shapes: Sequence[Shape], sizes: Sequence[int], new: int) -> tuple[Shape, ...]:
    return tuple(tuple(new if size in sizes else size for size in shape) for shape in shapes)


def _accepts(case: Case) -> bool:
    """Say whether a layer takes inputs of these shapes; it may refuse, with an error of its own."""
    try:
        case.values([case.output])
    except (LayerError, ShapeError):
        return False
    return True
