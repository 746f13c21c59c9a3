"""The public surface: everything is there, says what it is, and its examples are true."""

from __future__ import annotations

import doctest
import importlib
import inspect
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import tensorbp

MODULES = [
    name
    for _, name, _ in pkgutil.walk_packages(tensorbp.__path__, "tensorbp.")
    if not name.endswith("__main__")
]


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_in_docstrings_are_true(name: str) -> None:
    result = doctest.testmod(importlib.import_module(name), optionflags=doctest.ELLIPSIS)
    assert result.failed == 0


def test_there_are_examples_to_run() -> None:
    finder = doctest.DocTestFinder()
    found = [
        test
        for name in MODULES
        for test in finder.find(importlib.import_module(name))
        if test.examples
    ]
    assert {"tensorbp.expression.derivative.jacobian", "tensorbp.planning.planner.plan"} <= {
        test.name for test in found
    }


@pytest.mark.parametrize("name", sorted(tensorbp.__all__))
def test_every_name_is_there_and_says_what_it_is(name: str) -> None:
    value = getattr(tensorbp, name)
    assert value is not None
    if name.startswith("__"):
        return
    text = inspect.getdoc(value)
    assert text
    assert text[0].isupper()
    assert "." in text.splitlines()[0] + "."


@pytest.mark.parametrize("name", sorted(tensorbp.__all__))
def test_public_functions_say_what_they_take(name: str) -> None:
    value = getattr(tensorbp, name)
    if inspect.isfunction(value):
        assert inspect.signature(value).parameters is not None
        assert not [p for p in inspect.signature(value).parameters if p.startswith("_")]
    if inspect.isclass(value):
        for member, method in vars(value).items():
            if not member.startswith("_") and (
                inspect.isfunction(method) or isinstance(method, property)
            ):
                assert inspect.getdoc(getattr(value, member)), f"{name}.{member}"


def test_all_is_what_dir_says() -> None:
    assert set(tensorbp.__all__) <= set(dir(tensorbp))
    assert len(tensorbp.__all__) == len(set(tensorbp.__all__))
    with pytest.raises(AttributeError, match="no_such_name"):
        tensorbp.no_such_name  # noqa: B018


def test_the_stub_names_what_there_is() -> None:
    """A name in the stub that its module does not have would fail only when it is first used."""
    stub = Path(tensorbp.__file__).with_suffix(".pyi").read_text()
    names = [line.split(" as ")[1] for line in stub.splitlines() if " as " in line]
    assert names == sorted(names, key=names.index)
    assert set(names) == {name for name in tensorbp.__all__ if not name.startswith("__")}


def test_everything_can_be_imported_with_a_star() -> None:
    script = "from tensorbp import *\nprint(jacobian(tanh(variable('x', 64, 32)), 0) is None)"
    found = subprocess.run(
        [sys.executable, "-c", script.replace(", 0) is None", ", variable('x', 64, 32)).size")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout.strip() == "2048"
