"""From a network with symbolic sizes to expressions, once the dimensions have sizes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import prod
from typing import Any

from tensorbp.errors import LayerError, TensorbpError
from tensorbp.expression import Expression, Parameter, variable
from tensorbp.expression.layer import Layer, Shape
from tensorbp.model.argument_types import Mismatch, bound
from tensorbp.model.holdings import Held, Holdings
from tensorbp.model.problems import Problems
from tensorbp.model.sizes import LARGEST_SIZE, LARGEST_TENSOR
from tensorbp.model.wiring import Network, WiredLayer

__all__ = ["Graph", "LayerRecord", "build_graph"]


@dataclass(frozen=True)
class LayerRecord:
    """A layer of a model, as tables show it.

    Attributes:
        name: what it is called.
        type: the name of its kind.
        arguments: its arguments, defaults included.
        inputs: the names of the layers and model inputs that it reads.
        shape: the shape of its output.
        parameters: the shapes of its own parameters, by their names in the model.
        shared: what it takes from other layers: ``{"logits.W": "tokens.W.T"}``.
    """

    name: str
    type: str
    arguments: Mapping[str, Any]
    inputs: tuple[str, ...]
    shape: Shape
    parameters: Mapping[str, Shape]
    shared: Mapping[str, str] = field(default_factory=dict)

    @property
    def parameter_count(self) -> int:
        """How many trainable numbers it has, those of other layers not counted."""
        return sum(prod(shape) for shape in self.parameters.values())


@dataclass(frozen=True)
class Graph:
    """The expressions of a model.

    Attributes:
        inputs: the variables of the inputs.
        nodes: the outputs of the layers, the loss included.
        variables: the variables of the parameters.
        parameters: the shapes of the parameters, and how they start.
        records: the layers, each after what it reads.
    """

    inputs: dict[str, Expression] = field(default_factory=dict)
    nodes: dict[str, Expression] = field(default_factory=dict)
    variables: dict[str, Expression] = field(default_factory=dict)
    parameters: dict[str, Parameter] = field(default_factory=dict)
    records: list[LayerRecord] = field(default_factory=list)


def build_graph(network: Network, dims: Mapping[str, int]) -> Graph:
    """Return the expressions of a network for certain sizes of its dimensions.

    Raises:
        ModelError: layers do not fit together, or a tensor is absurdly large.
    """
    builder = _Builder(network, dims)
    builder.add_inputs()
    for layer in network.layers:
        builder.add(layer)
    if network.loss:
        builder.add(network.loss)
    builder.problems.check()
    return builder.graph


class _Builder:
    """Adds one layer after the other, leaving out those that read a faulty one."""

    def __init__(self, network: Network, dims: Mapping[str, int]) -> None:
        self.specification = network.specification
        self.dims = dims
        self.graph = Graph()
        self.values: dict[str, Expression] = {}
        self.holdings = Holdings()
        self.problems = Problems(self.specification.source)

    def add_inputs(self) -> None:
        """Add the variables that stand for the inputs."""
        for name, each in self.specification.inputs.items():
            shape = tuple(size.value(self.dims) for size in each.shape)
            try:
                _check_size(f"input '{name}'", shape)
            except LayerError as error:
                self.problems.add(each.place, str(error))
            else:
                self.values[name] = variable(name, *shape, kind=each.kind)
                self.graph.inputs[name] = self.values[name]

    def add(self, wired: WiredLayer) -> None:
        """Add a layer, or note why it cannot be added."""
        operands = [self.values[name] for name in wired.inputs if name in self.values]
        if len(operands) < len(wired.inputs) or not self.holdings.has(wired.shares):
            return
        try:
            node = self._applied(wired, operands)
        except Mismatch as mismatch:
            self.problems.add(mismatch.place, f"'{wired.name}': {mismatch.message}")
        except TensorbpError as error:
            shapes = " and ".join(str(each.shape) for each in operands)
            message = f"'{wired.name}', which reads {shapes}: {error}"
            self.problems.add(wired.specification.place, message)
        else:
            self.values[wired.name] = self.graph.nodes[wired.name] = node

    def _applied(self, wired: WiredLayer, operands: list[Expression]) -> Expression:
        layer_class = wired.specification.layer
        assert layer_class is not None, "blocks have been written out"
        given = wired.specification.arguments
        layer = layer_class(**{name: bound(value, self.dims) for name, value in given.items()})
        layer.check_inputs(len(operands))
        _check_kinds(layer, operands)
        declared = layer.parameters(*(each.shape for each in operands))
        shared = self.holdings.shared(declared, wired.shares)
        own = {name: each for name, each in declared.items() if name not in shared}
        for name, parameter in own.items():
            self._add_parameter(f"{wired.name}.{name}", parameter)
        held = {name: shared.get(name) or Held(f"{wired.name}.{name}") for name in declared}
        values = {name: each.value(self.graph.variables) for name, each in held.items()}
        node = layer(*operands, **values)
        _check_size("its output", node.shape)
        self.holdings.add(wired.name, held, declared)
        self.graph.records.append(
            LayerRecord(
                name=wired.name,
                type=layer.name,
                arguments=layer.arguments(),
                inputs=wired.inputs,
                shape=node.shape,
                parameters={f"{wired.name}.{k}": each.shape for k, each in own.items()},
                shared={f"{wired.name}.{k}": str(each) for k, each in shared.items()},
            )
        )
        return node

    def _add_parameter(self, name: str, parameter: Parameter) -> None:
        _check_size(f"parameter '{name}'", parameter.shape)
        self.graph.parameters[name] = parameter
        self.graph.variables[name] = variable(name, *parameter.shape)


def _check_size(what: str, shape: Shape) -> None:
    too_large = [size for size in shape if size > LARGEST_SIZE]
    if too_large:
        raise LayerError(
            f"{what} has shape {shape}, and {too_large[0]} is more than {LARGEST_SIZE}"
        )
    if prod(shape) > LARGEST_TENSOR:
        raise LayerError(
            f"{what} has shape {shape}, that is {prod(shape)} numbers, more than {LARGEST_TENSOR}"
        )


def _check_kinds(layer: Layer, operands: list[Expression]) -> None:
    """Refuse labels where numbers are expected, and the other way round."""
    declared = layer.inputs + layer.inputs[-1:] * (len(operands) - len(layer.inputs))
    for expected, operand in zip(declared, operands, strict=True):
        found = getattr(operand.operator, "kind", "real")
        if found != expected.kind:
            raise LayerError(
                f"layer '{layer.name}' takes {_KINDS[expected.kind]} as its input "
                f"'{expected.name}', got {_KINDS[found]}"
            )


_KINDS = {"real": "real numbers", "integer": "integers"}
