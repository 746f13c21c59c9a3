"""tensorbp: backpropagation without indices.

Every layer declares its Jacobian as an einsum signature; the Jacobians of a model are one tensor
network; the cheapest contraction order is searched over the whole of it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tensorbp.errors import CompileError as CompileError
    from tensorbp.errors import LayerError as LayerError
    from tensorbp.errors import ModelError as ModelError
    from tensorbp.errors import PluginError as PluginError
    from tensorbp.errors import ShapeError as ShapeError
    from tensorbp.errors import SignatureError as SignatureError
    from tensorbp.errors import TensorbpError as TensorbpError
    from tensorbp.execution import Program as Program
    from tensorbp.execution import StructuredMap as StructuredMap
    from tensorbp.execution import compile as compile
    from tensorbp.expression import Composite as Composite
    from tensorbp.expression import Example as Example
    from tensorbp.expression import Expression as Expression
    from tensorbp.expression import Input as Input
    from tensorbp.expression import Layer as Layer
    from tensorbp.expression import MapExpression as MapExpression
    from tensorbp.expression import Parameter as Parameter
    from tensorbp.expression import Primitive as Primitive
    from tensorbp.expression import argument as argument
    from tensorbp.expression import broadcast_to as broadcast_to
    from tensorbp.expression import constant as constant
    from tensorbp.expression import einsum as einsum
    from tensorbp.expression import gradient as gradient
    from tensorbp.expression import hessian as hessian
    from tensorbp.expression import jacobian as jacobian
    from tensorbp.expression import jvp as jvp
    from tensorbp.expression import linear_map as linear_map
    from tensorbp.expression import mean as mean
    from tensorbp.expression import reshape as reshape
    from tensorbp.expression import signature as signature
    from tensorbp.expression import sum as sum
    from tensorbp.expression import transpose as transpose
    from tensorbp.expression import variable as variable
    from tensorbp.expression import vjp as vjp
    from tensorbp.model import Model as Model
    from tensorbp.model import Parameters as Parameters
    from tensorbp.model import load as load
    from tensorbp.planning import Plan as Plan
    from tensorbp.planning import plan as plan
