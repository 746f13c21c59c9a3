"""PyTorch: plans as functions of tensors, on the device that these are on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property, partial
from typing import Any

from tensorbp.errors import CompileError
from tensorbp.execution.backends import optional_library
from tensorbp.execution.functional.attention import with_attention
from tensorbp.execution.functional.derivatives import with_derivatives
from tensorbp.execution.functional.inputs import check_dtype, from_numpy
from tensorbp.execution.functional.layers import with_layers
from tensorbp.execution.functional.max_pooling import with_max_pooling
from tensorbp.execution.functional.multiply_add import with_multiply_add
from tensorbp.execution.functional.normalization import with_normalization
from tensorbp.execution.functional.program import Replacement, functional_program, source_of
from tensorbp.execution.torch.attention import TorchAttention
from tensorbp.execution.torch.derivatives import TorchDerivatives
from tensorbp.execution.torch.layers import TorchLayers
from tensorbp.execution.torch.max_pooling import TorchMaxPooling
from tensorbp.execution.torch.multiply_add import TorchMultiplyAdd
from tensorbp.execution.torch.namespace import TorchNamespace
from tensorbp.execution.torch.normalization import TorchNormalization
from tensorbp.planning import Plan

__all__ = ["TorchBackend", "TorchProgram"]

Array = Any


class TorchBackend:
    """PyTorch, step by step, or compiled by its own compiler; imported when it is needed.

    Attributes:
        name: ``"torch"``, or ``"torch-compile"`` for plans compiled as a whole.
        packages: where the classes of its arrays are.
    """

    packages = ("torch",)

    def __init__(self, name: str, is_compiled: bool) -> None:
        self.name = name
        self._is_compiled = is_compiled

    @property
    def as_input(self) -> Callable[[str, Any, str, str], Array]:
        """What returns an argument as a tensor, on the device on which it is."""
        return partial(_as_input, _torch())

    def program(self, plan: Plan) -> TorchProgram:
        """Return a plan as a function of a list of tensors."""
        return TorchProgram(plan, self._is_compiled)


class TorchProgram:
    """A plan as a function of tensors; torch records nothing of it for derivatives."""

    def __init__(self, plan: Plan, is_compiled: bool) -> None:
        self._torch = _torch()
        self._replacements = _replacements(self._torch)
        self._plan = plan
        self._is_compiled = is_compiled
        self._on_device: dict[Any, tuple[Callable[..., list[Array]], list[Array]]] = {}

    @cached_property
    def source(self) -> str:
        """The code that is run."""
        return source_of(self._plan, self._replacements)

    def __call__(self, arrays: Sequence[Array]) -> list[Array]:
        """Return the results as tensors that share memory with nothing.

        Raises:
            CompileError: tensors are on several devices.
        """
        with self._torch.no_grad():
            device = self._device(arrays)
            if device not in self._on_device:
                self._on_device[device] = self._lowered(device)
            run, held = self._on_device[device]
            return _owned(run(*[_moved(each, device) for each in arrays]), [*arrays, *held])

    def _lowered(self, device: Any) -> tuple[Callable[..., list[Array]], list[Array]]:
        namespace = TorchNamespace(self._torch, device)
        run, held = functional_program(self._plan, namespace, self._replacements)
        return (self._torch.compile(run) if self._is_compiled else run), held

    def _device(self, arrays: Sequence[Array]) -> Any:
        """Return where the tensors are; a number may be anywhere."""
        devices = {each.device for each in arrays if each.ndim}
        if len(devices) == 1:
            return devices.pop()
        if not devices:
            return arrays[0].device if arrays else self._torch.empty(0).device
        first, *others = [k for k, each in enumerate(arrays) if each.ndim]
        other = next(k for k in others if arrays[k].device != arrays[first].device)
        one, two = (self._plan.inputs[k].name for k in (first, other))
        raise CompileError(
            f"input '{one}' is on {arrays[first].device}, input '{two}' on "
            f"{arrays[other].device}; move all to one device with .to(device)"
        )


def _replacements(torch: Any) -> Sequence[Replacement]:
    """Return what puts in the place of steps what torch has routines for."""
    return (
        partial(with_attention, routine=TorchAttention(torch)),
        partial(with_normalization, routine=TorchNormalization(torch)),
        partial(with_derivatives, library=TorchDerivatives(torch)),
        partial(with_max_pooling, routine=TorchMaxPooling(torch)),
        partial(with_layers, layers=TorchLayers(torch)),
        partial(with_multiply_add, routines=TorchMultiplyAdd(torch)),
    )


def _moved(array: Array, device: Any) -> Array:
    return array if array.device == device else array.to(device)


def _owned(results: list[Array], others: Sequence[Array]) -> list[Array]:
    """Return tensors without gaps, copied where they are views or share memory with others."""
    taken = {each.untyped_storage().data_ptr() for each in others}
    owned = []
    for each in results:
        storage = each.untyped_storage()
        is_whole = each.is_contiguous() and storage.nbytes() == each.nbytes
        if not is_whole or storage.data_ptr() in taken:
            each = each.clone(memory_format=_torch().contiguous_format)
            storage = each.untyped_storage()
        taken.add(storage.data_ptr())
        owned.append(each)
    return owned


def _as_input(torch: Any, name: str, value: Any, dtype: str, kind: str) -> Array:
    """Return a tensor as it is, and what is none as one.

    Raises:
        CompileError: it holds another type of numbers.
    """
    if isinstance(value, torch.Tensor):
        if value.dtype is not getattr(torch, dtype) or kind == "integer":
            found = str(value.dtype).removeprefix("torch.")
            check_dtype(name, found, dtype, kind, f"{name}.to(torch.{{}})")
            return value.long()
        return value
    array = from_numpy(name, value, dtype, kind)
    return torch.tensor(array, dtype=torch.int64 if kind == "integer" else getattr(torch, dtype))


def _torch() -> Any:
    return optional_library("torch", "PyTorch")
