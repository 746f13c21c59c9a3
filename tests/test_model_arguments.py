"""The types of arguments, as annotations declare them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import pytest

from tensorbp.errors import LayerError
from tensorbp.expression.layer import Layer, argument
from tensorbp.model.argument_types import Mismatch, argument_type, bound, describe
from tensorbp.model.arguments import arguments
from tensorbp.model.document import Node, parse
from tensorbp.model.problems import Problems
from tensorbp.model.sizes import Size

DIMS = {"batch": 64, "hidden": 3}


def node(text: str) -> Node:
    return parse(text, Problems("model.yaml"))


def read(annotation: Any, text: str) -> Any:
    expected = argument_type(annotation)
    assert expected is not None
    return bound(expected.read(node(text), DIMS), DIMS)


VALUES: list[tuple[Any, str, Any]] = [
    (int, "3", 3),
    (int, "-1", -1),
    (int, "2*hidden", 6),
    (int, "'hidden'", 3),
    (float, "3", 3.0),
    (float, "1e-5", 1e-5),
    (bool, "true", True),
    (str, "ij,jk->ik", "ij,jk->ik"),
    (int | None, "null", None),
    (int | None, "batch", 64),
    (tuple[int, ...], "[hidden, 2, 2*hidden]", (3, 2, 6)),
    (tuple[int, ...], "[]", ()),
    (tuple[int, int], "[1, hidden]", (1, 3)),
    (int | tuple[int, ...] | None, "[1]", (1,)),
    (tuple[tuple[int, ...], ...], "[[1], [hidden, 2]]", ((1,), (3, 2))),
    (Literal["same", "valid"], "same", "same"),
    (Literal["same"] | int, "3", 3),
]


@pytest.mark.parametrize(("annotation", "text", "value"), VALUES)
def test_values(annotation: Any, text: str, value: Any) -> None:
    found = read(annotation, text)
    assert found == value
    assert type(found) is type(value)


SIZE = "an integer or a size such as 2*hidden"
MISMATCHES: list[tuple[Any, str, str]] = [
    (int, "1.5", f"expected {SIZE}, found the number 1.5"),
    (int, "true", f"expected {SIZE}, found true"),
    (int, "2+hidden", f"expected {SIZE}, found the text '2+hidden'"),
    (int, "hiden", "unknown dimension 'hiden'; did you mean 'hidden'?"),
    (int, "1099511627777", "1099511627777 is too large, the limit is 1099511627776"),
    (float, "1e999", "expected a number, found the number inf"),
    (float, ".nan", "expected a number, found the text '.nan'"),
    (float, "false", "expected a number, found false"),
    (bool, "1", "expected true or false, found the number 1"),
    (str, "", "expected a text, found nothing"),
    (str, "[a, b]", "expected a text, found a list of 2"),
    (str, "[]", "expected a text, found an empty list"),
    (str, "{a: 1, b: 2}", "expected a text, found a mapping with the keys 'a, b'"),
    (str, "{}", "expected a text, found an empty mapping"),
    (int | None, "[]", f"expected {SIZE} or null, found an empty list"),
    (tuple[int, ...], "3", f"expected a list (each: {SIZE}), found the number 3"),
    (tuple[int, ...], "[1, hiden]", "unknown dimension 'hiden'; did you mean 'hidden'?"),
    (tuple[int, ...] | None, "[a*]", f"expected {SIZE}, found the text 'a*'"),
    (tuple[bool, str], "[true]", "expected a list of 2 (true or false, a text), found a list of 1"),
    (Literal["same", "valid"], "full", "expected one of 'same', 'valid', found the text 'full'"),
]


@pytest.mark.parametrize(("annotation", "text", "message"), MISMATCHES)
def test_mismatches(annotation: Any, text: str, message: str) -> None:
    with pytest.raises(Mismatch) as mismatch:
        read(annotation, text)
    assert mismatch.value.message == message


def test_a_mismatch_is_where_the_fault_is() -> None:
    with pytest.raises(Mismatch) as mismatch:
        read(tuple[int, ...], "[1,\n hiden]")
    assert mismatch.value.place == (2, 2)


@pytest.mark.parametrize(
    "annotation",
    [dict[str, int], complex, Any, tuple[complex, ...], int | complex, list[int], tuple[()]],
)
def test_what_files_cannot_say(annotation: Any) -> None:
    assert argument_type(annotation) is None


def test_what_is_unreadable_is_nothing() -> None:
    assert describe(node("*x")) == "nothing"


def test_sizes_are_bound_everywhere() -> None:
    value = (Size(2, ("hidden",)), (Size(1, ("batch",)), "x"), None, 1.5)
    assert bound(value, DIMS) == (6, (64, "x"), None, 1.5)


@dataclass(frozen=True)
class Window(Layer):
    name = "window"
    formula = "y = x"

    width: int = argument("how wide it is")
    stride: tuple[int, ...] | None = argument("how far it moves", None)
    weights: dict[str, int] = field(default_factory=dict)

    def __call__(self, *inputs: Any, **parameters: Any) -> Any: ...


def test_arguments_are_the_fields_of_the_layer() -> None:
    width, stride, weights = arguments(Window).values()
    assert (width.name, width.required, width.explanation) == ("width", True, "how wide it is")
    assert (stride.required, stride.default) == (False, None)
    assert weights.type is None
    assert not weights.required


@dataclass(frozen=True)
class Unfinished(Window):
    name = "unfinished"

    padding: Missing = 0  # type: ignore[name-defined]  # noqa: F821


def test_annotations_must_mean_something() -> None:
    with pytest.raises(LayerError) as error:
        arguments(Unfinished)
    assert str(error.value) == (
        "layer 'unfinished': the annotations of its arguments cannot be evaluated: "
        "name 'Missing' is not defined"
    )
