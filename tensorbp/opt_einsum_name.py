"""``optimize="tensorbp"`` in opt_einsum, whichever of the two packages is imported first.

opt_einsum has no entry points, and loads numpy, which looking at a plan does without. So the name
is given to it when it is there, and otherwise at the moment that somebody imports it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from functools import partial
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

__all__ = ["NAME", "register"]

NAME = "tensorbp"

MODULE = "opt_einsum.paths"
"""The module of opt_einsum that knows names."""


def register() -> None:
    """Make the name known to opt_einsum, now or when it is imported."""
    if MODULE in sys.modules:
        _add_to(sys.modules[MODULE])
    elif not any(isinstance(each, _WhenImported) for each in sys.meta_path):
        sys.meta_path.insert(0, _WhenImported())


def _add_to(paths: ModuleType) -> None:
    try:
        paths.register_path_fn(NAME, _search)
    except KeyError:
        # it has the name from an earlier import of tensorbp
        return


def _search(*arguments: Any) -> Sequence[tuple[int, ...]]:
    """Return the path of `tensorbp.Optimizer`, which is not loaded before a path is wanted."""
    from tensorbp.planning.optimizer import Optimizer

    return Optimizer()(*arguments)


class _WhenImported(MetaPathFinder):
    """Leaves finding the module to the other finders, and adds the name once it has run."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != MODULE:
            return None
        others = sys.meta_path[sys.meta_path.index(self) + 1 :]
        found = (each.find_spec(fullname, path, target) for each in others)
        spec = next((each for each in found if each is not None), None)
        if spec is not None and spec.loader is not None:
            run = partial(self._run, spec.loader.exec_module)
            spec.loader.exec_module = run  # type: ignore[method-assign]
        return spec

    def _run(self, execute: Callable[[ModuleType], None], module: ModuleType) -> None:
        execute(module)
        _add_to(module)
        if self in sys.meta_path:
            sys.meta_path.remove(self)
