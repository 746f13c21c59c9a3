"""Signatures, terms and linear maps: the algebra of einsum, with no arrays and no models."""

from tensorbp.algebra.axes import Axis as Axis
from tensorbp.algebra.axes import Dimension as Dimension
from tensorbp.algebra.axes import GroupingConflict as GroupingConflict
from tensorbp.algebra.axes import Shape as Shape
from tensorbp.algebra.axes import Unifier as Unifier
from tensorbp.algebra.axes import extent as extent
from tensorbp.algebra.axes import letter as letter
from tensorbp.algebra.axes import shape_of as shape_of
from tensorbp.algebra.axes import written as written
from tensorbp.algebra.linear_map import Block as Block
from tensorbp.algebra.linear_map import LinearMap as LinearMap
from tensorbp.algebra.linear_map import MapOperations as MapOperations
from tensorbp.algebra.linear_map import Space as Space
from tensorbp.algebra.merging import collect as collect
from tensorbp.algebra.merging import compose as compose
from tensorbp.algebra.merging import dense as dense
from tensorbp.algebra.merging import merge as merge
from tensorbp.algebra.signature import BoundSignature as BoundSignature
from tensorbp.algebra.signature import Signature as Signature
from tensorbp.algebra.term import Factor as Factor
from tensorbp.algebra.term import Number as Number
from tensorbp.algebra.term import Tensor as Tensor
from tensorbp.algebra.term import Term as Term
from tensorbp.algebra.term import Value as Value
from tensorbp.algebra.term import reciprocal as reciprocal
from tensorbp.algebra.term import simplify as simplify
