"""The losses, each of which gives one number for each sample, and the rules they are made of."""

from __future__ import annotations

from tensorbp.expression.layer import Layer
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

__all__ = ["LOSSES"]

LOSSES: tuple[type[Layer], ...] = (
    *(MeanSquaredError, L1Loss, HuberLoss, SmoothL1Loss, LogCoshLoss, QuantileLoss, LogCosh),
    *(BinaryCrossEntropy, LogisticLoss, FocalLoss),
    *(SoftmaxCrossEntropy, SoftmaxCrossEntropyOneHot, NllLoss, SoftmaxFocalLoss),
    *(HingeLoss, SquaredHingeLoss, MultiMarginLoss),
    *(PoissonNllLoss, GaussianNllLoss, StudentTNllLoss, KlDivergence, XLogX),
    *(CosineEmbeddingLoss, ContrastiveLoss, TripletMarginLoss, InfoNceLoss, CosineSimilarity),
)
