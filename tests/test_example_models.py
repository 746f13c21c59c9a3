"""The example models have the size and the cost that is known of them, and they run."""

from __future__ import annotations

import functools
import io
import re
from itertools import pairwise
from math import prod
from pathlib import Path

import pytest
from command_line import invoke
from torch_models import MODELS, counted

import tensorbp as tb
from tensorbp.expression.selection import Selection
from tensorbp.planning import Plan

DOCS = Path(__file__).parent.parent / "docs"
EXAMPLES = DOCS / "examples"
NAMES = sorted(path.stem for path in EXAMPLES.glob("*.yaml"))
DEEP = sorted(MODELS)

PARAMETERS = {
    "gpt2_small": 124_439_808,
    "lstm_language_model": 19_780_400,
    "mlp_mixer": 59_880_472,
    "mobilenet_v2": 3_504_872,
    "resnet18": 11_689_512,
    "resnet50": 25_557_032,
    "unet": 31_030_658,
    "vit_b16": 86_567_656,
}
"""As published, or as of the models that are published with weights."""

MULTIPLY_ADDS = {
    "mobilenet_v2": 300_774_272,
    "resnet18": 1_814_073_344,
    "resnet50": 4_089_184_256,
}
"""Of the value for one sample, as published with the models."""

ZERO_STATES = {"lstm_language_model": 2 * 4 * 650 * 650}
"""What torch multiplies and a plan does not: the zeros at first, in two layers of four gates."""

SMALL = {
    "gpt2_small": "tokens=5 vocabulary=7 width=8 heads=2",
    "character_lstm": "batch=3 context=6 vocabulary=7 units=5",
    "graph_network": "nodes=6 features=9 hidden=4 classes=3",
    "lenet5": "batch=3 size=12",
    "lstm_language_model": "batch=2 steps=4 vocabulary=7 units=3",
    "mlp_mixer": "batch=2 size=12 patch=4 width=6 patches_hidden=5 features_hidden=7 classes=3",
    "mobilenet_v2": "batch=2 size=33 width=1 classes=5",
    "question": "batch=2 narrow=7 wide=5",
    "resnet18": "batch=2 size=33 width=2 classes=5",
    "resnet50": "batch=2 size=33 width=2 classes=5",
    "unet": "batch=2 size=16 width=2 classes=3",
    "vit_b16": "batch=2 size=12 patch=4 width=6 heads=2 hidden=7 classes=3",
}
"""Sizes with which those models run at once that are large as they are written."""


# the tests of one model follow each other, so that one process plans it, once
every_deep_model = pytest.mark.parametrize("name", DEEP, scope="module")


@functools.cache
def example(name: str) -> tb.Model:
    return tb.load(EXAMPLES / f"{name}.yaml")


@functools.cache
def plans(name: str) -> tuple[Plan, Plan]:
    """Return the plans of the value, and of the value with its gradient."""
    model = example(name)
    return tb.plan([model.loss]), tb.plan([model.loss, *model.gradient.values()])


def products(plan: Plan) -> int:
    """Return the multiply-adds, and the products that are summed up in a later step.

    Where nothing is summed up over channels, the product of image and weights may come before the
    windows. It is larger than either, and taking windows of it sums it up.
    """
    sizes = {each.value: prod(each.shape) for each in plan.inputs}
    sizes |= {step.result: prod(step.shape) for step in plan.steps}
    outer = [
        step.multiplications - step.multiply_adds
        for step in plan.steps
        if step.operation == "einsum"
        and len(step.operands) == 2
        and prod(step.shape) > max(sizes[each] for each in step.operands)
    ]
    return plan.multiply_adds + sum(outer)


def batch(name: str) -> int:
    """Return the number of samples; a graph is one."""
    return 1 if name == "graph_network" else example(name).dims["batch"]


@pytest.mark.parametrize("name", NAMES)
def test_it_says_what_it_is_and_where_it_comes_from(name: str) -> None:
    text = (EXAMPLES / f"{name}.yaml").read_text()
    assert text.startswith("# ")
    assert example(name).name == name
    if name in MODELS:
        assert re.search(r"^# Source: .+ (19|20)\d\d, .+\.$", text, re.MULTILINE)


@every_deep_model
def test_parameters_and_multiply_adds_are_those_of_the_same_model_in_torch(name: str) -> None:
    module, inputs = MODELS[name]
    parameters, multiply_adds = counted(module, *inputs)
    value, _ = plans(name)
    assert example(name).parameter_count == parameters
    assert products(value) == batch(name) * (multiply_adds - ZERO_STATES.get(name, 0))


