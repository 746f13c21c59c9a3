"""The layers of normalisation: extremes, structure, and what they refuse."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from layer_values import applied, evaluate

import tensorbp as tb
from tensorbp.errors import LayerError
from tensorbp.expression.layer import Parameter, Shape
from tensorbp.layers.normalization.channels import (
    BatchNorm,
    BatchNormInference,
    GroupNorm,
    InstanceNorm,
)
from tensorbp.layers.normalization.lengths import LpLength, LpNormalize
from tensorbp.layers.normalization.local_response import LocalResponseNorm
from tensorbp.layers.normalization.standardization import (
    InverseDeviation,
    LayerNorm,
    RmsNorm,
    Standardize,
)
from tensorbp.layers.normalization.weights import SpectralNorm, WeightNorm
from tensorbp.testing import Case

RANDOM = np.random.default_rng(0)


def test_standardize_over_several_axes() -> None:
    X = RANDOM.normal(size=(2, 3, 4, 5))
    y = evaluate(tb.standardize(tb.variable("x", *X.shape), epsilon=0, axis=(0, -2)), x=3 + 5 * X)
    np.testing.assert_allclose(y.mean(axis=(0, 2)), 0, atol=1e-14)
    np.testing.assert_allclose(y.var(axis=(0, 2)), 1)


def test_the_order_of_the_axes_is_of_no_account() -> None:
    X = RANDOM.normal(size=(2, 3, 4))
    x = tb.variable("x", *X.shape)
    one, other = tb.standardize(x, axis=(0, 2)), tb.standardize(x, axis=(-1, 0))
    np.testing.assert_array_equal(evaluate(one, x=X), evaluate(other, x=X))


def test_group_norm_and_instance_norm_keep_the_samples_apart() -> None:
    x = tb.variable("x", 7, 6, 5)
    grouped = GroupNorm(2, affine=False)(x)
    assert tb.jacobian(grouped, x).size == 7 * 2 * (3 * 5) ** 2
    assert tb.jacobian(InstanceNorm()(x), x).size == 7 * 6 * 5**2


def test_batch_norm_keeps_the_channels_apart() -> None:
    x = tb.variable("x", 7, 6, 5)
    assert tb.jacobian(BatchNorm(affine=False)(x), x).size == 6 * (7 * 5) ** 2


def test_batch_norm_with_given_statistics_keeps_everything_apart() -> None:
    x, mean, variance = tb.variable("x", 7, 6, 5), tb.variable("m", 6), tb.variable("v", 6)
    y = BatchNormInference(affine=False)(x, mean, variance)
    assert tb.jacobian(y, x).size == 6


def test_batch_norm_with_the_statistics_of_the_batch_is_batch_norm_while_training() -> None:
    X = RANDOM.normal(size=(7, 6, 5))
    x, mean, variance = tb.variable("x", *X.shape), tb.variable("m", 6), tb.variable("v", 6)
    by = BatchNormInference(affine=False)(x, mean, variance)
    found = evaluate(by, x=X, m=X.mean(axis=(0, 2)), v=X.var(axis=(0, 2)))
    np.testing.assert_allclose(found, evaluate(BatchNorm(affine=False)(x), x=X), atol=1e-13)


def test_both_forms_of_batch_norm_have_the_same_parameters() -> None:
    shapes: tuple[Shape, ...] = ((7, 6, 5), (6,), (6,))
    expected = {"gain": Parameter((6,), "ones"), "bias": Parameter((6,), "zeros")}
    assert BatchNorm().parameters(shapes[0]) == expected
    assert BatchNormInference().parameters(*shapes) == expected
    assert BatchNorm(axis=-1).parameters(shapes[0])["gain"].shape == (5,)


def test_a_channel_without_variance_becomes_its_bias() -> None:
    x = tb.variable("x", 3, 2)
    y = BatchNorm(affine=False)(x)
    constant = np.full((3, 2), 7.0)
    assert np.all(evaluate(y, x=constant) == 0)
    assert np.isfinite(evaluate(tb.gradient(tb.sum(tb.tanh(y)), x), x=constant)).all()


@pytest.mark.parametrize("p", [1, 1.5, 2, 3])
@pytest.mark.parametrize("scale", [1e200, 1e-200])
def test_lengths_neither_overflow_nor_vanish(p: float, scale: float) -> None:
    x = tb.variable("x", 2, 3)
    y = tb.lp_normalize(x, p, epsilon=1e-300)
    X = np.array([[3.0, -4.0, 0.0], [1.0, 2.0, 2.0]])
    expected = X / (np.abs(X) ** p).sum(axis=1, keepdims=True) ** (1 / p)
    with np.errstate(all="raise", under="ignore"):
        np.testing.assert_allclose(evaluate(y, x=X * scale), expected, rtol=1e-14)


@pytest.mark.parametrize("p", [1, 1.5, 2, 3])
def test_the_vector_zero_stays_zero_and_has_a_derivative(p: float) -> None:
    x = tb.variable("x", 2, 3)
    y = tb.lp_normalize(x, p, epsilon=0.5)
    zero = np.zeros((2, 3))
    with np.errstate(all="raise"):
        np.testing.assert_array_equal(evaluate(y, x=zero), zero)
        slope = evaluate(tb.gradient(tb.sum(y), x), x=zero)
    np.testing.assert_array_equal(slope, np.full((2, 3), 2.0))


def test_columns_of_weight_norm_start_with_length_one() -> None:
    assert WeightNorm(5).parameters((3, 4)) == {
        "g": Parameter((5,), "ones"),
        "v": Parameter((4, 5)),
        "b": Parameter((5,), "zeros"),
    }


def test_the_length_of_a_direction_does_not_matter_to_weight_norm() -> None:
    case = Case(WeightNorm(5, bias=False), ((3, 4),))
    y, arrays = case.output, case.arrays
    slope = tb.gradient(tb.sum(y * y), case.operands["v"])
    value, gradient = tb.compile([y, slope])(**arrays)
    longer = tb.compile([y])(**arrays | {"v": 3 * arrays["v"]})[0]
    np.testing.assert_allclose(longer, value, rtol=1e-13)
    np.testing.assert_allclose((gradient * arrays["v"]).sum(axis=0), 0, atol=1e-12)


def test_spectral_norm_with_singular_vectors_stretches_by_one_at_most() -> None:
    W = RANDOM.normal(size=(4, 5))
    left, _, right = np.linalg.svd(W)
    case = Case(SpectralNorm(5, bias=False), ((4, 4), (4,), (5,)))
    y = evaluate(case.output, x=np.eye(4), u=left[:, 0], v=right[0], W=W)
    assert np.linalg.norm(y, 2) == pytest.approx(1)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Standardize(-1), "layer 'standardize': epsilon must not be negative, found -1"),
        (
            lambda: Standardize(axis="last"),  # type: ignore[arg-type]
            "layer 'standardize': axis must be a list of whole numbers, found 'last'",
        ),
        (
            lambda: InverseDeviation(axis=True),
            "layer 'inverse_deviation': axis must be a whole number, found True",
        ),
        (
            lambda: applied(Standardize(axis=2), (3, 4)),
            "layer 'standardize': axis 2 is out of range for 2 dimensions: it must be from -2 to 1",
        ),
        (
            lambda: applied(Standardize(axis=(0, -2)), (3, 4)),
            "layer 'standardize': axes (0, -2) name a dimension twice",
        ),
        (
            lambda: applied(Standardize(axis=()), (3, 4)),
            "layer 'standardize': there must be at least one number along axis (), found x of "
            "shape (3, 4)",
        ),
        (
            lambda: applied(InverseDeviation(), (3, 0)),
            "layer 'inverse_deviation': there must be at least one number along axis -1, found x "
            "of shape (3, 0)",
        ),
        (
            lambda: applied(LayerNorm(normalized_dimensions=3), (3, 4)),
            "layer 'layer_norm': normalized_dimensions is 3, but x of shape (3, 4) has 2",
        ),
        (
            lambda: RmsNorm(normalized_dimensions=0),
            "layer 'rms_norm': normalized_dimensions must be a whole number from 1, found 0",
        ),
        (
            lambda: LayerNorm(affine=1),  # type: ignore[arg-type]
            "layer 'layer_norm': affine must be true or false, found 1",
        ),
        (
            lambda: applied(BatchNorm(), (1, 4)),
            "layer 'batch_norm': a channel of x, of shape (1, 4), must have 2 numbers at least, or "
            "it has no variance; use batch_norm_inference where nothing is trained",
        ),
        (
            lambda: applied(BatchNorm(), (4,)),
            "layer 'batch_norm': x needs a batch axis and an axis of channels, found shape (4,)",
        ),
        (
            lambda: applied(BatchNorm(axis=0), (3, 4)),
            "layer 'batch_norm': axis must be one of x, of shape (3, 4), behind the batch: from 1 "
            "to 1, or negative from the end; found 0",
        ),
        (
            lambda: applied(InstanceNorm(axis=-3), (3, 4, 5)),
            "layer 'instance_norm': axis must be one of x, of shape (3, 4, 5), behind the batch: "
            "from 1 to 2, or negative from the end; found -3",
        ),
        (
            lambda: applied(BatchNormInference(), (3, 4), (4,), (3,)),
            "layer 'batch_norm_inference': variance must have one number for each of 4 channels, "
            "shape (4,), found (3,)",
        ),
        (
            lambda: applied(GroupNorm(4), (2, 6, 5)),
            "layer 'group_norm': groups must divide the number of channels, 6, found 4",
        ),
        (
            lambda: applied(GroupNorm(6), (2, 6)),
            "layer 'group_norm': a group of channels of a sample of x, of shape (2, 6), must have "
            "2 numbers at least, or it has no variance",
        ),
        (
            lambda: applied(InstanceNorm(), (3, 4)),
            "layer 'instance_norm': a channel of a sample of x, of shape (3, 4), must have 2 "
            "numbers at least, or it has no variance",
        ),
        (
            lambda: applied(SpectralNorm(5), (3, 4), (5,), (4,)),
            "layer 'spectral_norm': u must have shape (4,), as W has (4, 5); found (5,)",
        ),
        (
            lambda: applied(WeightNorm(5), ()),
            "layer 'weight_norm': x needs an axis of features, found a number of shape ()",
        ),
        (
            lambda: LocalResponseNorm(3, k=0),
            "layer 'local_response_norm': k must be above 0, found 0",
        ),
        (
            lambda: LocalResponseNorm(3, beta=-1),
            "layer 'local_response_norm': beta must not be negative, found -1",
        ),
        (
            lambda: applied(LocalResponseNorm(3), (4,)),
            "layer 'local_response_norm': x needs a batch axis and an axis of channels, found "
            "shape (4,)",
        ),
        (lambda: LpNormalize(p=0.5), "layer 'lp_normalize': p must be from 1, found 0.5"),
        (lambda: LpLength(epsilon=0), "layer 'lp_length': epsilon must be above 0, found 0"),
        (
            lambda: applied(LpNormalize(axis=2), (3, 4)),
            "layer 'lp_normalize': axis 2 is out of range for 2 dimensions: it must be from -2 "
            "to 1",
        ),
    ],
)
def test_what_is_refused(make: Callable[[], object], message: str) -> None:
    with pytest.raises(LayerError) as caught:
        make()
    assert str(caught.value) == message
