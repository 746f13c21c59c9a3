"""Reading models from files."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import IO, Any

from tensorbp.model.dims import chosen_dims
from tensorbp.model.document import parse, read_text
from tensorbp.model.model import Model
from tensorbp.model.problems import Problems
from tensorbp.model.schema import check
from tensorbp.model.wiring import wire
from tensorbp.registry import Registry, default_registry

__all__ = ["load"]


def load(
    source: str | os.PathLike[str] | IO[Any],
    dims: Mapping[str, int] | None = None,
    registry: Registry | None = None,
) -> Model:
    """Read a model from a YAML file.

    The file is data: names in it are looked up in the registry and nowhere else.

    Args:
        source: the path of a file, or an open text stream.
        dims: sizes of dimensions, in place of the defaults in the file.
        registry: where layers are looked up; by default all that are installed.

    Raises:
        ModelError: something is wrong with the file; all of it is reported at once.
        ShapeError: ``dims`` names a dimension that is not there, or gives an impossible size.
        OSError: the file cannot be read.
    """
    problems = Problems(_name(source))
    root = parse(read_text(source, problems), problems)
    specification = check(root, problems, registry or default_registry())
    network = wire(specification, problems)
    return Model(network, chosen_dims(specification.dims, dims or {}, problems))


def _name(source: str | os.PathLike[str] | IO[Any]) -> str:
    if isinstance(source, str | os.PathLike):
        return os.fspath(source)
    return str(getattr(source, "name", "<stream>"))
