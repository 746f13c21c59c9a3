"""What a layer is: a kind of node, with a shape rule, a forward rule and a declared Jacobian.

Built-in layers and the layers of plugins are subclasses of the same two classes:
`Primitive` declares its Jacobian, `Composite` builds its output out of other expressions and
has nothing to declare. A layer is an immutable value: its fields are its arguments.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from math import prod
from typing import Any, ClassVar, Literal

from tensorbp.errors import LayerError, suggestion
from tensorbp.expression.declaration import Declaration
from tensorbp.expression.node import Expression, as_expression

Shape = tuple[int, ...]

__all__ = ["Composite", "Example", "Input", "Layer", "Parameter", "Primitive", "Shape", "argument"]


@dataclass(frozen=True)
class Input:
    """One array that a layer reads.

    Attributes:
        name: the name of the operand, as in the layer's formula.
        kind: ``"real"``, or ``"integer"`` for labels, with respect to which nothing is derived.
        low: lower end of the range in which the layer is smooth and its tests draw values.
        high: upper end of that range.
    """

    name: str
    kind: Literal["real", "integer"] = "real"
    low: float = -2.0
    high: float = 2.0


@dataclass(frozen=True)
class Parameter:
    """A trainable array of a layer: its shape and how it starts.

    Attributes:
        shape: the size of each dimension.
        initializer: ``"glorot_uniform"`` (Glorot and Bengio 2010, eq. 16), ``"he_normal"``
            (He et al. 2015, eq. 10), ``"zeros"`` or ``"ones"``.
    """

    shape: Shape
    initializer: Literal["glorot_uniform", "he_normal", "zeros", "ones"] = "glorot_uniform"


@dataclass(frozen=True)
class Example:
    """A layer with inputs that it accepts: what is certified, and shown in the reference."""

    layer: Layer
    shapes: tuple[Shape, ...]


def argument(explanation: str, default: Any = MISSING) -> Any:
    """Return a field of a layer that is an argument, with a line that explains it."""
    if default is MISSING:
        return field(metadata={"explanation": explanation})
    return field(default=default, metadata={"explanation": explanation})


class Layer(ABC):
    """A kind of node; subclasses are frozen dataclasses whose fields are the arguments.

    Attributes:
        name: how models and plugins call the layer, for example ``"layer_norm"``.
        formula: what it computes, in one line.
        inputs: the arrays it reads, parameters excluded.
        variadic: whether the last input may be repeated any number of times.
        analytic: whether the forward rule also takes complex arrays, as the complex step needs.
    """

    name: ClassVar[str]
    formula: ClassVar[str]
    inputs: ClassVar[tuple[Input, ...]] = (Input("x"),)
    variadic: ClassVar[bool] = False
    analytic: ClassVar[bool] = True

    def parameters(self, *shapes: Shape) -> dict[str, Parameter]:
        """Return the trainable arrays, by name, for inputs of these shapes."""
        del shapes
        return {}

    @abstractmethod
    def __call__(self, *inputs: Expression, **parameters: Expression) -> Expression:
        """Return the layer applied to its inputs and parameters."""

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        """Return what the conformance tests run and the reference shows.

        The default applies the layer, with its default arguments, to arrays of shape (3, 4).
        """
        return (Example(cls(), ((3, 4),) * len(cls.inputs)),)

    def check_inputs(self, count: int) -> None:
        """Raise `LayerError` unless the layer reads that many inputs."""
        least = len(self.inputs)
        if count < least or (count > least and not self.variadic):
            names = ", ".join(each.name for each in self.inputs)
            raise LayerError(
                f"layer '{self.name}' takes {'at least ' if self.variadic else ''}{least} "
                f"input{'s' if least != 1 else ''} ({names}), got {count}"
            )

    def operands(
        self, inputs: tuple[Expression, ...], parameters: Mapping[str, Expression]
    ) -> dict[str, Expression]:
        """Return the operands by name, inputs first, after checking that none is missing."""
        self.check_inputs(len(inputs))
        expected = self.parameters(*(each.shape for each in inputs))
        for name in parameters:
            if name not in expected:
                raise LayerError(
                    f"layer '{self.name}' has no parameter '{name}'{suggestion(name, expected)}"
                )
        for name, parameter in expected.items():
            if name not in parameters:
                raise LayerError(
                    f"layer '{self.name}' needs its parameter '{name}' of shape {parameter.shape}"
                )
            if parameters[name].shape != parameter.shape:
                raise LayerError(
                    f"layer '{self.name}': parameter '{name}' has shape {parameters[name].shape}, "
                    f"expected {parameter.shape}"
                )
        named_inputs = dict(zip(self.input_names(len(inputs)), inputs, strict=True))
        return named_inputs | {name: parameters[name] for name in expected}

    def input_names(self, count: int) -> list[str]:
        """Return the names of that many inputs; a repeated one is numbered."""
        names = [each.name for each in self.inputs]
        return names + [f"{names[-1]}{k}" for k in range(len(names) + 1, count + 1)]

    def arguments(self) -> dict[str, Any]:
        """Return the arguments by name."""
        return {each.name: getattr(self, each.name) for each in fields(self)}  # type: ignore[arg-type]


class Primitive(Layer):
    """A layer that declares its Jacobian as einsum signatures, with respect to all its inputs.

    A primitive has no parameters of its own; a composite feeds them to it as inputs.
    The factors of a declared Jacobian are expressions in the layer's operands and its output, so
    that a derivative is again an expression, which can be differentiated again.

    Attributes:
        temporaries: how many arrays, as large as the largest of operands and output, the forward
            rule holds at one time beside these; at most.
        is_recorded: whether the forward rule only does what a program in numpy records: arithmetic,
            elementwise functions, reductions, views. Where it looks at numbers, or calls other
            functions, its temporaries are allocated whenever it runs.
    """

    temporaries: ClassVar[int] = 3
    is_recorded: ClassVar[bool] = True

    def shape(self, *shapes: Shape) -> Shape:
        """Return the shape of the output; the default is the shape of the first operand.

        Raises:
            LayerError: the operands do not fit.
        """
        return shapes[0]

    @abstractmethod
    def forward(self, xp: Any, *arrays: Any) -> Any:
        """Return the output array; ``xp`` is the array library's namespace (numpy...)."""

    @abstractmethod
    def jacobian(self, y: Expression, *operands: Expression) -> Mapping[str, Declaration]:
        """Return, by operand name, the Jacobian of the output ``y`` with respect to an operand.

        An operand that is left out has derivative zero.
        """

    def flops(self, shape: Shape, *shapes: Shape) -> int:
        """Return the number of floating-point operations; by default one per output number."""
        del shapes
        return prod(shape)

    def scratch(self, shape: Shape, *shapes: Shape) -> int:
        """Return how many numbers the forward rule holds at most beside operands and output."""
        return self.temporaries * max(prod(each) for each in (shape, *shapes))

    def __call__(self, *inputs: Expression, **parameters: Expression) -> Expression:
        """Return the node that applies this layer to its inputs."""
        operands = self.operands(tuple([as_expression(each) for each in inputs]), parameters)
        return Expression.of(self, *operands.values())


class Composite(Layer):
    """A layer that builds its output out of other expressions and declares nothing."""

    @abstractmethod
    def build(self, *operands: Expression, **parameters: Expression) -> Expression:
        """Return the output as an expression in the operands and parameters."""

    def __call__(self, *inputs: Expression, **parameters: Expression) -> Expression:
        """Return the expression that the layer stands for."""
        operands = self.operands(tuple(as_expression(each) for each in inputs), parameters)
        names = self.parameters(*(each.shape for each in inputs))
        return self.build(
            *(each for name, each in operands.items() if name not in names),
            **{name: operands[name] for name in names},
        )
