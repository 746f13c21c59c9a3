"""Reports: numbers as people read them, tables that hold, sentences that can be quoted."""

from __future__ import annotations

import io
import json
import re
from dataclasses import replace
from typing import Any

import pytest
from command_line import DIGITS
from rich.console import Console

import tensorbp as tb
from tensorbp.planning import Baselines, Figures, Plan
from tensorbp.registry import default_registry
from tensorbp.report.certificate import Certificate, Comparison
from tensorbp.report.check_text import check_report
from tensorbp.report.console import clean, key_values, paragraphs, plain_text, table, words
from tensorbp.report.folding import MOST_ROWS
from tensorbp.report.json_text import json_text
from tensorbp.report.layer_description import describe
from tensorbp.report.layer_list import layers_list, layers_text
from tensorbp.report.layer_text import layer_page
from tensorbp.report.plan_layers import layer_table
from tensorbp.report.plan_summary import cost_sentence, sentence, totals_table, why
from tensorbp.report.plan_text import MOST_STEPS, plan_report, plan_text
from tensorbp.report.plugins_text import plugins_list, plugins_report
from tensorbp.report.run_text import (
    FoundGradient,
    FoundMap,
    FoundValue,
    RunResult,
    run_report,
)
from tensorbp.report.units import (
    byte_count,
    flop_count,
    grouped,
    number_count,
    percentage,
    ratio,
    shape_text,
)

REGISTRY = default_registry()


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0 FLOP"),
        (999, "999 FLOP"),
        (1000, "1 kFLOP"),
        (1234, "1.23 kFLOP"),
        (999_499, "999 kFLOP"),
        (999_500, "1 MFLOP"),
        (1_310_000_000, "1.31 GFLOP"),
        (10**30, "1 QFLOP"),
        (10**33, "1e33 FLOP"),
        (12 * 10**400, "1.2e401 FLOP"),
    ],
)
def test_flops_have_three_digits_and_a_prefix(number: int, text: str) -> None:
    assert flop_count(number) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0 B"), (999, "999 B"), (1023, "1 KiB"), (1536, "1.5 KiB"), (2**40, "1 TiB")],
)
def test_bytes_have_binary_prefixes(number: int, text: str) -> None:
    assert byte_count(number) == text


@pytest.mark.parametrize(
    ("number", "base", "text"),
    [
        (1, 1, "1"),
        (1004, 1000, "1"),
        (137, 100, "1.37"),
        (9994, 1000, "9.99"),
        (9995, 1000, "10"),
        (4300, 100, "43"),
        (8197, 1, "8,200"),
        (99_499, 1, "99,000"),
        (99_500, 1, "1e5"),
        (31 * 10**400, 1, "3.1e401"),
        (1, 43, "1/43"),
        (996, 1000, "1"),
    ],
)
def test_ratios_have_as_many_digits_as_one_says(number: int, base: int, text: str) -> None:
    assert ratio(number, base) == text


def test_other_numbers() -> None:
    assert (number_count(2_316_907), number_count(12)) == ("2.32 M", "12")
    assert grouped(44842) == "44,842"
    assert (shape_text((64, 48)), shape_text((7,)), shape_text(())) == ("64 × 48", "7", "1")


@pytest.mark.parametrize(
    ("part", "whole", "text"),
    [(1, 3, "33.3 %"), (3, 3, "100 %"), (1, 1000, "0.1 %"), (1, 1001, "< 0.1 %"), (0, 5, "0 %")],
)
def test_shares_are_percentages(part: int, whole: int, text: str) -> None:
    assert percentage(part, whole) == text


def chain() -> Plan:
    x, A = tb.variable("x", 1000), tb.variable("A", 5000, 1000)
    B, c = tb.variable("B", 1000, 5000), tb.variable("c", 1000)
    return tb.plan(tb.gradient(c @ tb.tanh(B @ tb.tanh(A @ x)), x))


