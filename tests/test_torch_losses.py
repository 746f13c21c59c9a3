"""Losses against PyTorch: value, gradient and Hessian, by all inputs.

torch's reduction="none" gives a loss for each number or label; the mean over each sample is taken
here. Where torch has no such loss, its formula is written down in torch.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - the name it has everywhere
from names import named
from torch.distributions import StudentT
from torch_oracle import assert_equals_torch

from tensorbp.expression.layer import Layer, Shape
from tensorbp.layers.losses.binary import BinaryCrossEntropy, FocalLoss, LogisticLoss
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
    XLogX,
)
from tensorbp.layers.losses.margin import HingeLoss, MultiMarginLoss, SquaredHingeLoss
from tensorbp.layers.losses.regression import (
    HuberLoss,
    L1Loss,
    LogCosh,
    LogCoshLoss,
    MeanSquaredError,
    QuantileLoss,
    SmoothL1Loss,
)
from tensorbp.layers.losses.vectors import (
    ContrastiveLoss,
    CosineEmbeddingLoss,
    CosineSimilarity,
    InfoNceLoss,
    TripletMarginLoss,
)

Tensors = dict[str, torch.Tensor]
PAIRS: list[tuple[Shape, Shape]] = [((3, 4), (3, 4)), ((5,), (5,)), ((2, 3, 4), (2, 3, 4))]
ONE_LABEL: tuple[Shape, Shape] = ((5, 4), (5,))
SEVERAL_LABELS: tuple[Shape, Shape] = ((2, 3, 4), (2, 3))
WEIGHT = (1.0, 2.0, 0.5, 3.0)


def sample_mean(losses: torch.Tensor) -> torch.Tensor:
    return losses.flatten(1).mean(1) if losses.ndim > 1 else losses


def pairs(function: Callable[..., torch.Tensor], **options: Any) -> Callable[[Tensors], Any]:
    return lambda t: sample_mean(function(t["x"], t["target"], reduction="none", **options))


def formula(function: Callable[[Any, Any], torch.Tensor]) -> Callable[[Tensors], torch.Tensor]:
    return lambda t: sample_mean(function(t["x"], t["target"]))


def bce_of_smoothed(x: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    return F.binary_cross_entropy_with_logits(
        x, 0.8 * target + 0.1, pos_weight=torch.tensor(2.5), reduction="none"
    )


ELEMENTWISE: list[tuple[Layer, Callable[[Tensors], torch.Tensor]]] = [
    (MeanSquaredError(), pairs(F.mse_loss)),
    (L1Loss(), pairs(F.l1_loss)),
    (HuberLoss(), pairs(F.huber_loss)),
    (HuberLoss(0.3), pairs(F.huber_loss, delta=0.3)),
    (SmoothL1Loss(), pairs(F.smooth_l1_loss)),
    (SmoothL1Loss(0.3), pairs(F.smooth_l1_loss, beta=0.3)),
    (SmoothL1Loss(0), pairs(F.smooth_l1_loss, beta=0.0)),
    (LogCoshLoss(), formula(lambda x, t: (x - t).cosh().log())),
    (QuantileLoss(0.9), formula(lambda x, t: torch.maximum(0.9 * (t - x), -0.1 * (t - x)))),
    (BinaryCrossEntropy(), pairs(F.binary_cross_entropy_with_logits)),
    (
        BinaryCrossEntropy(2.5),
        pairs(F.binary_cross_entropy_with_logits, pos_weight=torch.tensor(2.5)),
    ),
    (BinaryCrossEntropy(2.5, label_smoothing=0.2), formula(bce_of_smoothed)),
    (LogisticLoss(), formula(lambda x, t: F.softplus(-t * x))),
    (HingeLoss(), formula(lambda x, t: (1 - t * x).clamp(min=0))),
    (SquaredHingeLoss(), formula(lambda x, t: (1 - t * x).clamp(min=0) ** 2)),
    (PoissonNllLoss(), pairs(F.poisson_nll_loss)),
    (
        PoissonNllLoss(log_input=False, epsilon=0.1),
        pairs(F.poisson_nll_loss, log_input=False, eps=0.1),
    ),
]


@pytest.mark.parametrize("shapes", PAIRS, ids=str)
@pytest.mark.parametrize(("layer", "reference"), ELEMENTWISE, ids=named)
def test_losses_of_numbers(
    layer: Layer, reference: Callable[[Tensors], torch.Tensor], shapes: tuple[Shape, ...]
) -> None:
    assert_equals_torch(layer, shapes, reference)


@pytest.mark.parametrize("shapes", [PAIRS[0], PAIRS[2]], ids=str)
def test_binary_cross_entropy_with_a_weight_for_each_class(shapes: tuple[Shape, ...]) -> None:
    weight = torch.tensor(WEIGHT, dtype=torch.float64)
    reference = pairs(F.binary_cross_entropy_with_logits, pos_weight=weight)
    assert_equals_torch(BinaryCrossEntropy(WEIGHT), shapes, reference)


@pytest.mark.parametrize("rule", [LogCosh(), XLogX()], ids=lambda rule: rule.name)
def test_elementary_rules(rule: Layer) -> None:
    functions = {"log_cosh": lambda x: x.cosh().log(), "x_log_x": lambda x: x * x.log()}
    assert_equals_torch(rule, ((3, 4),), lambda t: functions[rule.name](t["x"]))


def sigmoid_focal(gamma: float, alpha: float | None) -> Callable[[Tensors], torch.Tensor]:
    """The focal loss of a target 0 or 1, by its definition, and its expectation in between."""

    def of(x: torch.Tensor, positive: bool) -> torch.Tensor:
        p = torch.sigmoid(x) if positive else torch.sigmoid(-x)
        share = 1.0 if alpha is None else alpha if positive else 1 - alpha
        return -share * (1 - p) ** gamma * p.log()

    return formula(lambda x, t: t * of(x, True) + (1 - t) * of(x, False))


@pytest.mark.parametrize("shapes", PAIRS, ids=str)
@pytest.mark.parametrize(("gamma", "alpha"), [(2.0, 0.25), (0.5, None), (0.0, 0.7), (1.5, 0.0)])
def test_focal_loss(gamma: float, alpha: float | None, shapes: tuple[Shape, ...]) -> None:
    assert_equals_torch(FocalLoss(gamma, alpha), shapes, sigmoid_focal(gamma, alpha))


def labelled(
    function: Callable[..., torch.Tensor], **options: Any
) -> Callable[[Tensors], torch.Tensor]:
    """Return a loss of labels, averaged over the labels of a sample that count, 0 if none does."""
    ignored = options.get("ignore_index", -100)

    def reference(t: Tensors) -> torch.Tensor:
        x, target = t["x"], t["target"]
        losses = function(x.movedim(-1, 1), target, reduction="none", **options)
        if target.ndim == 1:
            return losses
        return losses.flatten(1).sum(1) / (target != ignored).flatten(1).sum(1).clamp(min=1)

    return reference


def weights() -> torch.Tensor:
    return torch.tensor(WEIGHT, dtype=torch.float64)


LABELLED: list[tuple[Layer, Callable[[Tensors], torch.Tensor]]] = [
    (SoftmaxCrossEntropy(), labelled(F.cross_entropy)),
    (SoftmaxCrossEntropy(0.1), labelled(F.cross_entropy, label_smoothing=0.1)),
    (SoftmaxCrossEntropy(1), labelled(F.cross_entropy, label_smoothing=1.0)),
    (SoftmaxCrossEntropy(weight=WEIGHT), labelled(F.cross_entropy, weight=weights())),
    (SoftmaxCrossEntropy(ignore_index=1), labelled(F.cross_entropy, ignore_index=1)),
    (
        SoftmaxCrossEntropy(0.2, WEIGHT, -1),
        labelled(F.cross_entropy, label_smoothing=0.2, weight=weights(), ignore_index=-1),
    ),
    (NllLoss(), labelled(F.nll_loss)),
    (NllLoss(WEIGHT, -1), labelled(F.nll_loss, weight=weights(), ignore_index=-1)),
]


@pytest.mark.parametrize("shapes", [ONE_LABEL, SEVERAL_LABELS], ids=str)
@pytest.mark.parametrize(("layer", "reference"), LABELLED, ids=named)
def test_losses_of_labels(
    layer: Any, reference: Callable[[Tensors], torch.Tensor], shapes: tuple[Shape, ...]
) -> None:
    targets = np.resize([3, 0, 2, 1, 3], shapes[1])
    if layer.ignore_index is not None:
        targets.flat[::3] = layer.ignore_index
    assert_equals_torch(layer, shapes, reference, {"target": targets})


def test_without_weights_a_sample_of_labels_has_the_mean_that_torch_takes() -> None:
    target = np.array([[3, -1, 2], [-1, -1, 0]])

    def reference(t: Tensors) -> torch.Tensor:
        rows = zip(t["x"], t["target"], strict=True)
        return torch.stack([F.cross_entropy(x, y, ignore_index=-1) for x, y in rows])

    layer = SoftmaxCrossEntropy(ignore_index=-1)
    assert_equals_torch(layer, SEVERAL_LABELS, reference, {"target": target})


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("weight", [None, WEIGHT])
@pytest.mark.parametrize("shape", [(5, 4), (2, 3, 4)], ids=str)
def test_cross_entropy_of_probabilities(
    shape: Shape, weight: tuple[float, ...] | None, smoothing: float
) -> None:
    given = None if weight is None else weights()

    def reference(t: Tensors) -> torch.Tensor:
        return sample_mean(
            F.cross_entropy(
                t["x"].movedim(-1, 1),
                t["target"].movedim(-1, 1),
                weight=given,
                label_smoothing=smoothing,
                reduction="none",
            )
        )

    assert_equals_torch(SoftmaxCrossEntropyOneHot(smoothing, weight), (shape, shape), reference)


@pytest.mark.parametrize("shapes", [ONE_LABEL, SEVERAL_LABELS], ids=str)
@pytest.mark.parametrize(("gamma", "weight"), [(2.0, None), (0.5, WEIGHT), (0.0, None)])
def test_softmax_focal_loss(
    gamma: float, weight: tuple[float, ...] | None, shapes: tuple[Shape, ...]
) -> None:
    factors = torch.tensor(weight or (1.0,) * 4, dtype=torch.float64)

    def reference(t: Tensors) -> torch.Tensor:
        p = torch.softmax(t["x"], -1).gather(-1, t["target"][..., None])[..., 0]
        return sample_mean(-factors[t["target"]] * (1 - p) ** gamma * p.log())

    assert_equals_torch(SoftmaxFocalLoss(gamma, weight), shapes, reference)


@pytest.mark.parametrize("shapes", [ONE_LABEL, SEVERAL_LABELS], ids=str)
@pytest.mark.parametrize(
    ("p", "margin", "weight"), [(1, 1.0, None), (2, 0.5, None), (1, 2.0, WEIGHT), (2, 1.0, WEIGHT)]
)
def test_multi_margin_loss(
    p: int, margin: float, weight: tuple[float, ...] | None, shapes: tuple[Shape, ...]
) -> None:
    rows = torch.tensor(WEIGHT, dtype=torch.float64)

    def by_torch(t: Tensors) -> torch.Tensor:
        given = rows if weight else None
        x, target = t["x"].reshape(-1, 4), t["target"].reshape(-1)
        losses = F.multi_margin_loss(x, target, p, margin, given, reduction="none")
        return sample_mean(losses.reshape(t["target"].shape))

    def by_formula(t: Tensors) -> torch.Tensor:
        x, target = t["x"], t["target"]
        hinges = (margin - x.gather(-1, target[..., None]) + x).clamp(min=0) ** p
        wrong = (hinges * (1 - F.one_hot(target, 4))).sum(-1) / 4
        return sample_mean(wrong * (rows[target] if weight else 1))

    layer = MultiMarginLoss(p, margin, weight)
    # torch cannot differentiate its own twice, so the second derivative is that of the formula
    assert_equals_torch(layer, shapes, by_formula)
    x = torch.randn(shapes[0], dtype=torch.float64, generator=torch.manual_seed(0))
    tensors = {"x": x, "target": torch.arange(int(np.prod(shapes[1]))).reshape(shapes[1]) % 4}
    torch.testing.assert_close(by_formula(tensors), by_torch(tensors))


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("shape", [(3, 4), (2, 3, 4), (5,)], ids=str)
def test_gaussian_nll_loss(shape: Shape, full: bool) -> None:
    def reference(t: Tensors) -> torch.Tensor:
        return sample_mean(
            F.gaussian_nll_loss(t["x"], t["target"], t["var"], full=full, reduction="none")
        )

    assert_equals_torch(GaussianNllLoss(full), (shape,) * 3, reference)
    if len(shape) > 1:
        assert_equals_torch(GaussianNllLoss(full), (shape, shape, (*shape[:-1], 1)), reference)


def test_gaussian_nll_loss_of_variances_below_the_smallest() -> None:
    def reference(t: Tensors) -> torch.Tensor:
        variance = t["var"].clamp(min=1.0)
        return sample_mean((variance.log() + (t["x"] - t["target"]) ** 2 / variance) / 2)

    var = np.random.default_rng(0).uniform(0, 2, (3, 4))
    assert np.any(var < 1)
    assert_equals_torch(GaussianNllLoss(epsilon=1), ((3, 4),) * 3, reference, {"var": var})


@pytest.mark.parametrize("freedom", [1, 1.5, 4])
def test_student_t_nll_loss(freedom: float) -> None:
    def reference(t: Tensors) -> torch.Tensor:
        return sample_mean(-StudentT(freedom, t["x"], t["scale"]).log_prob(t["target"]))

    for scale in ((2, 3, 4), (2, 3, 1)):
        shapes = ((2, 3, 4), (2, 3, 4), scale)
        assert_equals_torch(StudentTNllLoss(freedom, full=True), shapes, reference)


def test_student_t_nll_loss_without_constants_differs_by_a_constant() -> None:
    at_zero = StudentT(torch.tensor(4.0, dtype=torch.float64)).log_prob(torch.tensor(0.0))

    def reference(t: Tensors) -> torch.Tensor:
        return sample_mean(at_zero - StudentT(4, t["x"], t["scale"]).log_prob(t["target"]))

    assert_equals_torch(StudentTNllLoss(4), ((3, 4),) * 3, reference)


@pytest.mark.parametrize("log_target", [False, True])
@pytest.mark.parametrize("shape", [(3, 4), (2, 3, 4)], ids=str)
def test_kl_divergence(shape: Shape, log_target: bool) -> None:
    def reference(t: Tensors) -> torch.Tensor:
        terms = F.kl_div(t["x"], t["target"], reduction="none", log_target=log_target)
        return sample_mean(terms.sum(-1))

    assert_equals_torch(KlDivergence(log_target), (shape, shape), reference)


@pytest.mark.parametrize("axis", [-1, 0, 1])
def test_cosine_similarity(axis: int) -> None:
    def reference(t: Tensors) -> torch.Tensor:
        return F.cosine_similarity(t["a"], t["b"], dim=axis)

    assert_equals_torch(CosineSimilarity(axis), ((2, 3, 4), (2, 3, 4)), reference)


def test_cosine_similarity_of_short_vectors() -> None:
    def reference(t: Tensors) -> torch.Tensor:
        lengths = [t[name].norm(dim=-1).clamp(min=2.0) for name in ("a", "b")]
        return (t["a"] * t["b"]).sum(-1) / (lengths[0] * lengths[1])

    a = np.random.default_rng(0).normal(size=(3, 4)) * np.array([[0.1], [1], [5]])
    assert_equals_torch(CosineSimilarity(epsilon=2), ((3, 4), (3, 4)), reference, {"a": a})


@pytest.mark.parametrize("margin", [0.0, -0.5, 0.3])
@pytest.mark.parametrize("shape", [(5, 4), (2, 3, 4)], ids=str)
def test_cosine_embedding_loss(shape: Shape, margin: float) -> None:
    def reference(t: Tensors) -> torch.Tensor:
        a, b, target = t["a"].reshape(-1, 4), t["b"].reshape(-1, 4), t["target"]

        def with_target(sign: float) -> torch.Tensor:
            signs = torch.full(a.shape[:1], sign, dtype=a.dtype)
            losses = F.cosine_embedding_loss(a, b, signs, margin, reduction="none")
            return losses.reshape(target.shape)

        alike = (1 + target) / 2
        return sample_mean(alike * with_target(1.0) + (1 - alike) * with_target(-1.0))

    assert_equals_torch(CosineEmbeddingLoss(margin), (shape, shape, shape[:-1]), reference)


@pytest.mark.parametrize("margin", [1.0, 3.0])
@pytest.mark.parametrize("shape", [(5, 4), (2, 3, 4)], ids=str)
def test_contrastive_loss(shape: Shape, margin: float) -> None:
    def reference(t: Tensors) -> torch.Tensor:
        distance = (t["a"] - t["b"]).norm(dim=-1)
        apart = (margin - distance).clamp(min=0) ** 2
        return sample_mean((t["target"] * distance**2 + (1 - t["target"]) * apart) / 2)

    assert_equals_torch(ContrastiveLoss(margin), (shape, shape, shape[:-1]), reference)


@pytest.mark.parametrize("swap", [False, True])
@pytest.mark.parametrize(("margin", "p"), [(1.0, 2.0), (2.5, 1.0), (1.0, 3.0)])
@pytest.mark.parametrize("shape", [(5, 4), (2, 3, 4)], ids=str)
def test_triplet_margin_loss(shape: Shape, margin: float, p: float, swap: bool) -> None:
    def reference(t: Tensors) -> torch.Tensor:
        triplet = [t[name] for name in ("anchor", "positive", "negative")]
        return sample_mean(
            F.triplet_margin_loss(*triplet, margin=margin, p=p, swap=swap, reduction="none")
        )

    assert_equals_torch(TripletMarginLoss(margin, p, swap=swap), (shape,) * 3, reference)


@pytest.mark.parametrize("temperature", [0.1, 0.7])
@pytest.mark.parametrize("shape", [(5, 4), (3, 2)], ids=str)
def test_info_nce_loss(shape: Shape, temperature: float) -> None:
    def reference(t: Tensors) -> torch.Tensor:
        logits = F.normalize(t["anchors"]) @ F.normalize(t["positives"]).T / temperature
        return F.cross_entropy(logits, torch.arange(shape[0]), reduction="none")

    assert_equals_torch(InfoNceLoss(temperature), (shape, shape), reference)
