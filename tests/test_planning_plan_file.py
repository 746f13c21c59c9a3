"""Plans as files: what is read back is the same plan, and what is damaged is located."""

from __future__ import annotations

import copy
import io
import json
from dataclasses import dataclass, is_dataclass
from inspect import isabstract
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plan_zoo import QUESTIONS, cases, network, questions

import tensorbp as tb
from tensorbp.errors import PlanError, TensorbpError
from tensorbp.execution import StructuredMap
from tensorbp.expression.layer import Layer, Primitive
from tensorbp.planning import Plan
from tensorbp.planning.located import Located
from tensorbp.planning.plan import digest
from tensorbp.planning.plan_file import parsed, plan_from
from tensorbp.registry import build_registry, default_registry, hookimpl
from tensorbp.testing.case import Case

EXAMPLES = Path(__file__).parent.parent / "docs" / "examples"


def read_back(plan: Plan, **options: Any) -> Plan:
    return tb.read_plan(io.StringIO(plan.to_json()), **options)


def numbers(value: Any) -> Any:
    return value.to_dense() if isinstance(value, StructuredMap) else value


def arrays_for(plan: Plan) -> dict[str, Any]:
    random = np.random.default_rng(0)
    return {each.name: random.normal(size=each.shape) for each in plan.inputs}


def check_same(plan: Plan, again: Plan) -> None:
    assert again == plan
    assert again.to_dict() == plan.to_dict()
    for one, other in zip(plan.steps, again.steps, strict=True):
        assert type(one.operator) is type(other.operator)
        assert one.operator == other.operator


@st.composite
def small_networks(draw: Any) -> Any:
    """Draw a network with two layers of which everything can be written out."""
    sizes = draw(st.lists(st.sampled_from([1, 2, 3, 5]), min_size=3, max_size=3))
    functions = draw(st.lists(st.sampled_from(["tanh", "softmax", "sin"]), min_size=2, max_size=2))
    return network(draw(st.sampled_from([1, 2, 4])), sizes, functions, [draw(st.booleans())] * 2)


@settings(max_examples=40)
@given(cases(most=3), questions)
def test_a_plan_read_back_is_the_same_plan(case: Any, question: str) -> None:
    plan = tb.plan(QUESTIONS[question](*case))
    check_same(plan, read_back(plan))


@given(small_networks(), questions)
def test_a_plan_read_back_computes_the_same_numbers(case: Any, question: str) -> None:
    plan = tb.plan(QUESTIONS[question](*case))
    arrays = arrays_for(plan)
    expected, found = (tb.compile(each)(arrays) for each in (plan, read_back(plan)))
    for one, other in zip(expected, found, strict=True):
        if isinstance(one, StructuredMap):
            assert (one.output, one.input, one.size) == (other.output, other.input, other.size)
        np.testing.assert_array_equal(numbers(one), numbers(other))


LAYERS = build_registry(entry_points=False).layers
EXAMPLE_CASES = [
    (name, k, Case(example.layer, example.shapes))
    for name, layer in LAYERS.items()
    for k, example in enumerate(layer.examples())
]


@pytest.mark.parametrize(
    "case", [case for _, _, case in EXAMPLE_CASES], ids=[f"{n}-{k}" for n, k, _ in EXAMPLE_CASES]
)
def test_a_layer_with_its_jacobian_is_read_back(case: Case) -> None:
    wanted: list[Any] = [case.output]
    if case.real:
        wanted.append(tb.jacobian(case.output, list(case.real.values())))
    plan = tb.plan(wanted)
    again = read_back(plan)
    check_same(plan, again)
    given_arrays = {each.name: case.arrays[each.name] for each in plan.inputs}
    expected, found = (tb.compile(each)(given_arrays) for each in (plan, again))
    for one, other in zip(expected, found, strict=True):
        np.testing.assert_array_equal(numbers(one), numbers(other))


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.yaml")), ids=lambda path: path.stem)
def test_the_plan_of_an_example_model_is_read_back(path: Path) -> None:
    model = tb.load(path)
    plan = tb.plan([model.loss, *model.gradient.values()], labels=model.labels, order="reverse")
    check_same(plan, read_back(plan))