def deep(layers: int, name: str = "layer{}") -> Plan:
    x = tb.variable("x", 8)
    labels = {}
    y = x
    for k in range(layers):
        y = tb.tanh(y)
        labels[y] = name.format(k)
    return tb.plan(y, labels=labels)


def costing(order: Any, flops: int, reverse: int, forward: int) -> Plan:
    figures = [Figures(number, 0, 0, 2048) for number in (flops, reverse, forward)]
    baselines = Baselines(forward=figures[2], reverse=figures[1])
    return replace(chain(), order=order, figures=figures[0], baselines=baselines)


@pytest.mark.parametrize(
    ("order", "flops", "reverse", "forward", "expected"),
    [
        (
            "reverse",
            1310,
            1310,
            131_000,
            "Reverse order: 1.31 kFLOP and 2 KiB; plain forward mode would need 100 times the "
            "FLOPs.",
        ),
        (
            "forward",
            10,
            25,
            10,
            "Forward order: 10 FLOP and 2 KiB; plain reverse mode would need 2.5 times the FLOPs.",
        ),
        (
            "forward",
            50,
            2,
            50,
            "Forward order: 50 FLOP and 2 KiB; plain reverse mode would need 25 times fewer.",
        ),
        (
            "reverse",
            10,
            10,
            10,
            "Reverse order: 10 FLOP and 2 KiB; plain forward mode would need as many FLOPs.",
        ),
        (
            "reverse",
            0,
            0,
            7,
            "Reverse order: 0 FLOP, where reverse mode needs 0 FLOP and forward mode 7 FLOP.",
        ),
        (
            "forward",
            0,
            0,
            0,
            "Forward order: 0 FLOP, where reverse mode needs 0 FLOP and forward mode 0 FLOP.",
        ),
        (
            "mixed",
            3_050_000,
            131_150_000,
            134_200_000,
            "Mixed order: 3.05 MFLOP, 43 times fewer than reverse mode and 44 times fewer than "
            "forward mode.",
        ),
        (
            "mixed",
            100,
            100,
            150,
            "Mixed order: 100 FLOP, as many as reverse mode and 1.5 times fewer than forward mode.",
        ),
        (
            "mixed",
            0,
            8,
            0,
            "Mixed order: 0 FLOP, where reverse mode needs 8 FLOP and forward mode 0 FLOP.",
        ),
    ],
)
def test_the_sentence_says_what_is_saved(
    order: str, flops: int, reverse: int, forward: int, expected: str
) -> None:
    assert sentence(costing(order, flops, reverse, forward)) == expected


@pytest.mark.parametrize(
    ("reverse", "bound", "expected"),
    [
        (
            100,
            None,
            "Why: it costs as much as plain reverse mode, the cheaper of the two; what another "
            "order of contraction could save is not known.",
        ),
        (
            400,
            100,
            "Why: the search saves 75 % of the FLOPs of plain reverse mode, the cheaper of the "
            "two; no order of contraction costs less.",
        ),
        (
            125,
            90,
            "Why: the search saves 20 % of the FLOPs of plain reverse mode, the cheaper of the "
            "two; no order of contraction saves more than another 10 %.",
        ),
    ],
)
def test_a_plan_says_why(reverse: int, bound: int | None, expected: str) -> None:
    made = replace(costing("mixed", 100, reverse, 1000), lower_bound=bound)
    assert why(made) == expected


def test_a_plan_shows_steps_totals_and_a_sentence() -> None:
    text = plan_text(chain())
    lines = text.splitlines()
    assert lines[0].split() == [
        *("#", "operation", "equation", "reads", "shape", "FLOPs", "bytes", "layer")
    ]
    assert any("tanh" in line and "y = tanh(x)" in line for line in lines)
    assert any("A, x" in line or "x, A" in line for line in lines)
    assert "plain reverse mode" in text
    assert lines[-3:] == [sentence(chain()), "", why(chain())]
    assert all(line == line.rstrip() for line in lines)


def test_coefficients_stand_before_equations() -> None:
    x = tb.variable("x", 8)
    text = plan_text(tb.plan(tb.mean(x * x)))
    assert "(1/8) a,a->" in text


