"""Routines of torch in the place of several steps: where they are called, and their numbers."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode

import tensorbp as tb
from tensorbp.errors import LayerError
from tensorbp.execution.torch.normalization import TorchNormalization

torch.set_num_threads(1)

SIZES = st.integers(1, 4)


def arrays_of(variables: list[tb.Expression], seed: int = 0) -> dict[str, Any]:
    random = np.random.default_rng(seed)
    return {each.operator.name: random.normal(size=each.shape) for each in variables}


def assert_same_numbers(
    wanted: list[tb.Expression], arrays: dict[str, Any], dtype: str = "float64"
) -> str:
    """Check a program on torch against the same on numpy in double precision; return its code."""
    given = {k: a.astype(dtype) if a.dtype.kind == "f" else a for k, a in arrays.items()}
    program = tb.compile(wanted, dtype=dtype, backend="torch")
    expected = tb.compile(wanted)(arrays)
    tolerance = {"float64": 1e-12, "float32": 2e-5, "float16": 2e-2, "bfloat16": 0.2}[dtype]
    found = program(given)
    for one, other in zip(found, expected, strict=True):
        assert one.shape == np.shape(other) and str(one.dtype) == f"torch.{dtype}"
        assert one.is_contiguous()
        scale = max(1.0, np.abs(other).max(initial=0))
        error = np.abs(one.double().numpy() - other).max(initial=0)
        assert error <= tolerance * scale
    assert len({each.data_ptr() for each in found if each.numel()}) == len(
        [each for each in found if each.numel()]
    )
    return program.source


def with_gradient(y: tb.Expression, variables: list[tb.Expression]) -> list[tb.Expression]:
    return [y, *tb.gradient(tb.sum(tb.sin(y)), variables)]


# ----- standardisation -----


@st.composite
def normalized(draw: Any) -> tuple[tb.Expression, list[tb.Expression]]:
    """Draw what is standardised over any axes, scaled and shifted along any others."""
    shape = tuple(draw(st.lists(SIZES, min_size=1, max_size=4)))
    places = range(len(shape))
    axes = tuple(sorted(draw(st.sets(st.sampled_from(places), min_size=1))))
    x = tb.variable("x", *shape)
    # with a smaller epsilon what varies little is divided by little, which no digit survives
    y = tb.standardize(x, 0.1, axis=axes)
    variables = [x]
    for name in draw(st.sampled_from(["", "g", "gb", "gsb"])):
        own = draw(st.sets(st.sampled_from(places)))
        each = tb.variable(name, *[n if k in own else 1 for k, n in enumerate(shape)])
        variables.append(each)
        y = y + each if name == "b" else y * each
    if draw(st.booleans()):
        y = tb.tanh(y) + x
    return y, variables


@settings(max_examples=150, deadline=None)
@given(normalized(), st.sampled_from(["float64", "float32"]), st.integers(0, 9))
def test_standardisation_over_any_axes_has_the_numbers_of_the_steps(
    given: Any, dtype: str, seed: int
) -> None:
    y, variables = given
    assert_same_numbers(with_gradient(y, variables), arrays_of(variables, seed), dtype)


@pytest.mark.parametrize(
    ("shape", "axes", "features"),
    [
        ((3, 5), (1,), (5,)),
        ((2, 3, 5), (1, 2), (3, 5)),
        ((4, 3, 2, 5), (0, 2, 3), (3, 1, 1)),
        ((4, 2, 5, 3), (0, 1, 2), (3,)),
    ],
    ids=["layer norm", "layer norm over two axes", "batch norm", "channels last"],
)
def test_a_normalisation_is_one_call_forward_and_one_backward(
    shape: tuple[int, ...], axes: tuple[int, ...], features: tuple[int, ...]
) -> None:
    x, W = tb.variable("x", *shape), tb.variable("W", shape[-1], 7)
    gain, bias = tb.variable("gain", *features), tb.variable("bias", *features)
    y = tb.sum(tb.sin((tb.standardize(tb.sin(x), axis=axes) * gain + bias) @ W))
    variables = [x, W, gain, bias]
    source = assert_same_numbers([y, *tb.gradient(y, variables)], arrays_of(variables))
    assert source.count("# standardize\n") == source.count("# gradient of standardize\n") == 1
    assert "inverse_deviation" not in source
    # the gradients of gain and bias come with it
    (line,) = [each for each in source.splitlines() if "gradient of standardize" in each]
    assert len(line.split(" = ")[0].split(", ")) == 3


def test_a_gradient_in_a_longer_sum_is_one_call_and_the_rest_is_added() -> None:
    x, W = tb.variable("x", 3, 5), tb.variable("W", 5, 5)
    y = tb.sum(tb.sin(x + tb.standardize(tb.sin(x)) @ W) * tb.exp(x))
    source = assert_same_numbers([y, tb.gradient(y, x)], arrays_of([x, W]))
    assert source.count("# gradient of standardize\n") == 1


def test_a_gradient_of_which_a_part_is_a_product_with_a_derivative_stays_one() -> None:
    x = tb.variable("x", 3, 5)
    y = tb.sum(tb.tanh(tb.standardize(x, 0.1))) + tb.sum(x * tb.sin(x))
    source = assert_same_numbers([y, tb.gradient(y, x)], arrays_of([x]))
    assert source.count("# gradient of standardize\n") == 1


def test_where_standardisation_stays_as_it_is() -> None:
    def source(y: tb.Expression, dtype: str = "float64") -> str:
        wanted = with_gradient(y, [x])
        return tb.compile(wanted, dtype=dtype, backend="torch").source

    x = tb.variable("x", 2, 3, 4, 5)
    assert "# gradient of standardize\n" in source(tb.standardize(x, axis=(0, 2, 3)))
    assert "gradient of standardize" not in source(tb.standardize(x, axis=(0, 2)))
    assert "gradient of standardize" not in source(tb.standardize(x, centered=False))
    assert "gradient of standardize" not in source(tb.standardize(x), "float16")


@pytest.mark.parametrize("before", [1, 3])
@pytest.mark.parametrize("behind", [1, 5])
@pytest.mark.parametrize("with_gain", [False, True])
@pytest.mark.parametrize("sums", [False, True])
def test_the_routine_takes_weights_and_cotangents_that_lie_in_any_way(
    before: int, behind: int, with_gain: bool, sums: bool
) -> None:
    shape = (before, 4, behind)
    random = torch.Generator().manual_seed(0)
    y = torch.randn(shape, generator=random, dtype=torch.float64)
    weights = torch.randn(60, generator=random, dtype=torch.float64)
    for g, scale, gain in (
        (y.sin(), weights[:4], weights[: before * behind]),
        (y.sin().mT.contiguous().mT, weights[:8:2], weights[: 2 * before * behind : 2]),
        (y[:1, :1, :1].expand(shape), weights[:1].expand(4), weights[:1].expand(before * behind)),
        (y.sin(), None, weights[: before * behind]),
    ):
        own_gain = gain if with_gain else None
        h = g * gain.reshape(before, 1, behind) if with_gain else g
        mean, both = (each.mean((0, 2), keepdim=True) for each in (h, h * y))
        expected = h - mean - y * both
        expected = expected if scale is None else expected * scale[:, None]
        dx, *found = TorchNormalization(torch).gradients(g, y, scale, own_gain, sums)
        torch.testing.assert_close(dx, expected)
        over = 1 if with_gain else (0, 2)
        for each, total in zip(found, ((g * y).sum(over), g.sum(over)), strict=True):
            if sums:
                torch.testing.assert_close(each.flatten(), total.flatten())


# ----- derivatives -----

FUNCTIONS: dict[str, Any] = {
    **{name: getattr(tb, name) for name in ("tanh", "sigmoid", "relu", "silu", "mish")},
    "gelu": lambda x: tb.gelu(x),
    "gelu by tanh": lambda x: tb.gelu(x, approximate="tanh"),
}


@pytest.mark.parametrize("dtype", ["float64", "float32", "bfloat16"])
@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_cotangent_times_a_derivative_is_one_call(function: str, dtype: str) -> None:
    x, W, V = tb.variable("x", 4, 3), tb.variable("W", 3, 5), tb.variable("V", 5, 2)
    loss = tb.sum(tb.sin(FUNCTIONS[function](x @ W) @ V))
    if dtype == "bfloat16":
        source = tb.compile([loss, *tb.gradient(loss, [W, V])], dtype, "torch").source
    else:
        arrays = arrays_of([x, W, V])
        source = assert_same_numbers([loss, *tb.gradient(loss, [W, V])], arrays, dtype)
    assert source.count(f"with the derivative of {function.split()[0]}\n") == 1
    assert not any(name in source for name in ("heaviside", "hard_tanh", "normal_cdf", "softplus"))


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("function", [*FUNCTIONS, "elu", "softplus"])
def test_jacobians_of_samples_have_the_numbers_of_the_steps(function: str, dtype: str) -> None:
    """The derivative of a hidden unit meets what has an axis more."""
    x, W, V = tb.variable("x", 4, 3), tb.variable("W", 3, 5), tb.variable("V", 5, 2)
    activation = FUNCTIONS.get(function) or getattr(tb, function)
    y = activation(x @ W) @ V
    wanted = [tb.jacobian(y, each).to_dense() for each in (x, W)]
    assert_same_numbers(wanted, arrays_of([x, W, V]), dtype)
    hessian = tb.hessian(tb.sum(tb.sin(y)), x).to_dense()
    assert_same_numbers([hessian], arrays_of([x, W, V]), dtype)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("approximate", ["none", "tanh"])
def test_a_long_derivative_that_meets_no_cotangent_is_one_call(
    approximate: Any, dtype: str
) -> None:
    x, W, b = tb.variable("x", 4, 3), tb.variable("W", 3, 5), tb.variable("b", 5)
    loss = tb.sum(tb.gelu(x @ W + b, approximate=approximate))
    source = assert_same_numbers(tb.gradient(loss, [x, W]), arrays_of([x, W, b]), dtype)
    assert source.count("# derivative of gelu\n") == 1 and "normal_cdf" not in source


def test_a_long_derivative_that_is_read_twice_is_made_once() -> None:
    x, a, b = (tb.variable(name, 4, 3) for name in "xab")
    slope = tb.jacobian(tb.gelu(x), x).diagonal()
    source = assert_same_numbers([slope * a, slope * tb.sin(b)], arrays_of([x, a, b]))
    assert source.count("# derivative of gelu\n") == 1 and "with the derivative" not in source


def test_other_polynomials_are_no_derivatives() -> None:
    y, g = tb.variable("y", 4, 3), tb.variable("g", 4, 3)
    for slope in (1 + y * y, 1 - 2 * y * y, 2 - y * y, y - y * y * y, 1 - y * tb.sin(y)):
        source = assert_same_numbers([g * slope], arrays_of([y, g]))
        assert "derivative" not in source
    assert "the derivative of tanh" in assert_same_numbers([g * (1 - y * y)], arrays_of([y, g]))
    complex_source = tb.compile([g * (1 - y * y)], "complex128", "torch").source
    assert "derivative" not in complex_source


def test_a_long_chain_of_functions_is_no_matter_of_depth() -> None:
    x = tb.variable("x", 3)
    e = x
    for _ in range(400):
        e = e + tb.sin(e)
    assert "derivative" not in assert_same_numbers([e], arrays_of([x]))


# ----- pools -----


@st.composite
def pooled(draw: Any) -> tuple[tb.Expression, tb.Expression]:
    """Draw a pool over one to three axes of space, with whatever arguments fit."""
    rank = draw(st.integers(1, 3))
    numbers = st.tuples(*[st.integers(1, 3)] * rank)
    sizes, strides, dilations = draw(numbers), draw(numbers), draw(numbers)
    extents = [d * (k - 1) + 1 for d, k in zip(dilations, sizes, strict=True)]
    padding = tuple(draw(st.integers(0, extent // 2)) for extent in extents)
    space = [extent + draw(st.integers(0, 3)) for extent in extents]
    x = tb.variable("x", draw(SIZES), draw(SIZES), *space)
    ceil = draw(st.booleans())
    y = tb.max_pool(tb.sin(x), sizes, strides, padding, dilations, ceil)
    return x, y


@settings(max_examples=100, deadline=None)
@given(pooled(), st.integers(0, 9))
def test_pools_have_the_numbers_of_the_steps(given: Any, seed: int) -> None:
    x, y = given
    arrays = arrays_of([x], seed)
    # the first of several that are equal
    arrays["x"] = np.round(arrays["x"])
    assert_same_numbers(with_gradient(y, [x]), arrays)


def test_a_pool_is_one_call_forward_and_one_backward() -> None:
    x = tb.variable("x", 2, 3, 8, 6)
    for y, is_one in (
        (tb.max_pool(x, (3, 2), 2, (1, 0)), True),
        (tb.max_pool(x, 2, channels_last=True), False),
        (tb.max_pool(x, 3, 2, padding=((0, 1), (1, 0))), False),
    ):
        source = tb.compile(with_gradient(y, [x]), backend="torch").source
        assert ("# largest of each window\n" in source) == is_one
        assert ("# put back where the largest was\n" in source) == is_one
        assert ("places_of_largest" in source) != is_one


# ----- layers that are one function -----


@pytest.mark.parametrize("shape", [(4, 5), (3, 2, 5), (1, 1)])
def test_cross_entropy_of_one_label_and_of_several(shape: tuple[int, ...]) -> None:
    x = tb.variable("x", *shape)
    labels = tb.variable("labels", *shape[:-1], kind="integer")
    loss = tb.softmax_cross_entropy(x, labels)
    arrays = {"x": np.random.default_rng(0).normal(size=shape)}
    arrays["labels"] = np.random.default_rng(1).integers(0, shape[-1], shape[:-1])
    for dtype in ("float64", "float32"):
        assert_same_numbers(with_gradient(loss, [x]), arrays, dtype)
    program = tb.compile(loss, backend="torch")
    for wrong in (-1, -100, shape[-1]):
        arrays["labels"].flat[0] = wrong
        with pytest.raises(LayerError, match=f"labels must be from 0 .* found {wrong}"):
            program(arrays)


@pytest.mark.parametrize("name", ["softmax", "log_softmax", "sigmoid", "silu", "relu", "gelu"])
def test_functions_of_layers_take_large_numbers_and_any_axis(name: str) -> None:
    x = tb.variable("x", 3, 4)
    function = getattr(tb, name)
    wanted = [function(x)] if "softmax" not in name else [function(x), function(x, axis=0)]
    arrays = {"x": np.array([[-800.0, -1.0, 0.0, 800.0]]) * np.ones((3, 1))}
    assert_same_numbers(wanted, arrays)


# ----- sums -----


@st.composite
def summed(draw: Any) -> tuple[tb.Expression, list[tb.Expression]]:
    """Draw a sum of products, tensors and repeated tensors, each times a number."""
    a, b, c = (draw(st.integers(0, 3)) for _ in "abc")
    u, v, w = tb.variable("u", a, b), tb.variable("v", a, c), tb.variable("w", c, b)
    s, t, n = tb.variable("s", b), tb.variable("t", a, 1), tb.variable("n")
    terms = [v @ w, (w.T @ v.T).T, u * s, u * t, u, tb.broadcast_to(s, (a, b))]
    terms += [tb.broadcast_to(t, (a, b)), tb.broadcast_to(n, (a, b)), t * s, u * tb.sin(u)]
    chosen = draw(st.lists(st.sampled_from(range(len(terms))), min_size=2, max_size=3))
    numbers = draw(st.tuples(*[st.sampled_from([1, -1, 2, 0.5])] * len(chosen)))
    total = sum((n * terms[k] for n, k in zip(numbers, chosen, strict=True)), start=0)
    return total, [u, v, w, s, t, n]


@settings(max_examples=200, deadline=None)
@given(summed(), st.sampled_from(["float64", "float32"]))
def test_sums_have_the_numbers_of_the_steps(given: Any, dtype: str) -> None:
    total, variables = given
    arrays = arrays_of(variables)
    found = tb.compile([total], backend="torch")
    used = {name: arrays[name] for name in found.names}
    assert_same_numbers([total], used, dtype)


@pytest.mark.parametrize("sizes", [(3, 4), (1, 4), (3, 1), (1, 1), (0, 4), (3, 0)])
def test_products_of_vectors_are_added_to_numbers_and_vectors(sizes: tuple[int, int]) -> None:
    rows, columns = sizes
    A, u = tb.variable("A", rows, columns), tb.variable("u", rows)
    v, n = tb.variable("v", columns), tb.variable("n")
    wanted = [v @ v + n, A @ v + u, u @ A - v, 2 * tb.sum(A * tb.sin(A)) + n, u @ u + u @ (A @ v)]
    assert_same_numbers(wanted, arrays_of([A, u, v, n]))


def test_a_product_that_is_only_added_is_no_call_of_its_own() -> None:
    x, W, b = tb.variable("x", 4, 3), tb.variable("W", 3, 5), tb.variable("b", 5)
    s = tb.variable("s", 4, 5)
    lines = tb.compile([x @ W + b], backend="torch").source.count(" = f")
    assert lines == 1
    assert tb.compile([s * b + tb.sin(b)], backend="torch").source.count(" = f") == 2
    # what is read twice is made once
    h = x @ W
    assert tb.compile([h + b, tb.sin(h)], backend="torch").source.count(" = f") == 3


# ----- copies -----


class _Copies(TorchDispatchMode):
    """What counts copies of tensors."""

    def __init__(self) -> None:
        super().__init__()
        self.shapes: list[tuple[int, ...]] = []

    def __torch_dispatch__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        if function in (torch.ops.aten.clone.default, torch.ops.aten.copy_.default):
            self.shapes.append(tuple(args[0].shape))
        if function is torch.ops.aten.convolution_backward.default:
            assert all(each.is_contiguous() for each in args[:3])
        return function(*args, **(kwargs or {}))


@pytest.mark.parametrize(
    ("space", "kernel"), [((9,), (3,)), ((7, 6), (2, 3)), ((5, 7, 6), (2, 3, 2))]
)
def test_convolutions_and_their_gradients_copy_nothing(
    space: tuple[int, ...], kernel: tuple[int, ...]
) -> None:
    x, W = tb.variable("x", 2, 3, *space), tb.variable("W", 4, 3, *kernel)
    V = tb.variable("V", 5, 4, *kernel)
    loss = tb.sum(tb.sin(tb.conv(tb.relu(tb.conv(x, W)), V)))
    variables = [x, W, V]
    wanted = [loss, *tb.gradient(loss, variables)]
    arrays = arrays_of(variables)
    assert_same_numbers(wanted, arrays)
    program = tb.compile(wanted, backend="torch")
    given = {name: torch.tensor(array) for name, array in arrays.items()}
    program(given)
    with _Copies() as copies:
        program(given)
    assert copies.shapes == []


@pytest.mark.parametrize("axes", list(combinations(range(3), 2)))
def test_a_matrix_of_parts_lies_with_its_last_axis_side_by_side(axes: tuple[int, int]) -> None:
    sizes = (3, 4, 5)
    letters = "abc"
    rows = "".join(letters[k] for k in axes)
    (column,) = set(letters) - set(rows)
    one = tb.variable("one", *[sizes[k] for k in axes], 6)
    other = tb.variable("other", 6, sizes[letters.index(column)])
    y = tb.einsum(f"{rows}i,i{column}->abc", one, other)
    assert_same_numbers([y, tb.sin(y)], arrays_of([one, other]))
