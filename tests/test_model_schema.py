"""The form of a model file: every fault is named, at its place, all of them at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from model_texts import complaint

from tensorbp.errors import LayerError, ModelError
from tensorbp.expression import Composite, argument
from tensorbp.model import load
from tensorbp.registry import Registry, build_registry, hookimpl

START = "tensorbp: 1\ninputs: {x: [4, 3]}\n"


FORM: dict[str, tuple[str, str]] = {
    "nothing": ("", "1:1: a model must be a mapping, found nothing"),
    "a list": ("- a", "1:1: a model must be a mapping, found a list of 1"),
    "an unknown key": (
        START + "layer: []\nlayers: [{type: tanh}]",
        "3:1: a model has no 'layer'; did you mean 'layers'?",
    ),
    "missing keys": (
        "name: mine",
        "1:1: a model needs 'inputs'\n1:1: a model needs 'layers'\n1:1: a model needs 'tensorbp'",
    ),
    "another version": (
        "tensorbp: 2\ninputs: {x: [4]}\nlayers: [{type: tanh}]",
        "1:11: 'tensorbp' is the version of the format: expected 1, found the number 2",
    ),
    "true is not one": (
        "tensorbp: true\ninputs: {x: [4]}\nlayers: [{type: tanh}]",
        "1:11: 'tensorbp' is the version of the format: expected 1, found true",
    ),
    "a name that is a number": (
        START + "name: 3\nlayers: [{type: tanh}]",
        "3:7: expected a text, found the number 3",
    ),
    "no inputs": (
        "tensorbp: 1\ninputs: {}\nlayers: [{type: tanh}]",
        "2:9: a model needs at least one input",
    ),
    "no layers": (START + "layers: []", "3:9: expected a list of layers, found an empty list"),
    "layers by name": (
        START + "layers: {dense: {type: tanh}}",
        "3:9: expected a list of layers, found a mapping with the keys 'dense'",
    ),
    "a list of dims": (
        START + "dims: [a]\nlayers: [{type: tanh}]",
        "3:7: expected a mapping of names, found a list of 1",
    ),
    "impossible dims": (
        START + "dims:\n  a: 0\n  b: 1.5\n  c: 2*a\n  d: true\n  e: 1099511627777\n  1f: 3\n"
        "layers: [{type: tanh}]",
        "\n".join(
            f"{line}:6: dimension '{name}' must be an integer from 1 to 1099511627776, or null if "
            f"it has no default; found {found}"
            for line, name, found in [
                (4, "a", "the number 0"),
                (5, "b", "the number 1.5"),
                (6, "c", "the text '2*a'"),
                (7, "d", "true"),
                (8, "e", "the number 1099511627777"),
            ]
        )
        + "\n9:3: '1f' is no name for a dimension: use letters, digits and '_', no digit first",
    ),
    "impossible inputs": (
        "tensorbp: 1\ninputs:\n"
        "  a: 3\n"
        "  b: [0]\n"
        "  c: [batch]\n"
        "  d: {kind: real}\n"
        "  e: {shape: [2], kind: int}\n"
        "  f: {shape: [2], dtype: float64}\n"
        "  previous: [2]\n"
        "  g g: [2]\n"
        "layers: [{type: tanh}]",
        "3:6: input 'a' needs a shape such as [batch, 2*hidden], found the number 3\n"
        "4:7: a size must be positive, found 0\n"
        "5:7: unknown dimension 'batch'\n"
        "6:6: input 'd' needs 'shape'\n"
        "7:25: 'kind' must be real or integer, found the text 'int'\n"
        "8:19: input 'f' has no 'dtype'; known: kind, shape\n"
        "9:13: 'previous' has a meaning of its own; use another name\n"
        "10:3: 'g g' is no name for an input: use letters, digits, '_' and '-', no digit first",
    ),
    "faulty layers": (
        START + "layers:\n"
        "- tanh\n"
        "- {typ: tanh}\n"
        "- {type: 3}\n"
        "- {type: layer_nrom}\n"
        "- {type: tanh, name: my layer}\n"
        "- {type: tanh, name: input}\n"
        "- {type: tanh, repeat: 0}\n"
        "- {type: tanh, inputs: []}\n"
        "- {type: tanh, inputs: [x, 3, a..b]}\n"
        "- {type: tanh, units: 3}\n"
        "- {type: a.b c}\n",
        "4:3: a layer must be a mapping, found the text 'tanh'\n"
        "5:3: a layer needs 'type'\n"
        "6:10: expected a text, found the number 3\n"
        "7:10: unknown layer 'layer_nrom'; did you mean 'layer_norm'?\n"
        "8:22: 'my layer' is no name for a layer: use letters, digits, '_' and '-', no digit "
        "first\n"
        "9:22: 'input' has a meaning of its own; use another name\n"
        "10:24: 'repeat' must be an integer from 1 to 100000, found the number 0\n"
        "11:24: expected a name or a list of names, found an empty list\n"
        "12:28: expected a text, found the number 3\n"
        "12:31: 'a..b' is no name for a layer or input: use letters, digits, '_' and '-', no "
        "digit first, dots between names\n"
        "13:16: 'tanh' has no 'units'; known: inputs, name, repeat, share, type\n"
        "14:10: 'a.b c' is no name for a layer: use letters, digits, '_' and '-', no digit first",
    ),
    "faulty arguments": (
        START + "layers:\n"
        "- {type: linear}\n"
        "- {type: linear, unts: 3}\n"
        "- {type: linear, units: wide}\n"
        "- {type: linear, units: 3, bias: 1}\n"
        "- {type: reshape, shape: [3, 1.5]}\n",
        "4:3: 'linear' needs 'units' (the size of the last axis of the output)\n"
        "5:3: 'linear' needs 'units' (the size of the last axis of the output)\n"
        "5:18: 'linear' has no 'unts'; did you mean 'units'?\n"
        "6:25: 'units' of 'linear': unknown dimension 'wide'\n"
        "7:34: 'bias' of 'linear': expected true or false, found the number 1\n"
        "8:30: 'shape' of 'reshape': expected an integer or a size such as 2*hidden, found the "
        "number 1.5",
    ),
    "faulty blocks": (
        START + "blocks:\n"
        "  tanh: {layers: [{type: relu}]}\n"
        "  a: {}\n"
        "  b: {layers: [{type: tanh}], inputs: {y: [3]}}\n"
        "  c: [{type: tanh}]\n"
        "layers: [{type: b, units: 3}]\n",
        "4:9: block 'tanh' has the name of a layer; rename it\n"
        "5:6: block 'a' needs 'layers'\n"
        "6:31: block 'b' has no 'inputs'; known: layers\n"
        "7:6: block 'c' must be a mapping, found a list of 1\n"
        "8:20: 'b' has no 'units'; known: inputs, name, repeat, share, type",
    ),
    "a faulty loss": (
        START + "blocks: {b: {layers: [{type: tanh}]}}\nlayers: [{type: tanh}]\n"
        "loss: {type: b, repeat: 2}",
        "5:7: the loss must be a layer, 'b' is a block\n"
        "5:17: 'b' has no 'repeat'; known: inputs, name, share, type",
    ),
    "faulty outputs": (
        START + "layers: [{type: tanh}]\noutputs: {a: tanh1}",
        "4:10: expected a text, found a mapping with the keys 'a'",
    ),
}


@pytest.mark.parametrize(("text", "message"), FORM.values(), ids=FORM)
def test_the_form(text: str, message: str) -> None:
    assert complaint(text) == message


def test_faults_of_all_stages_come_together() -> None:
    assert complaint(
        "tensorbp: 1\ninputs: {x: [4, 3]}\nname: &me mine\n"
        "layers:\n- {type: linear, unitz: 3}\n- {type: tanh, inputs: y}\n"
    ) == (
        "3:7: the anchor 'me' is not read; remove it\n"
        "5:3: 'linear' needs 'units' (the size of the last axis of the output)\n"
        "5:18: 'linear' has no 'unitz'; did you mean 'units'?\n"
        "6:24: there is no layer or input 'y'; known: linear1, previous, tanh1, x"
    )


def test_the_name_of_the_file_is_said(tmp_path: Path) -> None:
    path = tmp_path / "model.yaml"
    path.write_text("tensorbp: 1")
    with pytest.raises(ModelError, match=r"model\.yaml:1:1: a model needs 'inputs'") as error:
        load(path)
    assert error.value.source == str(path)
    with path.open() as stream, pytest.raises(ModelError) as other:
        load(stream)
    assert other.value.source == str(path)


def test_missing_files_are_an_error_of_the_system(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "model.yaml")


def registry_with(*classes: type[Any]) -> Registry:
    class Plugin:
        @hookimpl
        def tensorbp_register_layers(self, register: Callable[[Any], None]) -> None:
            for each in classes:
                register(each)

    return build_registry(Plugin(), entry_points=False)


@dataclass(frozen=True)
class Chosen(Composite):
    """Multiply by a number that only Python can give."""

    name = "chosen"
    formula = "y = c x"

    numbers: dict[str, int] = argument("the number")  # noqa: RUF009

    def build(self, *operands: Any, **parameters: Any) -> Any:
        return operands[0]


@dataclass(frozen=True)
class Unfinished(Composite):
    """Have an annotation that means nothing."""

    name = "unfinished"
    formula = "y = x"

    size: Missing = argument("the size")  # type: ignore[name-defined]  # noqa: F821, RUF009

    def build(self, *operands: Any, **parameters: Any) -> Any:
        return operands[0]


def test_layers_of_plugins_are_checked_alike() -> None:
    registry = registry_with(Chosen, Unfinished)
    text = START + "layers: [{type: chosen, numbers: 3}, {type: unfinished}]"
    assert complaint(text, registry=registry) == (
        "3:34: 'numbers' of 'chosen' can only be given in Python, not in a file\n"
        "3:38: layer 'unfinished': the annotations of its arguments cannot be evaluated: "
        "name 'Missing' is not defined"
    )


def test_layers_that_failed_to_load_say_so() -> None:
    class Broken:
        @hookimpl
        def tensorbp_register_layers(self, register: Callable[[Any], None]) -> None:
            raise LayerError("no GPU")

    registry = build_registry(Broken(), entry_points=False)
    text = START + "blocks: {lsto: {layers: [{type: tanh}]}}\nlayers: [{type: lstz}]"
    assert complaint(text, registry=registry) == (
        "4:17: unknown layer 'lstz'; did you mean 'lsto'?; plugin 'Broken' failed to load: "
        "LayerError: no GPU"
    )
