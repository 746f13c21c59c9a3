"""The house: imports go downwards, modules stay small, and looking in loads no array library."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import tensorbp

ROOT = Path(tensorbp.__file__).parent
MODULES = sorted(ROOT.rglob("*.py"))
FLOORS = (
    "errors",
    "algebra",
    "expression",
    "registry",
    "layers",
    "planning",
    "opt_einsum_name",
    "execution",
    "model",
    "testing",
    "report",
    "cli",
)
ARRAY_LIBRARIES = ("numpy", "scipy", "jax", "torch")
LONGEST = 450


def imports(source: str, package: str) -> Iterator[str]:
    """Yield every module that is imported, inside functions too, but for type checking alone.

    Args:
        source: the text of a module.
        package: the dotted name of the package that it is in, for relative imports.
    """
    pending: list[ast.AST] = [ast.parse(source)]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            pending.extend(node.orelse)
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parts = package.split(".")
            base = parts[: len(parts) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            yield module
            yield from (f"{module}.{alias.name}" for alias in node.names)
        pending.extend(ast.iter_child_nodes(node))


def floor_of(module: str) -> int | None:
    """Return the floor of a dotted name; None for what is outside, or for the package itself."""
    parts = module.split(".")
    if parts[0] != "tensorbp" or len(parts) < 2 or parts[1] not in FLOORS:
        return None
    return FLOORS.index(parts[1])


def upward(source: str, package: str, floor: int) -> list[str]:
    """Return what a module imports from floors above its own, or from the public surface."""
    found = set(imports(source, package))
    above = {name for name in found if (other := floor_of(name)) is not None and other > floor}
    surface = {name for name in found if name == "tensorbp" or name.startswith("tensorbp.")}
    return sorted(above | {name for name in surface if floor_of(name) is None} - {"tensorbp"})


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT.parent).with_suffix("").parts)


INSIDE = [path for path in MODULES if floor_of(name_of(path)) is not None]


@pytest.mark.parametrize("path", INSIDE, ids=name_of)
def test_imports_go_downwards_only(path: Path) -> None:
    name = name_of(path)
    floor = floor_of(name)
    assert floor is not None
    package = name.removesuffix(".__init__") if path.stem == "__init__" else name.rpartition(".")[0]
    found = upward(path.read_text(), package, floor)
    assert not [each for each in found if not each.startswith("tensorbp.__version__")]


def test_every_module_is_on_some_floor() -> None:
    outside = {name_of(path) for path in MODULES} - {name_of(path) for path in INSIDE}
    assert outside <= {"tensorbp.__init__", "tensorbp.__main__"}


def test_imports_that_go_up_would_be_found() -> None:
    algebra = FLOORS.index("algebra")
    for line in (
        "import tensorbp.model",
        "from tensorbp.planning import plan",
        "from tensorbp import execution",
        "from ..cli import main",
        "def f():\n    from tensorbp.layers.softmax import softmax",
        "if TYPE_CHECKING:\n    pass\nelse:\n    import tensorbp.model",
    ):
        assert upward(line, "tensorbp.algebra", algebra), line
    for line in (
        "import math",
        "from tensorbp.errors import ShapeError",
        "from tensorbp.algebra.axes import Axis",
        "from .axes import Axis",
        "if TYPE_CHECKING:\n    from tensorbp.model import Model",
        "if typing.TYPE_CHECKING:\n    import tensorbp.model",
    ):
        assert not upward(line, "tensorbp.algebra", algebra), line


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_module_is_read_in_one_sitting(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= LONGEST


def loaded_after(statement: str) -> list[str]:
    script = f"import sys\n{statement}\nprint([n for n in {ARRAY_LIBRARIES!r} if n in sys.modules])"
    printed = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    ).stdout.splitlines()[-1]
    return list(ast.literal_eval(printed))


@pytest.mark.parametrize(
    "statement",
    [
        "import tensorbp; tensorbp.__version__; dir(tensorbp)",
        "import tensorbp as t; t.default_registry().path_finders",
        "import tensorbp.algebra",
        "import tensorbp.expression",
        "import tensorbp.planning",
        "import tensorbp as t; t.jacobian(t.tanh(t.variable('x', 3)), t.variable('x', 3)).size",
    ],
)
def test_no_array_library_is_loaded_before_there_are_arrays(statement: str) -> None:
    assert loaded_after(statement) == []


@pytest.mark.parametrize("library", ["numpy", "scipy"])
def test_a_library_that_is_loaded_would_be_found(library: str) -> None:
    assert library in loaded_after(f"import tensorbp, {library}")


def test_libraries_that_are_optional_are_never_imported_at_the_top() -> None:
    for path in MODULES:
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.Import | ast.ImportFrom):
                names = imports(ast.unparse(node), "tensorbp")
                tops = {name.split(".")[0] for name in names}
                assert not tops & {"jax", "torch"}, path
