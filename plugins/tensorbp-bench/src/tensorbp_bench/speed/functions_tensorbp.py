"""What models are made of, in tensorbp; shapes here are those of all libraries."""

from __future__ import annotations

from typing import Any

import tensorbp as tb

__all__ = [
    "attention",
    "batch_norm",
    "conv",
    "cross_entropy",
    "gelu",
    "layer_norm",
    "max_pool",
    "mean_square",
    "relu",
    "reshape",
    "tanh",
    "transpose",
]

tanh, relu, reshape, transpose = tb.tanh, tb.relu, tb.reshape, tb.transpose


def gelu(x: Any) -> Any:
    """Return the formula with tanh that is close to x Φ(x)."""
    return tb.gelu(x, approximate="tanh")


def layer_norm(x: Any, gain: Any, shift: Any) -> Any:
    """Return x with mean 0 and variance 1 along its last axis, times the gain plus the shift."""
    return tb.standardize(x) * gain + shift


def batch_norm(x: Any, gain: Any, shift: Any) -> Any:
    """Return the same for each channel of images of shape (batch, channels, height, width)."""
    shape = (gain.shape[0], 1, 1)
    standardized = tb.standardize(x, axis=(0, 2, 3))
    return standardized * tb.reshape(gain, shape) + tb.reshape(shift, shape)


def conv(x: Any, kernel: Any, padding: int) -> Any:
    """Return the convolution of images with a kernel (outputs, channels, height, width)."""
    return tb.conv(x, kernel, padding=padding)


def max_pool(x: Any, size: int) -> Any:
    """Return the largest number of each window; windows do not overlap."""
    return tb.max_pool(x, size)


def attention(query: Any, key: Any, value: Any, causal: bool) -> Any:
    """Return scaled dot-product attention over (batch, heads, tokens, size)."""
    return tb.scaled_dot_product_attention(query, key, value, causal=causal)


def cross_entropy(logits: Any, labels: Any) -> Any:
    """Return the cross-entropy of each sample, of shape (batch,)."""
    return tb.softmax_cross_entropy(logits, labels)


def mean_square(x: Any) -> Any:
    """Return the mean of the squares of each sample, of shape (batch,)."""
    return tb.mean(x * x, axis=tuple(range(1, x.ndim)))
