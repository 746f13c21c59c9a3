"""Losses where they are at their limits, and what they refuse."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tensorbp as tb
from tensorbp.expression.layer import Layer, Shape
from tensorbp.expression.node import Expression
from tensorbp.layers.losses.binary import BinaryCrossEntropy, FocalLoss
from tensorbp.layers.losses.class_targets import ClassTargets, ClassWeights
from tensorbp.layers.losses.classification import (
    NllLoss,
    SoftmaxCrossEntropy,
    SoftmaxCrossEntropyOneHot,
    SoftmaxFocalLoss,
)
from tensorbp.layers.losses.likelihood import (
    GaussianNllLoss,
    KlDivergence,
    PoissonNllLoss,
    StudentTNllLoss,
)
from tensorbp.layers.losses.margin import MultiMarginLoss
from tensorbp.layers.losses.regression import HuberLoss, L1Loss, QuantileLoss, SmoothL1Loss
from tensorbp.layers.losses.vectors import (
    ContrastiveLoss,
    CosineEmbeddingLoss,
    CosineSimilarity,
    InfoNceLoss,
    TripletMarginLoss,
)
from tensorbp.testing import checks

WEIGHT = (1.0, 2.0, 0.5, 3.0)

PARTS = [each for part in (ClassTargets, ClassWeights) for each in checks(part)]


@pytest.mark.parametrize("check", [run for _, run in PARTS], ids=[name for name, _ in PARTS])
def test_what_losses_are_made_of_obeys_the_laws(check: Callable[[], None]) -> None:
    check()


def derivatives(
    loss: Callable[..., Expression], dtype: str = "float64", /, **arrays: Any
) -> tuple[Any, Any, Any]:
    """Return a loss of arrays, its gradient by the first of them, and the Hessian's diagonal."""
    given = {name: np.asarray(array) for name, array in arrays.items()}
    variables = {
        name: tb.variable(name, *array.shape, kind="integer" if array.dtype.kind == "i" else "real")
        for name, array in given.items()
    }
    losses = loss(**variables)
    total, first = tb.sum(losses), next(iter(variables.values()))
    wanted = [losses, tb.gradient(total, first), tb.hessian(total, first).diagonal()]
    program = tb.compile(wanted, dtype)
    with np.errstate(all="raise", under="ignore"):
        value, gradient, curvature = program({name: given[name] for name in program.names})
    return value, gradient, curvature


# ----- numbers -----

EXACT = np.array([[1.0, -2.0, 0.0]])


def test_a_robust_loss_is_curved_where_the_prediction_is_exact() -> None:
    for loss in (tb.huber_loss, tb.smooth_l1_loss, tb.log_cosh_loss):
        value, gradient, curvature = derivatives(loss, x=EXACT, target=EXACT)
        assert value == 0
        np.testing.assert_array_equal(gradient, 0)
        np.testing.assert_allclose(curvature, 1 / 3)


def test_a_loss_with_a_kink_stays_where_the_prediction_is_exact() -> None:
    for loss in (tb.l1_loss, tb.quantile_loss):
        value, gradient, curvature = derivatives(loss, x=EXACT, target=EXACT)
        assert value == 0
        np.testing.assert_array_equal(gradient, 0)
        np.testing.assert_array_equal(curvature, 0)


def test_the_slope_of_the_huber_loss_is_continuous_where_its_branches_meet() -> None:
    x = np.array([[-0.5, 0.5, 7.0]])
    _, gradient, _ = derivatives(
        lambda x, target: tb.huber_loss(x, target, delta=0.5), x=x, target=np.zeros((1, 3))
    )
    np.testing.assert_allclose(gradient, [[-0.5 / 3, 0.5 / 3, 0.5 / 3]])


@pytest.mark.parametrize("loss", [tb.huber_loss, tb.smooth_l1_loss, tb.log_cosh_loss, tb.l1_loss])
def test_an_error_of_any_size_does_not_overflow(loss: Callable[..., Expression]) -> None:
    x = np.array([1e300, -1e300])
    value, gradient, curvature = derivatives(loss, x=x, target=np.zeros(2))
    np.testing.assert_allclose(value, 1e300)
    np.testing.assert_array_equal(gradient, [1, -1])
    np.testing.assert_array_equal(curvature, 0)


