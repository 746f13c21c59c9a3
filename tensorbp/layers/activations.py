"""The elementwise rules, as layers."""

from __future__ import annotations

from tensorbp.expression import activation, elementwise
from tensorbp.expression.rule import Elementwise

__all__ = ["ELEMENTWISE"]

ELEMENTWISE: tuple[type[Elementwise], ...] = (
    activation.Elu,
    activation.Gelu,
    activation.LeakyRelu,
    activation.LogSigmoid,
    activation.Relu,
    activation.Sigmoid,
    activation.Silu,
    activation.Softplus,
    activation.Tanh,
    elementwise.Abs,
    elementwise.Cos,
    elementwise.Erf,
    elementwise.Exp,
    elementwise.Expm1,
    elementwise.Heaviside,
    elementwise.Log,
    elementwise.Log1p,
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
