"""Closed forms written by hand in numpy: what a perfect plan attains, arrays allocated anew."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from tensorbp_bench.speed.peers import Computation, Unsupported
from tensorbp_bench.speed.tasks import Arrays, Task

__all__ = ["prepare"]


def prepare(task: Task, arrays: Arrays) -> Computation:
    """Return the task, with its arrays.

    Raises:
        Unsupported: nobody has written it by hand.
    """
    if task.question == "hessian":
        return partial(_HESSIANS[task.model], arrays)
    if task.model != "multilayer":
        raise Unsupported("not written by hand")
    count = len(task.sizes["widths"]) - 1
    return partial(_QUESTIONS[task.question], _Multilayer(arrays, count))


def _hessian_of_factorisation(arrays: Arrays) -> list[Any]:
    """Return δ_ij 2 (V Vᵀ)_kl over the number of columns, with the delta written out."""
    rows, rank = arrays["U"].shape
    Vt = arrays["Vt"]
    block = Vt @ Vt.T * (2 / Vt.shape[1])
    dense = np.zeros((rows, rank, rows, rank), block.dtype)
    diagonal = np.arange(rows)
    dense[diagonal, :, diagonal] = block
    return [dense]


def _hessian_of_neuron(arrays: Arrays) -> list[Any]:
    """Return Xᵀ D X, D being the second derivatives of tanh² by what it is taken of."""
    x = arrays["x"]
    squares = np.tanh(x @ arrays["W"]) ** 2
    slopes = 1 - squares
    dense = x.T @ ((2 * slopes * (slopes - 2 * squares)) * x)
    return [dense.reshape(len(dense), 1, len(dense), 1)]


_HESSIANS: dict[str, Callable[[Arrays], list[Any]]] = {
    "factorisation": _hessian_of_factorisation,
    "neuron": _hessian_of_neuron,
}


class _Multilayer:
    """A tanh network: what all questions about it begin with."""

    def __init__(self, arrays: Arrays, count: int) -> None:
        self.W = [arrays[f"W{k}"] for k in range(count)]
        self.b = [arrays[f"b{k}"] for k in range(count)]
        self.x, self.target = arrays["x"], arrays["target"]
        self.samples = np.arange(len(self.x))

    def forward(self) -> tuple[list[Any], Any]:
        """Return what each layer reads, and the logits."""
        read = [self.x]
        for W, b in zip(self.W[:-1], self.b[:-1], strict=True):
            h = read[-1] @ W
            h += b
            read.append(np.tanh(h, out=h))
        logits = read[-1] @ self.W[-1]
        logits += self.b[-1]
        return read, logits

    def probabilities(self, logits: Any) -> tuple[Any, Any]:
        """Return softmax, and the loss of each sample."""
        shifted = logits - logits.max(axis=1, keepdims=True)
        p = np.exp(shifted)
        total = p.sum(axis=1, keepdims=True)
        p /= total
        return p, np.log(total[:, 0]) - shifted[self.samples, self.target]

    def cotangents(self, read: list[Any], last: Any) -> list[Any]:
        """Return the cotangent of what each layer adds its bias to, (..., batch, outputs)."""
        found = [last]
        for k in reversed(range(1, len(self.W))):
            pulled = found[-1] @ self.W[k].T
            pulled *= 1 - read[k] * read[k]
            found.append(pulled)
        return found[::-1]

    def of_losses(self) -> tuple[list[Any], list[Any], Any]:
        """Return what the layers read, the cotangents of each sample's loss, and the losses."""
        read, logits = self.forward()
        p, losses = self.probabilities(logits)
        p[self.samples, self.target] -= 1
        return read, self.cotangents(read, p), losses


def _gradient(net: _Multilayer) -> list[Any]:
    read, logits = net.forward()
    p, losses = net.probabilities(logits)
    p[net.samples, net.target] -= 1
    p /= len(p)
    found: list[Any] = [losses.mean()]
    for h, d in zip(read, net.cotangents(read, p), strict=True):
        found += [h.T @ d, d.sum(axis=0)]
    return found