def test_a_file_and_a_stream_are_read(tmp_path: Path) -> None:
    x = tb.variable("x", 3)
    plan = tb.plan(tb.gradient(tb.sum(tb.sin(x)), x))
    path = tmp_path / "plan.json"
    path.write_text(plan.to_json())
    assert tb.read_plan(path) == tb.read_plan(str(path)) == plan
    with path.open("rb") as stream:
        assert tb.read_plan(stream) == plan
    with pytest.raises(FileNotFoundError):
        tb.read_plan(tmp_path / "absent.json")


def test_each_step_has_a_line() -> None:
    x = tb.variable("x", 3)
    plan = tb.plan(tb.sum(tb.sin(x) * x))
    lines = plan.to_json().splitlines()
    assert sum('"result"' in line for line in lines) == len(plan.steps)
    assert len([line for line in lines if '"operation": "sin"' in line]) == 1


def test_fractions_and_numbers_that_are_not_finite_come_back() -> None:
    x, y = tb.variable("x", 3), tb.variable("y", 3)
    plan = tb.plan([x / 3, x * float("inf"), x * 0.1, x * 3, 2 * x - y / 7])
    again = read_back(plan)
    check_same(plan, again)
    coefficients = [getattr(each.operator, "coefficient", None) for each in plan.steps]
    assert [type(each) for each in coefficients] == [
        type(getattr(each.operator, "coefficient", None)) for each in again.steps
    ]
    not_a_number = tb.plan(tb.mean(tb.variable("e", 0)))
    assert np.isnan(tb.compile(read_back(not_a_number))(e=np.zeros(0))[0])


# ----- names -----


def primitives(base: type) -> set[type]:
    return {base}.union(*(primitives(each) for each in base.__subclasses__()))


def test_every_primitive_of_tensorbp_has_a_name_in_plan_files() -> None:
    registry = build_registry(entry_points=False)
    own = [
        each
        for each in primitives(Primitive)
        if each.__module__.startswith("tensorbp.") and not isabstract(each) and is_dataclass(each)
    ]
    assert len(own) > 60
    for each in own:
        if "name" in vars(each):
            assert registry.operator(each.name) is each  # type: ignore[attr-defined]


@dataclass(frozen=True)
class Knot:
    name: ClassVar[str] = "knot"

    tightness: float


@dataclass(frozen=True)
class Knotted(Primitive):
    name = "knotted"
    formula = "y = a x"

    knots: tuple[Knot, ...]
    what: Any = None

    def forward(self, xp: Any, *arrays: Any) -> Any:
        return self.knots[0].tightness * arrays[0]

    def jacobian(self, y: Any, *operands: Any) -> Any:
        return {"x": self.knots[0].tightness * tb.signature("... -> .../...")}


class Knots:
    @staticmethod
    @hookimpl
    def tensorbp_register_operators(register: Any) -> None:
        register(Knotted)
        register(Knot)


def test_what_a_plugin_brings_is_read_with_it_and_not_without() -> None:
    x = tb.variable("x", 4)
    plan = tb.plan(Knotted((Knot(2.5), Knot(float("-inf"))))(x))
    registry = build_registry(Knots(), entry_points=False)
    check_same(plan, read_back(plan, registry=registry))
    with pytest.raises(PlanError, match=r"steps\[0\]\.operation: unknown layer 'knotted'"):
        read_back(plan)


def test_an_argument_that_cannot_be_written_is_named() -> None:
    plan = tb.plan(Knotted((Knot(1.0),), frozenset())(tb.variable("x", 4)))
    with pytest.raises(PlanError) as error:
        plan.to_json()
    assert str(error.value) == (
        "argument 'what' of 'knotted' cannot be written into a plan file: it is of type frozenset; "
        "arguments are numbers, texts, true, false, none, tuples of these, and registered "
        "dataclasses"
    )


@pytest.mark.parametrize("name", ["sin", "select", "affine_selection"])
def test_a_name_that_means_something_else_is_refused(name: str) -> None:
    other = dataclass(frozen=True)(type("Other", (Knotted,), {"name": name}))
    with pytest.raises(PlanError) as error:
        tb.plan(other((Knot(1.0),))(tb.variable("x", 4))).to_json()
    assert str(error.value) == (
        f"Other is named '{name}', which means something else in plan files; rename it"
    )


# ----- damage -----


