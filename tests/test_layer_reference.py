"""The reference of layers is what the layers say of themselves."""

from __future__ import annotations

from pathlib import Path

from command_line import invoke, process

from tensorbp.registry import build_registry
from tensorbp.report.layer_reference import HOW_TO_WRITE, MOST_TERMS, layer_reference

PAGE = Path(__file__).parent.parent / "docs" / "reference" / "layers.md"
REGISTRY = build_registry(entry_points=False)


def test_the_page_is_what_the_layers_say() -> None:
    # factors stand in the order of their making, which what other tests have made would change
    written = process("layers", "--format", "markdown", TENSORBP_LOAD_PLUGINS="")
    assert (written.code, written.err) == (0, "")
    if PAGE.read_text() != written.out:
        raise AssertionError(
            f"docs/reference/layers.md is out of date; write it anew: {HOW_TO_WRITE}"
        )


def test_every_layer_has_a_section() -> None:
    headings = [line for line in layer_reference(REGISTRY).splitlines() if line.startswith("### ")]
    assert sorted(headings) == sorted(f"### {name}" for name in REGISTRY.layers)


def test_all_rows_of_a_table_have_as_many_cells() -> None:
    width = 0
    for line in layer_reference(REGISTRY).splitlines():
        cells = line.replace("\\|", "").count("|") if line.startswith("|") else 0
        assert not width or not cells or cells == width, line
        width = cells


def test_the_command_writes_the_page(tmp_path: Path) -> None:
    output = tmp_path / "layers.md"
    outcome = invoke("layers", "--format", "markdown", "-o", str(output))
    assert (outcome.code, outcome.out, outcome.err) == (0, "", "")
    text = output.read_text()
    assert text.startswith("# Layers\n") and text.endswith("\n")
    one = invoke("layers", "softmax", "--format", "markdown").out
    assert one in text
    assert invoke("layers", "softmax", "--format", "json").out == (
        invoke("layers", "softmax", "--json").out
    )


def test_of_a_long_jacobian_the_first_terms_are_shown() -> None:
    from dataclasses import replace

    from tensorbp.report.layer_description import describe
    from tensorbp.report.layer_reference import layer_section

    softmax = describe(REGISTRY.layer("softmax"), REGISTRY.plugins[0])
    longer = replace(softmax, jacobian=softmax.jacobian * MOST_TERMS)
    section = layer_section(longer)
    assert section.count("| `x` |") == MOST_TERMS
    assert section.endswith(f"and {MOST_TERMS} more terms, which `tensorbp layers softmax` shows.")
