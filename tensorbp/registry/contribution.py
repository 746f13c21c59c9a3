"""What one plugin registers, checked as it comes in."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, fields
from inspect import isabstract
from typing import Any

from pluggy import PluginManager, PluginValidationError

from tensorbp.errors import PluginError, suggestion
from tensorbp.expression.layer import Layer
from tensorbp.registry import hookspecs
from tensorbp.registry.command import Command
from tensorbp.registry.hookspecs import HOOKS, PROJECT, Kind

MODEL_FILE_KEYS = ("name", "type", "inputs", "repeat", "share")
"""What a layer's entry in a model file says besides the layer's own arguments."""

_LAYER_NAME = re.compile(r"[a-z][a-z0-9_]*")
_OTHER_NAME = re.compile(r"[a-z][a-z0-9_-]*")
_TARGET = re.compile(r"\w+(\.\w+)*:\w+")

__all__ = ["MODEL_FILE_KEYS", "Contribution", "contribution"]


@dataclass(frozen=True)
class Contribution:
    """Everything that one plugin provides.

    Attributes:
        hooks: the hooks that it implements.
        things: what it registered, by kind and name.
    """

    hooks: tuple[str, ...]
    things: dict[Kind, dict[str, Any]]


def contribution(plugin: object, name: str) -> Contribution:
    """Call the hooks of one plugin and return what it registers.

    The plugin meets a plugin manager of its own: whatever a faulty one leaves behind is thrown
    away with it, and an exception in one plugin takes nothing from another.

    Raises:
        PluginError: the plugin breaks the contract of the hooks.
        Exception: whatever the plugin itself raises.
    """
    manager = PluginManager(PROJECT)
    manager.add_hookspecs(hookspecs)
    hooks = _implemented_hooks(manager, plugin, name)
    things: dict[Kind, dict[str, Any]] = {kind: {} for kind in HOOKS}
    for kind, hook in HOOKS.items():
        if hook in hooks:
            register = _REGISTERS.get(kind, _named_register)
            getattr(manager.hook, hook)(register=register(kind, things[kind]))
    return Contribution(hooks, things)


def _implemented_hooks(manager: PluginManager, plugin: object, name: str) -> tuple[str, ...]:
    try:
        manager.register(plugin, name)
    except PluginValidationError as error:
        raise PluginError(f"{' '.join(str(error).split())}, which has only 'register'") from None
    callers = manager.get_hookcallers(plugin) or []
    if not callers:
        raise PluginError("it implements no hook; mark its functions with @tensorbp.hookimpl")
    for caller in callers:
        if not caller.has_spec():
            raise PluginError(
                f"unknown hook '{caller.name}'{suggestion(caller.name, HOOKS.values())}"
            )
    return tuple(sorted(caller.name for caller in callers))


def _layer_register(kind: Kind, things: dict[str, Any]) -> Callable[[Any], None]:
    def register(layer: Any) -> None:
        _check_layer(layer)
        _add(kind, things, _LAYER_NAME, layer.name, layer)

    return register


def _operator_register(kind: Kind, things: dict[str, Any]) -> Callable[[Any], None]:
    def register(operator: Any) -> None:
        _check_operator(operator)
        _add(kind, things, _LAYER_NAME, operator.name, operator)

    return register


def _command_register(kind: Kind, things: dict[str, Any]) -> Callable[[str, str, str], None]:
    def register(name: str, target: str, summary: str) -> None:
        if not isinstance(target, str) or not _TARGET.fullmatch(target):
            raise PluginError(
                f"command '{name}' is at {target!r}; expected 'module:attribute', a typer.Typer"
            )
        if not isinstance(summary, str) or not summary.strip():
            raise PluginError(f"command '{name}' needs a line that says what it does")
        _add(kind, things, _OTHER_NAME, name, Command(target, summary))

    return register


def _named_register(kind: Kind, things: dict[str, Any]) -> Callable[[str, Any], None]:
    def register(name: str, thing: Any) -> None:
        if kind == "path finder" and not callable(thing):
            raise PluginError(f"path finder '{name}' must be a function, found {thing!r}")
        _add(kind, things, _OTHER_NAME, name, thing)

    return register


def _add(
    kind: Kind, things: dict[str, Any], pattern: re.Pattern[str], name: object, thing: Any
) -> None:
    if not isinstance(name, str) or not pattern.fullmatch(name):
        raise PluginError(f"{name!r} is no name for a {kind}; a name matches {pattern.pattern}")
    if name in things:
        raise PluginError(f"it registers {kind} '{name}' twice")
    things[name] = thing


def _check_layer(layer: Any) -> None:
    if not (isinstance(layer, type) and issubclass(layer, Layer)):
        raise PluginError(f"{layer!r} is registered as a layer, but is no subclass of Layer")
    where = f"layer class {layer.__qualname__}"
    _check_class(where, layer, ("name", "formula"))
    for argument in fields(layer):  # type: ignore[arg-type]
        if argument.name in MODEL_FILE_KEYS:
            raise PluginError(
                f"{where} has an argument '{argument.name}', which means something else in model "
                "files; rename it"
            )


def _check_operator(operator: Any) -> None:
    if not isinstance(operator, type):
        raise PluginError(f"{operator!r} is registered as an operator, but is no class")
    _check_class(f"operator class {operator.__qualname__}", operator, ("name",))


def _check_class(where: str, found: Any, attributes: tuple[str, ...]) -> None:
    for attribute in attributes:
        if not hasattr(found, attribute):
            raise PluginError(f"{where} has no '{attribute}'")
    if isabstract(found):
        missing = ", ".join(sorted(found.__abstractmethods__))
        raise PluginError(f"{where} does not define {missing}")
    parameters = getattr(found, "__dataclass_params__", None)
    if parameters is None or not parameters.frozen:
        raise PluginError(f"{where} is not decorated with @dataclass(frozen=True)")


_REGISTERS = {
    "layer": _layer_register,
    "operator": _operator_register,
    "command": _command_register,
}