def test_log_cosh_keeps_its_digits() -> None:
    x = np.array([0.0, 1e-9, -1e-3, 0.9999999, 1.0, 1.0000001, -30.0, 1e5])
    value, gradient, _ = derivatives(lambda x: tb.log_cosh(x), x=x)
    a = np.abs(x)
    expected = np.where(
        a < 1e-2, x * x / 2 - x**4 / 12 + x**6 / 45, np.logaddexp(a, -a) - np.log(2)
    )
    np.testing.assert_allclose(value, expected, rtol=1e-14)
    np.testing.assert_allclose(gradient, np.tanh(x))


def test_the_minimum_of_the_quantile_loss_is_the_quantile() -> None:
    sample = np.arange(1.0, 11.0)
    guesses = np.arange(0.5, 11.0, 0.5)
    x, target = np.repeat(guesses[:, None], 10, 1), np.repeat(sample[None], len(guesses), 0)
    value, _, _ = derivatives(
        lambda x, target: tb.quantile_loss(x, target, 0.85), x=x, target=target
    )
    assert guesses[np.argmin(value)] == 9.0


# ----- classes -----

EXTREME = np.array([[1e4, -1e4], [-1e4, 1e4]])
CERTAIN = np.array([[1.0, 0.0], [1.0, 0.0]])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_binary_losses_of_extreme_logits(dtype: str) -> None:
    arrays = {"x": EXTREME.astype(dtype), "target": CERTAIN.astype(dtype)}
    for pos_weight in (1.0, 3.0):
        value, gradient, curvature = derivatives(
            lambda x, target, w=pos_weight: tb.binary_cross_entropy(x, target, w), dtype, **arrays
        )
        np.testing.assert_allclose(value, [0, 1e4 * (1 + pos_weight) / 2])
        np.testing.assert_allclose(gradient, [[0, 0], [-pos_weight / 2, 0.5]])
        np.testing.assert_array_equal(curvature, 0)


@pytest.mark.parametrize("gamma", [0.5, 1.5, 2.0])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_focal_loss_has_derivatives_where_all_is_certain(dtype: str, gamma: float) -> None:
    arrays = {"x": EXTREME.astype(dtype), "target": CERTAIN.astype(dtype)}
    value, gradient, curvature = derivatives(
        lambda x, target: tb.focal_loss(x, target, gamma, alpha=None), dtype, **arrays
    )
    np.testing.assert_allclose(value, [0, 1e4])
    np.testing.assert_allclose(gradient, [[0, 0], [-0.5, 0.5]])
    np.testing.assert_array_equal(curvature, 0)
    labels = {"x": arrays["x"], "target": np.array([0, 0])}
    value, gradient, _ = derivatives(
        lambda x, target: tb.softmax_focal_loss(x, target, gamma), dtype, **labels
    )
    np.testing.assert_allclose(value, [0, 2e4])
    np.testing.assert_allclose(gradient, [[0, 0], [-1, 1]])


IGNORING = [
    lambda x, target: tb.softmax_cross_entropy(x, target, ignore_index=-100),
    lambda x, target: tb.softmax_cross_entropy(x, target, 0.1, WEIGHT, ignore_index=-100),
    lambda x, target: tb.nll_loss(x, target, ignore_index=-100),
    lambda x, target: tb.softmax_focal_loss(x, target, ignore_index=-100),
]


@pytest.mark.parametrize("loss", IGNORING)
def test_ignored_labels_have_no_loss_and_no_gradient(loss: Callable[..., Expression]) -> None:
    x = np.random.default_rng(0).normal(size=(2, 3, 4))
    target = np.array([[-100, -100, -100], [2, -100, 0]])
    value, gradient, curvature = derivatives(loss, x=x, target=target)
    assert value[0] == 0 < value[1]
    for each in (gradient, curvature):
        np.testing.assert_array_equal(each[target == -100], 0)
    assert np.all(np.any(gradient[target != -100] != 0, axis=-1))
    alone, _, _ = derivatives(loss, x=x[1:, [0, 2]], target=target[1:, [0, 2]])
    np.testing.assert_allclose(value[1:], alone)