def test_the_steps_of_a_long_plan_are_summed_up_by_layer() -> None:
    text = plan_text(deep(MOST_STEPS + 1, "block{}.tanh2"))
    assert "block*.tanh2" in text
    assert len(text.splitlines()) < 12
    every_step = plain_text(plan_report(deep(MOST_STEPS + 1), all_steps=True))
    assert every_step.count("y = tanh(x)") == MOST_STEPS + 1


def rows_of(named: dict[str, int]) -> list[list[str]]:
    """Return the rows of a summary of one step for each layer, of so many FLOPs."""
    plan = deep(len(named), "{}")
    steps = tuple(
        replace(step, layer=name, flops=flops, multiply_adds=flops // 2)
        for step, (name, flops) in zip(plan.steps, named.items(), strict=True)
    )
    figures = replace(plan.figures, flops=sum(named.values()))
    table = plain_text(layer_table(replace(plan, steps=steps, figures=figures)))
    return [row.split() for row in table.splitlines()[1:]]


def test_layers_that_are_few_have_a_row_each_the_costliest_first() -> None:
    x = tb.variable("x", 8)
    y = x
    labels = {}
    for k in range(70):
        y = tb.tanh(y)
        labels[y] = ("first", "second")[k >= 30]
    rows = plan_text(tb.plan(y + 1, labels=labels)).splitlines()
    assert [row.split()[0] for row in rows[1:3]] == ["second", "first"]
    assert rows[3].startswith("(no layer)")
    assert rows[1].split()[1:3] == ["1", "40"]


def test_a_row_says_how_much_of_the_whole_it_is() -> None:
    assert rows_of({"a": 1000, "b": 3000}) == [
        ["b", "1", "1", "3", "kFLOP", "75", "%", "1.5", "k", "64", "B"],
        ["a", "1", "1", "1", "kFLOP", "25", "%", "500", "64", "B"],
    ]


def test_copies_of_a_block_share_a_row_and_the_layers_of_a_block_do_not() -> None:
    named = {
        f"stage{stage}.block{block}.conv{conv}": 100 * stage + conv
        for stage in range(1, 5)
        for block in range(1, 7)
        for conv in range(1, 4)
    }
    rows = rows_of({"stem1": 5000, **named, "logits": 1})
    assert [row[0] for row in rows[:4]] == [
        *("stem1", "stage4.block*.conv3", "stage4.block*.conv2", "stage4.block*.conv1")
    ]
    assert len(rows) == 4 * 3 + 2
    assert rows[1][1:5] == ["6", "6", "2.42", "kFLOP"]
    assert rows[-1][0] == "logits"


def test_where_blocks_are_many_the_outer_ones_are_folded_too() -> None:
    named = {f"stage{k}.block{j}.conv{i}": 1 for k in range(60) for j in (1, 2) for i in (1, 2)}
    assert [row[:2] for row in rows_of(named)] == [
        ["stage*.block*.conv1", "120"],
        ["stage*.block*.conv2", "120"],
    ]


def test_where_layers_are_many_a_block_has_a_row() -> None:
    words = [f"{chr(97 + k // 26)}{chr(97 + k % 26)}" for k in range(60)]
    named = {f"{block}.{word}": 1 for block in ("left", "right") for word in words}
    assert [row[:2] for row in rows_of(named)] == [["left", "60"], ["right", "60"]]


def test_of_too_many_layers_the_costliest_are_shown() -> None:
    names = [f"{chr(97 + k // 26)}{chr(97 + k % 26)}" for k in range(100)]
    rows = rows_of({name: 1000 if k == 70 else 2000 - k for k, name in enumerate(names)})
    assert len(rows) == MOST_ROWS
    assert rows[0][0] == names[0]
    assert rows[-1][:2] == ["(others)", "61"]


def test_a_value_is_not_compared_with_orders_of_a_derivative() -> None:
    plan = deep(3)
    text = plain_text(plan_report(plan, is_derivative=False))
    assert text.splitlines()[-1] == cost_sentence(plan)
    assert "mode" not in text and "this plan" in text


def test_totals_without_flops_have_no_ratio() -> None:
    assert "×" not in plain_text(totals_table(costing("reverse", 0, 0, 7)))


def test_renderers_come_through_the_hook() -> None:
    plan = chain()
    assert REGISTRY.renderer("text")(plan) == plan_text(plan)
    assert json.loads(REGISTRY.renderer("json")(plan))["schema"] == "tensorbp/plan/1"


@pytest.mark.parametrize("name", list(REGISTRY.layers))
def test_every_layer_has_a_page_with_an_example_that_can_be_used(name: str) -> None:
    description = describe(REGISTRY.layer(name), REGISTRY.origin("layer", name))
    page = plain_text(layer_page(description))
    assert description.formula in page
    assert description.example in page
    json.loads(json_text(description.to_dict()))
    kinds = dict(description.inputs)
    inputs = "".join(
        f"  {each}: {{shape: {list(shape)}, kind: {kinds.get(each, 'real')}}}\n"
        for each, shape in description.example_inputs.items()
    )
    model = tb.load(io.StringIO(f"tensorbp: 1\ninputs:\n{inputs}layers:\n  {description.example}"))
    assert [each.type for each in model.layers] == [name]


def test_the_page_of_a_layer_shows_its_declared_jacobian() -> None:
    page = plain_text(layer_page(describe(REGISTRY.layer("softmax"), REGISTRY.plugins[0])))
    assert "Jacobian (declared) by  signature" in page
    assert "x                       Ap,Aq -> Ap/Aq  -1           y, y" in page
    assert "axis      an integer" in page


def test_the_page_of_a_composite_shows_parameters_and_what_follows() -> None:
    page = plain_text(layer_page(describe(REGISTRY.layer("linear"), REGISTRY.plugins[0])))
    assert "parameters  W is 4 × 5, b is 5" in page
    assert "Jacobian (worked out) by" in page
    assert "bc -> ab/ac" in page
    assert "required" in page
    assert "true " in page


def test_a_layer_without_examples_cannot_be_shown() -> None:
    linear = REGISTRY.layer("linear")
    bare = type("Bare", (linear,), {"name": "bare", "examples": classmethod(lambda cls: ())})
    with pytest.raises(tb.LayerError, match="layer 'bare' has no examples, so there is nothing"):
        describe(bare, REGISTRY.plugins[0])


def test_tables_of_layers_and_plugins() -> None:
    text = plain_text(layers_text(REGISTRY))
    for name, layer in REGISTRY.layers.items():
        assert re.search(rf"^  {name} +{re.escape(layer.formula)}$", text, re.MULTILINE)
    assert text.splitlines()[-1] == (
        f"{len(REGISTRY.layers)} layers; 'tensorbp layers NAME' says all about one."
    )
    listed = plugins_list(REGISTRY)
    assert [each["name"] for each in listed] == [each.name for each in REGISTRY.plugins]
    assert listed[0]["version"] == tb.__version__
    assert "layers" in plain_text(plugins_report(REGISTRY))


def test_layers_are_listed_by_the_module_that_they_come_from() -> None:
    module = "Softmax and its logarithms, along any axis"
    lines = plain_text(layers_text(REGISTRY)).splitlines()
    start = lines.index(module)
    assert [line.split()[0] for line in lines[start + 1 : start + 4]] == [
        *("log_softmax", "logsumexp", "softmax")
    ]
    listed = {each["name"]: each for each in layers_list(REGISTRY)}
    assert list(listed) == list(REGISTRY.layers)
    assert listed["softmax"]["family"] == module


def test_failed_plugins_are_listed_with_their_error() -> None:
    failed = replace(REGISTRY.plugins[0], name="x:y", status="failed", error="ImportError: no [z]")
    text = plain_text(plugins_report(replace(REGISTRY, plugins=(failed,))))
    assert text.splitlines()[-1] == "x:y failed to load: ImportError: no [z]"


def test_names_are_neither_markup_nor_control_sequences() -> None:
    name = "a[/][link=http://x]b[/link]\x1b[31m\x07\u202e"
    shown = clean(name)
    assert shown == "a[/][link=http://x]b[/link]\ufffd[31m\ufffd\ufffd"
    report = paragraphs(words(name), table([name], [[name]], ()), key_values([(name, name)]))
    stream = io.StringIO()
    Console(file=stream, force_terminal=True, width=200, highlight=False).print(report)
    assert stream.getvalue().count(shown) == 5
    assert plain_text(report).count(shown) == 5


def test_plain_text_has_no_colours_whatever_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "20")
    text = plain_text(paragraphs(words("bold", "bold"), words("x" * 300)))
    assert text == "bold\n\n" + "x" * 300 + "\n"


