"""Plans read back from files: the same plan, all of it, or an error that says where it is wrong.

A file may come from anywhere. What it names is looked up in the registry, every number and every
reference is checked, and a digest tells whether it is still as it was written; only then is
anything made of what it says.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import IO, Any, cast

from tensorbp.algebra import Block, Pattern, Shape, Space, Term
from tensorbp.errors import PlanError
from tensorbp.expression.leaves import Kind, variable
from tensorbp.expression.node import Expression, Operator
from tensorbp.planning.located import Located, json_from
from tensorbp.planning.operators import (
    check_axes,
    check_dimensions,
    kinds_read,
    operator_from,
    selection_from,
    shape_from,
)
from tensorbp.planning.plan import (
    SCHEMA,
    Baselines,
    Figures,
    MapOutput,
    OrderName,
    Plan,
    PlannedInput,
    PlannedSelection,
    PlannedValue,
    Step,
    digest,
)
from tensorbp.planning.schedule import ITEM_BYTES, describe
from tensorbp.registry import Registry, default_registry

__all__ = ["parsed", "plan_from", "read_plan"]

AGAIN = "make it again with 'tensorbp plan MODEL -o plan.json'"


def read_plan(source: str | os.PathLike[str] | IO[Any], registry: Registry | None = None) -> Plan:
    """Read a plan from a file that `Plan.to_json` or ``tensorbp plan -o`` wrote.

    The file is data: names in it are looked up in the registry, and nothing in it is executed.

    >>> import io, tensorbp as tb
    >>> x, W = tb.variable("x", 32, 100), tb.variable("W", 100, 7)
    >>> plan = tb.plan(tb.gradient(tb.mean(tb.tanh(x @ W)), W))
    >>> tb.read_plan(io.StringIO(plan.to_json())) == plan
    True

    Args:
        source: the path of a file, or an open stream.
        registry: where layers are looked up; by default all that are installed.

    Raises:
        PlanError: the file is no plan, is damaged, or needs a layer that is not there.
        OSError: the file cannot be read.
    """
    if isinstance(source, str | os.PathLike):
        with open(source, "rb") as stream:
            content: str | bytes = stream.read()
        name = os.fspath(source)
    else:
        content = source.read()
        name = str(getattr(source, "name", "<stream>"))
    try:
        return plan_from(parsed(content), registry)
    except PlanError as error:
        raise PlanError(f"{name}: {error}") from None


def parsed(content: str | bytes) -> Located:
    """Return the JSON document in a text.

    Raises:
        PlanError: it is no JSON, or not that of a plan of this version.
    """
    document = Located(json_from(content))
    schema = document["schema"].text()
    if schema != SCHEMA:
        raise PlanError(f"schema: expected '{SCHEMA}', found '{schema}'; {AGAIN}")
    return document


def plan_from(document: Located, registry: Registry | None = None) -> Plan:
    """Return the plan in a document; entries beside those of the plan are left alone.

    Args:
        document: as `parsed` returns it.
        registry: where layers are looked up; by default all that are installed.

    Raises:
        PlanError: the document says no plan, or not the one that was written.
    """
    numbers: set[int] = set()
    inputs = tuple([_input(each, numbers) for each in document["inputs"]])
    steps = [(each, _fields(each, numbers)) for each in document["steps"]]
    outputs = list(document["outputs"])
    figures, baselines = _figures(document), document["baselines"]
    dtype = document["dtype"].text(*ITEM_BYTES)
    order = document["order"].text("reverse", "forward", "mixed")
    compared = Baselines(_figures(baselines["forward"]), _figures(baselines["reverse"]))
    bound = document["lower_bound"]
    lower_bound = None if bound.value is None else bound.integer()
    kept_by = tuple([each.text() for each in document["kept_by"]])
    _check_digest(document)
    reading = _Reading(inputs, registry or default_registry())
    return Plan(
        dtype,
        inputs,
        tuple([reading.step(part, drawn) for part, drawn in steps]),
        tuple([reading.output(each) for each in outputs]),
        cast(OrderName, order),
        figures,
        compared,
        lower_bound,
        kept_by,
    )


def _check_digest(document: Located) -> None:
    """Refuse what was changed after it was written."""
    if document["digest"].text() != digest(document.value):
        raise PlanError(f"digest: the plan was changed after it was written; {AGAIN}")


def _figures(part: Located) -> Figures:
    return Figures(*[part[each.name].integer() for each in fields(Figures)])


def _input(part: Located, numbers: set[int]) -> PlannedInput:
    name, kind = part["name"], part["kind"].text("real", "integer")
    if not name.text():
        name.wrong("a name")
    value = _new(part["value"], numbers)
    return PlannedInput(name.text(), part["shape"].integers(), kind, value)


def _new(part: Located, numbers: set[int]) -> int:
    """Return the number of a value that is made here, and nowhere else."""
    number = part.integer()
    if number in numbers:
        part.wrong("a number that no other value has")
    numbers.add(number)
    return number


def _fields(part: Located, numbers: set[int]) -> dict[str, Any]:
    """Return what a step says beside its operator; it reads what is made before it."""
    operands = part["operands"].integers()
    for each, number in zip(part["operands"], operands, strict=True):
        if number not in numbers:
            each.wrong("the number of an input or of an earlier step")
    counts = ("flops", "multiplications", "multiply_adds", "bytes")
    layer = part["layer"]
    return {
        "operands": operands,
        "result": _new(part["result"], numbers),
        "shape": part["shape"].integers(),
        **{name: part[name].integer() for name in counts},
        "layer": None if layer.value is None else layer.text(),
    }


class _Reading:
    """Reads steps and outputs, with a node for each value that they may refer to."""

    def __init__(self, inputs: Sequence[PlannedInput], registry: Registry) -> None:
        self.registry = registry
        self.nodes: dict[int, Expression] = {
            each.value: variable(each.name, *each.shape, kind=cast(Kind, each.kind))
            for each in inputs
        }

    def step(self, part: Located, drawn: Mapping[str, Any]) -> Step:
        """Return a step, its operator made anew and compared with what is written of it."""
        operands = [self.nodes[number] for number in drawn["operands"]]
        shapes = [each.shape for each in operands]
        operator = operator_from(part["operation"], part["arguments"], shapes, self.registry)
        _check_kinds(part, operator, operands)
        if shape_from(part, operator, shapes) != drawn["shape"]:
            part["shape"].wrong(f"the shape of the result, {operator.shape(*shapes)}")
        node = Expression.of(operator, *operands)
        self.nodes[drawn["result"]] = node
        operation, equation, arguments = describe(node)
        if part["equation"].text() != equation:
            part["equation"].wrong(f"what the arguments say, {equation}")
        return Step(
            operation=operation,
            equation=equation,
            arguments=arguments,
            operator=operator,
            **drawn,
        )

    def output(self, part: Located) -> int | MapOutput:
        """Return a wanted value, or a wanted map."""
        if "value" in part.entries:
            return self._number(part["value"])
        output, input = _space(part, "output"), _space(part, "input")
        blocks: dict[Block, tuple[Term[PlannedValue | PlannedSelection], ...]] = {}
        for each in part["blocks"]:
            at = (each["row"].integer(), each["column"].integer())
            if at in blocks or at[0] >= len(output.shapes) or at[1] >= len(input.shapes):
                each.wrong("a block of the map, each once")
            sides = (output.shapes[at[0]], input.shapes[at[1]])
            blocks[at] = tuple([self._term(term, sides) for term in each["terms"]])
        return MapOutput(output, input, blocks)

    def _number(self, part: Located) -> int:
        number = part.integer()
        if number not in self.nodes:
            part.wrong("the number of a value")
        return number

    def _term(
        self, part: Located, sides: tuple[Shape, Shape]
    ) -> Term[PlannedValue | PlannedSelection]:
        values = [self._value(each) for each in part["values"]]
        dimensions = [each.dimensions() for each in part["factors"]]
        output, input = part["output"].dimensions(), part["input"].dimensions()
        sizes = part["sizes"].integers()
        if len(values) != len(dimensions):
            part["factors"].wrong(f"the axes of {len(values)} values")
        check_axes(part, (*dimensions, output, input), sizes)
        for each, value in zip(dimensions, values, strict=True):
            check_dimensions(part["factors"], each, sizes, value.shape)
        check_dimensions(part["output"], output, sizes, sides[0])
        check_dimensions(part["input"], input, sizes, sides[1])
        pattern = Pattern(tuple(dimensions), output, input)
        return Term(part["coefficient"].number(), tuple(values), pattern, sizes)

    def _value(self, part: Located) -> PlannedValue | PlannedSelection:
        if not isinstance(part.value, dict):
            number = self._number(part)
            return PlannedValue(number, self.nodes[number].shape)
        selection = selection_from(part, self.registry)
        numbers = tuple([self._number(each) for each in part["operands"]])
        if len(numbers) != len(selection.inputs):
            part["operands"].wrong(f"{len(selection.inputs)} operands")
        operands = [self.nodes[number] for number in numbers]
        _check_kinds(part, selection, operands)
        shape = shape_from(part, selection, [each.shape for each in operands])
        return PlannedSelection(selection, numbers, shape)


def _check_kinds(part: Located, operator: Operator, operands: Sequence[Expression]) -> None:
    """Refuse real numbers where integers are read."""
    for each, kind in zip(operands, kinds_read(operator, len(operands)), strict=True):
        if kind == "integer" and getattr(each.operator, "kind", "real") != "integer":
            part["operands"].wrong("integers where the operator reads places or labels")


def _space(part: Located, side: str) -> Space:
    shapes = tuple([each.integers() for each in part[side]])
    is_sum = part[f"{side}_is_sum"].truth()
    if not is_sum and len(shapes) != 1:
        part[side].wrong("one shape, for it is no direct sum")
    return Space(shapes, is_sum)
