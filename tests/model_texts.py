"""Models that are written in a test."""

from __future__ import annotations

import io
from typing import Any

import pytest

from tensorbp.errors import ModelError
from tensorbp.model import load


def complaint(text: str, **options: Any) -> str:
    """Return what is said about a model that is refused, without the name of its file."""
    with pytest.raises(ModelError) as error:
        load(io.StringIO(text), **options)
    return str(error.value).replace("<stream>:", "")
