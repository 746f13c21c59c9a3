"""What plugins may do wrong, and what is said about it."""

from __future__ import annotations

import math
import subprocess
import sys
import types
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, ClassVar

import pytest

from tensorbp.errors import LayerError, PluginError
from tensorbp.expression.layer import Layer, argument
from tensorbp.registry import Registry, build_registry, default_registry, hookimpl, loading


@dataclass(frozen=True)
class Plain(Layer):
    name = "plain"
    formula = "y = x"

    def __call__(self, *inputs: Any, **parameters: Any) -> Any:
        return inputs[0]


@dataclass(frozen=True)
class Inner:
    name: ClassVar[str] = "inner"


def layer_class(name: Any) -> type[Layer]:
    return type("Named", (Plain,), {"name": name})


def module(name: str, **functions: Callable[..., None]) -> types.ModuleType:
    made = types.ModuleType(name)
    for function_name, function in functions.items():
        setattr(made, function_name, hookimpl(function))
    return made


def layers(*classes: Any) -> Callable[..., None]:
    def tensorbp_register_layers(register: Callable[[Any], None]) -> None:
        for each in classes:
            register(each)

    return tensorbp_register_layers


class Distribution:
    def __init__(self, name: str) -> None:
        self.name, self.version = name, "1.2"


class Installed(metadata.EntryPoint):
    """An entry point of a distribution that is not there, loading whatever it is given."""

    def __init__(self, distribution: str, name: str, loaded: Any) -> None:
        super().__init__(name=name, value=f"{name}:plugin", group="tensorbp")
        vars(self).update(dist=Distribution(distribution), loaded=loaded)

    def load(self) -> Any:
        loaded = vars(self)["loaded"]
        if isinstance(loaded, BaseException):
            raise loaded
        return loaded


BUILT_IN = module("built_in", tensorbp_register_layers=layers(layer_class("tanh")))


REAL_BUILT_INS = loading.BUILT_IN


@pytest.fixture(autouse=True)
def only_one_built_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "built_in", BUILT_IN)
    monkeypatch.setattr(loading, "BUILT_IN", ("built_in",))
    monkeypatch.delenv("TENSORBP_LOAD_PLUGINS", raising=False)


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Registry]:
    def build(*installed: Installed) -> Registry:
        monkeypatch.setattr("importlib.metadata.entry_points", lambda group: installed)
        return build_registry()

    return build


def test_built_ins_come_through_the_hooks() -> None:
    registry = build_registry(entry_points=False)
    assert list(registry.layers) == ["tanh"]
    assert registry.layer("tanh").name == "tanh"
    (plugin,) = registry.plugins
    assert (plugin.name, plugin.built_in, plugin.status) == ("built_in", True, "ok")
    assert (plugin.hooks, plugin.layers) == (("tensorbp_register_layers",), ("tanh",))
    assert registry.origin("layer", "tanh") is plugin


def test_an_installed_plugin_is_listed_with_all_that_is_known(install: Any) -> None:
    registry = install(
        Installed("tensorbp-x", "x", module("x", tensorbp_register_layers=layers(Plain)))
    )
    plugin = registry.origin("layer", "plain")
    assert registry.layer("plain") is Plain
    assert plugin.name == "tensorbp-x:x"
    assert (plugin.distribution, plugin.version, plugin.entry_point) == (
        "tensorbp-x",
        "1.2",
        "x:plugin",
    )
    assert registry.warnings == ()


def test_every_kind_has_its_table_and_its_hook() -> None:
    def finder() -> None: ...

    everything = module(
        "everything",
        tensorbp_register_path_finders=lambda register: register("random-greedy", finder),
        tensorbp_register_backends=lambda register: register("torch", "a backend"),
        tensorbp_register_renderers=lambda register: register("html", "a renderer"),
        tensorbp_register_operators=lambda register: register(Inner),
        tensorbp_register_commands=lambda register: register("sing", "math:pi", "Sing."),
    )
    registry = build_registry(everything, entry_points=False)
    assert registry.path_finder("random-greedy") is finder
    assert registry.backend("torch") == "a backend"
    assert registry.renderer("html") == "a renderer"
    assert registry.origin("backend", "torch").label == "everything"
    assert dict(registry.path_finders) == {"random-greedy": finder}
    assert registry.commands["sing"].load() == math.pi
    assert registry.operator("inner") is Inner
    assert registry.operator("tanh") is registry.layer("tanh")


