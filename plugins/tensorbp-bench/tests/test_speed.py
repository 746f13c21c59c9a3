"""All libraries compute the same numbers, and those that do not are found out."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tensorbp_bench.speed import PEERS, TASKS, compared, missing, speed_tables
from tensorbp_bench.speed import comparison as comparisons
from tensorbp_bench.speed.comparison import AS_FOUND, UNSET, Contender
from tensorbp_bench.speed.peers import OURS, Unsupported
from tensorbp_bench.speed.tasks import Task

OTHERS = [name for name, peer in PEERS.items() if name != OURS and not missing(peer)]
FEW = [
    next(name for name, task in TASKS.items() if task.model == model and task.question == question)
    for model, question in dict.fromkeys((task.model, task.question) for task in TASKS.values())
]


def computed(name: str, task: Task) -> list[Any]:
    peer = PEERS[name]
    module = import_module(peer.module)
    arrays = task.arrays("float64", seed=3)
    run = module.prepare(task, arrays, *([peer.backend] if peer.backend else []))
    run()
    return [np.asarray(each) for each in run()]


@pytest.mark.parametrize("name", FEW)
@pytest.mark.filterwarnings("ignore")
def test_all_libraries_agree(name: str) -> None:
    task = TASKS[name].quick()
    ours = computed(OURS, task)
    agreeing = 0
    for other in OTHERS:
        try:
            theirs = computed(other, task)
        except Unsupported:
            continue
        agreeing += 1
        assert [each.shape for each in ours] == [each.shape for each in theirs], other
        for one, another in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(one, another, rtol=1e-9, atol=1e-11, err_msg=other)
    assert agreeing


def test_forward_and_reverse_are_the_same_jacobian() -> None:
    for name in ("widening", "narrowing"):
        one, other = (TASKS[f"{name}-{mode}"].quick() for mode in ("forward", "reverse"))
        (first,), (second,) = computed("jax", one), computed("jax", other)
        np.testing.assert_allclose(first, second, rtol=1e-12)


def test_arrays_are_the_same_everywhere_and_of_the_right_type() -> None:
    task = TASKS["mlp"].quick()
    one, other = task.arrays("float32", 5), task.arrays("float32", 5)
    assert all(np.array_equal(one[name], other[name]) for name in one)
    assert {str(each.dtype) for name, each in one.items() if name != "target"} == {"float32"}
    assert not np.array_equal(one["x"], task.arrays("float32", 6)["x"])


def test_a_task_is_compared_and_timed() -> None:
    single, double = compared(TASKS["tiny-mlp"], [OURS, "numpy"], quick=True, seed=0)
    assert (single.dtype, double.dtype, double.reference) == ("float32", "float64", "numpy")
    ours, numpy = double.contenders[:2]
    assert not double.failures
    assert ours.deviations is not None
    assert max(ours.deviations) <= 1e-11
    assert numpy.deviations is None
    assert ours.times is not None
    assert 0 < ours.times.low <= ours.times.median <= ours.times.high
    assert ours.found["blas"]
    (table, *_) = speed_tables([single.to_dict(), double.to_dict()])
    assert table.columns[-1] == "numpy / tensorbp"
    assert [row[1] for row in table.rows] == ["float32", "float64"]
    assert all(row[-1] > 0 for row in table.rows)


class Answering:
    """A worker that deviates by so much."""

    def __init__(self, deviation: float) -> None:
        self.deviation = deviation
        self.asked: list[str] = []

    def ask(self, question: Any) -> Any:
        ((kind, _),) = question.items()
        self.asked.append(kind)
        return {"compare": [0.0, self.deviation], "save": None, "time": [1.0, 2.0]}[kind]


@pytest.mark.parametrize(
    ("deviation", "agrees"), [(0.0, True), (9e-12, True), (2e-11, False), (float("nan"), False)]
)
def test_numbers_that_differ_are_not_timed(deviation: float, agrees: bool, tmp_path: Path) -> None:
    ours, jax = Contender(OURS, AS_FOUND), Contender("jax", AS_FOUND)
    workers: list[Any] = [(ours, Answering(deviation)), (jax, Answering(0.0))]
    assert comparisons._checked(workers, "float64", tmp_path / "numbers.npz") == "jax"
    assert (ours.agrees, bool(ours.error)) == (agrees, not agrees)
    assert workers[1][1].asked == ["save"]


def test_each_core_type_is_compared_with_its_own() -> None:
    def contender(peer: str, core_type: str, median: float) -> dict[str, Any]:
        times = {"median": median, "low": median, "high": median, "count": 1}
        return {"peer": peer, "core_type": core_type, "times": times}

    contenders = [
        contender(OURS, AS_FOUND, 2.0),
        contender(OURS, UNSET, 1.0),
        contender("numpy", AS_FOUND, 4.0),
        contender("numpy", UNSET, 1.5),
        contender("jax", AS_FOUND, 3.0),
    ]
    task = {"title": "t", "dtype": "float32", "threads": 1, "contenders": contenders}
    found, unset = speed_tables([task])
    assert found.columns[4:] == ("jax / tensorbp", "numpy / tensorbp")
    assert found.rows[0][2:] == (2000.0, "0%", 1.5, 2.0)
    assert unset.rows[0][2:] == (1000.0, "0%", 3.0, 1.5)