def test_a_label_of_a_class_may_be_ignored_too() -> None:
    x = np.random.default_rng(0).normal(size=(3, 4))
    value, gradient, _ = derivatives(
        lambda x, target: tb.softmax_cross_entropy(x, target, ignore_index=2),
        x=x,
        target=np.array([2, 0, 3]),
    )
    assert value[0] == 0
    np.testing.assert_array_equal(gradient[0], 0)
    assert np.all(value[1:] > 0)


def test_one_label_and_a_list_of_one_have_the_same_weighted_loss() -> None:
    x = np.random.default_rng(0).normal(size=(5, 4))
    target = np.array([0, 1, 2, 3, 1])

    def loss(x: Expression, target: Expression) -> Expression:
        return tb.softmax_cross_entropy(x, target, weight=WEIGHT)

    one, _, _ = derivatives(loss, x=x, target=target)
    listed, _, _ = derivatives(loss, x=x[:, None], target=target[:, None])
    np.testing.assert_allclose(one, listed)
    plain, _, _ = derivatives(tb.softmax_cross_entropy, x=x, target=target)
    np.testing.assert_allclose(one, plain * np.array(WEIGHT)[target])


def test_an_impossible_class_does_not_disturb_the_others() -> None:
    x = np.log(np.array([[0.25, 0.75, 1.0]])) + np.array([0, 0, -np.inf])
    value, gradient, _ = derivatives(tb.nll_loss, x=x, target=np.array([1]))
    np.testing.assert_allclose(value, -np.log(0.75))
    np.testing.assert_array_equal(gradient, [[0, -1, 0]])
    value, gradient, _ = derivatives(
        lambda x, target: tb.softmax_cross_entropy(x, target, weight=(1, 2, 3)),
        x=x,
        target=np.array([1]),
    )
    np.testing.assert_allclose(value, -2 * np.log(0.75))
    np.testing.assert_allclose(gradient, [[0.5, -0.5, 0]])


def test_the_only_class_is_certain() -> None:
    for loss in (tb.softmax_cross_entropy, tb.softmax_focal_loss):
        value, gradient, _ = derivatives(loss, x=np.array([[3.0], [-2.0]]), target=np.array([0, 0]))
        np.testing.assert_array_equal(value, 0)
        np.testing.assert_array_equal(gradient, 0)


def test_weights_smoothing_and_ignored_labels_keep_the_samples_apart() -> None:
    x, target = tb.variable("x", 64, 4), tb.variable("target", 64, kind="integer")
    losses = tb.softmax_cross_entropy(x, target, 0.1, WEIGHT, -1)
    assert tb.jacobian(losses, x).size == 64 * 4


@pytest.mark.parametrize(
    "loss", [tb.softmax_cross_entropy, tb.nll_loss, tb.softmax_focal_loss, tb.multi_margin_loss]
)
def test_labels_out_of_range_are_refused(loss: Any) -> None:
    x, target = tb.variable("x", 3, 4), tb.variable("target", 3, kind="integer")
    program = tb.compile(loss(x, target))
    with pytest.raises(tb.LayerError) as caught:
        program(x=np.zeros((3, 4)), target=np.array([0, 4, 3]))
    assert str(caught.value) == (
        f"layer '{loss.__name__}': labels must be from 0 to 3, one for each of 4 classes; found 4"
    )


# ----- distributions -----


def test_a_probability_of_0_adds_nothing_to_the_divergence() -> None:
    target = np.array([[0.0, 0.25, 0.75]])
    x = np.log(np.array([[0.5, 0.25, 0.25]]))
    value, gradient, _ = derivatives(tb.kl_divergence, x=x, target=target)
    np.testing.assert_allclose(value, 0.75 * np.log(3))
    np.testing.assert_allclose(gradient, -target)


def test_the_divergence_from_itself_is_0() -> None:
    x = np.log(np.array([[0.5, 0.25, 0.25]]))
    value, _, _ = derivatives(lambda x: tb.kl_divergence(x, x, log_target=True), x=x)
    np.testing.assert_array_equal(value, 0)


