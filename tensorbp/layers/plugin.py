"""The built-in layers, registered through the hook that every plugin uses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tensorbp.expression.indexing import Concatenate
from tensorbp.expression.layer import Layer
from tensorbp.expression.selection import Affine
from tensorbp.layers.activations import ELEMENTWISE
from tensorbp.layers.arithmetic import Add, Multiply, Scale
from tensorbp.layers.attention.class_token import ClassToken
from tensorbp.layers.attention.dot_product import ScaledDotProductAttention
from tensorbp.layers.attention.experts import MixtureOfExperts
from tensorbp.layers.attention.feed_forward import FeedForward
from tensorbp.layers.attention.masks import CausalMask, MaskedSoftmax, PaddingMask
from tensorbp.layers.attention.multi_head import MultiHeadAttention
from tensorbp.layers.attention.positions import (
    Alibi,
    AlibiTable,
    LearnedPositions,
    Rotary,
    RotaryTable,
    SinusoidalPositions,
    SinusoidalTable,
)
from tensorbp.layers.attention.transformer import (
    GptBlock,
    TransformerDecoderLayer,
    TransformerEncoderLayer,
)
from tensorbp.layers.bilinear import Bilinear, TensorProduct
from tensorbp.layers.convolution.convolution import Conv1d, Conv2d, Conv3d
from tensorbp.layers.convolution.padding import Pad
from tensorbp.layers.convolution.separable import DepthwiseConv2d, SeparableConv2d
from tensorbp.layers.convolution.spatial import Window
from tensorbp.layers.convolution.transposed import ConvTranspose1d, ConvTranspose2d, ConvTranspose3d
from tensorbp.layers.convolution.unfolding import Fold, PixelShuffle, PixelUnshuffle, Unfold
from tensorbp.layers.convolution.upsampling import Neighbours, Resampling, Upsample, Weights
from tensorbp.layers.dropout import Dropout
from tensorbp.layers.einsum import Einsum
from tensorbp.layers.extrema import Argmax, Argmin, Found, Max, Min
from tensorbp.layers.fourier_features import FourierFeatures
from tensorbp.layers.gates import (
    GatedLinear,
    Geglu,
    Glu,
    Highway,
    Prelu,
    Reglu,
    SqueezeExcite,
    Swiglu,
)
from tensorbp.layers.graph_convolution import GraphConvolution
from tensorbp.layers.linear import Bias, Linear
from tensorbp.layers.losses.catalogue import LOSSES
from tensorbp.layers.losses.class_targets import ClassTargets, ClassWeights
from tensorbp.layers.low_rank import LoraLinear
from tensorbp.layers.moving.embedding import Embedding, EmbeddingBag, UnpaddedRows
from tensorbp.layers.moving.labelled import ScatterAdd, Take, TakeAlong
from tensorbp.layers.moving.labels import OneHot
from tensorbp.layers.moving.parts import (
    Chunk,
    ExpandDims,
    Flip,
    Index,
    RepeatInterleave,
    Roll,
    Slice,
    Squeeze,
    Stack,
    Tile,
)
from tensorbp.layers.moving.shape import Flatten, Reshape, Transpose
from tensorbp.layers.moving.triangles import CumulativeSum, Triangle, Tril, Triu
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
from tensorbp.layers.pooling.average import (
    AdaptiveAvgPool1d,
    AdaptiveAvgPool2d,
    AdaptiveAvgPool3d,
    Averaging,
    AvgPool1d,
    AvgPool2d,
    AvgPool3d,
    GlobalAvgPool,
)
from tensorbp.layers.pooling.lengths import LpPool1d, LpPool2d, LpPool3d
from tensorbp.layers.pooling.maximum import (
    AdaptiveMaxPool1d,
    AdaptiveMaxPool2d,
    AdaptiveMaxPool3d,
    GlobalMaxPool,
    MaxPool1d,
    MaxPool2d,
    MaxPool3d,
    PlacesOfLargest,
)
from tensorbp.layers.pooling.sets import SetPool, Winners
from tensorbp.layers.pooling.window_sums import Shares
from tensorbp.layers.pooling.windows import Part
from tensorbp.layers.radial_basis import RadialBasis, SquaredDistance
from tensorbp.layers.recurrence.cells import GruCell, LstmCell, RnnCell
from tensorbp.layers.recurrence.sequences import Gru, Lstm, Rnn
from tensorbp.layers.reduction import Mean, Sum
from tensorbp.layers.softmax import LogSoftmax, LogSumExp, Softmax
from tensorbp.registry.hookspecs import hookimpl

__all__ = ["LAYERS", "OPERATORS", "tensorbp_register_layers", "tensorbp_register_operators"]

LAYERS: tuple[type[Layer], ...] = (
    *ELEMENTWISE,
    *(Linear, Bias),
    *(Conv1d, Conv2d, Conv3d, ConvTranspose1d, ConvTranspose2d, ConvTranspose3d),
    *(DepthwiseConv2d, SeparableConv2d),
    *(MaxPool1d, MaxPool2d, MaxPool3d, AvgPool1d, AvgPool2d, AvgPool3d),
    *(LpPool1d, LpPool2d, LpPool3d, GlobalAvgPool, GlobalMaxPool),
    *(AdaptiveAvgPool1d, AdaptiveAvgPool2d, AdaptiveAvgPool3d),
    *(AdaptiveMaxPool1d, AdaptiveMaxPool2d, AdaptiveMaxPool3d),
    *(Pad, Upsample, PixelShuffle, PixelUnshuffle, Unfold, Fold),
    *(Add, Multiply, Scale, Einsum),
    *(Softmax, LogSoftmax, LogSumExp),
    *(Standardize, InverseDeviation, LayerNorm, RmsNorm),
    *(BatchNorm, BatchNormInference, GroupNorm, InstanceNorm),
    *(WeightNorm, SpectralNorm, LpLength, LpNormalize, LocalResponseNorm),
    *(Bilinear, TensorProduct, GraphConvolution, SetPool),
    *(FourierFeatures, RadialBasis, SquaredDistance),
    *(GatedLinear, Glu, Geglu, Reglu, Swiglu, Highway, SqueezeExcite, Prelu),
    *(Reshape, Flatten, Transpose, ExpandDims, Squeeze),
    *(Concatenate, Stack, Slice, Index, Chunk, Flip, Roll, Tile, RepeatInterleave),
    *(Take, TakeAlong, ScatterAdd, Tril, Triu, CumulativeSum),
    *(Embedding, EmbeddingBag),
    *(RnnCell, LstmCell, GruCell, Rnn, Lstm, Gru),
    *(Mean, Sum),
    *(Max, Min, Argmax, Argmin),
    *(Dropout, OneHot),
    *LOSSES,
    *(MaskedSoftmax, PaddingMask, ScaledDotProductAttention, MultiHeadAttention),
    *(SinusoidalPositions, LearnedPositions, Rotary, Alibi, ClassToken),
    *(FeedForward, TransformerEncoderLayer, TransformerDecoderLayer, GptBlock),
    *(MixtureOfExperts, LoraLinear),
)

OPERATORS: tuple[type[Any], ...] = (
    *(Affine, Found, Neighbours, UnpaddedRows),
    *(Averaging, Shares, Weights, Triangle, CausalMask),
    *(SinusoidalTable, RotaryTable, AlibiTable),
    *(PlacesOfLargest, Winners, ClassTargets, ClassWeights),
    *(Window, Part, Resampling),
)
"""What the layers are made of, beside each other: selections, tables, and rules of windows."""


@hookimpl
def tensorbp_register_layers(register: Callable[[type[Layer]], None]) -> None:
    """Register every built-in layer."""
    for each in LAYERS:
        register(each)


@hookimpl
def tensorbp_register_operators(register: Callable[[type[Any]], None]) -> None:
    """Register what the built-in layers are made of."""
    for each in OPERATORS:
        register(each)