def example() -> Plan:
    x, W = tb.variable("x", 5, 7), tb.variable("W", 7, 3)
    label = tb.variable("label", 5, kind="integer")
    z = tb.relu(x @ W)[:, 1:] / 3
    loss = tb.mean(tb.softmax_cross_entropy(z, label))
    pooled = tb.max_pool(tb.reshape(x, (5, 1, 7)), 2)
    return tb.plan([loss, tb.jacobian(z, [x, W]), *tb.gradient(loss, [W]), tb.sum(pooled, 0)])


EXAMPLE = example()
DOCUMENT = EXAMPLE.to_dict()


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    entries = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    return [path, *(each for key, inner in entries for each in places(inner, (*path, key)))]


PLACES = places(DOCUMENT)[1:]
ODD = [None, True, -1, 0, 1, 2, 10**30, 10**1001, 1.5, "", "nan", "1/0", "sin", "einsum", [], {}]


def at(document: Any, path: tuple[Any, ...]) -> Any:
    for key in path:
        document = document[key]
    return document


def changed(path: tuple[Any, ...], value: Any) -> Any:
    document = copy.deepcopy(DOCUMENT)
    at(document, path[:-1])[path[-1]] = value
    return document


def signed(document: Any) -> Any:
    """Return a document whose digest is right, as a forger would write it."""
    try:
        return {**document, "digest": digest(document)}
    except KeyError:
        return document


def test_the_example_is_read() -> None:
    assert plan_from(Located(DOCUMENT)) == EXAMPLE


@settings(max_examples=400)
@given(st.sampled_from(PLACES), st.sampled_from(ODD), st.booleans())
def test_a_changed_value_is_refused(path: Any, value: Any, is_signed: bool) -> None:
    document = changed(path, value)
    if json.dumps(document) == json.dumps(DOCUMENT):
        return
    if not is_signed:
        with pytest.raises(PlanError):
            plan_from(parsed(json.dumps(document)))
        return
    try:
        plan_from(parsed(json.dumps(signed(document))))
    except PlanError as error:
        assert str(error)


@settings(max_examples=200)
@given(st.sampled_from(PLACES), st.sampled_from(PLACES), st.booleans())
def test_a_value_from_elsewhere_is_refused(path: Any, other: Any, is_signed: bool) -> None:
    document = changed(path, at(DOCUMENT, other))
    try:
        plan = plan_from(parsed(json.dumps(signed(document) if is_signed else document)))
    except PlanError as error:
        assert str(error)
    else:
        assert is_signed or plan == EXAMPLE


@settings(max_examples=200)
@given(st.sampled_from(PLACES))
def test_what_is_missing_is_named(path: Any) -> None:
    document = copy.deepcopy(DOCUMENT)
    del at(document, path[:-1])[path[-1]]
    with pytest.raises(PlanError):
        plan_from(parsed(json.dumps(document)))
    try:
        plan_from(parsed(json.dumps(signed(document))))
    except PlanError as error:
        assert str(error)


TEXT = EXAMPLE.to_json()


@settings(max_examples=200)
@given(st.integers(0, len(TEXT) - 1), st.integers(0, 40), st.text(max_size=3))
def test_a_damaged_text_is_refused(start: int, length: int, filling: str) -> None:
    text = TEXT[:start] + filling + TEXT[start + length :]
    try:
        plan = plan_from(parsed(text))
    except TensorbpError as error:
        assert isinstance(error, PlanError)
    else:
        assert plan == EXAMPLE


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    with pytest.raises(PlanError):
        tb.read_plan(io.BytesIO(content))


def refusal(path: tuple[Any, ...], value: Any) -> str:
    with pytest.raises(PlanError) as error:
        plan_from(Located(signed(changed(path, value))))
    return str(error.value)


def step_of(operation: str) -> int:
    return next(k for k, each in enumerate(DOCUMENT["steps"]) if each["operation"] == operation)


