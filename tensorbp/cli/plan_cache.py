"""Plans that commands have made, kept on disk, so that nothing is planned twice.

A plan is found by all that it depends on: the structure of the model, what is asked, and the code
that plans. The cache is a convenience: whatever is wrong with it, the plan is made anew.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from hashlib import sha256
from importlib import metadata
from pathlib import Path
from typing import Any

import tensorbp
from tensorbp.cli.output import write
from tensorbp.cli.query import Query
from tensorbp.errors import TensorbpError
from tensorbp.model import Model
from tensorbp.model.structure import structure
from tensorbp.planning import Plan, plan, read_plan
from tensorbp.registry import Registry

__all__ = ["ENVIRONMENT_VARIABLE", "planned"]

ENVIRONMENT_VARIABLE = "TENSORBP_CACHE"
"""The folder of the cache, in place of the user's; empty: there is no cache."""

MOST_FILES = 256
MOST_BYTES = 256 * 2**20


def planned(
    model: Model, query: Query, registry: Registry, is_cached: bool = True, **options: Any
) -> Plan:
    """Return the plan of a query, from the cache if it is there.

    Args:
        model: the model.
        query: what is asked.
        registry: where the layers are looked up.
        is_cached: whether the cache is read and written.
        **options: those of `tensorbp.plan`, as plain data; none, zero and false are the defaults.

    Raises:
        CompileError: there is no such plan.
    """
    path = _path(model, query, registry, options) if is_cached else None
    if path is None:
        return plan(query.outputs, labels=query.labels(model), **options)
    with suppress(OSError, TensorbpError):
        kept = read_plan(path, registry)
        os.utime(path)
        return kept
    made = plan(query.outputs, labels=query.labels(model), **options)
    with suppress(OSError, TensorbpError):
        path.parent.mkdir(parents=True, exist_ok=True)
        write(made.to_json(), str(path))
        _forget_oldest(path.parent)
    return made


def _path(model: Model, query: Query, registry: Registry, options: dict[str, Any]) -> Path | None:
    """Return where a plan is kept; None where there is no cache."""
    folder = _folder()
    code = _code(registry)
    if folder is None or code is None:
        return None
    # one command has options that another does not: none is as good as its default
    chosen = {name: value for name, value in options.items() if value}
    asked = [structure(model), query.of.value, query.at, list(query.sources), chosen, code]
    return folder / f"{sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()}.json"


def _folder() -> Path | None:
    chosen = os.environ.get(ENVIRONMENT_VARIABLE)
    if chosen is not None:
        return Path(chosen) if chosen else None
    from platformdirs import user_cache_path

    return user_cache_path("tensorbp", appauthor=False) / "plans"


def _code(registry: Registry) -> list[Any] | None:
    """Return what tells one state of the code that plans from another; None if nothing does.

    A version is not enough: code that is being worked on changes under the same one.
    """
    described: list[Any] = [metadata.version("opt_einsum"), _state(tensorbp.__file__)]
    for each in registry.plugins:
        if not each.built_in:
            module = sys.modules.get(each.entry_point.partition(":")[0].strip())
            if module is None or not module.__file__:
                return None
            described.append([each.name, each.version, each.status, _state(module.__file__)])
    return described


def _state(file: str) -> list[list[Any]]:
    """Return size and time of the files of a package, or of a module that is no package."""
    path = Path(file)
    files: Iterator[Path] | list[Path] = [path]
    if path.stem == "__init__":
        files = path.parent.rglob("*.py")
    return sorted(
        [str(each), (status := each.stat()).st_size, status.st_mtime_ns] for each in files
    )


def _forget_oldest(folder: Path) -> None:
    """Delete the plans that were longest not asked for, until few enough are left."""
    found = sorted(
        ((status.st_mtime_ns, status.st_size, each.path))
        for each in os.scandir(folder)
        if each.name.endswith((".json", ".partial")) and (status := each.stat())
    )
    count, total = len(found), sum(size for _, size, _ in found)
    for _, size, path in found:
        if count <= MOST_FILES and total <= MOST_BYTES:
            return
        Path(path).unlink(missing_ok=True)
        count, total = count - 1, total - size
