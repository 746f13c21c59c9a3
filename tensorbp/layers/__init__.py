"""The built-in layers, one file a family; they come in through the hooks, like any plugin's."""

from tensorbp.layers.attention import scaled_dot_product_attention as scaled_dot_product_attention
from tensorbp.layers.average_pooling import avg_pool as avg_pool
from tensorbp.layers.bilinear import tensor_product as tensor_product
from tensorbp.layers.binary_losses import binary_cross_entropy as binary_cross_entropy
from tensorbp.layers.binary_losses import focal_loss as focal_loss
from tensorbp.layers.binary_losses import logistic_loss as logistic_loss
from tensorbp.layers.classification_losses import nll_loss as nll_loss
from tensorbp.layers.classification_losses import softmax_cross_entropy as softmax_cross_entropy
from tensorbp.layers.classification_losses import (
    softmax_cross_entropy_one_hot as softmax_cross_entropy_one_hot,
)
from tensorbp.layers.classification_losses import softmax_focal_loss as softmax_focal_loss
from tensorbp.layers.convolution import conv as conv
from tensorbp.layers.embedding_losses import contrastive_loss as contrastive_loss
from tensorbp.layers.embedding_losses import cosine_embedding_loss as cosine_embedding_loss
from tensorbp.layers.embedding_losses import cosine_similarity as cosine_similarity
from tensorbp.layers.embedding_losses import info_nce_loss as info_nce_loss
from tensorbp.layers.embedding_losses import triplet_margin_loss as triplet_margin_loss
from tensorbp.layers.extrema import argmax as argmax
from tensorbp.layers.extrema import argmin as argmin
from tensorbp.layers.extrema import max as max
from tensorbp.layers.extrema import min as min
from tensorbp.layers.gates import glu as glu
from tensorbp.layers.labels import one_hot as one_hot
from tensorbp.layers.labels import take as take
from tensorbp.layers.likelihood_losses import gaussian_nll_loss as gaussian_nll_loss
from tensorbp.layers.likelihood_losses import kl_divergence as kl_divergence
from tensorbp.layers.likelihood_losses import poisson_nll_loss as poisson_nll_loss
from tensorbp.layers.likelihood_losses import student_t_nll_loss as student_t_nll_loss
from tensorbp.layers.likelihood_losses import x_log_x as x_log_x
from tensorbp.layers.lp_normalization import lp_normalize as lp_normalize
from tensorbp.layers.margin_losses import hinge_loss as hinge_loss
from tensorbp.layers.margin_losses import multi_margin_loss as multi_margin_loss
from tensorbp.layers.margin_losses import squared_hinge_loss as squared_hinge_loss
from tensorbp.layers.masks import causal_mask as causal_mask
from tensorbp.layers.masks import masked_softmax as masked_softmax
from tensorbp.layers.masks import padding_mask as padding_mask
from tensorbp.layers.maximum_pooling import max_pool as max_pool
from tensorbp.layers.normalization import standardize as standardize
from tensorbp.layers.positions import alibi as alibi
from tensorbp.layers.positions import rotary as rotary
from tensorbp.layers.positions import sinusoidal_positions as sinusoidal_positions
from tensorbp.layers.radial_basis import squared_distance as squared_distance
from tensorbp.layers.regression_losses import huber_loss as huber_loss
from tensorbp.layers.regression_losses import l1_loss as l1_loss
from tensorbp.layers.regression_losses import log_cosh as log_cosh
from tensorbp.layers.regression_losses import log_cosh_loss as log_cosh_loss
from tensorbp.layers.regression_losses import mean_squared_error as mean_squared_error
from tensorbp.layers.regression_losses import quantile_loss as quantile_loss
from tensorbp.layers.regression_losses import smooth_l1_loss as smooth_l1_loss
from tensorbp.layers.set_pool import set_pool as set_pool
from tensorbp.layers.softmax import log_softmax as log_softmax
from tensorbp.layers.softmax import logsumexp as logsumexp
from tensorbp.layers.softmax import softmax as softmax
from tensorbp.layers.transposed_convolution import conv_transpose as conv_transpose
