"""Models: a graph of layers with a loss, its parameters as one vector, and how to call it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from tensorbp.errors import ModelError, ParameterError, Problem, ShapeError, suggestion
from tensorbp.expression import Expression, gradient, mean
from tensorbp.model.dims import check_dims
from tensorbp.model.graph import Graph, LayerRecord, build_graph
from tensorbp.model.sizes import infer
from tensorbp.model.wiring import Network

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import DTypeLike

    from tensorbp.execution import Program
    from tensorbp.model.parameters import Parameters

_MOST_BINDINGS = 32

__all__ = ["Model"]


class Model:
    """A model with sizes for its dimensions, made by `load`.

    A model takes arrays of any batch size: the dimensions that the inputs determine are those of
    the arrays of each call, and programs are kept for each set of sizes.

    Attributes:
        source: the file that it was read from.
        name: what the file calls it.
        dims: the sizes of the dimensions.
    """

    def __init__(
        self,
        network: Network,
        dims: Mapping[str, int],
        bindings: OrderedDict[tuple[int, ...], Model] | None = None,
    ) -> None:
        """Build the graph of a network.

        Args:
            network: the layers, with symbolic sizes.
            dims: the sizes.
            bindings: the same model with other sizes, shared by all of them.

        Raises:
            ModelError: layers do not fit together with these sizes.
        """
        self.source = network.specification.source
        self.name = network.specification.name
        self.dims = {name: dims[name] for name in network.specification.dims}
        self._network = network
        self._graph: Graph = build_graph(network, self.dims)
        self._programs: dict[tuple[str, str], Program] = {}
        self._bindings = OrderedDict() if bindings is None else bindings
        self._bindings[tuple(self.dims.values())] = self

    @property
    def inputs(self) -> dict[str, Expression]:
        """The variables that stand for the inputs, by name."""
        return dict(self._graph.inputs)

    @property
    def parameters(self) -> dict[str, Expression]:
        """The variables that stand for the parameters, by names such as ``"dense1.W"``."""
        return dict(self._graph.variables)

    @property
    def nodes(self) -> dict[str, Expression]:
        """The outputs of all layers, the loss included, by the name of the layer."""
        return dict(self._graph.nodes)

    @property
    def layers(self) -> tuple[LayerRecord, ...]:
        """The layers, the loss included, each after what it reads."""
        return tuple(self._graph.records)

    @property
    def parameter_count(self) -> int:
        """How many trainable numbers there are; those that layers share count once."""
        return sum(each.parameter_count for each in self.layers)

    @property
    def labels(self) -> dict[Expression, str]:
        """The name of the layer that an expression is the output of."""
        labels: dict[Expression, str] = {}
        for name, node in self._graph.nodes.items():
            # A layer may do nothing, and its output be that of the layer before, or an input.
            labels.setdefault(node, name)
        return {node: name for node, name in labels.items() if node.operands}

    @property
    def outputs(self) -> dict[str, Expression]:
        """The outputs of the model, by name."""
        return {name: self._graph.nodes[path] for name, path in self._network.outputs.items()}

    @cached_property
    def losses(self) -> Expression:
        """The loss of each sample, of shape (batch,).

        Raises:
            ModelError: the model has no loss.
        """
        if self._network.loss is None:
            message = "the model has no loss; add one, such as 'loss: {type: mean_squared_error}'"
            raise ModelError(self.source, [Problem(1, 1, message)])
        losses = self._graph.nodes[self._network.loss.name]
        return mean(losses, axis=tuple(range(1, losses.ndim))) if losses.ndim > 1 else losses

    @cached_property
    def loss(self) -> Expression:
        """The mean of the losses of the samples.

        Raises:
            ModelError: the model has no loss.
        """
        return mean(self.losses)

    @cached_property
    def gradient(self) -> dict[str, Expression]:
        """The gradient of the loss with respect to each parameter, by the parameter's name.

        Raises:
            ModelError: the model has no loss.
        """
        if not self._graph.variables:
            return {}
        gradients = gradient(self.loss, list(self._graph.variables.values()))
        return dict(zip(self._graph.variables, gradients, strict=True))

    def initialize(self, seed: int = 0, dtype: DTypeLike = "float64") -> Parameters:
        """Return initial parameters, the same ones for the same seed."""
        from tensorbp.model.initialization import initialize

        return initialize(self._graph.parameters, seed, dtype)

    def bind(self, **dims: int) -> Model:
        """Return the model with other sizes of some dimensions.

        Raises:
            ShapeError: there is no such dimension, or the size is no positive integer.
            ModelError: layers do not fit together with these sizes.
        """
        check_dims(dims, self.dims)
        sizes = {**self.dims, **dims}
        key = tuple(sizes.values())
        if key in self._bindings:
            self._bindings.move_to_end(key)
            return self._bindings[key]
        model = Model(self._network, sizes, self._bindings)
        if len(self._bindings) > _MOST_BINDINGS:
            self._bindings.popitem(last=False)
        return model

    def value(self, theta: Parameters, /, **inputs: Any) -> float:
        """Return the loss, computed in the type of numbers of the parameters.

        Args:
            theta: the parameters.
            **inputs: the input arrays by name.

        Raises:
            ShapeError: an array, or a parameter, has a shape that does not fit the others.
            CompileError: an input is missing, or of the wrong kind of numbers.
        """
        (value,) = self._computed("loss", theta, inputs)
        return float(value)

    def value_and_gradient(self, theta: Parameters, /, **inputs: Any) -> tuple[float, Parameters]:
        """Return the loss and its gradient with respect to the parameters.

        It is planned and compiled once for each size of batch. It is computed in the type of
        numbers of the parameters.

        Args:
            theta: the parameters.
            **inputs: the input arrays by name.

        Raises:
            ShapeError: an array, or a parameter, has a shape that does not fit the others.
            CompileError: an input is missing, or of the wrong kind of numbers.
        """
        value, *gradients = self._computed("loss and gradient", theta, inputs)
        return float(value), theta.with_arrays(dict(zip(self.parameters, gradients, strict=True)))

    def predict(self, theta: Parameters, /, **inputs: Any) -> Any:
        """Return the output, or a dict of outputs by name if there are several.

        Inputs that only the loss reads need not be given.

        Args:
            theta: the parameters.
            **inputs: the input arrays by name.

        Raises:
            ShapeError: an array, or a parameter, has a shape that does not fit the others.
            CompileError: an input is missing, or of the wrong kind of numbers.
        """
        values = self._computed("outputs", theta, inputs)
        return values[0] if len(values) == 1 else dict(zip(self.outputs, values, strict=True))

    def _computed(self, what: str, theta: Parameters, inputs: Mapping[str, Any]) -> list[Any]:
        arrays = self._arrays(inputs, theta.dtype)
        declared = {name: each.shape for name, each in self._network.specification.inputs.items()}
        shapes = {name: array.shape for name, array in arrays.items()}
        model = self.bind(**infer(declared, shapes, self.dims))
        model._check_parameters(theta)
        program = model._program(what, str(theta.dtype))
        given = {**dict(theta.items()), **arrays}
        return program({name: given[name] for name in program.names if name in given})

    def _arrays(self, inputs: Mapping[str, Any], dtype: np.dtype[Any]) -> dict[str, Any]:
        """Return the inputs as arrays, real numbers in the type of the parameters."""
        import numpy as np

        arrays = {}
        for name, value in inputs.items():
            if name not in self._graph.inputs:
                known = suggestion(name, self._graph.inputs)
                raise ShapeError(f"the model has no input '{name}'{known}")
            array = np.asarray(value)
            arrays[name] = array.astype(dtype, copy=False) if array.dtype.kind == "f" else array
        return arrays

    def _check_parameters(self, theta: Parameters) -> None:
        expected = {name: each.shape for name, each in self._graph.parameters.items()}
        if theta.shapes == expected:
            return
        for name in theta.names:
            if name not in expected:
                raise ParameterError(
                    f"the model has no parameter '{name}'{suggestion(name, expected)}"
                )
        for name, shape in expected.items():
            if name not in theta:
                raise ParameterError(f"the parameters lack '{name}' of shape {shape}")
            if theta[name].shape != shape:
                dims = ", ".join(f"{dim}={size}" for dim, size in self.dims.items())
                raise ShapeError(
                    f"parameter '{name}' has shape {theta[name].shape}, but the model with {dims} "
                    f"needs {shape}"
                )

    def _program(self, what: str, dtype: str) -> Program:
        from tensorbp.execution import compile

        if (what, dtype) not in self._programs:
            wanted = {
                "loss": lambda: [self.loss],
                "loss and gradient": lambda: [self.loss, *self.gradient.values()],
                "outputs": lambda: list(self.outputs.values()),
            }
            self._programs[what, dtype] = compile(wanted[what](), dtype=dtype)
        return self._programs[what, dtype]

    def __repr__(self) -> str:
        inputs = ", ".join(f"{name} {each.shape}" for name, each in self._graph.inputs.items())
        return (
            f"<Model {self.name!r}: {len(self.layers)} layers, {self.parameter_count} parameters, "
            f"reads {inputs}>"
        )
