"""Graphs for vertex elimination, read from a JSON file that may come from anywhere."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

from tensorbp.cli.failures import CommandError
from tensorbp.errors import PlanError, suggestion
from tensorbp.planning.located import json_from
from tensorbp.planning.vertex_elimination import EliminationGraph

__all__ = ["NamedGraph", "read_graphs"]

STANDARD_INPUT = "-"
KEYS = ("inputs", "predecessors", "outputs")
LARGEST_FILE = 64 * 2**20
MOST_VERTICES = 100_000


@dataclass(frozen=True)
class NamedGraph:
    """A graph of a file.

    Attributes:
        name: what it is called.
        graph: its vertices numbered anew, inputs first, then the others in topological order.
        vertices: the number in the file of each vertex; inputs are -1, -2...
        inputs: how many inputs it has.
        outputs: how many outputs.
    """

    name: str
    graph: EliminationGraph
    vertices: tuple[int, ...]
    inputs: int
    outputs: int


def read_graphs(path: str) -> list[NamedGraph]:
    """Return the graphs in a file.

    The file is a JSON object that holds graphs by name: ``{"inputs": 2, "predecessors":
    {"1": [-1, -2], "2": [1]}, "outputs": [2]}``. Inputs are -1, -2...; texts are notes.

    Raises:
        CommandError: the file cannot be read, or something in it is no graph.
    """
    content = _content(path)
    try:
        return [_graph(name, each) for name, each in _graphs(json_from(content)).items()]
    except (CommandError, PlanError) as error:
        raise CommandError(f"'{path}': {error}") from None


def _content(path: str) -> bytes:
    try:
        if path == STANDARD_INPUT:
            content = sys.stdin.buffer.read(LARGEST_FILE + 1)
        else:
            with Path(path).open("rb") as stream:
                content = stream.read(LARGEST_FILE + 1)
    except OSError as error:
        raise CommandError(f"cannot read '{path}': {error.strerror or error}") from None
    if len(content) > LARGEST_FILE:
        raise CommandError(f"'{path}' is larger than {LARGEST_FILE // 2**20} MiB")
    return content


def _graphs(document: Any) -> dict[str, Any]:
    """Return what a document holds beside notes."""
    if not isinstance(document, dict):
        raise CommandError("it must hold a JSON object of graphs by name")
    graphs = {name: each for name, each in document.items() if not isinstance(each, str)}
    if not graphs:
        raise CommandError(f"it holds no graph; expected an object with the keys {', '.join(KEYS)}")
    return graphs


def _graph(name: str, given: Any) -> NamedGraph:
    where = f"graph '{name}'"
    if not isinstance(given, dict):
        raise CommandError(f"{where} must be an object with the keys {', '.join(KEYS)}")
    for key in given:
        if key not in KEYS:
            raise CommandError(f"{where} has an unknown key '{key}'{suggestion(key, KEYS)}")
    for key in KEYS:
        if key not in given:
            raise CommandError(f"{where} needs the key '{key}'")
    inputs = given["inputs"]
    if not _is_integer(inputs) or not 0 <= inputs <= MOST_VERTICES:
        raise CommandError(
            f"{where}: 'inputs' must be how many there are, up to {MOST_VERTICES}; found {inputs!r}"
        )
    predecessors = _predecessors(where, given["predecessors"], inputs)
    outputs = _outputs(where, given["outputs"], predecessors)
    return _numbered(name, where, inputs, predecessors, outputs)


def _predecessors(where: str, given: Any, inputs: int) -> dict[int, list[int]]:
    if not isinstance(given, dict) or len(given) > MOST_VERTICES:
        raise CommandError(
            f"{where}: 'predecessors' must be an object from vertices, up to {MOST_VERTICES}, to "
            "the lists of vertices that they read"
        )
    vertices = {}
    for key, sources in given.items():
        if not key.isascii() or not key.isdigit() or int(key) < 1:
            raise CommandError(f"{where}: a vertex must be a number from 1, found '{key}'")
        vertices[int(key)] = sources
    if len(vertices) < len(given):
        raise CommandError(f"{where}: two vertices have the same number")
    for vertex, sources in vertices.items():
        if not isinstance(sources, list):
            raise CommandError(f"{where}: vertex {vertex} needs a list of the vertices it reads")
        for source in sources:
            known = _is_integer(source) and (source in vertices or -inputs <= source < 0)
            if not known:
                raise CommandError(
                    f"{where}: vertex {vertex} reads {source!r}, which is neither a vertex nor one "
                    f"of the inputs -1 to -{inputs}"
                )
    return vertices


def _outputs(where: str, given: Any, vertices: Mapping[int, list[int]]) -> list[int]:
    if not isinstance(given, list) or not given:
        raise CommandError(f"{where}: 'outputs' must be a list of vertices")
    for each in given:
        if not _is_integer(each) or each not in vertices:
            raise CommandError(f"{where}: output {each!r} is no vertex")
    return given


def _numbered(
    name: str, where: str, inputs: int, predecessors: Mapping[int, list[int]], outputs: list[int]
) -> NamedGraph:
    sources = {vertex: sorted(set(each)) for vertex, each in sorted(predecessors.items())}
    try:
        order = [v for v in TopologicalSorter(sources).static_order() if v > 0]
    except CycleError as error:
        circle = " → ".join(map(str, reversed(error.args[1])))
        raise CommandError(f"{where}: its vertices read each other in a circle: {circle}") from None
    if all(each < vertex for vertex, reads in sources.items() for each in reads):
        order = sorted(sources)
    vertices = (*[-(k + 1) for k in range(inputs)], *order)
    number = {vertex: k for k, vertex in enumerate(vertices)}
    kept = [*range(inputs), *[number[each] for each in outputs]]
    numbered = {number[v]: [number[each] for each in reads] for v, reads in sources.items()}
    graph = EliminationGraph.of(numbered, len(vertices), kept)
    return NamedGraph(name, graph, vertices, inputs, len(set(outputs)))


def _is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
