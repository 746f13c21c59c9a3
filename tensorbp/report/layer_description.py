"""What there is to say of a layer, gathered from its class and its first example."""

from __future__ import annotations

import json
from dataclasses import MISSING, asdict, dataclass, fields
from inspect import cleandoc
from typing import Any

from tensorbp.algebra import written
from tensorbp.errors import LayerError
from tensorbp.expression import Expression, jacobian, variable
from tensorbp.expression.graph import topological_order
from tensorbp.expression.layer import Example, Layer, Primitive, Shape
from tensorbp.model.arguments import arguments
from tensorbp.registry import PluginInfo
from tensorbp.report.layer_list import kind_of

__all__ = ["ArgumentDescription", "JacobianTerm", "LayerDescription", "describe"]


LONGEST_FACTOR = 200
"""A factor of a Jacobian is shown if it takes no more characters."""


@dataclass(frozen=True)
class ArgumentDescription:
    """An argument of a layer.

    Attributes:
        name: its keyword.
        type: what it may be, in words; empty if model files cannot say it.
        required: whether it must be given.
        default: its value otherwise.
        explanation: what it is for.
    """

    name: str
    type: str
    required: bool
    default: Any
    explanation: str


@dataclass(frozen=True)
class JacobianTerm:
    """A term of the Jacobian with respect to one operand.

    Attributes:
        operand: with respect to what.
        coefficient: the number in front.
        signature: the einsum signature, ``"factors -> output/input"``.
        factors: what stands for each factor.
    """

    operand: str
    coefficient: str
    signature: str
    factors: tuple[str, ...]


@dataclass(frozen=True)
class LayerDescription:
    """A layer, as tables and JSON show it.

    Attributes:
        name: what models call it.
        kind: ``"elementwise"``, ``"primitive"`` or ``"composite"``.
        formula: what it computes.
        text: its docstring.
        plugin: the package that it comes from.
        inputs: the names of the arrays that it reads, with their kind.
        variadic: whether the last input may be repeated.
        output_kind: ``"real"``, or ``"integer"`` for what can be read as labels.
        arguments: its arguments.
        parameters: its trainable arrays, with their shapes in the example.
        jacobian: its Jacobian, declared by a primitive, worked out for a composite.
        example: a line of a model file.
        example_inputs: the inputs of the example, with their shapes.
    """

    name: str
    kind: str
    formula: str
    text: str
    plugin: str
    inputs: dict[str, str]
    variadic: bool
    output_kind: str
    arguments: tuple[ArgumentDescription, ...]
    parameters: dict[str, Shape]
    jacobian: tuple[JacobianTerm, ...]
    example: str
    example_inputs: dict[str, Shape]

    def to_dict(self) -> dict[str, Any]:
        """Return the description as plain dictionaries, lists, strings and numbers."""
        return asdict(self)


def describe(layer: type[Layer], plugin: PluginInfo) -> LayerDescription:
    """Return all there is to say of a layer.

    Args:
        layer: the layer.
        plugin: where it comes from.

    Raises:
        LayerError: the layer has no examples.
    """
    examples = layer.examples()
    if not examples:
        raise LayerError(f"layer '{layer.name}' has no examples, so there is nothing to show")
    example = examples[0]
    names = example.layer.input_names(len(example.shapes))
    parameters = example.layer.parameters(*example.shapes)
    return LayerDescription(
        name=layer.name,
        kind=kind_of(layer),
        formula=layer.formula,
        text=cleandoc(layer.__doc__ or ""),
        plugin=plugin.label,
        inputs={each.name: each.kind for each in layer.inputs},
        variadic=layer.variadic,
        output_kind=getattr(layer, "kind", "real"),
        arguments=_arguments(layer),
        parameters={name: each.shape for name, each in parameters.items()},
        jacobian=tuple(_jacobian(example)),
        example=_line_of_model(example),
        example_inputs=dict(zip(names, example.shapes, strict=True)),
    )


def _arguments(layer: type[Layer]) -> tuple[ArgumentDescription, ...]:
    return tuple(
        ArgumentDescription(
            each.name,
            each.type.description if each.type else "",
            each.required,
            each.default,
            each.explanation,
        )
        for each in arguments(layer).values()
    )


def _jacobian(example: Example) -> list[JacobianTerm]:
    """Return the Jacobian of the example with respect to its inputs and parameters."""
    layer = example.layer
    declared = layer.inputs + layer.inputs[-1:] * (len(example.shapes) - len(layer.inputs))
    names = layer.input_names(len(example.shapes))
    operands = {
        name: variable(name, *shape, kind=each.kind)
        for name, each, shape in zip(names, declared, example.shapes, strict=True)
    }
    if isinstance(layer, Primitive):
        return _declared(layer, list(operands.values()))
    parameters = {
        name: variable(name, *each.shape)
        for name, each in layer.parameters(*example.shapes).items()
    }
    y = layer(*operands.values(), **parameters)
    real = {name for name, each in zip(names, declared, strict=True) if each.kind == "real"}
    wanted = {name: x for name, x in operands.items() if name in real} | parameters
    return [term for name, x in wanted.items() for term in _worked_out(y, name, x)]


def _declared(layer: Primitive, operands: list[Expression]) -> list[JacobianTerm]:
    """Return what a primitive declares, with a variable y for its output."""
    y = variable("y", *layer.shape(*[each.shape for each in operands]))
    return [
        JacobianTerm(name, str(coefficient), spec, tuple(repr(each) for each in factors))
        for name, declaration in layer.jacobian(y, *operands).items()
        for coefficient, spec, factors in declaration.terms
    ]


def _worked_out(y: Expression, name: str, x: Expression) -> list[JacobianTerm]:
    terms = jacobian(y, x).worked_out().blocks.get((0, 0), ())
    return [
        JacobianTerm(
            name,
            str(term.coefficient),
            f"{','.join(written(factor.dimensions) for factor in term.factors)} -> "
            f"{written(term.output)}/{written(term.input)}".strip(),
            tuple(_short(factor.value) for factor in term.factors),
        )
        for term in terms
    ]


def _short(factor: Expression) -> str:
    """Return an expression as it prints, or how large it is where nobody would read it."""
    text = repr(factor)
    if len(text) <= LONGEST_FACTOR:
        return text
    return f"an expression of {len(topological_order([factor]))} nodes"


def _line_of_model(example: Example) -> str:
    """Return the example as a model file says it; inputs are named if there are several."""
    layer = example.layer
    entries: dict[str, Any] = {"type": layer.name}
    for each in fields(layer):  # type: ignore[arg-type]
        value = getattr(layer, each.name)
        if each.default is MISSING or value != each.default:
            entries[each.name] = value
    if len(example.shapes) > 1:
        entries["inputs"] = layer.input_names(len(example.shapes))
    inside = ", ".join(f"{name}: {_yaml(value)}" for name, value in entries.items())
    return f"- {{{inside}}}"


def _yaml(value: Any) -> str:
    """Return a value as YAML writes it within braces, names without quotes."""
    if isinstance(value, list | tuple):
        return f"[{', '.join(_yaml(each) for each in value)}]"
    if isinstance(value, str) and value.isidentifier():
        return value
    return json.dumps(value)
