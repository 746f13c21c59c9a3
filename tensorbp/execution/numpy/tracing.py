"""Tracing: what a layer's forward rule does, recorded by calling it with stand-ins for arrays.

A rule ``forward(xp, *arrays)`` is called once, with numpy and with tracers that answer to numpy's
functions by writing instructions. So a rule of any plugin runs without temporary arrays, though its
author wrote plain numpy. What cannot be recorded, because it looks at numbers or calls something
unknown, is called as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from tensorbp.execution.numpy.builder import Builder
from tensorbp.execution.numpy.instructions import Apply, Check, Copy, Operand, Reduce
from tensorbp.execution.numpy.view import Shape, View
from tensorbp.expression.layer import Primitive

__all__ = ["NotTraceableError", "traced"]


class NotTraceableError(TypeError):
    """What a forward rule does cannot be recorded."""


def traced(
    builder: Builder,
    layer: Primitive,
    operands: Sequence[View],
    shape: Shape,
    order: Sequence[int] | None,
    dtype: Any,
) -> View:
    """Return the result of a layer, computed by the instructions that its forward rule makes.

    Args:
        builder: where the instructions go.
        layer: the layer.
        operands: its operands.
        shape: the shape of its result.
        order: the order in which the dimensions of the result had best be stored.
        dtype: the type of its numbers.

    Raises:
        NotTraceableError: the rule does something that cannot be recorded.
    """
    if builder.dtype.kind == "c":
        raise NotTraceableError("rules continue real functions in ways of their own")
    tracers = [Tracer(builder, each, each.shape, builder.dtype_of(each)) for each in operands]
    try:
        result = layer.forward(np, *tracers)
    except Exception as error:
        # a rule may do with an array what a tracer cannot; the rule itself knows, when it is called
        raise NotTraceableError(str(error)) from error
    if not isinstance(result, Tracer):
        if np.shape(result) != shape:
            raise NotTraceableError("the result is no array of the layer's shape")
        return builder.constant(np.asarray(result, dtype))
    if result.shape != shape:
        raise NotTraceableError(f"the result has shape {result.shape}")
    view = result.operand
    if result.dtype != dtype or not isinstance(view, View):
        return builder.copied(view, shape, order, dtype)
    return view


def as_tracer(builder: Builder, value: Any) -> Tracer:
    """Return a tracer of an array or number."""
    if isinstance(value, Tracer):
        return value
    if isinstance(value, bool | int | float):
        return Tracer(builder, value, (), type(value))
    array = np.asarray(value)
    if array.dtype == object:
        raise NotTraceableError("arrays of objects")
    if not array.ndim:
        return Tracer(builder, array.item(), (), array.dtype)
    return Tracer(builder, builder.constant(array), array.shape, array.dtype)


class Tracer(NDArrayOperatorsMixin):
    """A stand-in for an array: its shape and type are known, its numbers are not.

    Attributes:
        operand: the view that it stands for, or the number that is everywhere in it.
        shape: its shape.
        dtype: the type of its numbers; Python's own for a number of Python, which gives way.
    """

    __hash__ = None  # type: ignore[assignment]

    def __init__(self, builder: Builder, operand: Operand, shape: Shape, dtype: Any) -> None:
        self.builder, self.operand = builder, operand
        self.shape, self.dtype = tuple(shape), dtype

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        return int(np.prod(self.shape, dtype=int))

    @property
    def T(self) -> Tracer:  # noqa: N802
        return self.transpose()

    def __len__(self) -> int:
        return self.shape[0]

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **named: Any) -> Any:
        if method == "reduce":
            return self._reduced(ufunc, *inputs, **named)
        if method != "__call__" or named or ufunc.signature or ufunc.nout != 1:
            raise NotTraceableError(f"{ufunc.__name__}.{method}")
        operands = [as_tracer(self.builder, each) for each in inputs]
        known = [each.dtype for each in operands]
        dtype = ufunc.resolve_dtypes((*known, None))[-1]
        shape = np.broadcast_shapes(*[each.shape for each in operands])
        if ufunc is np.maximum and self._is_absolute(operands):
            return np.absolute(operands[0])
        function, views = simplified(ufunc.__name__, ufunc, [each.operand for each in operands])
        if function is None:
            return Tracer(self.builder, views[0], shape, dtype)
        result = self.builder.apply(function, views, shape, None, dtype)
        return Tracer(self.builder, result, shape, dtype)

    def _is_absolute(self, operands: Sequence[Tracer]) -> bool:
        """Say whether max(x, -x) is asked for; rules write |x| so, that complex numbers pass."""
        x, negative = (each.operand for each in operands)
        last = self.builder.instructions[-1] if self.builder.instructions else None
        if not isinstance(last, Apply) or last.function != "negative":
            return False
        if last.operands != (x,) or last.result != negative:
            return False
        self.builder.instructions.pop()
        return True

    def _reduced(
        self, ufunc: Any, x: Any, axis: Any = 0, keepdims: bool = False, **named: Any
    ) -> Tracer:
        if any(value is not None for value in named.values()) or not isinstance(x, Tracer):
            raise NotTraceableError("a reduction with options")
        axes = range(x.ndim) if axis is None else (axis,) if isinstance(axis, int) else axis
        axes = tuple(sorted([range(x.ndim)[each] for each in axes]))
        view = self.builder.stored(x.operand, x.shape)
        dtype = ufunc.resolve_dtypes((None, x.dtype, None), reduction=True)[-1]
        result = self.builder.new(
            [size for k, size in enumerate(x.shape) if k not in axes], None, dtype
        )
        self.builder.emit(Reduce(ufunc.__name__, (view.spread(x.shape),), axes, result))
        if keepdims:
            shape = tuple([1 if k in axes else size for k, size in enumerate(x.shape)])
            return Tracer(self.builder, View.whole(result.value, shape), shape, dtype)
        return Tracer(self.builder, result, result.shape, dtype)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        if function.__name__ not in FUNCTIONS:
            raise NotTraceableError(function.__name__)
        return FUNCTIONS[function.__name__](self.builder, *args, **kwargs)

    def __array__(self, *args: Any, **named: Any) -> Any:
        raise NotTraceableError("its numbers are looked at")

    def _looked_at(self) -> Any:
        raise NotTraceableError("its numbers are looked at")

    __bool__ = __int__ = __float__ = __index__ = __iter__ = _looked_at

    def when_run(self, check: Callable[[Any], None]) -> None:
        """Let a check of the numbers be made whenever the program runs."""
        self.builder.emit(Check(check, (self._view(),)))

    # ----- methods of arrays that are functions of numpy as well -----

    def astype(self, dtype: Any, copy: bool = True) -> Tracer:
        del copy
        dtype = np.dtype(dtype)
        if dtype == self.dtype:
            return self
        if not isinstance(self.operand, View):
            return Tracer(self.builder, dtype.type(self.operand).item(), self.shape, dtype)
        copied = self.builder.copied(self.operand, self.shape, self.operand.order, dtype)
        return Tracer(self.builder, copied, self.shape, dtype)

    def reshape(self, *shape: Any) -> Tracer:
        sizes = shape[0] if len(shape) == 1 and not isinstance(shape[0], int) else shape
        sizes = tuple([int(each) for each in sizes])
        if -1 in sizes:
            rest = int(np.prod([s for s in sizes if s != -1], dtype=int))
            sizes = tuple([self.size // max(rest, 1) if s == -1 else s for s in sizes])
        view = self.builder.stored(self.operand, self.shape).spread(self.shape)
        return Tracer(self.builder, self.builder.reshaped(view, sizes), sizes, self.dtype)

    def transpose(self, *axes: Any) -> Tracer:
        order = axes[0] if len(axes) == 1 and not isinstance(axes[0], int) else axes
        order = order or tuple(reversed(range(self.ndim)))
        view = self._view().transposed([range(self.ndim)[k] for k in order])
        return Tracer(self.builder, view, view.shape, self.dtype)

    def sum(self, axis: Any = None, keepdims: bool = False) -> Tracer:
        return self._reduced(np.add, self, axis, keepdims)

    def max(self, axis: Any = None, keepdims: bool = False) -> Tracer:
        return self._reduced(np.maximum, self, axis, keepdims)

    def min(self, axis: Any = None, keepdims: bool = False) -> Tracer:
        return self._reduced(np.minimum, self, axis, keepdims)

    def mean(self, axis: Any = None, keepdims: bool = False) -> Any:
        total = self._reduced(np.add, self, axis, keepdims)
        return total / (self.size / max(total.size, 1))

    def __getitem__(self, key: Any) -> Tracer:
        view, keys = self._view(), key if isinstance(key, tuple) else (key,)
        if not all(
            each is None or each is Ellipsis or isinstance(each, slice | int) for each in keys
        ):
            raise NotTraceableError("an index that is an array")
        named = len([each for each in keys if each is not None and each is not Ellipsis])
        if Ellipsis not in keys:
            keys = (*keys, Ellipsis)
        at = keys.index(Ellipsis)
        keys = (*keys[:at], *[slice(None)] * (self.ndim - named), *keys[at + 1 :])
        part = view.part(keys)
        return Tracer(self.builder, part, part.shape, self.dtype)

    def _view(self) -> View:
        return self.builder.stored(self.operand, self.shape).spread(self.shape)


POWERS: dict[complex, str | None] = {
    2: "square",
    0.5: "sqrt",
    1: None,
    -1: "reciprocal",
}
"""The powers that have functions of their own, which are faster."""


def simplified(name: str, ufunc: Any, operands: list[Operand]) -> tuple[Any, list[Operand]]:
    """Return a function and its operands; no function where the result is the first operand."""
    if not any(isinstance(each, View) for each in operands):
        return None, [ufunc(*operands).item()]
    if name == "power" and not isinstance(operands[1], View) and operands[1] in POWERS:
        return POWERS[operands[1]], operands[:1]
    return (name if getattr(np, name, None) is ufunc else ufunc), operands


# ----- functions of numpy that are no ufuncs -----


def _reduction(ufunc: Any) -> Callable[..., Tracer]:
    def reduce(builder: Builder, x: Any, axis: Any = None, keepdims: bool = False) -> Tracer:
        return as_tracer(builder, x)._reduced(ufunc, x, axis, bool(keepdims))

    return reduce


def _mean(builder: Builder, x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    del builder
    return x.mean(axis, bool(keepdims))


def _full_like(builder: Builder, x: Tracer, number: Any, dtype: Any = None) -> Tracer:
    if not isinstance(number, int | float):
        raise NotTraceableError("full_like with an array")
    dtype = np.dtype(dtype or x.dtype)
    return Tracer(builder, dtype.type(number).item(), x.shape, dtype)


def _where(builder: Builder, condition: Any, a: Any, b: Any) -> Tracer:
    operands = [as_tracer(builder, each) for each in (condition, a, b)]
    weak = [each.dtype for each in operands[1:]]
    dtype = np.add.resolve_dtypes((*weak, None))[-1] if bool not in weak else np.dtype(bool)
    if operands[0].dtype != bool or np.dtype(bool) == dtype:
        raise NotTraceableError("where with a condition that is not true or false")
    shape = np.broadcast_shapes(*[each.shape for each in operands])
    views = [each.operand for each in operands]
    if not isinstance(views[0], View):
        raise NotTraceableError("where with a condition that is known")
    return Tracer(builder, builder.choose(views, shape, None, dtype), shape, dtype)


def _clip(builder: Builder, x: Tracer, low: Any, high: Any) -> Any:
    del builder
    return np.minimum(np.maximum(x, low), high)


def _real(builder: Builder, x: Tracer) -> Tracer:
    del builder
    return x


def _concatenate(builder: Builder, arrays: Sequence[Any], axis: int = 0) -> Tracer:
    parts = [as_tracer(builder, each) for each in arrays]
    at = range(parts[0].ndim)[axis]
    dtype = np.result_type(*[each.dtype for each in parts])
    shape = list(parts[0].shape)
    shape[at] = sum(each.shape[at] for each in parts)
    result = builder.new(shape, None, dtype)
    offset = 0
    for each in parts:
        place = View(
            result.value, each.shape, result.strides, result.offset + offset * result.strides[at]
        )
        operand = each.operand
        builder.emit(
            Copy((operand.spread(each.shape) if isinstance(operand, View) else operand,), place)
        )
        offset += each.shape[at]
    return Tracer(builder, result, tuple(shape), dtype)


def _broadcast_to(builder: Builder, x: Tracer, shape: Any) -> Tracer:
    sizes = (shape,) if isinstance(shape, int) else tuple(shape)
    view = builder.stored(x.operand, x.shape).spread(sizes)
    return Tracer(builder, view, sizes, x.dtype)


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "sum": _reduction(np.add),
    "max": _reduction(np.maximum),
    "amax": _reduction(np.maximum),
    "min": _reduction(np.minimum),
    "amin": _reduction(np.minimum),
    "prod": _reduction(np.multiply),
    "mean": _mean,
    "full_like": _full_like,
    "zeros_like": lambda builder, x, dtype=None: _full_like(builder, x, 0, dtype),
    "ones_like": lambda builder, x, dtype=None: _full_like(builder, x, 1, dtype),
    "where": _where,
    "clip": _clip,
    "real": _real,
    "concatenate": _concatenate,
    "broadcast_to": _broadcast_to,
    "reshape": lambda builder, x, shape: x.reshape(shape),
    "transpose": lambda builder, x, axes=None: x.transpose(axes or ()),
    "swapaxes": lambda builder, x, a, b: _swapped(x, a, b),
    "expand_dims": lambda builder, x, axis: _expanded(x, axis),
    "squeeze": lambda builder, x, axis=None: _squeezed(x, axis),
    "shape": lambda builder, x: x.shape,
    "ndim": lambda builder, x: x.ndim,
}


def _swapped(x: Tracer, a: int, b: int) -> Tracer:
    order = list(range(x.ndim))
    order[a], order[b] = order[b], order[a]
    return x.transpose(order)


def _squeezed(x: Tracer, axis: Any) -> Tracer:
    ones = [k for k, size in enumerate(x.shape) if size == 1]
    named = ones if axis is None else (axis,) if isinstance(axis, int) else axis
    gone = [range(x.ndim)[k] for k in named]
    if not set(gone) <= set(ones):
        raise NotTraceableError("squeeze of what is longer than one")
    return x[tuple([0 if k in gone else slice(None) for k in range(x.ndim)])]


def _expanded(x: Tracer, axis: int) -> Tracer:
    at = axis % (x.ndim + 1)
    return x[(*[slice(None)] * at, None)]
