"""``tensorbp eliminate``: the two published graphs, small ones, and files that are no graphs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from command_line import invoke

EXAMPLES = Path(__file__).parent.parent / "docs" / "examples"
SMALL = {"inputs": 2, "predecessors": {"1": [-1, -2], "2": [1], "3": [1]}, "outputs": [2, 3]}


def written(folder: Path, document: Any) -> str:
    path = folder / "graphs.json"
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    return str(path)


def test_published_graphs() -> None:
    """Griewank's rule of counting: no worse than the best orders that are known."""
    answer = invoke("eliminate", str(EXAMPLES / "elimination-graphs.json"), "--json")
    found = {each["graph"]: each for each in json.loads(answer.out)}
    roe, arm = found["RoeFlux_1d"], found["RobotArm_6DOF"]
    assert (roe["forward"], roe["reverse"]) == (620, 364)
    assert (arm["forward"], arm["reverse"]) == (397, 301)
    assert roe["best"] <= 295
    assert arm["best"] <= 221
    assert len(roe["order"]) == roe["vertices"] == 98


def test_a_small_graph_is_solved_exactly(tmp_path: Path) -> None:
    answer = invoke("eliminate", written(tmp_path, {"about": "a note", "small": SMALL}))
    assert answer.code == 0
    assert "small         1        4        4          4     4  exact: no order is cheaper" in (
        answer.out
    )
    assert "small: 1" in answer.out


def test_vertices_in_any_order(tmp_path: Path) -> None:
    turned = {"inputs": 1, "predecessors": {"7": [3], "3": [9], "9": [-1]}, "outputs": [7]}
    answer = invoke("eliminate", written(tmp_path, {"g": turned}), "--json")
    (found,) = json.loads(answer.out)
    assert sorted(found["order"]) == [3, 9]


FAULTS: dict[str, tuple[Any, str]] = {
    "no JSON": ('{"g": ', "it is no JSON: line 1, column 7: Expecting value"),
    "no number": ('{"g": NaN}', "it is no JSON: NaN is no number of JSON"),
    "a list": ([1], "must hold a JSON object of graphs by name"),
    "notes alone": ({"about": "x"}, "holds no graph; expected an object with the keys inputs,"),
    "a number": ({"g": 3}, "graph 'g' must be an object with the keys inputs, predecessors, out"),
    "an unknown key": ({"g": {**SMALL, "output": []}}, "unknown key 'output'; did you mean 'outp"),
    "a missing key": ({"g": {"inputs": 2}}, "graph 'g' needs the key 'predecessors'"),
    "negative inputs": ({"g": {**SMALL, "inputs": -1}}, "'inputs' must be how many there are"),
    "an unknown vertex": (
        {"g": {**SMALL, "predecessors": {"1": [5], "2": [1], "3": [1]}}},
        "vertex 1 reads 5, which is neither a vertex nor one of the inputs -1 to -2",
    ),
    "a vertex that is no number": (
        {"g": {**SMALL, "predecessors": {"a": []}}},
        "a vertex must be a number from 1, found 'a'",
    ),
    "an unknown output": ({"g": {**SMALL, "outputs": [4]}}, "output 4 is no vertex"),
    "a circle": (
        {"g": {**SMALL, "predecessors": {"1": [2], "2": [3], "3": [1]}}},
        "graph 'g': its vertices read each other in a circle: ",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faults(fault: str, tmp_path: Path) -> None:
    document, text = FAULTS[fault]
    answer = invoke("eliminate", written(tmp_path, document))
    assert answer.code == 2
    assert text in answer.err


def test_a_file_that_is_not_there() -> None:
    answer = invoke("eliminate", "nowhere.json")
    assert (answer.code, answer.err) == (
        2,
        "error: cannot read 'nowhere.json': No such file or directory\n",
    )


def test_no_time(tmp_path: Path) -> None:
    answer = invoke("eliminate", written(tmp_path, {"g": SMALL}), "--time", "0")
    assert "--time must be a number of seconds above 0, found 0.0" in answer.err
