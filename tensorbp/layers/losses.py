"""The losses, each of which gives one number for each sample, and the rules they are made of."""

from __future__ import annotations

from tensorbp.expression.layer import Layer
from tensorbp.layers.binary_losses import BinaryCrossEntropy, FocalLoss, LogisticLoss
from tensorbp.layers.classification_losses import (
    NllLoss,
    SoftmaxCrossEntropy,
    SoftmaxCrossEntropyOneHot,
    SoftmaxFocalLoss,
)
from tensorbp.layers.embedding_losses import (
    ContrastiveLoss,
    CosineEmbeddingLoss,
    CosineSimilarity,
    InfoNceLoss,
    TripletMarginLoss,
)
from tensorbp.layers.likelihood_losses import (
    GaussianNllLoss,
    KlDivergence,
    PoissonNllLoss,
    StudentTNllLoss,
    XLogX,
)
from tensorbp.layers.margin_losses import HingeLoss, MultiMarginLoss, SquaredHingeLoss
from tensorbp.layers.regression_losses import (
    HuberLoss,
    L1Loss,
    LogCosh,
    LogCoshLoss,
    MeanSquaredError,
    QuantileLoss,
    SmoothL1Loss,
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
