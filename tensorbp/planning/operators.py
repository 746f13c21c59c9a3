"""Operators as plain data: what a step of a plan applies, by name, with its arguments.

Names are looked up in the registry and nowhere else; nothing in a file is executed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields, is_dataclass
from fractions import Fraction
from math import isfinite
from numbers import Integral, Real
from typing import Any

from tensorbp.algebra import Dimension, Pattern, Shape, shape_of
from tensorbp.errors import PlanError, TensorbpError
from tensorbp.expression.arithmetic import Add
from tensorbp.expression.einsum import Einsum
from tensorbp.expression.layer import Primitive
from tensorbp.expression.node import Operator
from tensorbp.expression.selection import Selection
from tensorbp.planning.located import Located, number_text
from tensorbp.planning.selecting import Applied, Selected, SummedUp
from tensorbp.registry import Registry, default_registry

__all__ = [
    "check_axes",
    "check_dimensions",
    "kinds_read",
    "operator_from",
    "selection_from",
    "selection_to_dict",
    "shape_from",
    "written_arguments",
]

Plain = dict[str, Any]


def written_arguments(operator: Operator) -> Plain:
    """Return the arguments of an operator as plain data, all that there is to say of it.

    Raises:
        PlanError: an argument cannot be written, or the name would mean something else.
    """
    if isinstance(operator, Einsum):
        return {
            "coefficient": number_text(operator.coefficient),
            "factors": _lists(operator.factors),
            "output": _lists(operator.output),
            "sizes": list(operator.sizes),
        }
    if isinstance(operator, Add):
        return {"coefficients": [number_text(each) for each in operator.coefficients]}
    if isinstance(operator, Selected):
        return _selected_to_dict(operator)
    if isinstance(operator, SummedUp):
        parts = [None if each is None else _selected_to_dict(each) for each in operator.parts]
        return {
            "coefficients": [number_text(each) for each in operator.coefficients],
            "parts": parts,
            "size": list(operator.size),
        }
    if isinstance(operator, Primitive):
        return _named_arguments(operator)
    raise PlanError(f"{type(operator).__name__} cannot be written into a plan file")


def _selected_to_dict(selected: Selected) -> Plain:
    return {
        "coefficient": number_text(selected.coefficient),
        "factor": _lists(selected.factor),
        "selections": [
            {**selection_to_dict(each.selection), "dimensions": _lists(each.dimensions)}
            for each in selected.selections
        ],
        "output": _lists(selected.output),
        "sizes": list(selected.sizes),
    }


def selection_to_dict(selection: Selection) -> Plain:
    """Return a selection by its name, with its arguments."""
    return {"selection": selection.name, "arguments": _named_arguments(selection)}


def _named_arguments(thing: Any) -> Plain:
    """Return the arguments of a layer, or of what stands among the arguments of one."""
    known = default_registry()
    registered = {**known.operators, **known.layers}.get(thing.name)
    if thing.name in STRUCTURAL or registered not in (None, type(thing)):
        raise PlanError(
            f"{type(thing).__qualname__} is named '{thing.name}', which means something else in "
            "plan files; rename it"
        )
    return {
        each.name: _plain(getattr(thing, each.name), f"argument '{each.name}' of '{thing.name}'")
        for each in fields(thing)
    }


def _plain(value: Any, what: str) -> Any:
    """Return an argument as plain data.

    Numbers that JSON does not know, and dataclasses, are objects with their type as the key.
    """
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, Fraction) or (isinstance(value, Real) and not isfinite(value)):
        return {"number": str(value)}
    if isinstance(value, Real):
        return float(value)
    if isinstance(value, tuple | list):
        return [_plain(each, what) for each in value]
    if is_dataclass(value) and isinstance(name := getattr(value, "name", None), str):
        return {"name": name, "arguments": _named_arguments(value)}
    raise PlanError(
        f"{what} cannot be written into a plan file: it is of type {type(value).__name__}; "
        "arguments are numbers, texts, true, false, none, tuples of these, and registered "
        "dataclasses"
    )


def _lists(dimensions: Any) -> Any:
    return [_lists(each) for each in dimensions] if isinstance(dimensions, tuple) else dimensions


def operator_from(
    operation: Located, arguments: Located, shapes: Sequence[Shape], registry: Registry
) -> Operator:
    """Return an operator that a file describes.

    Args:
        operation: its name.
        arguments: as `written_arguments` wrote them.
        shapes: the shapes of its operands.
        registry: where layers are looked up.

    Raises:
        PlanError: there is no such operator, or its arguments or operands do not fit.
    """
    structural = STRUCTURAL.get(operation.text())
    if structural is not None:
        return structural(arguments, shapes, registry)
    layer = _named(operation, arguments, registry)
    if not isinstance(layer, Primitive):
        operation.wrong("a layer that declares its Jacobian")
    try:
        layer.check_inputs(len(shapes))
    except TensorbpError as error:
        raise PlanError(f"{operation.place}: {error}") from None
    return layer


def selection_from(part: Located, registry: Registry) -> Selection:
    """Return a selection that a file describes, as `selection_to_dict` wrote it.

    Raises:
        PlanError: there is no such selection, or its arguments are wrong.
    """
    selection = _named(part["selection"], part["arguments"], registry)
    if not isinstance(selection, Selection):
        part["selection"].wrong("a selection")
    return selection


def _named(name: Located, arguments: Located, registry: Registry) -> Any:
    """Return what a name stands for, made with arguments."""
    try:
        registered = registry.operator(name.text())
    except TensorbpError as error:
        raise PlanError(f"{name.place}: {error}") from None
    given = {key: _argument(each, registry) for key, each in arguments.entries.items()}
    expected = [each.name for each in fields(registered)]
    if sorted(given) != sorted(expected):
        arguments.wrong(f"the arguments {', '.join(expected)}" if expected else "no arguments")
    try:
        return registered(**given)
    except Exception as error:  # a layer of a plugin may check its arguments in any way
        raise PlanError(f"{arguments.place}: {type(error).__name__}: {error}") from None


def _argument(part: Located, registry: Registry) -> Any:
    """Return an argument from plain data: the reverse of `_plain`."""
    if isinstance(part.value, list):
        return tuple([_argument(each, registry) for each in part])
    if isinstance(part.value, dict):
        if "number" in part.value:
            return part["number"].number()
        return _named(part["name"], part["arguments"], registry)
    if isinstance(part.value, int | float) and not isinstance(part.value, bool):
        return part.number()
    return part.value


def _einsum(part: Located, shapes: Sequence[Shape], registry: Registry) -> Einsum:
    del registry
    factors = tuple([each.dimensions() for each in part["factors"]])
    output, sizes = part["output"].dimensions(), part["sizes"].integers()
    if len(factors) != len(shapes) or len(shapes) > 2:
        part["factors"].wrong(f"one factor for each of at most two operands, {len(shapes)} here")
    check_axes(part, (*factors, output), sizes)
    for each, factor, shape in zip(part["factors"], factors, shapes, strict=True):
        check_dimensions(each, factor, sizes, shape)
    return Einsum(part["coefficient"].number(), Pattern(factors, output), sizes)


def _add(part: Located, shapes: Sequence[Shape], registry: Registry) -> Add:
    del registry
    coefficients = tuple([each.number() for each in part["coefficients"]])
    if len(coefficients) != len(shapes) or len(set(shapes)) != 1:
        part["coefficients"].wrong("one number for each operand, and operands of one shape")
    return Add(coefficients)


def _selected(part: Located, shapes: Sequence[Shape], registry: Registry) -> Selected:
    factor, output = part["factor"].dimensions(), part["output"].dimensions()
    sizes = part["sizes"].integers()
    applied = [
        Applied(selection_from(each, registry), each["dimensions"].dimensions())
        for each in part["selections"]
    ]
    if not applied:
        part["selections"].wrong("at least one selection")
    selected = Selected(part["coefficient"].number(), factor, tuple(applied), output, sizes)
    if selected.operand_count != len(shapes):
        part["selections"].wrong(f"selections that read {max(len(shapes) - 1, 0)} operands")
    check_axes(part, (factor, *(each.dimensions for each in applied), output), sizes)
    check_dimensions(part["factor"], factor, sizes, shapes[0])
    start = 1
    for place, each in zip(part["selections"], applied, strict=True):
        end = start + len(each.selection.inputs)
        shape = shape_from(place, each.selection, shapes[start:end])
        check_dimensions(place["dimensions"], each.dimensions, sizes, shape)
        start = end
    return selected


def _summed_up(part: Located, shapes: Sequence[Shape], registry: Registry) -> SummedUp:
    size = part["size"].integers()
    coefficients = tuple([each.number() for each in part["coefficients"]])
    parts: list[Selected | None] = []
    start = 0
    for each in part["parts"]:
        if each.value is None:
            operands = shapes[start : start + 1]
            parts.append(None)
            found = operands[0] if operands else None
        else:
            count = 1 + sum(len(selection_from(one, registry).inputs) for one in each["selections"])
            operands = shapes[start : start + count]
            selected = _selected(each, operands, registry)
            parts.append(selected)
            found = selected.shape(*operands)
        if found != size:
            each.wrong(f"a part of shape {size}")
        start += len(operands)
    if start != len(shapes) or len(coefficients) != len(parts):
        part["parts"].wrong(f"parts that read {len(shapes)} operands, each with its coefficient")
    return SummedUp(coefficients, tuple(parts), size)


def shape_from(place: Located, operator: Operator, shapes: Sequence[Shape]) -> Shape:
    """Return the shape of an operator's result.

    Raises:
        PlanError: its operands do not fit.
    """
    try:
        return operator.shape(*shapes)
    except Exception as error:  # the arguments came from a file, and a rule may trust them
        raise PlanError(f"{place.place}: {type(error).__name__}: {error}") from None


def kinds_read(operator: Operator, count: int) -> list[str]:
    """Return, for each of an operator's operands, whether integers are needed.

    Selections need them; a layer may say that it reads integers, and compute with real ones.
    """
    if isinstance(operator, Selection):
        return [each.kind for each in operator.inputs]
    if isinstance(operator, Selected):
        rules = [each.selection for each in operator.selections]
        return ["real", *(kind for rule in rules for kind in kinds_read(rule, len(rule.inputs)))]
    if isinstance(operator, SummedUp):
        return [
            kind
            for each in operator.parts
            for kind in (["real"] if each is None else kinds_read(each, each.operand_count))
        ]
    return ["real"] * count


def check_axes(
    part: Located, everywhere: Sequence[Sequence[Dimension]], sizes: Sequence[int]
) -> None:
    """Refuse axes without a size, and sizes without an axis."""
    found = {axis for dimensions in everywhere for each in dimensions for axis in each}
    if found != set(range(len(sizes))):
        part["sizes"].wrong(f"a size for each of the axes {', '.join(map(str, sorted(found)))}")


def check_dimensions(
    part: Located, dimensions: Sequence[Dimension], sizes: Sequence[int], shape: Shape
) -> None:
    """Refuse dimensions that do not make up a shape."""
    if shape_of(dimensions, sizes) != shape:
        part.wrong(f"axes that make up the shape {shape}")


Structural = Callable[[Located, Sequence[Shape], Registry], Operator]

STRUCTURAL: dict[str, Structural] = {
    "einsum": _einsum,
    "add": _add,
    "select": _selected,
    "sum_up": _summed_up,
}
"""The operators that are no layers, by the name of their operation."""