def test_tables_cannot_be_changed() -> None:
    registry = build_registry(entry_points=False)
    with pytest.raises(TypeError):
        registry.layers["tanh"] = Plain  # type: ignore[index]


def test_unknown_names_get_a_suggestion() -> None:
    registry = build_registry(entry_points=False)
    with pytest.raises(LayerError) as layer_error:
        registry.layer("tahn")
    assert str(layer_error.value) == "unknown layer 'tahn'; did you mean 'tanh'?"
    for find in (registry.path_finder, registry.backend, registry.renderer):
        with pytest.raises(PluginError, match=r"^unknown .* 'nothing'$"):
            find("nothing")
    with pytest.raises(PluginError, match=r"^unknown layer 'tahn'; did you mean 'tanh'\?$"):
        registry.origin("layer", "tahn")


def fails_in_hook(register: Any) -> None:
    register(Plain)
    raise ValueError("no GPU\nfound")


def wrong_argument(registry):  # type: ignore[no-untyped-def]
    del registry


@dataclass(frozen=True)
class Abstract(Layer):
    name = "abstract"
    formula = "y = x"


@dataclass
class Thawed(Layer):
    name = "thawed"
    formula = "y = x"

    def __call__(self, *inputs: Any, **parameters: Any) -> Any: ...


@dataclass(frozen=True)
class Repeating(Plain):
    repeat: int = argument("how often", 1)


@dataclass(frozen=True)
class Nameless(Layer):
    def __call__(self, *inputs: Any, **parameters: Any) -> Any: ...


FAULTS = {
    "import failure": (
        ImportError("no module named 'torch'"),
        "ImportError: no module named 'torch'",
    ),
    "exit on import": (SystemExit(3), "SystemExit: 3"),
    "misspelt hook": (
        module("x", tensorbp_register_layer=layers(Plain)),
        "PluginError: unknown hook 'tensorbp_register_layer'; "
        "did you mean 'tensorbp_register_layers'?",
    ),
    "wrong argument": (
        module("x", tensorbp_register_layers=wrong_argument),
        "PluginError: Plugin 'tensorbp-x:x' for hook 'tensorbp_register_layers' hookimpl "
        "definition: wrong_argument(registry) Argument(s) {'registry'} are declared in the "
        "hookimpl but can not be found in the hookspec, which has only 'register'",
    ),
    "no hook": (
        types.ModuleType("x"),
        "PluginError: it implements no hook; mark its functions with @tensorbp.hookimpl",
    ),
    "exception in hook": (
        module("x", tensorbp_register_layers=fails_in_hook),
        "ValueError: no GPU found",
    ),
    "no layer": (
        module("x", tensorbp_register_layers=layers(3)),
        "PluginError: 3 is registered as a layer, but is no subclass of Layer",
    ),
    "abstract layer": (
        module("x", tensorbp_register_layers=layers(Abstract)),
        "PluginError: layer class Abstract does not define __call__",
    ),
    "mutable layer": (
        module("x", tensorbp_register_layers=layers(Thawed)),
        "PluginError: layer class Thawed is not decorated with @dataclass(frozen=True)",
    ),
    "layer without a name": (
        module("x", tensorbp_register_layers=layers(Nameless)),
        "PluginError: layer class Nameless has no 'name'",
    ),
    "reserved argument": (
        module("x", tensorbp_register_layers=layers(Repeating)),
        "PluginError: layer class Repeating has an argument 'repeat', which means something "
        "else in model files; rename it",
    ),
    "capital letters": (
        module("x", tensorbp_register_layers=layers(layer_class("Plain"))),
        "PluginError: 'Plain' is no name for a layer; a name matches [a-z][a-z0-9_]*",
    ),
    "a number as a name": (
        module("x", tensorbp_register_backends=lambda register: register(3, "a backend")),
        "PluginError: 3 is no name for a backend; a name matches [a-z][a-z0-9_-]*",
    ),
    "a finder that is no function": (
        module("x", tensorbp_register_path_finders=lambda register: register("fast", "greedy")),
        "PluginError: path finder 'fast' must be a function, found 'greedy'",
    ),
    "an operator that is no class": (
        module("x", tensorbp_register_operators=layers(Inner())),
        "PluginError: Inner() is registered as an operator, but is no class",
    ),
    "mutable operator": (
        module("x", tensorbp_register_operators=layers(type("Loose", (), {"name": "loose"}))),
        "PluginError: operator class Loose is not decorated with @dataclass(frozen=True)",
    ),
    "a command that is nowhere": (
        module("x", tensorbp_register_commands=lambda register: register("sing", "math.pi", "!")),
        "PluginError: command 'sing' is at 'math.pi'; expected 'module:attribute', a typer.Typer",
    ),
    "a command that says nothing": (
        module("x", tensorbp_register_commands=lambda register: register("sing", "math:pi", " ")),
        "PluginError: command 'sing' needs a line that says what it does",
    ),
    "twice": (
        module("x", tensorbp_register_layers=layers(Plain, Plain)),
        "PluginError: it registers layer 'plain' twice",
    ),
}


