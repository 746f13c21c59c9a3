"""What a plugin may provide: one hook for each kind, one sentence for each hook.

A plugin is a module, named by an entry point of the group ``tensorbp``, with functions that have
the name and the argument of a hook and are marked with ``tensorbp.hookimpl``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

from pluggy import HookimplMarker, HookspecMarker

if TYPE_CHECKING:
    from tensorbp.expression.layer import Layer

Kind = Literal["layer", "operator", "path finder", "backend", "renderer", "command"]

PROJECT = "tensorbp"

hookspec = HookspecMarker(PROJECT)
hookimpl = HookimplMarker(PROJECT)

__all__ = ["HOOKS", "PROJECT", "Kind", "hookimpl", "hookspec"]


@hookspec
def tensorbp_register_layers(register: Callable[[type[Layer]], None]) -> None:
    """Call ``register(LayerClass)`` once for each layer; it is found by its ``name``."""


@hookspec
def tensorbp_register_operators(register: Callable[[type[Any]], None]) -> None:
    """Call ``register(Class)`` once for what a plan file names and is no layer of its own.

    That is a primitive that only occurs inside other layers, or a frozen dataclass that stands
    among the arguments of one; it is found by its ``name``.
    """


@hookspec
def tensorbp_register_path_finders(register: Callable[[str, Any], None]) -> None:
    """Call ``register(name, finder)`` once for each function that orders contractions.

    A finder is called as opt_einsum calls its path functions; a PathOptimizer will do.
    """


@hookspec
def tensorbp_register_backends(register: Callable[[str, Any], None]) -> None:
    """Call ``register(name, backend)`` once for each array library that can run programs."""


@hookspec
def tensorbp_register_renderers(register: Callable[[str, Any], None]) -> None:
    """Call ``register(name, renderer)`` once for each form in which a report can be written."""


@hookspec
def tensorbp_register_commands(register: Callable[[str, str, str], None]) -> None:
    """Call ``register(name, target, summary)`` once for each command of the command line.

    The target is ``"module:attribute"``, a `typer.Typer` that is imported when it is used.
    """


HOOKS: dict[Kind, str] = {
    "layer": tensorbp_register_layers.__name__,
    "operator": tensorbp_register_operators.__name__,
    "path finder": tensorbp_register_path_finders.__name__,
    "backend": tensorbp_register_backends.__name__,
    "renderer": tensorbp_register_renderers.__name__,
    "command": tensorbp_register_commands.__name__,
}
"""The hook through which each kind of thing comes in."""
