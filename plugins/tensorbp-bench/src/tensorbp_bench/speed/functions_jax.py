"""What models are made of, in JAX."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

tanh, relu, reshape, transpose = jnp.tanh, jax.nn.relu, jnp.reshape, jnp.transpose


def gelu(x: Any) -> Any:
    """Return the formula with tanh that is close to x Φ(x)."""
    return jax.nn.gelu(x, approximate=True)


def layer_norm(x: Any, gain: Any, shift: Any) -> Any:
    """Standardize along the last axis, scale and shift."""
    return jax.nn.standardize(x, axis=-1, epsilon=1e-5) * gain + shift


def batch_norm(x: Any, gain: Any, shift: Any) -> Any:
    """Standardize each channel, scale and shift."""
    standardized = jax.nn.standardize(x, axis=(0, 2, 3), epsilon=1e-5)
    return standardized * gain[:, None, None] + shift[:, None, None]


def conv(x: Any, kernel: Any, padding: int) -> Any:
    """Convolve images of shape (batch, channels, height, width)."""
    return jax.lax.conv_general_dilated(x, kernel, (1, 1), [(padding, padding)] * 2)


def max_pool(x: Any, size: int) -> Any:
    """Take the largest number of each window."""
    window = (1, 1, size, size)
    return jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, window, window, "VALID")


def attention(query: Any, key: Any, value: Any, causal: bool) -> Any:
    """Attend over (batch, heads, tokens, size)."""
    scores = jnp.einsum("bhtd,bhsd->bhts", query, key) / query.shape[-1] ** 0.5
    if causal:
        scores = jnp.where(jnp.tri(query.shape[2], key.shape[2], dtype=bool), scores, -jnp.inf)
    return jnp.einsum("bhts,bhsd->bhtd", jax.nn.softmax(scores), value)


def cross_entropy(logits: Any, labels: Any) -> Any:
    """Take the cross-entropy of each sample."""
    return -jnp.take_along_axis(jax.nn.log_softmax(logits), labels[:, None], axis=1)[:, 0]


def mean_square(x: Any) -> Any:
    """Take the mean of the squares of each sample."""
    return jnp.mean(x * x, axis=tuple(range(1, x.ndim)))