def test_errors_say_where_and_what() -> None:
    relu, product = step_of("relu"), step_of("einsum")
    first = DOCUMENT["steps"][0]["result"]
    assert refusal(("dtype",), "int8") == (
        "dtype: expected one of float16, bfloat16, float32, float64, complex128, found 'int8'"
    )
    assert refusal(("flops",), -1) == (
        "flops: expected an integer from 0 with at most 1000 digits, found -1"
    )
    assert refusal(("inputs", 0, "shape"), [5, "7"]) == (
        "inputs[0].shape[1]: expected an integer, found '7'"
    )
    assert refusal(("steps", 0, "operands", 0), first) == (
        "steps[0].operands[0]: expected the number of an input or of an earlier step, found "
        f"{first}"
    )
    assert refusal(("steps", 1, "result"), first) == (
        f"steps[1].result: expected a number that no other value has, found {first}"
    )
    assert refusal(("steps", relu, "operation"), "rleu") == (
        f"steps[{relu}].operation: unknown layer 'rleu'; did you mean 'relu'?"
    )
    assert refusal(("steps", relu, "operation"), "linear") == (
        f"steps[{relu}].arguments: expected the arguments units, bias, initializer, found {{}}"
    )
    assert refusal(("steps", relu, "arguments"), {"slope": 1}) == (
        f"steps[{relu}].arguments: expected no arguments, found {{'slope': 1}}"
    )
    assert refusal(("steps", relu, "shape"), [5]).startswith(
        f"steps[{relu}].shape: expected the shape of the result, "
    )
    assert refusal(("steps", product, "equation"), "a->b").startswith(
        f"steps[{product}].equation: expected what the arguments say, "
    )
    assert refusal(("outputs", 0), {"value": 10**6}) == (
        "outputs[0].value: expected the number of a value, found 1000000"
    )
    assert refusal(("outputs", 1, "blocks", 0, "row"), 3).startswith(
        "outputs[1].blocks[0]: expected a block of the map, each once, found {"
    )


def test_a_document_of_another_kind_is_refused() -> None:
    for text, expected in {
        "[]": "plan: expected an object, found []",
        "{}": "plan: 'schema' is missing",
        '{"schema": "tensorbp/plan/2"}': (
            "schema: expected 'tensorbp/plan/1', found 'tensorbp/plan/2'; make it again with "
            "'tensorbp plan MODEL -o plan.json'"
        ),
        '{"schema":': "it is no JSON: line 1, column 11: Expecting value",
        '{"schema": NaN}': "it is no JSON: NaN is no number of JSON",
    }.items():
        with pytest.raises(PlanError) as error:
            tb.read_plan(io.StringIO(text))
        assert str(error.value) == f"<stream>: {expected}"
    with pytest.raises(PlanError, match="it is no JSON: "):
        tb.read_plan(io.StringIO("[" * 10**6))
    with pytest.raises(PlanError, match="it is no JSON: "):
        tb.read_plan(io.StringIO("1" * 5000))


def test_a_plan_changed_by_hand_is_refused() -> None:
    with pytest.raises(PlanError) as error:
        plan_from(Located(changed(("flops",), 7)))
    assert str(error.value) == (
        "digest: the plan was changed after it was written; make it again with 'tensorbp plan "
        "MODEL -o plan.json'"
    )


def test_integers_are_not_read_from_real_numbers() -> None:
    x, places = tb.variable("x", 7), tb.variable("places", 4, kind="integer")
    document = tb.plan(tb.take(x, places)).to_dict()
    assert plan_from(Located(document)).inputs[1].kind == "integer"
    document["inputs"][1]["kind"] = "real"
    with pytest.raises(PlanError, match=r"steps\[0\]\.operands: expected integers"):
        plan_from(Located(signed(document)))


def test_a_plan_runs_in_its_own_dtype_and_order_only() -> None:
    x = tb.variable("x", 4)
    plan = tb.plan(tb.gradient(tb.sum(tb.sin(x)), x), dtype="float32")
    program = tb.compile(plan)
    assert program.dtype == "float32"
    assert program(x=np.ones(4, "float32"))[0].dtype == np.float32
    for options in ({"dtype": "float64"}, {"order": "forward"}):
        with pytest.raises(tb.CompileError) as error:
            tb.compile(plan, **options)
        assert str(error.value) == (
            "the plan is for float32 in reverse order; leave out dtype and order, or plan again"
        )


def test_layers_are_found_by_name_only() -> None:
    assert all(isinstance(each, type) for each in default_registry().operators.values())
    assert not set(default_registry().operators) & set(default_registry().layers)
    assert not any(
        issubclass(each, Layer) and not issubclass(each, Primitive)
        for each in default_registry().operators.values()
    )
