"""The built-in layers, one file a family; they come in through the hooks, like any plugin's."""

from tensorbp.layers.labels import one_hot as one_hot
from tensorbp.layers.losses import binary_cross_entropy as binary_cross_entropy
from tensorbp.layers.losses import logistic_loss as logistic_loss
from tensorbp.layers.losses import mean_squared_error as mean_squared_error
from tensorbp.layers.losses import softmax_cross_entropy as softmax_cross_entropy
from tensorbp.layers.losses import softmax_cross_entropy_one_hot as softmax_cross_entropy_one_hot
from tensorbp.layers.normalization import standardize as standardize
from tensorbp.layers.softmax import log_softmax as log_softmax
from tensorbp.layers.softmax import logsumexp as logsumexp
from tensorbp.layers.softmax import softmax as softmax
