"""What tests share: how many examples a law is tried on, no plans kept on disk, a small model."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from command_line import SMALL
from hypothesis import HealthCheck, settings

settings.register_profile(
    "laws",
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
    print_blob=True,
)
settings.load_profile("laws")

os.environ["TENSORBP_CACHE"] = ""


@pytest.fixture
def small(tmp_path: Path) -> str:
    """Write a small model, `SMALL`, and return where."""
    path = tmp_path / "small.yaml"
    path.write_text(SMALL)
    return str(path)