def test_a_terminal_gets_tables_of_its_width() -> None:
    stream = io.StringIO()
    Console(file=stream, width=60, highlight=False).print(plan_report(chain()))
    assert max(map(len, stream.getvalue().splitlines())) <= 60


def test_json_is_valid_for_every_number() -> None:
    written = json_text({"a": float("nan"), "b": [float("inf"), 1.5], "c": (10**30,), "d": {1}})
    assert json.loads(written) == {"a": "nan", "b": ["inf", 1.5], "c": [10**30], "d": "{1}"}


def test_a_certificate_holds_if_all_comparisons_do() -> None:
    good = Comparison("all", 1.0, 1.0 + 1e-12, 1e-10)
    bad = Comparison("dense.W alone", 1.0, 1.5, 1e-10)
    unknown = Comparison("all", float("nan"), 1.0, 1e-10)
    assert Certificate("complex steps", (good,)).holds
    assert not Certificate("complex steps", (good, bad)).holds
    assert not Certificate("complex steps", (unknown,)).holds
    document = json.loads(json_text(Certificate("complex steps", (unknown,)).to_dict()))
    assert document["comparisons"][0]["expected"] == "nan"


def test_a_check_is_shown_with_its_comparisons() -> None:
    model = tb.load(DIGITS)
    certificate = Certificate("complex steps", (Comparison("dense.W alone", 1.0, 1.5, 1e-10),))
    text = plain_text(check_report(model, certificate))
    assert text.splitlines()[0].endswith(
        "valid; 9 layers, 13,066 parameters, reads x 64 × 64, target 64"
    )
    assert "dense.W alone" in text and "5.0e-01" in text and "differs" in text
    assert text.splitlines()[-1] == "The gradient does not agree with complex steps."
    holding = Certificate("central differences", ())
    shown = plain_text(check_report(model, holding))
    assert shown.splitlines()[-1] == "The gradient agrees with central differences."


