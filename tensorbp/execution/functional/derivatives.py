"""Cotangents times the derivative of a function, by the library's routine for the two together.

In a plan the derivative is made first, 1 - y² for a hyperbolic tangent y, and a product follows:
each step reads and writes whole arrays. Derivatives are compared as polynomials, in whatever order
the search has put their steps.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from math import pi
from typing import Any, Protocol

from tensorbp.execution.functional.call import Call, needed
from tensorbp.execution.functional.einsums import Function, einsum_function
from tensorbp.execution.functional.namespace import Namespace
from tensorbp.execution.functional.polynomials import Polynomial, Polynomials, is_close
from tensorbp.expression.activation import GELU_CUBIC, GELU_SATURATION, Approximation, Tanh
from tensorbp.expression.einsum import Einsum
from tensorbp.expression.elementwise import Exp, Heaviside, NormalCdf
from tensorbp.expression.piecewise import HardTanh
from tensorbp.planning import Plan, Step

__all__ = ["Derivatives", "with_derivatives"]

Array = Any

_SATURATION = (-GELU_SATURATION, GELU_SATURATION)


class Derivatives(Protocol):
    """The routines of a library; g is a cotangent, and the two arrays broadcast."""

    def fits(self, dtype: str) -> bool:
        """Say whether there are routines for a type of numbers."""

    def tanh(self, g: Array, y: Array) -> Array:
        """Return g (1 - y²)."""

    def sigmoid(self, g: Array, y: Array) -> Array:
        """Return g y (1 - y)."""

    def relu(self, g: Array, y: Array) -> Array:
        """Return g where y > 0, else 0."""

    def gelu(self, g: Array, x: Array, approximate: Approximation) -> Array:
        """Return g times the derivative of x Φ(x), or of the formula with tanh close to it."""


@dataclass(frozen=True)
class _Derivative:
    """A value that is the derivative of a function.

    Attributes:
        says: of which function.
        operand: the value in which it is taken, or that the function makes.
        routine: what returns a cotangent times the derivative, for the cotangent and the operand.
        is_long: whether it takes more time than a product.
    """

    says: str
    operand: int
    routine: Function
    is_long: bool = False


def with_derivatives(plan: Plan, calls: list[Call], routines: Derivatives) -> list[Call]:
    """Return the calls of a plan; products with derivatives have become calls of routines."""
    if not routines.fits(plan.dtype):
        return calls
    search = _Search(plan, routines)
    instead = {call.results[0]: call for call in search.calls()}
    replaced = [call if call.step is None else instead.get(call.results[0], call) for call in calls]
    return needed(replaced, plan.results)


class _Search:
    """What looks for derivatives in a plan."""

    def __init__(self, plan: Plan, routines: Derivatives) -> None:
        self.plan, self.routines = plan, routines
        self.producers = {step.result: step for step in plan.steps}
        self.readers = Counter(chain(plan.results, *(step.operands for step in plan.steps)))
        # what Φ is taken of may be a sum itself, and is one value beside Φ
        arguments = [s.operands[0] for s in plan.steps if isinstance(s.operator, NormalCdf)]
        self.polynomials = Polynomials(self.producers, arguments)

    def calls(self) -> Iterator[Call]:
        """Yield the calls of routines, each in place of one step."""
        for step in self.plan.steps:
            own = self._derivative(step.result)
            if own is not None and own.is_long:
                yield _long_call(step.result, own)
            for at, number in enumerate(step.operands if _is_product(step) else ()):
                found = self._derivative(number)
                if found is not None and not (found.is_long and self.readers[number] > 1):
                    yield _product_call(step, at, found, self.plan.dtype)
                    break

    def _derivative(self, number: int) -> _Derivative | None:
        """Return of what a value is the derivative; None if it is none that is known."""
        polynomial = self.polynomials.of(number)
        factors = {value for monomial in polynomial for value in monomial}
        for y in factors if len(factors) == 1 else ():
            if is_close(polynomial, {(): 1, (y, y): -1}):
                return _Derivative("tanh", y, self.routines.tanh)
            if is_close(polynomial, {(y,): 1, (y, y): -1}):
                return _Derivative("sigmoid", y, self.routines.sigmoid)
            step = self.producers.get(y)
            if step and isinstance(step.operator, Heaviside) and is_close(polynomial, {(y,): 1}):
                return _Derivative("relu", step.operands[0], self.routines.relu)
        return self._of_gelu(polynomial, factors)

    def _of_gelu(self, polynomial: Polynomial, factors: Collection[int]) -> _Derivative | None:
        """Return the derivative of a Gaussian error linear unit, if a polynomial is one."""
        steps = [self.producers[number] for number in sorted(factors) if number in self.producers]
        approximate: Approximation
        for step in steps:
            if isinstance(step.operator, NormalCdf):
                x, approximate = step.operands[0], "none"
                expected = self._gelu_slope(step, steps)
            elif isinstance(step.operator, HardTanh) and step.operator == HardTanh(*_SATURATION):
                x, approximate = step.operands[0], "tanh"
                expected = self._gelu_slope_by_tanh(step, steps)
            else:
                continue
            if is_close(polynomial, expected):
                routine = partial(self.routines.gelu, approximate=approximate)
                return _Derivative("gelu", x, routine, is_long=True)
        return None

    def _gelu_slope(self, cdf: Step, steps: Sequence[Step]) -> Polynomial:
        """Return Φ(x) + x φ(x), where φ(x) = exp(-x²/2)/√(2π) is among the steps."""
        (x,) = cdf.operands
        for step in steps:
            exponent = self.polynomials.of(step.operands[0]) if step.operands else {}
            if isinstance(step.operator, Exp) and is_close(exponent, {(x, x): -0.5}):
                return _sorted({(cdf.result,): 1, (x, step.result): (2 * pi) ** -0.5})
        return {}

    def _gelu_slope_by_tanh(self, bounded: Step, steps: Sequence[Step]) -> Polynomial:
        """Return ½(1 + t) + ½ x (1 - t²) u', where t = tanh(u) is among the steps.

        u is √(2/π)(x + 0.044715 x³).
        """
        x, root = bounded.result, (2 / pi) ** 0.5
        inner = {(x,): root, (x, x, x): root * GELU_CUBIC}
        for step in steps:
            if isinstance(step.operator, Tanh) and is_close(
                self.polynomials.of(step.operands[0]), inner
            ):
                t, half, cubic = step.result, root / 2, 3 * root / 2 * GELU_CUBIC
                slope = {(x,): half, (x, t, t): -half, (x,) * 3: cubic, (x, x, x, t, t): -cubic}
                return _sorted({(): 0.5, (t,): 0.5, **slope})
        return {}


def _sorted(polynomial: Polynomial) -> Polynomial:
    return {tuple(sorted(monomial)): number for monomial, number in polynomial.items()}


def _is_product(step: Step) -> bool:
    """Say whether two different values are multiplied number by number, whatever is repeated."""
    operator = step.operator
    return isinstance(operator, Einsum) and not operator.summed and len(set(step.operands)) == 2


def _product_call(step: Step, at: int, derivative: _Derivative, dtype: str) -> Call:
    """Return a product with a derivative as a call of its routine."""
    operator, routine = step.operator, derivative.routine
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

    def on(xp: Namespace) -> Function:
        return lambda x: derivative.routine(xp.ones_like(x), x)

    return Call((number,), (derivative.operand,), f"derivative of {derivative.says}", on)
