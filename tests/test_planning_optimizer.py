"""``optimize="tensorbp"`` in opt_einsum: the paths it gets, and the numbers that they give."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import opt_einsum
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from network_zoo import networks

import tensorbp as tb
from tensorbp.errors import CompileError, PluginError
from tensorbp.planning.network import Network
from tensorbp.planning.paths import numbered
from tensorbp.testing.orders import costs_of_all_orders

EQUATION = "bij,bjk,kl,lm,bm->bi"
SHAPES = [(5, 3, 8), (5, 8, 200), (200, 7), (7, 60), (5, 60)]


def test_the_path_costs_no_more_than_the_exhaustive_one_of_opt_einsum() -> None:
    ours = opt_einsum.contract_path(EQUATION, *SHAPES, shapes=True, optimize=tb.Optimizer())[1]
    theirs = opt_einsum.contract_path(EQUATION, *SHAPES, shapes=True, optimize="dp")[1]
    assert ours.opt_cost <= theirs.opt_cost


USE = (
    "path = contract_path('ab,bc,cd->ad', (2, 900), (900, 3), (3, 4), shapes=True, "
    "optimize='tensorbp')[0]\nassert path[0] == (0, 1), path"
)


@pytest.mark.parametrize(
    "imports",
    [
        "import tensorbp\nfrom opt_einsum import contract_path",
        "from opt_einsum import contract_path\nimport tensorbp",
        "import tensorbp\nimport opt_einsum.paths\nfrom opt_einsum.contract import contract_path",
        "import opt_einsum.paths, tensorbp\nfrom opt_einsum.contract import contract_path",
        "import importlib, sys, tensorbp\nfrom opt_einsum import contract_path\n"
        "importlib.reload(tensorbp)",
        "import sys, tensorbp\ndel sys.modules['tensorbp'], sys.modules['tensorbp.opt_einsum_name']"
        "\nimport tensorbp\nfrom opt_einsum import contract_path",
    ],
)
def test_the_name_is_known_whichever_is_imported_first(imports: str) -> None:
    subprocess.run([sys.executable, "-W", "error", "-c", f"{imports}\n{USE}"], check=True)


def test_what_opt_einsum_is_loaded_with_stays_as_it_was() -> None:
    script = (
        "import sys, inspect; before = list(sys.meta_path)\n"
        "import tensorbp, opt_einsum.paths as p\n"
        "assert sys.meta_path == before and 'def greedy' in inspect.getsource(p)\n"
        "assert 'opt_einsum' not in sys.modules or p.__spec__.loader is p.__loader__"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_a_package_that_cannot_be_loaded_fails_as_it_would_without_us() -> None:
    script = (
        "import sys, tensorbp; sys.modules['opt_einsum.helpers'] = None\n"
        "try:\n    import opt_einsum\n    raise AssertionError\n"
        "except ImportError as error:\n    assert 'helpers' in str(error)\n"
        "del sys.modules['opt_einsum.helpers']\n"
        f"from opt_einsum import contract_path\n{USE}"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


@st.composite
def einsums(draw: Any) -> tuple[str, list[tuple[int, ...]]]:
    """Draw an equation with shapes: repeated letters, loose ends, scalars, sizes 0 and 1."""
    network: Network = draw(networks(1, 6))
    letters = {axis: opt_einsum.get_symbol(axis) for axis in network.sizes}
    sizes = {axis: draw(st.sampled_from([0, 1, 2, 3])) for axis in network.sizes}
    inputs = []
    for axes in network.inputs:
        drawn = sorted(axes)
        twice = draw(st.booleans()) and len(drawn) < 3
        inputs.append(draw(st.permutations(drawn + drawn[:1] if twice else drawn)))
    output = draw(st.permutations(sorted(network.output)))
    operands = ",".join("".join(letters[axis] for axis in axes) for axes in inputs)
    equation = f"{operands}->{''.join(letters[axis] for axis in output)}"
    return equation, [tuple(sizes[axis] for axis in axes) for axes in inputs]


@settings(max_examples=150)
@given(einsums())
def test_the_numbers_are_those_of_one_einsum(einsum: tuple[str, list[tuple[int, ...]]]) -> None:
    equation, shapes = einsum
    random = np.random.default_rng(0)
    arrays = [random.normal(size=shape) for shape in shapes]
    found = opt_einsum.contract(equation, *arrays, optimize="tensorbp")
    expected = opt_einsum.contract(equation, *arrays, optimize=False)
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)


@settings(max_examples=100)
@given(networks(3, 7))
def test_no_other_finder_of_opt_einsum_finds_a_cheaper_path(network: Network) -> None:
    letters = {axis: opt_einsum.get_symbol(axis) for axis in network.sizes}
    operands = ",".join("".join(letters[a] for a in sorted(axes)) for axes in network.inputs)
    equation = f"{operands}->{''.join(letters[axis] for axis in sorted(network.output))}"
    shapes = [tuple(network.sizes[a] for a in sorted(axes)) for axes in network.inputs]

    def cost(name: str) -> int:
        info = opt_einsum.contract_path(equation, *shapes, shapes=True, optimize=name)[1]
        return int(info.opt_cost)

    assert cost("tensorbp") <= cost("dp")


def test_more_indices_than_there_are_letters() -> None:
    matrices = [np.full((2, 3) if k % 2 else (3, 2), 0.5) for k in range(70)]
    symbols = [opt_einsum.get_symbol(k) for k in range(71)]
    operands = ",".join(symbols[k] + symbols[k + 1] for k in range(70))
    equation = f"{operands}->{symbols[0]}{symbols[-1]}"
    found = opt_einsum.contract(equation, *matrices, optimize="tensorbp")
    np.testing.assert_allclose(found, np.linalg.multi_dot(matrices), rtol=1e-12)


def test_indices_of_any_kind_are_ordered_alike_every_time() -> None:
    inputs = [frozenset([("a", 1), "b"]), frozenset(["b", 3.5]), frozenset([3.5, None])]
    sizes = {("a", 1): 2, "b": 900, 3.5: 3, None: 4}
    path = tb.Optimizer()(inputs, frozenset([("a", 1), None]), sizes)
    assert path[0] == (0, 1)


@pytest.mark.parametrize(("count", "path"), [(0, []), (1, [(0,)]), (2, [(0, 1)])])
def test_few_operands_leave_no_choice(count: int, path: list[tuple[int, ...]]) -> None:
    assert tb.Optimizer()([frozenset("a")] * count, frozenset(), {"a": 3}) == path


def test_one_finder_alone() -> None:
    inputs = [frozenset("ab"), frozenset("bc"), frozenset("cd")]
    sizes = {"a": 2, "b": 3, "c": 4, "d": 5}
    for name in tb.default_registry().path_finders:
        assert tb.Optimizer(name)(inputs, frozenset("ad"), sizes)[0] == (0, 1)
    with pytest.raises(PluginError, match="unknown path finder 'greddy'; did you mean 'greedy'"):
        tb.Optimizer("greddy")


def test_further_starts_never_make_it_dearer_and_equal_seeds_give_equal_paths() -> None:
    random = np.random.default_rng(3)
    inputs = [frozenset(random.choice(40, 3).tolist()) for _ in range(24)]
    sizes = {axis: int(random.integers(2, 60)) for axis in range(40)}
    network = Network(tuple(inputs), frozenset(), sizes)
    once, longer, again = (
        tb.Optimizer(starts=starts, seed=5)(inputs, frozenset(), sizes) for starts in (0, 3, 3)
    )
    assert longer == again
    assert network.cost(numbered(longer, 24)) <= network.cost(numbered(once, 24))
    assert tb.Optimizer(starts=3, seconds=-1)(inputs, frozenset(), sizes) == once


LIMITED = "ab,bc,cd,da->", [(40, 50), (50, 40), (40, 60), (60, 40)]


@pytest.mark.parametrize("limit", [None, -1, "max_input", 10**6])
def test_a_limit_that_the_best_path_keeps_changes_nothing(limit: Any) -> None:
    equation, shapes = LIMITED
    found = [
        opt_einsum.contract_path(
            equation, *shapes, shapes=True, optimize="tensorbp", memory_limit=each
        )[0]
        for each in (None, limit)
    ]
    assert found[0] == found[1]


@settings(max_examples=60)
@given(networks(3, 6), st.integers(1, 4000))
def test_a_limit_is_kept_by_the_cheapest_path_that_can(network: Network, limit: int) -> None:
    possible = costs_of_all_orders(network, largest=limit)
    asked = (list(network.inputs), network.output, dict(network.sizes), limit)
    if not possible:
        with pytest.raises(CompileError, match="no order was found whose intermediates have at"):
            tb.Optimizer()(*asked)
    else:
        path = numbered(tb.Optimizer()(*asked), len(network.inputs))
        assert network.flops(path) == min(possible)


def test_a_limit_that_no_path_keeps_is_an_error() -> None:
    with pytest.raises(CompileError) as caught:
        opt_einsum.contract_path(
            "ab,cd,ef->abcdef",
            (10, 20),
            (30, 40),
            (50, 60),
            shapes=True,
            optimize="tensorbp",
            memory_limit=100,
        )
    assert str(caught.value) == (
        "no order was found whose intermediates have at most 100 numbers, the memory limit; "
        "the least that was found is 240000: raise the limit, or leave it out"
    )
