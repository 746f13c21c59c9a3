"""The certification of layers catches what is wrong with them, and says what and where."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from tensorbp.errors import LayerError
from tensorbp.expression.arithmetic import sum
from tensorbp.expression.declaration import Declaration, signature
from tensorbp.expression.layer import Composite, Example, Primitive, Shape
from tensorbp.expression.node import Expression
from tensorbp.expression.rule import elementwise
from tensorbp.layers.softmax import Softmax
from tensorbp.registry import build_registry
from tensorbp.testing import (
    LAWS,
    Case,
    CheckFailure,
    central_differences,
    check_layer,
    checks,
    complex_step,
    laws,
)


@dataclass(frozen=True)
class Sound(Primitive):
    """Row sums times the elements: y_p = x_p Σ_q x_q; dy_p/dx_q = δ_pq Σ_r x_r + x_p."""

    name = "sound"
    formula = "y_p = x_p Σ_q x_q"

    def forward(self, xp: Any, *arrays: Any) -> Any:
        (x,) = arrays
        return x * xp.sum(x, axis=-1, keepdims=True)

    def jacobian(self, y: Expression, *operands: Expression) -> Mapping[str, Declaration]:
        (x,) = operands
        return {"x": self.scaling(x) + signature("...p -> ...p/...q", x)}

    def scaling(self, x: Expression) -> Declaration:
        return signature("... -> ...p/...p", sum(x, axis=-1))


class WrongSign(Sound):
    """The second term is subtracted."""

    def jacobian(self, y: Expression, *operands: Expression) -> Mapping[str, Declaration]:
        (x,) = operands
        return {"x": self.scaling(x) - signature("...p -> ...p/...q", x)}


class MissingTerm(Sound):
    """The second term is forgotten."""

    def jacobian(self, y: Expression, *operands: Expression) -> Mapping[str, Declaration]:
        (x,) = operands
        return {"x": self.scaling(x)}


class SwappedAxis(Sound):
    """The second term depends on the axis of the input instead of the output."""

    def jacobian(self, y: Expression, *operands: Expression) -> Mapping[str, Declaration]:
        (x,) = operands
        return {"x": self.scaling(x) + signature("...q -> ...p/...q", x)}


class NoJacobian(Sound):
    """The operand is left out, which says that its derivative is zero."""

    def jacobian(self, y: Expression, *operands: Expression) -> Mapping[str, Declaration]:
        return {}


class WrongShapeRule(Sound):
    """The shape rule forgets an axis."""

    def shape(self, *shapes: Shape) -> Shape:
        return shapes[0][1:]


class Squeezed(Sound):
    """The forward rule drops axes of size one."""

    def forward(self, xp: Any, *arrays: Any) -> Any:
        return xp.squeeze(super().forward(xp, *arrays))


class NeedsSamples(Sound):
    """The forward rule goes over the samples, and fails if there are none."""

    def forward(self, xp: Any, *arrays: Any) -> Any:
        (x,) = arrays
        return xp.stack([super(NeedsSamples, self).forward(xp, row) for row in x])


class AlwaysDouble(Sound):
    """The forward rule forgets single precision."""

    def forward(self, xp: Any, *arrays: Any) -> Any:
        return super().forward(xp, *arrays) * xp.ones(1)


class WithoutFormula(Sound):
    """The formula is empty."""

    formula = " "


class Undocumented(Sound):
    __doc__ = ""


class WithoutExamples(Sound):
    """There is nothing to certify."""

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        return ()


class NeverEqual(Sound):
    """A layer that is not even equal to itself, rebuilt."""

    __eq__ = object.__eq__
    __hash__ = object.__hash__


@dataclass(frozen=True)
class Restless(Composite):
    """A composite that does something else each time."""

    name = "restless"
    formula = "y = k x, k = 1, 2, 3..."
    calls = [0]  # noqa: RUF012 - it must be shared and mutable to do its mischief

    def build(self, *operands: Expression, **parameters: Expression) -> Expression:
        self.calls[0] += 1
        return self.calls[0] * operands[0]


Numb = elementwise(
    "numb", "y = cos(x)", "dy/dx = -sin(x)", lambda xp, x: xp.cos(x), lambda y, x: None
)
WrongSecond = elementwise(
    "wrong_second",
    "y = sin(x)",
    "dy/dx = cos(x)",
    lambda xp, x: xp.sin(x),
    # the value of cos, whose own derivative is missing
    lambda y, x: Numb()(x),
)
NotAnalytic = elementwise(
    "not_analytic",
    "y = |x| x",
    "dy/dx = 2|x|",
    lambda xp, x: xp.abs(x) * x,
    lambda y, x: 2 * Magnitude()(x),
    analytic=False,
)
Magnitude = elementwise(
    "magnitude",
    "y = |x|",
    "dy/dx = sign(x)",
    lambda xp, x: xp.abs(x),
    lambda y, x: Magnitude()(x) / x,
    analytic=False,
)


def test_a_sound_layer_passes() -> None:
    check_layer(Sound)
    check_layer(Sound(), (2, 3, 4), seed=5)


def test_a_layer_that_is_not_analytic_is_compared_with_central_differences() -> None:
    check_layer(NotAnalytic)


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (
            WrongSign,
            r"layer 'sound' breaks the law declared-jacobian: on \(3, 4\), the derivative by 'x' "
            r"is -?[\d.]+ at output \((\d), \d\), input \(\1, \d\), expected -?[\d.]+ "
            r"\(deviation [\d.]+, allowed [\d.e-]+\)",
        ),
        (MissingTerm, r"layer 'sound' breaks the law declared-jacobian: .* by 'x' is .* expected"),
        (SwappedAxis, r"layer 'sound' breaks the law declared-jacobian: .* by 'x' is .* expected"),
        (NoJacobian, r"layer 'sound' breaks the law declared-jacobian: .* by 'x' is 0 at .* exp"),
        (
            WrongSecond,
            r"layer 'wrong_second' breaks the law second-derivative: on \(3, 4\), the second "
            r"derivative by 'x' and 'x' is 0 at output (\(\d, \d\)), input \1, expected -?[\d.]+",
        ),
        (
            WrongShapeRule,
            r"layer 'sound' breaks the law shape-rule: on \(3, 4\), the shape rule says \(4,\), "
            r"the forward rule gives shape \(3, 4\)$",
        ),
        (
            Squeezed,
            r"layer 'sound' breaks the law size-one: on \(1, 4\), the shape rule says \(1, 4\), "
            r"the forward rule gives shape \(4,\)$",
        ),
        (
            NeedsSamples,
            r"layer 'sound' breaks the law empty-batch: it raises ValueError: need at least one "
            r"array to stack$",
        ),
        (
            AlwaysDouble,
            r"layer 'sound' breaks the law single-precision: on \(3, 4\), the output has dtype "
            r"float64, expected float32$",
        ),
        (WithoutFormula, r"layer 'sound' breaks the law description: .* it has no formula$"),
        (Undocumented, r"layer 'sound' breaks the law description: .* it has no docstring$"),
        (
            NeverEqual,
            r"layer 'sound' breaks the law equality: .* a layer with the same arguments is not "
            r"equal to it$",
        ),
        (
            Restless,
            r"layer 'restless' breaks the law equality: .* applied twice to the same operands, it "
            r"gives different expressions$",
        ),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else "",
)
def test_a_fault_is_caught(layer: type[Primitive], message: str) -> None:
    with pytest.raises(CheckFailure) as caught:
        check_layer(layer)
    assert re.match(message, str(caught.value)), str(caught.value)


def test_a_layer_without_examples_is_no_certified_layer() -> None:
    with pytest.raises(CheckFailure, match=r"breaks the law description: .* it has no examples"):
        check_layer(WithoutExamples(), (3, 4))
    with pytest.raises(LayerError) as caught:
        check_layer(WithoutExamples)
    assert str(caught.value) == "layer 'sound' has no examples, so there is nothing to check"


def test_a_pushforward_that_is_not_adjoint_to_the_pullback_is_caught(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    jvp = laws.jvp
    monkeypatch.setattr(laws, "jvp", lambda *arguments: 2 * jvp(*arguments))
    with pytest.raises(
        CheckFailure, match=r"breaks the law adjointness: .*⟨Jᵀu, v⟩ is .* expected"
    ):
        check_layer(Sound)


def test_numbers_that_depend_on_the_order_are_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    jacobians = Case.jacobians

    def tampered(case: Case, *arguments: Any, **options: Any) -> dict[tuple[int, str], Any]:
        scale = 1 + 1e-6 * (options.get("order") == "forward")
        found = jacobians(case, *arguments, **options)
        return {at: scale * each for at, each in found.items()}

    monkeypatch.setattr(Case, "jacobians", tampered)
    with pytest.raises(CheckFailure, match=r"law order-invariance: .* forward mode by 'x' is"):
        check_layer(Sound)


def test_not_a_number_is_a_deviation() -> None:
    case = Case(Sound(), ((3, 4),))
    with pytest.raises(CheckFailure, match=r"on \(3, 4\), y is nan at \(1,\), expected 2"):
        case.require_equal("y", np.array([1.0, 2.0]), np.array([1.0, np.nan]), 1e-3)


def test_the_checks_are_named_after_layer_and_law() -> None:
    names = [name for name, _ in checks(Softmax)]
    assert names[:2] == ["softmax-description", "softmax-equality"]
    assert "softmax(axis=0)-second-derivative" in names
    assert len(names) == len(LAWS) * len(Softmax.examples())


def test_a_layer_without_shapes_cannot_be_checked() -> None:
    with pytest.raises(LayerError) as caught:
        check_layer(Softmax())
    assert str(caught.value) == (
        "check_layer needs the shapes of the inputs of layer 'softmax': check_layer(layer, (3, 4))"
    )


def test_a_layer_with_the_wrong_number_of_shapes_cannot_be_checked() -> None:
    with pytest.raises(LayerError) as caught:
        check_layer(Softmax(), (3, 4), (3, 4))
    assert str(caught.value) == "layer 'softmax' takes 1 input (x), got 2"


def test_the_complex_step_is_exact() -> None:
    x = np.array([[0.3, -1.2], [2.0, 0.7]])
    found = complex_step(lambda x: np.sin(x).sum(axis=1), x)
    expected = np.zeros((2, 2, 2))
    expected[0, 0], expected[1, 1] = np.cos(x)
    np.testing.assert_allclose(found, expected, rtol=1e-15)


def test_central_differences_are_exact_for_quadratic_functions() -> None:
    x = np.array([0.3, -1.2])
    found = central_differences(lambda x: np.outer(x, x), x)
    expected = np.einsum("ik,j->ijk", np.eye(2), x) + np.einsum("jk,i->ijk", np.eye(2), x)
    np.testing.assert_allclose(found, expected, atol=1e-10)


@pytest.mark.parametrize("derivative", [complex_step, central_differences])
def test_the_derivative_by_nothing_is_empty(derivative: Any) -> None:
    assert derivative(lambda x: np.cos(x).sum(), np.zeros((0, 2))).shape == (0, 2)


GALLERY = Path(__file__).parent.parent / "plugins" / "tensorbp-gallery"
HOW_TO = Path(__file__).parent.parent / "docs" / "how-to" / "write-a-plugin.md"


@pytest.fixture
def gallery(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(GALLERY / "src"))
    return import_module("tensorbp_gallery")


def test_the_example_plugin_brings_three_layers(gallery: ModuleType) -> None:
    registry = build_registry(gallery, entry_points=False)
    assert not registry.warnings
    for name in ("logish", "snake", "l2_normalize"):
        assert registry.origin("layer", name).name == "tensorbp_gallery"


def test_the_example_plugin_is_certified(gallery: ModuleType) -> None:
    for layer in (gallery.Logish, gallery.Snake, gallery.L2Normalize):
        check_layer(layer)


def test_the_code_on_the_page_is_that_of_the_example_plugin() -> None:
    sources = [path.read_text() for path in GALLERY.rglob("*") if path.suffix in (".py", ".toml")]
    blocks = re.findall(r"```(?:python|toml)\n(.*?)```", HOW_TO.read_text(), re.DOTALL)
    blocks = [block for block in blocks if not block.startswith(">>>")]
    assert len(blocks) == 7
    for block in blocks:
        assert any(block in source for source in sources), block


def test_the_page_lists_every_law() -> None:
    page = HOW_TO.read_text()
    for law in LAWS:
        assert f"| {law.__name__.replace('_', '-')} |" in page
