"""Every registered layer obeys every law."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tensorbp.layers.plugin import LAYERS
from tensorbp.registry import build_registry
from tensorbp.testing import LAWS, checks

REGISTERED = build_registry(entry_points=False).layers
CHECKS = [check for layer in REGISTERED.values() for check in checks(layer)]


@pytest.mark.parametrize("check", [run for _, run in CHECKS], ids=[name for name, _ in CHECKS])
def test_layer(check: Callable[[], None]) -> None:
    check()


def test_the_matrix_has_no_holes() -> None:
    assert set(REGISTERED.values()) >= set(LAYERS)
    examples = [example for layer in REGISTERED.values() for example in layer.examples()]
    assert len(CHECKS) == len(LAWS) * len(examples)


@pytest.mark.parametrize("layer", REGISTERED.values(), ids=REGISTERED)
def test_documentation(layer: type) -> None:
    first, _, _ = (layer.__doc__ or "").partition("\n")
    assert first.endswith((".", "..."))
