"""The JSON schema: what the reader accepts, it accepts, and it knows the layers of plugins."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tensorbp.errors import ModelError
from tensorbp.expression import Composite, argument
from tensorbp.model import json_schema, load
from tensorbp.model.document import MappingNode, Node, SequenceNode, parse
from tensorbp.model.problems import Problems
from tensorbp.registry import build_registry, default_registry, hookimpl

EXAMPLES = sorted((Path(__file__).parents[1] / "docs" / "examples").glob("*.yaml"))
START = "tensorbp: 1\ninputs: {x: [4, 3]}\n"


def plain(node: Node) -> Any:
    if isinstance(node, MappingNode):
        return {key: plain(value) for key, value in node.entries.items()}
    if isinstance(node, SequenceNode):
        return [plain(item) for item in node.items]
    return getattr(node, "value", None)


def schema() -> dict[str, Any]:
    return json_schema(default_registry())


def is_valid(text: str) -> bool:
    document = plain(parse(text, Problems("model.yaml")))
    return jsonschema.Draft7Validator(schema()).is_valid(document)


def is_accepted(text: str) -> bool:
    try:
        load(io.StringIO(text))
    except ModelError:
        return False
    return True


def test_it_is_a_schema() -> None:
    jsonschema.Draft7Validator.check_schema(schema())


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_the_examples_are_valid(path: Path) -> None:
    assert is_valid(path.read_text())


VALID = [
    START + "layers: [{name: a, type: linear, units: 3}, {type: linear, units: 3, share: a}]",
    START + "layers: [{name: a, type: linear, units: 3}, {type: linear, units: 3, "
    "share: {W: a.W.T, b: a.b}}]",
    START + "layers: [{type: tanh}]",
    START + "layers: [{type: linear, units: 2}]",
    START + "dims: {a: 3, b: null}\nlayers: [{name: d, type: linear, units: 2*a, bias: false}]",
    START + "layers: [{type: linear, units: 2, repeat: 3}]\noutputs: linear3",
    START + "blocks: {own: {layers: [{type: tanh}]}}\nlayers: [{type: own, inputs: [x]}]",
    "tensorbp: 1\ninputs: {x: {shape: [4, 3]}, t: {shape: [4], kind: integer}}\n"
    "layers: [{type: tanh}]\nloss: {type: softmax_cross_entropy, inputs: [previous, t]}",
    START + "layers: [{type: mean, axis: 1}]",
    START + "layers: [{type: mean, axis: [0, 1]}]",
]


@pytest.mark.parametrize("text", VALID)
def test_what_is_valid(text: str) -> None:
    assert is_valid(text)


INVALID = [
    START + "layers: [{name: a, type: linear, units: 3}, {type: linear, units: 3, share: {}}]",
    START + "layers: [{name: a, type: linear, units: 3}, {type: linear, units: 3, share: [a]}]",
    START + "layers: [{name: a, type: linear, units: 3}, {type: linear, units: 3, share: {W: a}}]",
    "3",
    START,
    START + "layers: []",
    START + "layer: []\nlayers: [{type: tanh}]",
    "tensorbp: 2\ninputs: {x: [4, 3]}\nlayers: [{type: tanh}]",
    "tensorbp: 1\ninputs: {}\nlayers: [{type: tanh}]",
    START + "dims: {a: 0}\nlayers: [{type: tanh}]",
    START + "dims: {a-b: 1}\nlayers: [{type: tanh}]",
    START + "layers: [{type: linear}]",
    START + "layers: [{type: linear, units: 1.5}]",
    START + "layers: [{type: linear, units: 2+a}]",
    START + "layers: [{type: linear, units: 2, bias: 1}]",
    START + "layers: [{type: linear, units: 2, initializer: full}]",
    START + "layers: [{type: tanh, units: 2}]",
    START + "layers: [{type: tanh, name: a b}]",
    START + "layers: [{type: tanh, repeat: 0}]",
    START + "layers: [{type: tanh, inputs: []}]",
    START + "layers: [{typ: tanh}]",
    START + "layers: [{type: own, units: 3}]",
    START + "layers: [{type: tanh}]\nloss: {type: tanh, repeat: 2}",
    START + "layers: [{type: tanh}]\noutputs: {a: tanh1}",
]


@pytest.mark.parametrize("text", INVALID)
def test_what_is_invalid(text: str) -> None:
    assert not is_valid(text)
    assert not is_accepted(text)


def mutated(text: str, start: int, length: int, inserted: str) -> str:
    start %= len(text)
    return text[:start] + inserted + text[start + length :]


@given(
    st.sampled_from(VALID),
    st.integers(0, 1000),
    st.integers(0, 4),
    st.sampled_from(["", " ", "a", "3", "0", "null", ",", "*", "[", "]", "'", "x: 1, ", "1.0"]),
)
def test_what_is_accepted_is_valid(text: str, start: int, length: int, inserted: str) -> None:
    changed = mutated(text, start, length, inserted)
    if is_accepted(changed):
        assert is_valid(changed)


@dataclass(frozen=True)
class Window(Composite):
    """Do nothing, with every type of argument."""

    name = "window"
    formula = "y = x"

    padding: Literal["same", "valid"] = argument("at the edges", "same")
    strides: tuple[int, int] | None = argument("how far it moves", None)
    scale: float = argument("by how much", 1.0)
    spec: str = argument("how", "")

    def build(self, *operands: Any, **parameters: Any) -> Any:
        return operands[0]


def test_layers_of_plugins_are_in_it() -> None:
    class Plugin:
        @hookimpl
        def tensorbp_register_layers(self, register: Callable[[Any], None]) -> None:
            register(Window)

    registry = build_registry(Plugin(), entry_points=False)
    validator = jsonschema.Draft7Validator(json_schema(registry))

    def check(**arguments: Any) -> bool:
        layer = {"type": "window", **arguments}
        model = {"tensorbp": 1, "inputs": {"x": [4, 3]}, "layers": [layer]}
        return validator.is_valid(model)

    assert check()
    assert check(padding="valid", strides=[1, "2*a"], scale=2, spec="i")
    assert check(strides=None)
    for wrong in ({"padding": "full"}, {"strides": [1]}, {"scale": "1"}, {"spec": 1}, {"width": 1}):
        assert not check(**wrong)
