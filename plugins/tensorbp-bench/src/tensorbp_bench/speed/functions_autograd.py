"""What models are made of, in HIPS autograd, which has no convolutions."""

from __future__ import annotations

from typing import Any

import autograd.numpy as np
from autograd.scipy.special import logsumexp

tanh, reshape, transpose = np.tanh, np.reshape, np.transpose


def relu(x: Any) -> Any:
    """Return x where it is positive."""
    return np.maximum(x, 0)


def gelu(x: Any) -> Any:
    """Return the formula with tanh that is close to x Φ(x)."""
    return 0.5 * x * (1 + np.tanh((2 / np.pi) ** 0.5 * (x + 0.044715 * x * x * x)))


def layer_norm(x: Any, gain: Any, shift: Any) -> Any:
    """Standardize along the last axis, scale and shift."""
    centred = x - np.mean(x, axis=-1, keepdims=True)
    variance = np.mean(centred * centred, axis=-1, keepdims=True)
    return centred / np.sqrt(variance + 1e-5) * gain + shift


def attention(query: Any, key: Any, value: Any, causal: bool) -> Any:
    """Attend over (batch, heads, tokens, size)."""
    scores = query @ np.swapaxes(key, -1, -2) / query.shape[-1] ** 0.5
    if causal:
        scores = np.where(np.tri(query.shape[2], key.shape[2], dtype=bool), scores, -1e9)
    weights = np.exp(scores - np.max(scores, axis=-1, keepdims=True))
    return weights / np.sum(weights, axis=-1, keepdims=True) @ value


def cross_entropy(logits: Any, labels: Any) -> Any:
    """Take the cross-entropy of each sample."""
    return logsumexp(logits, axis=1) - logits[np.arange(len(labels)), labels]


def mean_square(x: Any) -> Any:
    """Take the mean of the squares of each sample."""
    return np.mean(x * x, axis=tuple(range(1, x.ndim)))
