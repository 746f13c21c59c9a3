"""The plan: plain data that says what is computed, in which order, and what that costs.

No array takes part in it. It is printed, compared and saved, and the execution floor turns it
into a program.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from hashlib import sha256
from typing import Any, Literal

from tensorbp.algebra import Block, Shape, Space, Term
from tensorbp.expression.node import Operator
from tensorbp.expression.selection import Selection
from tensorbp.planning.located import number_text
from tensorbp.planning.operators import selection_to_dict, written_arguments

__all__ = [
    "SCHEMA",
    "Baselines",
    "Figures",
    "MapOutput",
    "PlainOrder",
    "Plan",
    "PlannedInput",
    "PlannedSelection",
    "PlannedValue",
    "Step",
    "digest",
    "json_lines",
]

SCHEMA = "tensorbp/plan/1"
ENTRIES = (
    *("schema", "dtype", "order"),
    *("flops", "multiplications", "multiply_adds", "peak_bytes", "baselines", "lower_bound"),
    "kept_by",
    *("inputs", "steps", "outputs"),
)
"""The entries of a written plan that its digest is of."""

OrderName = Literal["reverse", "forward", "mixed"]
PlainOrder = Literal["reverse", "forward"]


@dataclass(frozen=True)
class Figures:
    """What a whole computation costs.

    Attributes:
        flops: floating-point operations.
        multiplications: the multiplications among them, in contractions and scalings.
        multiply_adds: the multiplications among them whose products are summed up.
        peak_bytes: the most bytes that are alive at one time, inputs and results included.
    """

    flops: int
    multiplications: int
    multiply_adds: int
    peak_bytes: int


Price = Figures | Callable[[], Figures]
"""What something costs, or a function that finds out."""


class Baselines:
    """The same query in the two textbook orders, priced by the same evaluator.

    The order that nobody would take can be the one that takes longest to price: each is priced when
    it is first asked for.
    """

    def __init__(self, forward: Price, reverse: Price) -> None:
        """Take the figures of both orders, or functions that find them out."""
        self._forward, self._reverse = forward, reverse

    @cached_property
    def forward(self) -> Figures:
        """Tangents of every input number, pushed through from the inputs."""
        return self._forward() if callable(self._forward) else self._forward

    @cached_property
    def reverse(self) -> Figures:
        """Cotangents of every output number, pulled back from the outputs."""
        return self._reverse() if callable(self._reverse) else self._reverse

    def to_dict(self) -> dict[str, Any]:
        """Return the figures of both as plain data."""
        return {"forward": asdict(self.forward), "reverse": asdict(self.reverse)}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Baselines) and self.to_dict() == other.to_dict()

    __hash__ = None  # type: ignore[assignment]  # plans are compared, and looked up nowhere

    def __repr__(self) -> str:
        return f"Baselines({self.forward}, {self.reverse})"

    def __reduce__(self) -> tuple[object, ...]:
        return Baselines, (self.forward, self.reverse)


@dataclass(frozen=True)
class PlannedInput:
    """An array that the program takes.

    Attributes:
        name: the keyword.
        shape: its shape.
        kind: ``"real"`` or ``"integer"``.
        value: the number under which steps refer to it.
    """

    name: str
    shape: Shape
    kind: str
    value: int


@dataclass(frozen=True)
class Step:
    """One operation on at most two tensors, or one layer on its operands.

    Attributes:
        operation: ``"einsum"``, ``"add"``, or the name of a layer.
        equation: the einsum equation, or the formula of the layer.
        operands: the numbers of the values that it reads.
        result: the number of the value that it makes.
        shape: the shape of the result.
        flops: floating-point operations.
        multiplications: the multiplications among them.
        multiply_adds: the multiplications among them whose products are summed up.
        bytes: what the result takes; 0 where it is a view.
        layer: the layer of the model to which the step belongs, or None.
        arguments: the arguments of the layer, or the coefficients.
        operator: what is applied: all that a plan file says of the step.
    """

    operation: str
    equation: str
    operands: tuple[int, ...]
    result: int
    shape: Shape
    flops: int
    multiplications: int
    multiply_adds: int
    bytes: int
    layer: str | None
    arguments: Mapping[str, Any]
    operator: Operator = field(repr=False)


@dataclass(frozen=True)
class PlannedValue:
    """The value of a step, as the factor of a term."""

    number: int
    shape: Shape


@dataclass(frozen=True)
class PlannedSelection:
    """A selection, as the factor of a term: it is kept as the rule that it is.

    Attributes:
        selection: the rule.
        operands: the numbers of the values that hold its integers, if they are data.
        shape: its shape, which it never takes.
    """

    selection: Selection
    operands: tuple[int, ...]
    shape: Shape


@dataclass(frozen=True)
class MapOutput:
    """A wanted linear map: its spaces, and for each block the term whose factor is a value.

    Attributes:
        output: the space of results.
        input: the space of arguments.
        blocks: the terms, by position; a block left out is zero.
    """

    output: Space
    input: Space
    blocks: Mapping[Block, tuple[Term[PlannedValue | PlannedSelection], ...]]

    @property
    def numbers(self) -> list[int]:
        """The numbers of the values that are its factors, or the integers of its selections."""
        terms = [term for terms in self.blocks.values() for term in terms]
        return [k for term in terms for value in term.values for k in _numbers_of(value)]


@dataclass(frozen=True, repr=False)
class Plan:
    """The steps of a computation, in order, with their cost; made by `tensorbp.plan`.

    Attributes:
        dtype: the type of numbers for which bytes are counted.
        inputs: the arrays that are given.
        steps: the operations.
        outputs: for each wanted thing the number of its value, or a map made of values.
        order: ``"reverse"``, ``"forward"``, or ``"mixed"`` where neither describes the order.
        figures: what it costs.
        baselines: what plain forward and plain reverse mode would cost.
        lower_bound: FLOPs below which no order of contraction of its products gets; None where
            that is not known.
        kept_by: how a limit on memory was kept, in words; empty where there was nothing to do.
    """

    dtype: str
    inputs: tuple[PlannedInput, ...]
    steps: tuple[Step, ...]
    outputs: tuple[int | MapOutput, ...]
    order: OrderName
    figures: Figures
    baselines: Baselines
    lower_bound: int | None = None
    kept_by: tuple[str, ...] = ()

    @property
    def flops(self) -> int:
        """Floating-point operations of all steps."""
        return self.figures.flops

    @property
    def multiplications(self) -> int:
        """Multiplications in contractions and scalings."""
        return self.figures.multiplications

    @property
    def multiply_adds(self) -> int:
        """Multiplications in contractions whose products are summed up."""
        return self.figures.multiply_adds

    @property
    def peak_bytes(self) -> int:
        """The most bytes alive at one time, inputs and results included."""
        return self.figures.peak_bytes

    @property
    def results(self) -> list[int]:
        """The numbers of the values that are handed out, one for each array, in order."""
        numbers: list[int] = []
        for each in self.outputs:
            numbers += dict.fromkeys(each.numbers) if isinstance(each, MapOutput) else [each]
        return numbers

    def __repr__(self) -> str:
        return (
            f"<Plan: {len(self.steps)} steps, {self.order} order, {self.flops} FLOPs, peak "
            f"{self.peak_bytes} bytes>"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the plan as plain dictionaries, lists, strings and numbers; all there is to it.

        Raises:
            PlanError: a layer has an argument that cannot be written.
        """
        plan = {
            "schema": SCHEMA,
            "dtype": self.dtype,
            "order": self.order,
            **asdict(self.figures),
            "baselines": self.baselines.to_dict(),
            "lower_bound": self.lower_bound,
            "kept_by": list(self.kept_by),
            "inputs": [{**asdict(each), "shape": list(each.shape)} for each in self.inputs],
            "steps": [_step_to_dict(step) for step in self.steps],
            "outputs": [_output_to_dict(each) for each in self.outputs],
        }
        return {**plan, "digest": digest(plan)}

    def to_json(self) -> str:
        """Return the plan as JSON text, a step a line, with ``"schema": "tensorbp/plan/1"``.

        `tensorbp.read_plan` reads it.

        Raises:
            PlanError: a layer has an argument that cannot be written.
        """
        return json_lines(self.to_dict())


