"""Programs on torch and JAX: the numbers of numpy, arrays of the library, and what is refused."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jax
import numpy as np
import pytest
import torch
from graph_zoo import Graph, graphs
from hypothesis import given, settings
from hypothesis import strategies as st

import tensorbp as tb
from tensorbp.errors import CompileError, LayerError
from tensorbp.execution import StructuredMap
from tensorbp.execution.functional import einsums
from tensorbp.expression.derivative import jacobian
from tensorbp.registry import build_registry
from tensorbp.testing.case import Case

torch.set_num_threads(1)
jax.config.update("jax_enable_x64", True)

LIBRARIES: dict[str, Callable[[Any], Any]] = {"torch": torch.tensor, "jax": jax.numpy.array}
LAYERS = build_registry(entry_points=False).layers

FEW_STEPS = 40

both = pytest.mark.parametrize("library", LIBRARIES)


def on(library: str, arrays: dict[str, Any]) -> dict[str, Any]:
    return {name: LIBRARIES[library](array) for name, array in arrays.items()}


def numbers(result: Any) -> list[Any]:
    """Return the arrays in a result, those that a map holds among them."""
    if isinstance(result, StructuredMap):
        return [factor.value for term in result.map.terms for factor in term.factors]
    if isinstance(result, list):
        return [array for each in result for array in numbers(each)]
    return [result]


def assert_close(found: Any, expected: Any, tolerance: float = 1e-12) -> None:
    found, expected = np.asarray(found), np.asarray(expected)
    assert found.shape == expected.shape
    assert found.dtype == expected.dtype
    scale = max(1.0, np.abs(expected).max(initial=0))
    assert np.abs(found - expected).max(initial=0) <= tolerance * scale


# ----- every layer -----


def plans_of(layer: Any) -> list[tuple[Case, Any]]:
    """Return the examples of a layer with plans for value and Jacobian, the shortest first."""
    cases = [Case(example.layer, example.shapes) for example in layer.examples()]
    plans = []
    for case in cases:
        derivatives = [jacobian(case.output, list(case.real.values()))] if case.real else []
        plans.append((case, tb.plan([case.output, *derivatives], order="reverse")))
    return sorted(plans, key=lambda pair: len(pair[1].steps))


@pytest.mark.parametrize("layer", LAYERS.values(), ids=LAYERS)
def test_every_layer_gives_the_numbers_of_numpy(layer: Any) -> None:
    plans = plans_of(layer)
    # JAX takes long to compile: one example stands for all, the longest that is short enough
    chosen = max([0, *(k for k, (_, plan) in enumerate(plans) if len(plan.steps) <= FEW_STEPS)])
    for k, (case, plan) in enumerate(plans):
        program = tb.compile(plan)
        arrays = {name: case.arrays[name] for name in program.names}
        expected = [array for each in program(arrays) for array in numbers(each)]
        for library in LIBRARIES if k == chosen else ["torch"]:
            results = tb.compile(plan, backend=library)(on(library, arrays))
            found = [array for each in results for array in numbers(each)]
            for one, other in zip(found, expected, strict=True):
                if hasattr(one, "dtype"):
                    assert_close(one, other)


# ----- graphs -----


def queries(graph: Graph) -> list[Any]:
    """Ask for the variables themselves, views of them, one thing twice, and derivatives."""
    nodes = graph.nodes
    return [
        *nodes,
        nodes[-1].T,
        nodes[0].T,
        nodes[-1],
        tb.jacobian(nodes[-1], nodes[:3]),
        tb.gradient(tb.sum(nodes[-1]), nodes[:3]),
        tb.hessian(tb.sum(nodes[0]), nodes[0]),
    ]


@both
@settings(max_examples=8)
@given(data=st.data())
def test_graphs_give_the_numbers_of_numpy(library: str, data: Any) -> None:
    graph = data.draw(graphs(most=3 if library == "jax" else 8))
    program = tb.compile(queries(graph))
    arrays = {name: graph.values()[name] for name in program.names}
    expected = numbers(program(arrays))
    given_arrays = on(library, arrays)
    found = numbers(program(given_arrays))
    for one, other in zip(found, expected, strict=True):
        assert isinstance(one, torch.Tensor if library == "torch" else jax.Array)
        assert_close(one, other)
    for name, array in given_arrays.items():
        assert np.array_equal(np.asarray(array), arrays[name])


@settings(max_examples=20)
@given(graph=graphs())
def test_tensors_share_memory_with_nothing(graph: Graph) -> None:
    program = tb.compile(queries(graph))
    arrays = on("torch", {name: graph.values()[name] for name in program.names})
    first = numbers(program(arrays))
    copies = [each.clone() for each in first]
    for each in first:
        assert each.is_contiguous()
        each.fill_(torch.nan)
    for copy, again in zip(copies, numbers(program(arrays)), strict=True):
        assert torch.equal(copy, again)
    for name, array in arrays.items():
        assert np.array_equal(array.numpy(), graph.values()[name])


def test_what_depends_on_no_input_is_not_handed_out_itself() -> None:
    mask = tb.causal_mask(2, 3)
    program = tb.compile([mask, mask.T, tb.einsum("ij->ji", mask)], backend="torch")
    before = [each.clone() for each in program()]
    for each in program():
        each.fill_(7)
    for one, other in zip(program(), before, strict=True):
        assert torch.equal(one, other)


def test_numbers_of_numpy_may_change_after_a_program_of_jax_took_them() -> None:
    x = tb.variable("x", 3, 50)
    array = np.ones((3, 50))
    (same,) = tb.compile(x, backend="jax")(x=array)
    array[...] = 7
    assert np.array_equal(np.asarray(same), np.ones((3, 50)))


# ----- convolutions -----


@st.composite
def convolutions(draw: Any) -> tuple[tb.Expression, list[tb.Expression]]:
    """Draw a convolution of one or two axes of space, with its operands."""
    groups, features, outputs = draw(st.integers(1, 2)), draw(st.integers(1, 2)), 3
    kernel = draw(st.sampled_from([(2,), (3,), (3, 2), (1, 4), (5, 5)]))
    stride, dilation = draw(st.integers(1, 3)), draw(st.integers(1, 2))
    reach = [dilation * (size - 1) + 1 for size in kernel]
    space = [draw(st.integers(size, size + 4)) for size in reach]
    x = tb.variable("x", 2, groups * features, *space)
    W = tb.variable("W", groups * outputs, features, *kernel)
    padding = draw(st.integers(0, 2))
    y = tb.conv(x, W, stride=stride, padding=padding, dilation=dilation, groups=groups)
    return y, [x, W]


def check_convolution(library: str, drawn: tuple[tb.Expression, list[tb.Expression]]) -> None:
    y, operands = drawn
    wanted = [y, *tb.gradient(tb.sum(tb.sin(y)), operands)]
    random = np.random.default_rng(0)
    arrays = {each.operator.name: random.normal(size=each.shape) for each in operands}
    program = tb.compile(wanted)
    for one, other in zip(program(on(library, arrays)), program(arrays), strict=True):
        assert_close(one, other)


@settings(max_examples=40)
@given(convolutions())
def test_convolutions_on_torch(drawn: Any) -> None:
    check_convolution("torch", drawn)


@settings(max_examples=4)
@given(convolutions())
def test_convolutions_on_jax(drawn: Any) -> None:
    check_convolution("jax", drawn)


@both
@pytest.mark.parametrize("groups", [1, 2])
def test_a_convolution_and_its_gradients_are_one_call_each(library: str, groups: int) -> None:
    x, W = tb.variable("x", 5, 6, 12, 13), tb.variable("W", 8, 6 // groups, 3, 2)
    y = tb.conv(x, W, stride=2, padding=1, groups=groups)
    program = tb.compile([y, *tb.gradient(tb.sum(tb.sin(y)), [x, W])], backend=library)
    assert program.source.count("# convolution") == 2
    assert program.source.count("# transposed convolution") == 1
    assert program.source.count("# select") == 0


# ----- maps -----


@both
def test_maps_have_all_their_methods(library: str) -> None:
    x, W, V = tb.variable("x", 3, 4), tb.variable("W", 4, 2), tb.variable("V", 4, 4)
    square = tb.tanh(x @ V)
    y = tb.concatenate([tb.tanh(x @ W), tb.relu(x)], axis=1)
    program = tb.compile([tb.jacobian(y, [x, W]), tb.jacobian(square, x), tb.jacobian(x, x)])
    random = np.random.default_rng(0)
    arrays = {"x": random.normal(size=(3, 4)), "W": random.normal(size=(4, 2))}
    arrays["V"] = random.normal(size=(4, 4))
    tangents = [random.normal(size=(3, 4)), random.normal(size=(4, 2))]
    cotangent = random.normal(size=(3, 6))

    def asked(of: dict[str, Any], take: Callable[[Any], Any]) -> list[Any]:
        J, K, identity = program(of)
        return [
            J @ [take(each) for each in tangents],
            *(J.T @ take(cotangent)),
            J.to_dense(),
            (J @ J.T).diagonal(),
            J.block(0, 1).to_dense(),
            *(J.T @ J).diagonal(),
            (2 * K + K @ K - K.T).to_dense(),
            K.trace(),
            K @ take(tangents[0]).tolist(),
            identity.to_dense(),
            np.float64(J.size + J.nbytes),
        ]

    expected = asked(arrays, np.asarray)
    found = asked(on(library, arrays), LIBRARIES[library])
    for one, other in zip(found, expected, strict=True):
        assert_close(one, other)
    assert all(type(each) is type(found[0]) for each in found[:-1])


# ----- which library -----


def test_the_arrays_decide() -> None:
    x, W = tb.variable("x", 3), tb.variable("W", 3, 2)
    program = tb.compile(tb.tanh(x @ W))
    arrays = {"x": np.ones(3), "W": np.ones((3, 2))}
    assert program.backend is None
    assert isinstance(program(arrays)[0], np.ndarray)
    for library in LIBRARIES:
        (found,) = program(on(library, arrays))
        assert_close(found, program(arrays)[0])
    (found,) = program(x=[1, 1, 1], W=torch.ones(3, 2, dtype=torch.float64))
    assert isinstance(found, torch.Tensor)


@both
def test_a_library_that_is_asked_for_takes_what_numpy_takes(library: str) -> None:
    x, s = tb.variable("x", 3), tb.variable("s")
    program = tb.compile(s * x, backend=library)
    assert program.backend == library
    own = LIBRARIES[library](np.array([1.0, 2, 3]))
    for value in ([1, 2, 3], np.arange(1, 4), np.float32([1, 2, 3]), own):
        assert_close(program(x=value, s=np.float64(2))[0], np.array([2.0, 4, 6]))


def refused(text: str, act: Callable[[], Any]) -> None:
    with pytest.raises(CompileError) as caught:
        act()
    assert str(caught.value) == text


def test_arrays_of_several_libraries_are_refused() -> None:
    x, W = tb.variable("x", 3), tb.variable("W", 3, 2)
    wide = torch.ones(3, 2, dtype=torch.float64)
    refused(
        "input 'x' is an array of numpy, input 'W' one of torch; a program takes arrays of one "
        "library: convert one of them",
        lambda: tb.compile(x @ W)(x=np.ones(3), W=wide),
    )
    refused(
        "input 'x' is an array of jax, input 'W' one of torch; a program takes arrays of one "
        "library: convert one of them",
        lambda: tb.compile(x @ W, backend="jax")(x=jax.numpy.ones(3), W=wide),
    )
    refused(
        "input 'W' is an array of torch, the program runs on jax; convert it, or compile without a "
        "backend: then the arrays decide",
        lambda: tb.compile(x @ W, backend="jax")(x=[1, 2, 3], W=wide),
    )


@pytest.mark.parametrize(("module", "name"), [("torch", "PyTorch"), ("jax", "JAX")])
def test_a_library_that_is_missing(monkeypatch: Any, module: str, name: str) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    refused(
        f'backend "{module}" needs {name}, which cannot be imported (import of {module} halted; '
        f'None in sys.modules); install it with: pip install "tensorbp[{module}]"',
        lambda: tb.compile(tb.variable("x", 3), backend=module),
    )


@pytest.mark.parametrize("backend", ["", ", backend='numpy'"])
def test_a_program_in_numpy_imports_no_other_library(backend: str) -> None:
    script = (
        "import sys, tensorbp as tb, numpy as np; x = tb.variable('x', 3)\n"
        f"f = tb.compile([tb.sin(x), tb.jacobian(tb.sin(x), x)]{backend})\n"
        "f(x=np.ones(3))[1].to_dense()\n"
        "print([name for name in ('torch', 'jax') if name in sys.modules])"
    )
    printed = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    assert printed.stdout.split() == [b"[]"]


# ----- types of numbers -----


@both
def test_arrays_of_another_type_are_refused(library: str) -> None:
    x, k = tb.variable("x", 3), tb.variable("k", 3, kind="integer")
    program = tb.compile(tb.take(x, k))
    make = LIBRARIES[library]
    wide, narrow = make(np.ones(3)), make(np.ones(3, np.float32))
    to = (lambda name, dtype: f"{name}.to(torch.{dtype})") if library == "torch" else None
    to = to or (lambda name, dtype: f'{name}.astype("{dtype}")')
    places = make(np.array([2, 0, 1]))
    assert_close(program(x=wide, k=places)[0], np.ones(3))
    refused(
        "input 'x' has dtype float32, the program computes in float64, and all its arrays must; "
        f'compile it with dtype="float32", or convert the array with {to("x", "float64")}',
        lambda: program(x=narrow, k=places),
    )
    refused(
        "input 'x' holds real numbers, found dtype int64; convert it with " + to("x", "float64"),
        lambda: program(x=places, k=places),
    )
    refused(
        "input 'k' holds integers, found dtype float64; convert it with " + to("k", "int64"),
        lambda: program(x=wide, k=wide),
    )
    refused("input 'x' must have shape (3,), found (1, 3)", lambda: program(x=wide[None], k=places))


@both
@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_narrow_numbers_stay_narrow(library: str, dtype: str) -> None:
    x, W = tb.variable("x", 4, 3), tb.variable("W", 3, 5)
    loss = tb.mean(tb.logsumexp(tb.tanh(x @ W)) / 2 + tb.causal_mask(4, 1)[:, 0])
    wanted = [loss, tb.gradient(loss, W), tb.jacobian(tb.tanh(x @ W), x)]
    random = np.random.default_rng(0)
    arrays = {"x": random.normal(size=(4, 3)), "W": random.normal(size=(3, 5))}
    expected = numbers(tb.compile(wanted)(arrays))
    program = tb.compile(wanted, dtype=dtype, backend=library)
    narrow = {
        name: array.astype("float32") if dtype == "float32" else array
        for name, array in arrays.items()
    }
    for found, exact in zip(numbers(program(narrow)), expected, strict=True):
        assert str(found.dtype).removeprefix("torch.") == dtype
        wide = np.asarray(found.float() if library == "torch" else found.astype("float32"))
        assert_close(wide, exact.astype("float32"), 1e-6 if dtype == "float32" else 3e-2)


def test_numpy_does_not_compute_in_half_precision() -> None:
    x = tb.variable("x", 3)
    assert tb.plan(x, dtype="bfloat16").peak_bytes * 2 == tb.plan(x, dtype="float32").peak_bytes
    refused(
        "numpy does not compute in bfloat16; give the program arrays of torch or JAX, compile it "
        'with backend="torch" or "jax", or in one of float32, float64, complex128',
        lambda: tb.compile(x, dtype="bfloat16", backend="numpy"),
    )


@pytest.fixture
def narrow_jax() -> Iterator[None]:
    jax.config.update("jax_enable_x64", False)
    yield
    jax.config.update("jax_enable_x64", True)


def test_jax_says_how_it_computes_in_double_precision(narrow_jax: None) -> None:
    x = tb.variable("x", 3)
    text = (
        "the program computes in float64, which JAX does only after "
        'jax.config.update("jax_enable_x64", True), or with JAX_ENABLE_X64=1 in the environment; '
        "do that first, or compute in float32"
    )
    refused(text, lambda: tb.compile(tb.sin(x), backend="jax"))
    refused(text, lambda: tb.compile(tb.sin(x))(x=jax.numpy.ones(3)))
    (found,) = tb.compile(tb.sin(x), dtype="float32")(x=jax.numpy.ones(3))
    assert found.dtype == "float32"


# ----- how they run -----


def test_labels_that_are_out_of_range() -> None:
    """torch says so; JAX, which compiles, takes them for no class."""
    labels = tb.variable("labels", 2, kind="integer")
    program = tb.compile(tb.one_hot(labels, 3))
    with pytest.raises(LayerError, match=r"labels must be from 0 to 2, .* found 5"):
        program(labels=torch.tensor([1, 5]))
    (found,) = program(labels=jax.numpy.array([1, 5]))
    assert np.array_equal(np.asarray(found), [[0, 1, 0], [0, 0, 0]])


def test_torch_records_nothing_for_derivatives() -> None:
    x, W = tb.variable("x", 3), tb.variable("W", 3, 2)
    weights = torch.nn.Parameter(torch.ones(3, 2))
    program = tb.compile([tb.tanh(x @ W), W], dtype="float32")
    for each in program(x=torch.ones(3), W=weights):
        assert not each.requires_grad
    assert weights.requires_grad


def test_a_program_of_jax_is_a_function_of_jax() -> None:
    x, W = tb.variable("x", 3), tb.variable("W", 3, 2)
    program = tb.compile(tb.tanh(x @ W))
    rows, weights = jax.numpy.arange(12.0).reshape(4, 3) / 12, jax.numpy.ones((3, 2))
    mapped = jax.jit(jax.vmap(lambda row: program(x=row, W=weights)[0]))(rows)
    assert_close(mapped, np.tanh(np.asarray(rows) @ np.ones((3, 2))))


def test_a_program_of_jax_with_thin_products_may_be_mapped_and_differentiated(
    monkeypatch: Any,
) -> None:
    monkeypatch.setattr(einsums, "FEW", 2)
    monkeypatch.setattr(einsums, "LARGE", 1)
    x, W = tb.variable("x", 3, 2), tb.variable("W", 3, 11)
    program = tb.compile(tb.sum(tb.sin(W.T @ x)))
    rng = np.random.default_rng(0)
    stack, weights = (jax.numpy.asarray(rng.normal(size=n)) for n in ((5, 3, 2), (3, 11)))

    def value(columns: Any) -> Any:
        return program(x=columns, W=weights)[0]

    assert "optimization_barrier" in str(jax.make_jaxpr(value)(stack[0]))
    gradients = jax.vmap(jax.grad(value))(stack)
    expected = np.asarray(weights) @ np.cos(np.asarray(weights).T @ np.asarray(stack))
    assert_close(gradients, expected)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_torch_compiles_a_program_as_a_whole() -> None:
    x = tb.variable("x", 4, 5)
    wanted = [tb.sum(tb.sin(x)), tb.gradient(tb.sum(tb.sin(x)), x), x.T]
    array = np.random.default_rng(0).normal(size=(4, 5))
    found = tb.compile(wanted, backend="torch-compile")(x=torch.tensor(array))
    for one, other in zip(found, tb.compile(wanted)(x=array), strict=True):
        assert_close(one, other)


@both
def test_threads_may_call_one_program(library: str) -> None:
    x = tb.variable("x", 40, 30)
    program = tb.compile([tb.tanh(x @ x.T), tb.gradient(tb.sum(tb.sin(x @ x.T)), x)])
    arrays = [np.random.default_rng(k).normal(size=(40, 30)) for k in range(8)]
    expected = [program(x=array) for array in arrays]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda array: program(x=LIBRARIES[library](array)), arrays))
    for ones, others in zip(found, expected, strict=True):
        for one, other in zip(ones, others, strict=True):
            assert_close(one, other)


# ----- devices: "meta", on which tensors have no numbers, stands for one that is not the CPU -----


def test_everything_is_made_where_the_inputs_are() -> None:
    x, W = tb.variable("x", 2, 3, 8, 8), tb.variable("W", 4, 3, 3, 3)
    y = tb.max_pool(tb.relu(tb.conv(x, W, stride=2, padding=1)), 2)
    mask = tb.causal_mask(4, 2)[:, :, None]
    wanted = [tb.sum(y * mask[None]), *tb.gradient(tb.sum(y * mask[None]), [x, W])]
    program = tb.compile(wanted, dtype="float32")
    found = program(
        x=torch.empty(2, 3, 8, 8, device="meta"), W=torch.empty(4, 3, 3, 3, device="meta")
    )
    assert [each.device.type for each in found] == ["meta"] * 3
    assert [tuple(each.shape) for each in found] == [(), (2, 3, 8, 8), (4, 3, 3, 3)]


def test_tensors_on_several_devices_are_refused() -> None:
    x, W, s = tb.variable("x", 3), tb.variable("W", 3, 2), tb.variable("s")
    program = tb.compile(s * (x @ W), dtype="float32")
    there = torch.empty(3, 2, device="meta")
    (found,) = program(x=torch.empty(3, device="meta"), W=there, s=2)
    assert found.device.type == "meta"
    refused(
        "input 'x' is on cpu, input 'W' on meta; move all to one device with .to(device)",
        lambda: program(x=torch.ones(3), W=there, s=2),
    )