def test_a_variance_of_0_is_the_smallest_variance() -> None:
    arrays = {
        "var": np.zeros((1, 2)),
        "x": np.array([[1.0, 2.0]]),
        "target": np.array([[1.0, 3.0]]),
    }
    value, gradient, _ = derivatives(
        lambda var, x, target: tb.gaussian_nll_loss(x, target, var, epsilon=0.5), **arrays
    )
    np.testing.assert_allclose(value, (2 * np.log(0.5) + 1 / 0.5) / 4)
    np.testing.assert_array_equal(gradient, 0)


def test_a_target_far_away_pulls_less_under_student_t() -> None:
    x, scale = np.zeros((4,)), np.ones((4,))
    target = np.array([1.0, 10.0, 1e3, 1e9])
    _, gradient, _ = derivatives(
        lambda x, target, scale: tb.student_t_nll_loss(x, target, scale, 1.0),
        x=x,
        target=target,
        scale=scale,
    )
    np.testing.assert_allclose(gradient, -2 * target / (1 + target**2))


# ----- vectors -----


def test_vectors_of_length_0_have_a_cosine_and_derivatives() -> None:
    a, b = np.zeros((2, 3)), np.array([[3.0, 0.0, 4.0], [0.0, 0.0, 0.0]])
    value, gradient, curvature = derivatives(tb.cosine_similarity, a=a, b=b)
    np.testing.assert_array_equal(value, 0)
    np.testing.assert_allclose(gradient, [[0.6e8, 0, 0.8e8], [0, 0, 0]])
    assert np.all(np.isfinite(curvature))
    value, gradient, _ = derivatives(tb.info_nce_loss, anchors=a, positives=b)
    np.testing.assert_allclose(value, np.log(2))
    assert np.all(np.isfinite(gradient))


def test_equal_vectors_that_should_not_be_have_no_direction_to_leave_in() -> None:
    a = np.array([[1.0, 2.0], [1.0, 2.0]])
    value, gradient, _ = derivatives(
        lambda a, b, target: tb.contrastive_loss(a, b, target, margin=3.0),
        a=a,
        b=a,
        target=np.array([0.0, 1.0]),
    )
    np.testing.assert_allclose(value, [4.5, 0])
    np.testing.assert_array_equal(gradient, 0)


@pytest.mark.parametrize("p", [1.0, 2.0, 3.0])
def test_a_triplet_of_equal_vectors_has_the_margin_as_its_loss(p: float) -> None:
    a = np.array([[1.0, 2.0, 0.5]])
    value, gradient, curvature = derivatives(
        lambda a, b, c: tb.triplet_margin_loss(a, b, c, 0.7, p), a=a, b=a, c=a
    )
    np.testing.assert_allclose(value, 0.7)
    assert np.all(np.isfinite(gradient))
    assert np.all(np.isfinite(curvature))


def test_the_negatives_of_a_sample_are_the_positives_of_the_others() -> None:
    anchors = np.eye(3)
    value, _, _ = derivatives(
        lambda a, p: tb.info_nce_loss(a, p, temperature=0.5), a=anchors, p=5 * anchors
    )
    np.testing.assert_allclose(value, np.log(np.exp(2) + 2) - 2)
    alone, _, _ = derivatives(tb.info_nce_loss, anchors=anchors[:1], positives=anchors[1:2])
    assert alone == 0


# ----- what is refused -----

