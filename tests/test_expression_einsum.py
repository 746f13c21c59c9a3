"""The einsum node: numpy's values, absorbed views, and its Jacobian by leaving an operand out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from graph_zoo import run
from hypothesis import given
from hypothesis import strategies as st

import tensorbp as tb
from tensorbp.errors import SignatureError
from tensorbp.expression.einsum import is_view, jacobian_of_operand, term_of

words = st.lists(st.sampled_from("abcd"), max_size=3).map("".join)


@given(st.lists(words, min_size=1, max_size=3), words, st.booleans())
def test_values_are_those_of_numpy(factors: list[str], output: str, has_batch: bool) -> None:
    """A letter twice in an operand takes its diagonal; "->" alone is an einsum of no operand."""
    if factors == [""] and not has_batch:
        return
    output = "".join(dict.fromkeys(a for a in output if any(a in word for word in factors)))
    size = dict(zip("abcd", [2, 3, 4, 1], strict=True))
    random = np.random.default_rng(len(output))
    dots = "..." * has_batch
    batch = (5, 6) if has_batch else ()
    values = {
        f"x{k}": random.normal(size=(*batch, *[size[a] for a in word]))
        for k, word in enumerate(factors)
    }
    spec = f"{','.join(dots + word for word in factors)}->{dots}{output}"
    y = tb.einsum(spec, *[tb.variable(name, *each.shape) for name, each in values.items()])
    expected = np.einsum(spec, *values.values())
    assert y.shape == expected.shape
    assert np.allclose(run(y, values)[0], expected)


@given(words.filter(bool), st.integers(0, 3))
def test_a_letter_twice_in_the_output_writes_a_diagonal(word: str, times: int) -> None:
    size = dict(zip("abcd", [2, 3, 4, 1], strict=True))
    word = "".join(dict.fromkeys(word))
    value = np.random.default_rng(0).normal(size=[size[a] for a in word])
    y = tb.einsum(f"{word}->{word}{word[0] * times}", tb.variable("x", *value.shape))
    (result,) = run(y, {"x": value})
    back = np.einsum(f"{word}{word[0] * times}->{word}", result)
    assert np.allclose(back, value)
    assert np.isclose(np.abs(result).sum(), np.abs(value).sum())


def test_groups_are_flattened_dimensions() -> None:
    x = tb.variable("x", 2, 3, 4, 5)
    value = np.random.default_rng(0).normal(size=x.shape)
    flat = tb.einsum("bchw->b(chw)", x)
    assert np.array_equal(run(flat, {"x": value})[0], value.reshape(2, 60))
    back = tb.einsum("b(chw),chw->bcwh", flat, tb.variable("m", 3, 4, 5))
    found = run(back, {"x": value, "m": np.ones((3, 4, 5))})[0]
    assert np.array_equal(found, value.swapaxes(2, 3))


def test_a_sign_stands_in_front() -> None:
    x = tb.variable("x", 2, 3)
    value = np.arange(6.0).reshape(2, 3)
    assert np.array_equal(run(tb.einsum("-ij->ji", x), {"x": value})[0], -value.T)


@given(st.integers(1, 4), st.data())
def test_views_are_no_steps_of_their_own(count: int, data: Any) -> None:
    x, y = tb.variable("x", 4, 6), tb.variable("y", 6, 4)
    seen = x
    for _ in range(count):
        view = data.draw(st.sampled_from(["T", "scale"]))
        seen = seen.T if view == "T" else 2 * seen
    product = seen * (y if seen.shape == y.shape else y.T)
    plan = tb.plan(product)
    assert sum(step.flops > 0 for step in plan.steps) == 1
    assert plan.multiplications <= 2 * product.size


def test_what_is_a_view() -> None:
    x = tb.variable("x", 4, 6)
    for view in (x.T, 2 * x, tb.reshape(x, (24,)), tb.broadcast_to(x, (3, 4, 6)), tb.constant(2)):
        assert is_view(view)
    for node in (x, tb.sum(x), x * x, x + 1, tb.sin(x)):
        assert not is_view(node)


@given(words, words, st.data())
def test_the_jacobian_of_an_operand_is_the_rest(left: str, right: str, data: Any) -> None:
    """An einsum is linear in each operand: applied to the operand its Jacobian gives the value."""
    letters = sorted(set(left + right))
    output = "".join(data.draw(st.lists(st.sampled_from(letters), unique=True))) if letters else ""
    size = dict(zip("abcd", [2, 3, 4, 5], strict=True))
    x, y = (
        tb.variable(name, *[size[a] for a in word]) for name, word in (("x", left), ("y", right))
    )
    node = tb.einsum(f"{left},{right}->{output}", x, y)
    if len(node.operands) < 2:
        return
    values = {
        each.operator.name: np.random.default_rng(1).normal(size=each.shape) for each in (x, y)
    }
    for position, operand in enumerate(node.operands):
        term = jacobian_of_operand(node, position)
        assert term.input_shape == operand.shape
        assert len(term.factors) == len(node.operands) - 1
        applied = tb.jacobian(node, operand) @ operand
        assert np.allclose(run(applied, values)[0], run(node, values)[0])
    assert term_of(node).output_shape == node.shape


def refused(text: str, act: Any) -> None:
    with pytest.raises(SignatureError) as caught:
        act()
    assert str(caught.value) == text


def test_what_does_not_fit_is_refused() -> None:
    x = tb.variable("x", 2, 3)
    refused(
        "einsum 'ij->i/j' gives a tensor: there is no '/' in it", lambda: tb.einsum("ij->i/j", x)
    )
    refused("signature 'ij,jk->ik' has 2 factors, got 1", lambda: tb.einsum("ij,jk->ik", x))
    refused("signature 'ij' needs exactly one '->'", lambda: tb.einsum("ij", x))
    refused("signature 'ii->i': axis 'i' has size 2 and also 3", lambda: tb.einsum("ii->i", x))
    refused("signature 'ij->ik': nothing says the size of axis 'k'", lambda: tb.einsum("ij->ik", x))


def test_a_slash_with_nothing_after_it_is_refused_as_well() -> None:
    x = tb.variable("x", 2, 3)
    refused(
        "einsum 'ij->ij/' gives a tensor: there is no '/' in it", lambda: tb.einsum("ij->ij/", x)
    )
