from collections.abc import Callable

import pytest
from tensorbp_gallery import L2Normalize, Logish, Snake

import tensorbp as tb
from tensorbp.testing import checks

CHECKS = [
    *checks(Logish),
    *checks(Snake),
    *checks(Snake(frequency=2.5), (5,)),
    *checks(L2Normalize),
    *checks(L2Normalize(), (2, 3, 4)),
]


@pytest.mark.parametrize("check", [run for _, run in CHECKS], ids=[name for name, _ in CHECKS])
def test_layer(check: Callable[[], None]) -> None:
    check()


def test_snake_refuses_a_frequency_that_is_not_positive() -> None:
    with pytest.raises(tb.LayerError, match="layer 'snake': frequency must be above 0, found 0"):
        Snake(frequency=0)


def test_l2_normalize_refuses_a_number() -> None:
    with pytest.raises(tb.LayerError, match="layer 'l2_normalize': x needs an axis"):
        L2Normalize()(tb.variable("x"))


def test_the_jacobian_of_l2_normalize_keeps_the_batch_apart() -> None:
    x = tb.variable("x", 64, 30)
    assert tb.jacobian(L2Normalize()(x), x).size == 64 * 30 * 30