def _input_jacobian(net: _Multilayer) -> list[Any]:
    """Multiply from both sides up to the narrowest layer."""
    read, _ = net.forward()
    slopes = [1 - h * h for h in read[1:]]
    narrowest = int(np.argmin([W.shape[0] for W in net.W]))
    right, left = _below(net, slopes, narrowest), _above(net, slopes, narrowest)
    return [left if right is None else left @ right]


def _below(net: _Multilayer, slopes: list[Any], narrowest: int) -> Any:
    """Return the Jacobian of what a layer reads by the input, from its narrow side; or None."""
    pulled: Any = None
    for k in reversed(range(narrowest)):
        if pulled is None:
            pulled = slopes[k][:, :, None] * net.W[k].T
        else:
            pulled = pulled * slopes[k][:, None, :] @ net.W[k].T
    return pulled


def _above(net: _Multilayer, slopes: list[Any], narrowest: int) -> Any:
    """Return the Jacobian of the output by what a layer reads, from its narrower side."""
    widths = [*[W.shape[0] for W in net.W], net.W[-1].shape[1]]
    if widths[narrowest] > widths[-1]:
        pulled: Any = net.W[-1].T
        for k in reversed(range(narrowest, len(net.W) - 1)):
            pulled = pulled * slopes[k][:, None, :] @ net.W[k].T
        return np.broadcast_to(pulled, (len(net.x), *pulled.shape[-2:]))
    pushed: Any = net.W[narrowest].T
    for k in range(narrowest + 1, len(net.W)):
        pushed = net.W[k].T @ (slopes[k - 1][:, :, None] * pushed)
    return np.broadcast_to(pushed, (len(net.x), *pushed.shape[-2:]))


def _per_sample(net: _Multilayer) -> list[Any]:
    read, cotangents, _ = net.of_losses()
    found = []
    for h, d in zip(read, cotangents, strict=True):
        found += [h[:, :, None] * d[:, None, :], d]
    return found


def _gram(net: _Multilayer) -> list[Any]:
    read, cotangents, _ = net.of_losses()
    total: Any = 0
    for h, d in zip(read, cotangents, strict=True):
        total = total + (h @ h.T + 1) * (d @ d.T)
    return [total]


def _norms(net: _Multilayer) -> list[Any]:
    read, cotangents, _ = net.of_losses()
    total: Any = 0
    for h, d in zip(read, cotangents, strict=True):
        total = total + (np.vecdot(h, h) + 1) * np.vecdot(d, d)
    return [total]


def _second_moment(net: _Multilayer) -> list[Any]:
    read, cotangents, _ = net.of_losses()
    found = []
    for h, d in zip(read, cotangents, strict=True):
        squares = d * d
        found += [(h * h).T @ squares, squares.sum(axis=0)]
    return found


def _gauss_newton(net: _Multilayer) -> list[Any]:
    """Pull back the columns of a root of the Hessian, diag(p) - p pᵀ, and square them."""
    read, logits = net.forward()
    p, _ = net.probabilities(logits)
    root = np.sqrt(p)
    classes = p.shape[1]
    columns = np.eye(classes, dtype=p.dtype)[:, None, :] * root - root.T[:, :, None] * p
    found = []
    for h, d in zip(read, net.cotangents(read, columns), strict=True):
        squares = np.einsum("cbo,cbo->bo", d, d)
        found += [(h * h).T @ squares, squares.sum(axis=0)]
    return found


_QUESTIONS: dict[str, Callable[[_Multilayer], list[Any]]] = {
    "gradient": _gradient,
    "input jacobian": _input_jacobian,
    "per-sample gradients": _per_sample,
    "gram": _gram,
    "norms": _norms,
    "second moment": _second_moment,
    "gauss-newton diagonal": _gauss_newton,
}