ARGUMENTS: list[tuple[Callable[[], Layer], str]] = [
    (lambda: HuberLoss(0), "layer 'huber_loss': delta must be above 0, found 0"),
    (
        lambda: HuberLoss("wide"),  # type: ignore[arg-type]
        "layer 'huber_loss': delta must be a finite number, found 'wide'",
    ),
    (lambda: SmoothL1Loss(-0.5), "layer 'smooth_l1_loss': beta must be from 0 up, found -0.5"),
    (
        lambda: QuantileLoss(1),
        "layer 'quantile_loss': quantile must be above 0 and below 1, found 1",
    ),
    (
        lambda: BinaryCrossEntropy(-1),
        "layer 'binary_cross_entropy': pos_weight must be from 0 up, found -1",
    ),
    (
        lambda: BinaryCrossEntropy((1, -2)),
        "layer 'binary_cross_entropy': each number of pos_weight must be from 0 up, found -2",
    ),
    (
        lambda: BinaryCrossEntropy(label_smoothing=2),
        "layer 'binary_cross_entropy': label_smoothing must be from 0 to 1, found 2",
    ),
    (lambda: FocalLoss(-1), "layer 'focal_loss': gamma must be from 0 up, found -1"),
    (lambda: FocalLoss(alpha=1.5), "layer 'focal_loss': alpha must be from 0 to 1, found 1.5"),
    (
        lambda: SoftmaxFocalLoss(-1),
        "layer 'softmax_focal_loss': gamma must be from 0 up, found -1",
    ),
    (
        lambda: SoftmaxCrossEntropy(1.5),
        "layer 'softmax_cross_entropy': label_smoothing must be from 0 to 1, found 1.5",
    ),
    (
        lambda: SoftmaxCrossEntropy(weight=2),  # type: ignore[arg-type]
        "layer 'softmax_cross_entropy': weight must be a list of numbers, found 2",
    ),
    (
        lambda: SoftmaxCrossEntropy(ignore_index=0.5),  # type: ignore[arg-type]
        "layer 'softmax_cross_entropy': ignore_index must be a whole number, found 0.5",
    ),
    (
        lambda: SoftmaxCrossEntropyOneHot(weight=(1, float("nan"))),
        "layer 'softmax_cross_entropy_one_hot': each number of weight must be a finite number, "
        "found nan",
    ),
    (
        lambda: NllLoss(weight="equal"),  # type: ignore[arg-type]
        "layer 'nll_loss': weight must be a list of numbers, found 'equal'",
    ),
    (lambda: MultiMarginLoss(3), "layer 'multi_margin_loss': p must be 1 or 2, found 3"),
    (
        lambda: PoissonNllLoss(log_input=1),  # type: ignore[arg-type]
        "layer 'poisson_nll_loss': log_input must be true or false, found 1",
    ),
    (
        lambda: PoissonNllLoss(epsilon=-1),
        "layer 'poisson_nll_loss': epsilon must be from 0 up, found -1",
    ),
    (
        lambda: GaussianNllLoss(epsilon=0),
        "layer 'gaussian_nll_loss': epsilon must be above 0, found 0",
    ),
    (
        lambda: StudentTNllLoss(0),
        "layer 'student_t_nll_loss': degrees_of_freedom must be above 0, found 0",
    ),
    (
        lambda: KlDivergence("yes"),  # type: ignore[arg-type]
        "layer 'kl_divergence': log_target must be true or false, found 'yes'",
    ),
    (
        lambda: CosineSimilarity(epsilon=0),
        "layer 'cosine_similarity': epsilon must be above 0, found 0",
    ),
    (
        lambda: CosineEmbeddingLoss(2),
        "layer 'cosine_embedding_loss': margin must be from -1 to 1, found 2",
    ),
    (lambda: ContrastiveLoss(0), "layer 'contrastive_loss': margin must be above 0, found 0"),
    (
        lambda: TripletMarginLoss(p=0.5),
        "layer 'triplet_margin_loss': p must be from 1 up, found 0.5",
    ),
    (
        lambda: InfoNceLoss(temperature=0),
        "layer 'info_nce_loss': temperature must be above 0, found 0",
    ),
]


@pytest.mark.parametrize(("make", "message"), ARGUMENTS, ids=[text[:60] for _, text in ARGUMENTS])
def test_arguments_that_make_no_sense(make: Callable[[], Layer], message: str) -> None:
    with pytest.raises(tb.LayerError) as caught:
        make()
    assert str(caught.value) == message


