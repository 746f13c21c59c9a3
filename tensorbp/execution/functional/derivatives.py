"""Cotangents times the derivative of a function, by the library's routine for the two together.

In a plan the derivative is made first, 1 - y² for a hyperbolic tangent y, and a product follows:
each step reads and writes whole arrays. What the derivative of a function is, its rule says.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import chain
from typing import Any, Protocol

from tensorbp.execution.functional.call import Call, needed
from tensorbp.execution.functional.einsums import Function, einsum_function
from tensorbp.execution.functional.forms import Form, Forms, is_number_by_number
from tensorbp.execution.functional.namespace import Namespace
from tensorbp.expression.einsum import Einsum
from tensorbp.expression.leaves import variable
from tensorbp.expression.rule import Elementwise
from tensorbp.planning import Plan, Step
from tensorbp.planning import plan as make_plan

__all__ = ["Derivatives", "Routine", "with_derivatives"]

Array = Any

FARTHEST = 16
"""So many values before a value are tried: it may be a derivative in terms of one of them."""


@dataclass(frozen=True)
class Routine:
    """A routine for a cotangent times the derivative of a function.

    Attributes:
        call: returns the product, for a cotangent and a second array; the two broadcast.
        reads_result: whether the second array is what the function made, rather than its operand.
        is_long: whether it takes more time than a product.
    """

    call: Callable[[Array, Array], Array]
    reads_result: bool = False
    is_long: bool = False


class Derivatives(Protocol):
    """The routines of a library.

    Attributes:
        routines: for each function that has one.
    """

    routines: Mapping[Elementwise, Routine]

    def fits(self, dtype: str) -> bool:
        """Say whether there are routines for a type of numbers."""


@dataclass(frozen=True)
class _Derivative:
    """A value that is the derivative of a function.

    Attributes:
        says: of which function.
        operand: the value that the routine reads.
        routine: the routine for it.
    """

    says: str
    operand: int
    routine: Routine


def with_derivatives(plan: Plan, calls: list[Call], library: Derivatives) -> list[Call]:
    """Return the calls of a plan; products with derivatives have become calls of routines."""
    if not library.fits(plan.dtype):
        return calls
    search = _Search(plan, library.routines)
    instead = {call.results[0]: call for call in search.calls()}
    replaced = [call if call.step is None else instead.get(call.results[0], call) for call in calls]
    return needed(replaced, plan.results)


class _Search:
    """What looks for derivatives in a plan."""

    def __init__(self, plan: Plan, routines: Mapping[Elementwise, Routine]) -> None:
        self.plan = plan
        self.producers = {step.result: step for step in plan.steps}
        self.readers = Counter(chain(plan.results, *(step.operands for step in plan.steps)))
        self.forms = Forms(self.producers)
        self.known = {
            _derivative_of(function, routine.reads_result): (function.name, routine)
            for function, routine in routines.items()
        }
        self.found: dict[int, _Derivative | None] = {}

    def calls(self) -> Iterator[Call]:
        """Yield the calls of routines, each in place of one step."""
        for step in self.plan.steps:
            own = self._derivative(step.result)
            if own is not None and own.routine.is_long:
                yield _long_call(step.result, own)
            for at, number in enumerate(step.operands if _is_product(step) else ()):
                found = self._derivative(number)
                if found is not None and not (found.routine.is_long and self.readers[number] > 1):
                    yield _product_call(step, at, found, self.plan.dtype)
                    break

    def _derivative(self, number: int) -> _Derivative | None:
        """Return of what a value is the derivative; None if it is none that is known."""
        if number not in self.found:
            self.found[number] = self._looked_for(number)
        return self.found[number]

    def _looked_for(self, number: int) -> _Derivative | None:
        for operand in self._before(number):
            form = self.forms.of(number, operand)
            if form in self.known:
                return _Derivative(self.known[form][0], operand, self.known[form][1])
        return None

    def _before(self, number: int) -> list[int]:
        """Return the values of which a value is made number by number, the nearest first."""
        found = [number]
        for each in found:
            step = self.producers.get(each)
            if step is not None and is_number_by_number(step):
                found += [operand for operand in step.operands if operand not in found]
            if len(found) > FARTHEST:
                break
        return found[1:]


@cache
def _derivative_of(function: Elementwise, by_result: bool) -> Form:
    """Return the derivative of a function in terms of its operand, or of what it makes."""
    x = variable("x", 2)
    y = function(x)
    (derivative,) = function.derivatives(y, x)
    assert derivative is not None, f"{function.name} has a derivative"
    plan = make_plan([derivative, x, y])
    made, operand, result = plan.results
    forms = Forms({step.result: step for step in plan.steps})
    form = forms.of(made, result if by_result else operand)
    assert form is not None, f"the derivative of {function.name} is made number by number"
    return form


def _is_product(step: Step) -> bool:
    """Say whether two different values are multiplied number by number, whatever is repeated."""
    operator = step.operator
    return isinstance(operator, Einsum) and not operator.summed and len(set(step.operands)) == 2


def _product_call(step: Step, at: int, derivative: _Derivative, dtype: str) -> Call:
    """Return a product with a derivative as a call of its routine."""
    operator, routine = step.operator, derivative.routine.call
    assert isinstance(operator, Einsum)

    def times(a: Array, b: Array) -> Array:
        return routine(a, b) if at else routine(b, a)

    def on(xp: Namespace) -> Function:
        return einsum_function(operator, xp, dtype, times=times)

    operands = list(step.operands)
    operands[at] = derivative.operand
    said = f"{step.equation}, with the derivative of {derivative.says}"
    return Call((step.result,), tuple(operands), said, on)


def _long_call(number: int, derivative: _Derivative) -> Call:
    """Return a derivative by itself."""
    routine = derivative.routine.call

    def on(xp: Namespace) -> Function:
        return lambda x: routine(xp.ones_like(x), x)

    return Call((number,), (derivative.operand,), f"derivative of {derivative.says}", on)