def digest(document: Mapping[str, Any]) -> str:
    """Return what tells whether a plan is still as it was written: the SHA-256 of its JSON.

    Args:
        document: a plan as plain data; entries beside those of a plan do not count.
    """
    entries = {name: document[name] for name in ENTRIES}
    text = json.dumps(entries, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return sha256(text.encode()).hexdigest()


def json_lines(document: Mapping[str, Any]) -> str:
    """Return a document as JSON with a line for each entry, and for each object in its lists."""
    entries = []
    for name, value in document.items():
        if isinstance(value, list) and value and isinstance(value[0], dict):
            inner = ",\n".join(f"    {json.dumps(each, allow_nan=False)}" for each in value)
            entries.append(f"  {json.dumps(name)}: [\n{inner}\n  ]")
        else:
            entries.append(f"  {json.dumps(name)}: {json.dumps(value, allow_nan=False)}")
    return "{\n" + ",\n".join(entries) + "\n}"


def _numbers_of(value: PlannedValue | PlannedSelection) -> tuple[int, ...]:
    return (value.number,) if isinstance(value, PlannedValue) else value.operands


def _value_to_dict(value: PlannedValue | PlannedSelection) -> Any:
    """Return the number of a value, and a selection with its arguments."""
    if isinstance(value, PlannedValue):
        return value.number
    return {**selection_to_dict(value.selection), "operands": list(value.operands)}


def _step_to_dict(step: Step) -> dict[str, Any]:
    return {
        "result": step.result,
        "operation": step.operation,
        "equation": step.equation,
        "arguments": written_arguments(step.operator),
        "operands": list(step.operands),
        "shape": list(step.shape),
        "flops": step.flops,
        "multiplications": step.multiplications,
        "multiply_adds": step.multiply_adds,
        "bytes": step.bytes,
        "layer": step.layer,
    }


def _output_to_dict(output: int | MapOutput) -> dict[str, Any]:
    if isinstance(output, int):
        return {"value": output}
    return {
        "output": [list(shape) for shape in output.output.shapes],
        "output_is_sum": output.output.is_sum,
        "input": [list(shape) for shape in output.input.shapes],
        "input_is_sum": output.input.is_sum,
        "blocks": [
            {"row": row, "column": column, "terms": [_term_to_dict(term) for term in terms]}
            for (row, column), terms in sorted(output.blocks.items())
        ],
    }


def _term_to_dict(term: Term[PlannedValue | PlannedSelection]) -> dict[str, Any]:
    return {
        "coefficient": number_text(term.coefficient),
        "values": [_value_to_dict(value) for value in term.values],
        "factors": [[list(each) for each in dimensions] for dimensions in term.pattern.factors],
        "output": [list(each) for each in term.output],
        "input": [list(each) for each in term.input],
        "sizes": list(term.sizes),
    }
