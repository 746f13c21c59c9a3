"""The built-in layers: a family is a package or a module; all come in through the hooks."""

from tensorbp.layers.attention.dot_product import (
    scaled_dot_product_attention as scaled_dot_product_attention,
)
from tensorbp.layers.attention.masks import causal_mask as causal_mask
from tensorbp.layers.attention.masks import masked_softmax as masked_softmax
from tensorbp.layers.attention.masks import padding_mask as padding_mask
from tensorbp.layers.attention.positions import alibi as alibi
from tensorbp.layers.attention.positions import rotary as rotary
from tensorbp.layers.attention.positions import sinusoidal_positions as sinusoidal_positions
from tensorbp.layers.bilinear import tensor_product as tensor_product
from tensorbp.layers.convolution.convolution import conv as conv
from tensorbp.layers.convolution.transposed import conv_transpose as conv_transpose
from tensorbp.layers.convolution.unfolding import fold as fold
from tensorbp.layers.convolution.unfolding import pixel_shuffle as pixel_shuffle
from tensorbp.layers.convolution.unfolding import pixel_unshuffle as pixel_unshuffle
from tensorbp.layers.convolution.unfolding import unfold as unfold
from tensorbp.layers.convolution.upsampling import upsample as upsample
from tensorbp.layers.extrema import argmax as argmax
from tensorbp.layers.extrema import argmin as argmin
from tensorbp.layers.extrema import max as max
from tensorbp.layers.extrema import min as min
from tensorbp.layers.gates import glu as glu
from tensorbp.layers.losses.binary import binary_cross_entropy as binary_cross_entropy
from tensorbp.layers.losses.binary import focal_loss as focal_loss
from tensorbp.layers.losses.binary import logistic_loss as logistic_loss
from tensorbp.layers.losses.classification import nll_loss as nll_loss
from tensorbp.layers.losses.classification import softmax_cross_entropy as softmax_cross_entropy
from tensorbp.layers.losses.classification import (
    softmax_cross_entropy_one_hot as softmax_cross_entropy_one_hot,
)
from tensorbp.layers.losses.classification import softmax_focal_loss as softmax_focal_loss
from tensorbp.layers.losses.likelihood import gaussian_nll_loss as gaussian_nll_loss
from tensorbp.layers.losses.likelihood import kl_divergence as kl_divergence
from tensorbp.layers.losses.likelihood import poisson_nll_loss as poisson_nll_loss
from tensorbp.layers.losses.likelihood import student_t_nll_loss as student_t_nll_loss
from tensorbp.layers.losses.likelihood import x_log_x as x_log_x
from tensorbp.layers.losses.margin import hinge_loss as hinge_loss
from tensorbp.layers.losses.margin import multi_margin_loss as multi_margin_loss
from tensorbp.layers.losses.margin import squared_hinge_loss as squared_hinge_loss
from tensorbp.layers.losses.regression import huber_loss as huber_loss
from tensorbp.layers.losses.regression import l1_loss as l1_loss
from tensorbp.layers.losses.regression import log_cosh as log_cosh
from tensorbp.layers.losses.regression import log_cosh_loss as log_cosh_loss
from tensorbp.layers.losses.regression import mean_squared_error as mean_squared_error
from tensorbp.layers.losses.regression import quantile_loss as quantile_loss
from tensorbp.layers.losses.regression import smooth_l1_loss as smooth_l1_loss
from tensorbp.layers.losses.vectors import contrastive_loss as contrastive_loss
from tensorbp.layers.losses.vectors import cosine_embedding_loss as cosine_embedding_loss
from tensorbp.layers.losses.vectors import cosine_similarity as cosine_similarity
from tensorbp.layers.losses.vectors import info_nce_loss as info_nce_loss
from tensorbp.layers.losses.vectors import triplet_margin_loss as triplet_margin_loss
from tensorbp.layers.moving.labelled import scatter_add as scatter_add
from tensorbp.layers.moving.labelled import take_along as take_along
from tensorbp.layers.moving.labels import one_hot as one_hot
from tensorbp.layers.moving.labels import take as take
from tensorbp.layers.moving.parts import expand_dims as expand_dims
from tensorbp.layers.moving.parts import repeat_interleave as repeat_interleave
from tensorbp.layers.moving.parts import squeeze as squeeze
from tensorbp.layers.moving.splitting import chunk as chunk
from tensorbp.layers.moving.splitting import split as split
from tensorbp.layers.moving.triangles import cumulative_sum as cumulative_sum
from tensorbp.layers.moving.triangles import tril as tril
from tensorbp.layers.moving.triangles import triu as triu
from tensorbp.layers.normalization.lengths import lp_normalize as lp_normalize
from tensorbp.layers.normalization.standardization import standardize as standardize
from tensorbp.layers.pooling.average import avg_pool as avg_pool
from tensorbp.layers.pooling.maximum import max_pool as max_pool
from tensorbp.layers.pooling.sets import set_pool as set_pool
from tensorbp.layers.radial_basis import squared_distance as squared_distance
from tensorbp.layers.softmax import log_softmax as log_softmax
from tensorbp.layers.softmax import logsumexp as logsumexp
from tensorbp.layers.softmax import softmax as softmax