def test_what_running_gave_is_shown() -> None:
    found = FoundGradient("loss", 2.5, 0.5, 1234)
    result = RunResult("m", "gradient", {"batch": 4}, found, 2_000_000, 0.0123, 0.001)
    text = plain_text(run_report(result))
    assert [line.split(maxsplit=1) for line in text.splitlines()] == [
        ["model", "m with batch=4"],
        ["computed", "gradient"],
        ["loss", "2.5"],
        ["gradient", "norm 0.5, 1,234 numbers"],
        ["planning", "12.3 ms"],
        ["computing", "1 ms (2 MFLOP, 2 GFLOP/s)"],
    ]
    document = result.to_dict()
    assert (document["schema"], document["value"], document["at"]) == (
        "tensorbp/run/1",
        2.5,
        "loss",
    )
    valued = replace(result, of="value", found=FoundValue("logits", None, (4, 2), 1.5))
    assert ["logits", "4 × 2, norm 1.5"] in [
        line.split(maxsplit=1) for line in plain_text(run_report(valued)).splitlines()
    ]
    held = replace(result, dims={}, of="hessian", found=FoundMap("loss", 25, 10**6, 200), seconds=2)
    text = plain_text(run_report(held))
    assert "numbers held  25 (200 B)" in text and "written out   1,000,000" in text
    assert "2 s" in text