@pytest.mark.parametrize(("loaded", "error"), FAULTS.values(), ids=FAULTS)
def test_a_faulty_plugin_is_listed_and_stops_nothing(install: Any, loaded: Any, error: str) -> None:
    good = module("good", tensorbp_register_layers=layers(layer_class("good")))
    registry = install(Installed("tensorbp-x", "x", loaded), Installed("tensorbp-y", "y", good))
    assert list(registry.layers) == ["good", "tanh"]
    faulty = registry.plugins[2 if registry.plugins[1].status == "ok" else 1]
    assert (faulty.status, faulty.error, faulty.layers) == ("failed", error, ())
    assert registry.warnings == (f"plugin 'tensorbp-x' failed to load: {error}",)
    with pytest.raises(LayerError) as layer_error:
        registry.layer("lstm")
    assert str(layer_error.value) == (
        f"unknown layer 'lstm'; known: good, tanh; plugin 'tensorbp-x' failed to load: {error}"
    )


def test_one_failing_hook_takes_the_whole_plugin_with_it(install: Any) -> None:
    half = module(
        "half",
        tensorbp_register_layers=layers(Plain),
        tensorbp_register_renderers=lambda register: register("no name", None),
    )
    registry = install(Installed("tensorbp-half", "half", half))
    assert "plain" not in registry.layers


def test_equal_entry_point_names_do_not_collide(install: Any) -> None:
    registry = install(
        Installed("tensorbp-a", "rnn", module("a", tensorbp_register_layers=layers(Plain))),
        Installed(
            "tensorbp-b", "rnn", module("b", tensorbp_register_layers=layers(layer_class("gru")))
        ),
    )
    assert list(registry.layers) == ["gru", "plain", "tanh"]
    assert [each.name for each in registry.plugins[1:]] == ["tensorbp-a:rnn", "tensorbp-b:rnn"]


def test_two_plugins_with_one_layer_are_an_error_on_use(install: Any) -> None:
    registry = install(
        Installed("tensorbp-a", "a", module("a", tensorbp_register_layers=layers(Plain))),
        Installed("tensorbp-b", "b", module("b", tensorbp_register_layers=layers(Plain))),
    )
    message = (
        "layer 'plain' is provided by 'tensorbp-a' and 'tensorbp-b', so neither is used; "
        "uninstall one, or name the plugins to load in TENSORBP_LOAD_PLUGINS"
    )
    assert registry.warnings == (message,)
    assert "plain" not in registry.layers
    with pytest.raises(LayerError) as layer_error:
        registry.layer("plain")
    assert str(layer_error.value) == message
    with pytest.raises(PluginError) as plugin_error:
        registry.origin("layer", "plain")
    assert str(plugin_error.value) == message


