"""Pools that keep the length of each window, in any p-norm."""

from __future__ import annotations

from dataclasses import dataclass

from tensorbp.errors import LayerError
from tensorbp.expression.layer import Example, argument
from tensorbp.expression.node import Expression
from tensorbp.expression.rule import number_argument
from tensorbp.layers.convolution.spatial import CHANNELS_LAST, KERNEL, Space
from tensorbp.layers.normalization.lengths import LpLength
from tensorbp.layers.pooling.window_sums import counted, summed
from tensorbp.layers.pooling.windows import CEIL, STRIDE, WindowPool

__all__ = ["LpPool1d", "LpPool2d", "LpPool3d"]


@dataclass(frozen=True)
class LpPool(WindowPool):
    """What pools of lengths over any number of axes share."""

    formula = "y[t] = (Σ_k |x[stride·t + k]|ᵖ)^(1/p)"

    norm_type: float = argument("p of the norm, from 1: 2 is the Euclidean length")
    kernel_size: int | tuple[int, ...] = argument(KERNEL)
    stride: int | tuple[int, ...] | None = argument(STRIDE, None)
    ceil_mode: bool = argument(
        CEIL + ", as if what it holds were repeated until it is full",
        False,
    )
    channels_last: bool = argument(CHANNELS_LAST, False)

    def __post_init__(self) -> None:
        p = number_argument(self.name, "norm_type", self.norm_type)
        if p < 1:
            raise LayerError(f"layer '{self.name}': norm_type must be from 1, found {p}")
        object.__setattr__(self, "norm_type", p)
        super().__post_init__()

    def pool(self, x: Expression, where: Space) -> Expression:
        """Return the length of each window as a vector."""
        windows = self.windows(where, self.ceil_mode)
        shares: list[list[float]] = []
        for window, length in zip(windows, where.lengths, strict=True):
            counts = counted(window, length, 0, False)
            filled = [(window.size / count) ** (1 / self.norm_type) for count in counts]
            shares.append(filled if max(filled) > 1 else [])
        apart = summed(x, windows, where, shares=shares, apart=True)
        return LpLength(-1, self.norm_type)(apart)


@dataclass(frozen=True)
class LpPool1d(LpPool):
    """Length of each window along an axis in the p-norm: y[t] = (Σ_k |x[s·t + k]|ᵖ)^(1/p).

    With S[t,k,i] = 1 where i = s·t + k, dy/dx = Σ_k sign(x) (|x|/y)ᵖ⁻¹ S[t,k,i].
    """

    name = "lp_pool1d"
    rank = 1

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        """Return two norms, strides, and channels last."""
        return (
            Example(cls(2, 3), ((2, 3, 7),)),
            Example(cls(3.5, 2, 1, channels_last=True), ((2, 4, 3),)),
        )


@dataclass(frozen=True)
class LpPool2d(LpPool):
    """Length of each window of images in the p-norm: y[t,u] = (Σ_kl |x[s·t + k, ...]|ᵖ)^(1/p).

    With S[t,k,i] = 1 where i = s·t + k, dy/dx = Σ_kl sign(x) (|x|/y)ᵖ⁻¹ S S'.
    """

    name = "lp_pool2d"
    rank = 2

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        """Return two norms, strides, and a window that reaches beyond the end."""
        return (
            Example(cls(2, 2), ((2, 3, 4, 5),)),
            Example(cls(3, (2, 3), 2, True), ((2, 1, 5, 4),)),
        )


@dataclass(frozen=True)
class LpPool3d(LpPool):
    """Length of each window of volumes in the p-norm: y[t] = (Σ_klm |x[s·t + k, ...]|ᵖ)^(1/p).

    With S[t,k,i] = 1 where i = s·t + k, dy/dx = Σ_klm sign(x) (|x|/y)ᵖ⁻¹ S S' S''.
    """

    name = "lp_pool3d"
    rank = 3

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        """Return one."""
        return (Example(cls(2, (2, 1, 3), 1), ((2, 1, 3, 2, 4),)),)
