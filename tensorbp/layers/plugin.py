"""The built-in layers, registered through the hook that every plugin uses."""

from __future__ import annotations

from collections.abc import Callable

from tensorbp.expression.indexing import Concatenate
from tensorbp.expression.layer import Layer
from tensorbp.layers.activations import ELEMENTWISE
from tensorbp.layers.arithmetic import Add, Multiply, Scale
from tensorbp.layers.attention import ScaledDotProductAttention
from tensorbp.layers.average_pooling import (
    AdaptiveAvgPool1d,
    AdaptiveAvgPool2d,
    AdaptiveAvgPool3d,
    AvgPool1d,
    AvgPool2d,
    AvgPool3d,
    GlobalAvgPool,
)
from tensorbp.layers.bilinear import Bilinear, TensorProduct
from tensorbp.layers.cells import GruCell, LstmCell, RnnCell
from tensorbp.layers.channel_normalization import (
    BatchNorm,
    BatchNormInference,
    GroupNorm,
    InstanceNorm,
)
from tensorbp.layers.class_token import ClassToken
from tensorbp.layers.convolution import Conv1d, Conv2d, Conv3d
from tensorbp.layers.dropout import Dropout
from tensorbp.layers.einsum import Einsum
from tensorbp.layers.embedding import Embedding, EmbeddingBag
from tensorbp.layers.experts import MixtureOfExperts
from tensorbp.layers.extrema import Argmax, Argmin, Max, Min
from tensorbp.layers.feed_forward import FeedForward
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
from tensorbp.layers.labelled import ScatterAdd, Take, TakeAlong
from tensorbp.layers.labels import OneHot
from tensorbp.layers.linear import Bias, Linear
from tensorbp.layers.local_response_normalization import LocalResponseNorm
from tensorbp.layers.losses import LOSSES
from tensorbp.layers.low_rank import LoraLinear
from tensorbp.layers.lp_normalization import LpLength, LpNormalize
from tensorbp.layers.lp_pooling import LpPool1d, LpPool2d, LpPool3d
from tensorbp.layers.masks import MaskedSoftmax, PaddingMask
from tensorbp.layers.maximum_pooling import (
    AdaptiveMaxPool1d,
    AdaptiveMaxPool2d,
    AdaptiveMaxPool3d,
    GlobalMaxPool,
    MaxPool1d,
    MaxPool2d,
    MaxPool3d,
)
from tensorbp.layers.moving import (
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
from tensorbp.layers.multi_head_attention import MultiHeadAttention
from tensorbp.layers.normalization import InverseDeviation, LayerNorm, RmsNorm, Standardize
from tensorbp.layers.padding import Pad
from tensorbp.layers.positions import Alibi, LearnedPositions, Rotary, SinusoidalPositions
from tensorbp.layers.radial_basis import RadialBasis, SquaredDistance
from tensorbp.layers.recurrent import Gru, Lstm, Rnn
from tensorbp.layers.reduction import Mean, Sum
from tensorbp.layers.separable_convolution import DepthwiseConv2d, SeparableConv2d
from tensorbp.layers.set_pool import SetPool
from tensorbp.layers.shape import Flatten, Reshape, Transpose
from tensorbp.layers.softmax import LogSoftmax, LogSumExp, Softmax
from tensorbp.layers.transformer import GptBlock, TransformerDecoderLayer, TransformerEncoderLayer
from tensorbp.layers.transposed_convolution import ConvTranspose1d, ConvTranspose2d, ConvTranspose3d
from tensorbp.layers.triangles import CumulativeSum, Tril, Triu
from tensorbp.layers.unfolding import Fold, PixelShuffle, PixelUnshuffle, Unfold
from tensorbp.layers.upsampling import Upsample
from tensorbp.layers.weight_normalization import SpectralNorm, WeightNorm
from tensorbp.registry.hookspecs import hookimpl

__all__ = ["LAYERS", "tensorbp_register_layers"]

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


@hookimpl
def tensorbp_register_layers(register: Callable[[type[Layer]], None]) -> None:
    """Register every built-in layer."""
    for each in LAYERS:
        register(each)
