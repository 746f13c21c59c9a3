"""The elementwise rules, as layers."""

from __future__ import annotations

from tensorbp.expression import activation, elementwise, piecewise
from tensorbp.expression.rule import Elementwise

__all__ = ["ELEMENTWISE"]

ELEMENTWISE: tuple[type[Elementwise], ...] = (
    activation.Celu,
    activation.Elu,
    activation.Gelu,
    activation.LeakyRelu,
    activation.LogSigmoid,
    activation.Mish,
    activation.Relu,
    activation.Selu,
    activation.Sigmoid,
    activation.Silu,
    activation.Softplus,
    activation.Softsign,
    activation.Tanh,
    activation.Tanhshrink,
    piecewise.HardSigmoid,
    piecewise.HardSwish,
    piecewise.HardTanh,
    piecewise.Hardshrink,
    piecewise.Relu6,
    piecewise.Softshrink,
    elementwise.Abs,
    elementwise.Cos,
    elementwise.Erf,
    elementwise.Exp,
    elementwise.Expm1,
    elementwise.Heaviside,
    elementwise.Log,
    elementwise.Log1P,
    elementwise.Maximum,
    elementwise.Minimum,
    elementwise.NormalCdf,
    elementwise.Power,
    elementwise.Reciprocal,
    elementwise.Sign,
    elementwise.Sin,
    elementwise.Sqrt,
    elementwise.Tan,
    elementwise.Where,
)