MISFITS: list[tuple[Layer, tuple[Shape, ...], str]] = [
    (
        L1Loss(),
        ((3, 4), (3,)),
        "layer 'l1_loss': the target must have the shape of x, (3, 4), found (3,)",
    ),
    (L1Loss(), ((), ()), "layer 'l1_loss': x needs a batch axis, found a number of shape ()"),
    (
        SoftmaxCrossEntropy(weight=(1, 2)),
        ((3, 4), (3,)),
        "layer 'softmax_cross_entropy': weight must have one number for each of 4 classes, found 2",
    ),
    (
        SoftmaxCrossEntropyOneHot(weight=(1, 2)),
        ((3, 4), (3, 4)),
        "layer 'softmax_cross_entropy_one_hot': weight must have one number for each of 4 "
        "classes, found 2",
    ),
    (
        BinaryCrossEntropy((1, 2)),
        ((3, 4), (3, 4)),
        "layer 'binary_cross_entropy': pos_weight must have one number for each of 4 classes, "
        "found 2",
    ),
    (
        BinaryCrossEntropy((1, 2)),
        ((2,), (2,)),
        "layer 'binary_cross_entropy': x must have a batch axis and an axis of classes, found "
        "shape (2,)",
    ),
    (
        NllLoss(),
        ((3, 4), (3, 4)),
        "layer 'nll_loss': x of shape (3, 4) needs integer targets of shape (3,), found (3, 4); "
        "rows of probabilities are for kl_divergence",
    ),
    (
        SoftmaxCrossEntropy(),
        ((3, 4), (3, 4)),
        "layer 'softmax_cross_entropy': x of shape (3, 4) needs integer targets of shape (3,), "
        "found (3, 4); rows of probabilities are for softmax_cross_entropy_one_hot",
    ),
    (
        MultiMarginLoss(),
        ((3,), (3,)),
        "layer 'multi_margin_loss': x must have a batch axis and an axis of classes, found shape "
        "(3,)",
    ),
    (
        GaussianNllLoss(),
        ((3, 4), (3, 4), (3,)),
        "layer 'gaussian_nll_loss': var must have the shape of x, (3, 4), or size one along its "
        "last axis, found (3,)",
    ),
    (
        StudentTNllLoss(3),
        ((3, 4), (3, 4), (4, 1)),
        "layer 'student_t_nll_loss': scale must have the shape of x, (3, 4), or size one along "
        "its last axis, found (4, 1)",
    ),
    (
        KlDivergence(),
        ((3,), (3,)),
        "layer 'kl_divergence': x must have a batch axis and an axis of classes, found shape (3,)",
    ),
    (
        CosineSimilarity(),
        ((3, 4), (3, 5)),
        "layer 'cosine_similarity': a and b must have one shape, found (3, 4) and (3, 5)",
    ),
    (
        CosineSimilarity(axis=2),
        ((3, 4), (3, 4)),
        "layer 'cosine_similarity': axis 2 is out of range for 2 dimensions: it must be from -2 "
        "to 1",
    ),
    (
        CosineEmbeddingLoss(),
        ((3, 4), (3, 4), (3, 4)),
        "layer 'cosine_embedding_loss': vectors of shape (3, 4) need targets of shape (3,), "
        "found (3, 4)",
    ),
    (
        ContrastiveLoss(),
        ((3,), (3,), ()),
        "layer 'contrastive_loss': a and b must have one shape, with a batch axis and an axis of "
        "features, found (3,) and (3,)",
    ),
    (
        TripletMarginLoss(),
        ((3, 4), (3, 4), (3, 5)),
        "layer 'triplet_margin_loss': anchor and positive and negative must have one shape, with "
        "a batch axis and an axis of features, found (3, 4) and (3, 4) and (3, 5)",
    ),
    (
        InfoNceLoss(),
        ((2, 3, 4), (2, 3, 4)),
        "layer 'info_nce_loss': anchors must be of shape (batch, features), found (2, 3, 4)",
    ),
]


@pytest.mark.parametrize(
    ("layer", "shapes", "message"), MISFITS, ids=[text[:60] for _, _, text in MISFITS]
)
def test_inputs_that_do_not_fit(layer: Layer, shapes: tuple[Shape, ...], message: str) -> None:
    inputs = [
        tb.variable(each.name, *shape, kind=each.kind)
        for each, shape in zip(layer.inputs, shapes, strict=True)
    ]
    with pytest.raises(tb.LayerError) as caught:
        layer(*inputs)
    assert str(caught.value) == message