@pytest.mark.parametrize("name", PARAMETERS)
def test_parameters_are_as_many_as_published(name: str) -> None:
    assert example(name).parameter_count == PARAMETERS[name]
    comment, _, _ = (EXAMPLES / f"{name}.yaml").read_text().partition("# Source")
    assert f"{PARAMETERS[name]:,} parameters" in comment.replace("\n# ", " ")


@pytest.mark.parametrize("name", MULTIPLY_ADDS)
def test_multiply_adds_are_as_many_as_published(name: str) -> None:
    value, _ = plans(name)
    assert products(value) == batch(name) * MULTIPLY_ADDS[name]


@every_deep_model
def test_the_page_says_what_the_plans_say(name: str) -> None:
    value, gradient = plans(name)
    parameters, each = example(name).parameter_count, products(value) // batch(name)
    ratio = f"{gradient.flops / value.flops:.1f}"
    assert on_the_page()[name] == (f"{parameters:,}", f"{each:,}", ratio)


def test_the_page_names_every_model() -> None:
    assert sorted(on_the_page()) == DEEP


def on_the_page() -> dict[str, tuple[str, ...]]:
    """Return the figures of each model on the page."""
    page = (DOCS / "reference" / "example-models.md").read_text()
    rows = re.findall(r"^\| \[(\w+)\].*? \| ([\d,]+) \| ([\d,]+) \| ([\d.]+) × \|$", page, re.M)
    return {name: tuple(figures) for name, *figures in rows}


@every_deep_model
def test_a_gradient_costs_three_times_the_value(name: str) -> None:
    """Each product is done again for what it reads and for its weights, the first for these."""
    value, gradient = plans(name)
    assert gradient.order == "reverse"
    assert 2 < products(gradient) / products(value) < 3.01
    assert 1.9 < gradient.flops / value.flops < 3.05
    assert gradient.flops <= gradient.baselines.reverse.flops


@every_deep_model
def test_no_selection_becomes_an_array(name: str) -> None:
    """But for the labels, which are subtracted from probabilities: one row for each.

    One that takes a single place may be a row of numbers, where that saves more than it costs.
    """
    value, gradient = plans(name)
    loss = example(name).losses
    made = [step for step in gradient.steps if isinstance(step.operator, Selection)]
    tables = [(step.operation, step.shape) for step in made if len(step.shape) > 1]
    assert tables == [("one_hot", _logits(name))]
    assert not [step for step in value.steps if isinstance(step.operator, Selection)]
    assert loss.shape == _logits(name)[:1]


def _logits(name: str) -> tuple[int, ...]:
    (logits,) = example(name).outputs.values()
    return logits.shape


@every_deep_model
def test_no_step_is_much_larger_than_what_layers_give(name: str) -> None:
    """The largest are windows, of which each place of an image is in as many as have room."""
    largest = max(node.size for node in example(name).nodes.values())
    _, gradient = plans(name)
    assert max(prod(step.shape) for step in gradient.steps) <= 25 * largest


@pytest.mark.parametrize(
    ("name", "blocks", "depths"),
    [
        ("gpt2_small", "type: gpt_block, heads: heads, repeat: 12", (2, 3, 4)),
        ("mlp_mixer", "type: mixer, repeat: 12", (2, 3, 4)),
        ("resnet18", "type: basic1, repeat: 2", (3, 4, 5)),
        ("resnet50", "type: bottleneck3, repeat: 5", (2, 3, 4)),
        ("mobilenet_v2", "type: residual4, repeat: 3", (2, 3, 4)),
    ],
)
def test_depth_costs_the_same_for_each_block(
    name: str, blocks: str, depths: tuple[int, ...]
) -> None:
    text = (EXAMPLES / f"{name}.yaml").read_text()
    assert text.count(blocks) == 1
    figures = []
    for depth in depths:
        deep = re.sub(r"\d+$", str(depth), blocks)
        model = tb.load(io.StringIO(text.replace(blocks, deep)))
        plan = tb.plan([model.loss, *model.gradient.values()])
        figures.append((plan.flops, plan.multiply_adds, len(plan.steps)))
    first, second = (
        [b - a for a, b in zip(one, other, strict=True)] for one, other in pairwise(figures)
    )
    assert first == second
    assert min(first) > 0


@pytest.mark.parametrize("name", NAMES)
def test_it_runs_and_its_gradient_is_right(name: str) -> None:
    options = [f"--dim={each}" for each in SMALL.get(name, "").split()]
    path = str(EXAMPLES / f"{name}.yaml")
    run = invoke("run", path, *options)
    assert run.code == 0, run.err
    assert re.search(r"^gradient +norm \d", run.out, re.MULTILINE)
    check = invoke("check", path, "--derivatives", *options)
    assert check.code == 0, check.out
    assert "The gradient agrees with" in check.out
