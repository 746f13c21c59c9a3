"""What models are made of, in PyTorch."""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import functional

tanh, relu, reshape, transpose = torch.tanh, torch.relu, torch.reshape, torch.permute


def gelu(x: Any) -> Any:
    """Return the formula with tanh that is close to x Φ(x)."""
    return functional.gelu(x, approximate="tanh")


def layer_norm(x: Any, gain: Any, shift: Any) -> Any:
    """Standardize along the last axis, scale and shift."""
    return functional.layer_norm(x, x.shape[-1:], gain, shift)


def batch_norm(x: Any, gain: Any, shift: Any) -> Any:
    """Standardize each channel, scale and shift."""
    return functional.batch_norm(x, None, None, gain, shift, training=True)


def conv(x: Any, kernel: Any, padding: int) -> Any:
    """Convolve images of shape (batch, channels, height, width)."""
    return functional.conv2d(x, kernel, padding=padding)


def max_pool(x: Any, size: int) -> Any:
    """Take the largest number of each window."""
    return functional.max_pool2d(x, size)


def attention(query: Any, key: Any, value: Any, causal: bool) -> Any:
    """Attend over (batch, heads, tokens, size)."""
    return functional.scaled_dot_product_attention(query, key, value, is_causal=causal)


def cross_entropy(logits: Any, labels: Any) -> Any:
    """Take the cross-entropy of each sample."""
    return functional.cross_entropy(logits, labels, reduction="none")


def mean_square(x: Any) -> Any:
    """Take the mean of the squares of each sample."""
    return (x * x).mean(dim=tuple(range(1, x.ndim)))
