"""Families of layers: those of plugins say where they come from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import tensorbp as tb
from tensorbp.registry import build_registry, hookimpl
from tensorbp.report.console import plain_text
from tensorbp.report.layer_description import describe
from tensorbp.report.layer_families import families
from tensorbp.report.layer_list import layers_text
from tensorbp.report.layer_reference import layer_section
from tensorbp.report.layer_text import layer_page


@dataclass(frozen=True)
class Largest(tb.Primitive):
    """The place of the largest number: y_b = argmax_p x_bp | it has *no* derivative."""

    name = "largest"
    formula = "y_b = argmax_p |x_bp|"
    kind: ClassVar[str] = "integer"

    def shape(self, *shapes: tuple[int, ...]) -> tuple[int, ...]:
        return shapes[0][:-1]

    def forward(self, xp: Any, *arrays: Any) -> Any:
        return xp.argmax(abs(arrays[0]), axis=-1)

    def jacobian(self, y: tb.Expression, *operands: tb.Expression) -> dict[str, tb.Declaration]:
        return {}


class Plugin:
    @hookimpl
    def tensorbp_register_layers(self, register: Callable[[type[tb.Layer]], None]) -> None:
        register(Largest)


REGISTRY = build_registry(Plugin(), entry_points=False)


def test_a_family_is_a_module_with_the_first_line_of_its_docstring() -> None:
    found = families(REGISTRY)
    assert sum(len(each.layers) for each in found) == len(REGISTRY.layers)
    built_in = [each.title for each in found if each.built_in]
    assert built_in == sorted(built_in)
    assert [each.built_in for each in found] == [True] * len(built_in) + [False]
    (own,) = [each for each in found if not each.built_in]
    assert own.title == "Families of layers: those of plugins say where they come from"
    assert list(own.layers) == ["largest"]
    heading = f"{own.title} (from {own.plugin})"
    assert heading in plain_text(layers_text(REGISTRY)).splitlines()


def test_a_module_without_a_docstring_stands_for_itself() -> None:
    bare = type("Bare", (Largest,), {"name": "bare", "__module__": "nowhere.at_all"})

    class Other:
        @hookimpl
        def tensorbp_register_layers(self, register: Callable[[Any], None]) -> None:
            register(dataclass(frozen=True)(bare))

    assert families(build_registry(Other(), entry_points=False))[-1].title == "nowhere.at_all"


def test_a_layer_that_gives_integers_says_so() -> None:
    description = describe(Largest, REGISTRY.origin("layer", "largest"))
    assert description.to_dict()["output_kind"] == "integer"
    assert "gives    integers" in plain_text(layer_page(description))
    assert "- gives: integers\n" in layer_section(description)


def test_what_means_something_in_markdown_is_escaped() -> None:
    section = layer_section(describe(Largest, REGISTRY.origin("layer", "largest")))
    assert "y\\_b = argmax\\_p x\\_bp \\| it has \\*no\\* derivative." in section
    assert "- formula: `y_b = argmax_p |x_bp|`" in section


def test_tables_of_markdown_hold() -> None:
    section = layer_section(describe(REGISTRY.layer("softmax"), REGISTRY.plugins[0]))
    rows = [line for line in section.splitlines() if line.startswith("|")]
    assert rows == [
        "| argument | type | default | explanation |",
        "| --- | --- | --- | --- |",
        "| `axis` | an integer or a size such as 2\\*hidden | `-1` | the axis along which it is "
        "computed; negative ones count from the end |",
        "| Jacobian (declared) by | coefficient | signature | factors |",
        "| --- | --- | --- | --- |",
        "| `x` | 1 | `Ap -> Ap/Ap` | `y` |",
        "| `x` | -1 | `Ap,Aq -> Ap/Aq` | `y`, `y` |",
    ]