def test_built_ins_cannot_be_overridden(install: Any) -> None:
    registry = install(
        Installed(
            "tensorbp-a", "a", module("a", tensorbp_register_layers=layers(layer_class("tanh")))
        )
    )
    assert registry.origin("layer", "tanh").built_in
    assert registry.warnings == (
        "plugin 'tensorbp-a' redefines layer 'tanh' of 'built_in'; the built-in is kept",
    )


def test_a_faulty_built_in_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(
        sys.modules, "broken", module("broken", tensorbp_register_layers=fails_in_hook)
    )
    monkeypatch.setattr(loading, "BUILT_IN", ("broken",))
    with pytest.raises(ValueError, match="no GPU"):
        build_registry(entry_points=False)


def test_two_built_ins_with_one_name_raise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(
        sys.modules, "again", module("again", tensorbp_register_layers=layers(Plain))
    )
    monkeypatch.setitem(
        sys.modules, "first", module("first", tensorbp_register_layers=layers(Plain))
    )
    monkeypatch.setattr(loading, "BUILT_IN", ("first", "again"))
    with pytest.raises(PluginError, match=r"^'first' and 'again' both define layer 'plain'$"):
        build_registry(entry_points=False)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("", ["tanh"]),
        ("Tensorbp_A", ["plain", "tanh"]),
        ("tensorbp-a, tensorbp-b", ["gru", "plain", "tanh"]),
    ],
)
def test_the_environment_selects_plugins(
    install: Any, monkeypatch: pytest.MonkeyPatch, value: str, expected: list[str]
) -> None:
    monkeypatch.setenv("TENSORBP_LOAD_PLUGINS", value)
    gru = module("b", tensorbp_register_layers=layers(layer_class("gru")))
    registry = install(
        Installed("tensorbp-a", "a", module("a", tensorbp_register_layers=layers(Plain))),
        Installed("tensorbp-b", "b", gru),
    )
    assert list(registry.layers) == expected
    assert registry.warnings == ()


def test_a_selected_plugin_that_is_not_installed_is_warned_about(
    install: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TENSORBP_LOAD_PLUGINS", "tensorbp-rnn")
    assert install().warnings == (
        "TENSORBP_LOAD_PLUGINS names 'tensorbp-rnn', but no installed package of that name has "
        "plugins for tensorbp",
    )


def test_installed_packages_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "shiny.py").write_text(
        "from tests_of_registry import Plain\n"
        "from tensorbp.registry import hookimpl\n\n"
        "@hookimpl\n"
        "def tensorbp_register_layers(register):\n"
        "    register(Plain)\n"
    )
    information = tmp_path / "tensorbp_shiny-2.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Name: tensorbp-shiny\nVersion: 2.0\n")
    (information / "entry_points.txt").write_text(
        "[tensorbp]\nlayers = shiny\nbroken = shiny:missing\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(sys.modules, "tests_of_registry", sys.modules[__name__])
    monkeypatch.setenv("TENSORBP_LOAD_PLUGINS", "tensorbp-shiny")
    registry = build_registry()
    assert registry.origin("layer", "plain").name == "tensorbp-shiny:layers"
    assert registry.origin("layer", "plain").version == "2.0"
    (faulty,) = [each for each in registry.plugins if each.status == "failed"]
    assert (faulty.name, faulty.error) == (
        "tensorbp-shiny:broken",
        "AttributeError: module 'shiny' has no attribute 'missing'",
    )


def test_the_real_built_ins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "BUILT_IN", REAL_BUILT_INS)
    registry = build_registry(entry_points=False)
    assert [each.name for each in registry.plugins] == list(REAL_BUILT_INS)
    assert all(each.status == "ok" for each in registry.plugins)
    assert {"linear", "tanh", "softmax_cross_entropy"} <= registry.layers.keys()
    assert "numpy" in registry.backends
    assert registry.warnings == ()


def test_the_default_registry_is_built_once() -> None:
    default_registry.cache_clear()
    try:
        assert default_registry() is default_registry()
    finally:
        default_registry.cache_clear()


def test_the_registry_does_not_import_numpy() -> None:
    code = "import sys, tensorbp.registry; print('numpy' in sys.modules)"
    printed = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert printed.stdout == "False\n"
