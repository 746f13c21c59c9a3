"""The models, each written once, over the functions of whichever library computes it.

A library gives its functions as a module `f`; what they take and return is in
`tensorbp_bench.speed.functions_tensorbp`, and the other modules of that kind have the same ones.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Sizes = Mapping[str, Any]
"""The sizes of a model by name; which there are is the model's own."""

Shapes = dict[str, tuple[int, ...]]

__all__ = ["MODELS", "Model", "Shapes", "Sizes"]


@dataclass(frozen=True)
class Model:
    """A model as functions of its sizes.

    Attributes:
        input: the shape of the input, the batch first.
        parameters: the shapes of the parameters by name, in the order of all gradients.
        output: takes the functions of a library, the parameters by name, and the input.
        has_labels: whether the loss is the cross-entropy with integer labels; else it is the mean
            of the squared outputs of each sample.
    """

    input: Callable[[Sizes], tuple[int, ...]]
    parameters: Callable[[Sizes], Shapes]
    output: Callable[[Any, Mapping[str, Any], Any, Sizes], Any]
    has_labels: bool

    def losses(
        self, f: Any, parameters: Mapping[str, Any], x: Any, target: Any, sizes: Sizes
    ) -> Any:
        """Return the loss of each sample, of shape (batch,)."""
        return self.losses_of(f, self.output(f, parameters, x, sizes), target)

    def losses_of(self, f: Any, output: Any, target: Any) -> Any:
        """Return the loss of each sample, given the outputs."""
        return f.cross_entropy(output, target) if self.has_labels else f.mean_square(output)


def _dense(names: str, inputs: int, outputs: int) -> Shapes:
    return {f"W{names}": (inputs, outputs), f"b{names}": (outputs,)}


def _norm(name: str, width: int) -> Shapes:
    return {f"g{name}": (width,), f"s{name}": (width,)}


def _multilayer_parameters(sizes: Sizes) -> Shapes:
    widths = sizes["widths"]
    shapes: Shapes = {}
    for k in range(len(widths) - 1):
        shapes |= _dense(str(k), widths[k], widths[k + 1])
    return shapes


def _multilayer(f: Any, p: Mapping[str, Any], x: Any, sizes: Sizes) -> Any:
    last = len(sizes["widths"]) - 2
    for k in range(last):
        x = f.tanh(x @ p[f"W{k}"] + p[f"b{k}"])
    return x @ p[f"W{last}"] + p[f"b{last}"]


def _residual_parameters(sizes: Sizes) -> Shapes:
    width, inner = sizes["width"], sizes["inner"]
    shapes: Shapes = {}
    for k in range(sizes["blocks"]):
        shapes |= _norm(str(k), width)
        shapes |= _dense(f"{k}up", width, inner) | _dense(f"{k}down", inner, width)
    return shapes | _dense("out", width, sizes["classes"])


def _residual(f: Any, p: Mapping[str, Any], x: Any, sizes: Sizes) -> Any:
    for k in range(sizes["blocks"]):
        h = f.layer_norm(x, p[f"g{k}"], p[f"s{k}"])
        h = f.tanh(h @ p[f"W{k}up"] + p[f"b{k}up"])
        x = x + h @ p[f"W{k}down"] + p[f"b{k}down"]
    return x @ p["Wout"] + p["bout"]


def _tokens(sizes: Sizes) -> tuple[int, ...]:
    return (sizes["batch"], sizes["tokens"], sizes["width"])


def _attention_parameters(sizes: Sizes) -> Shapes:
    # without a bias of the keys: attention does not change with it, its gradient is rounding alone
    width = sizes["width"]
    shapes = _dense("query", width, width) | {"Wkey": (width, width)}
    return shapes | _dense("value", width, width) | _dense("mixed", width, width)


def _attention(f: Any, p: Mapping[str, Any], x: Any, sizes: Sizes) -> Any:
    batch, tokens, width = x.shape
    heads = sizes["heads"]

    def split(z: Any) -> Any:
        return f.transpose(f.reshape(z, (batch, tokens, heads, width // heads)), (0, 2, 1, 3))

    query = split(x @ p["Wquery"] + p["bquery"])
    value = split(x @ p["Wvalue"] + p["bvalue"])
    mixed = f.attention(query, split(x @ p["Wkey"]), value, sizes["causal"])
    joined = f.reshape(f.transpose(mixed, (0, 2, 1, 3)), (batch, tokens, width))
    return joined @ p["Wmixed"] + p["bmixed"]


def _gpt_parameters(sizes: Sizes) -> Shapes:
    width = sizes["width"]
    shapes = _norm("1", width) | _attention_parameters(sizes) | _norm("2", width)
    return shapes | _dense("up", width, 4 * width) | _dense("down", 4 * width, width)


def _gpt(f: Any, p: Mapping[str, Any], x: Any, sizes: Sizes) -> Any:
    x = x + _attention(f, p, f.layer_norm(x, p["g1"], p["s1"]), sizes)
    h = f.gelu(f.layer_norm(x, p["g2"], p["s2"]) @ p["Wup"] + p["bup"])
    return x + h @ p["Wdown"] + p["bdown"]


def _images(sizes: Sizes) -> tuple[int, ...]:
    return (sizes["batch"], sizes["channels"], sizes["side"], sizes["side"])


def _lenet_parameters(sizes: Sizes) -> Shapes:
    shapes: Shapes = {"K0": (6, sizes["channels"], 5, 5), "K1": (16, 6, 5, 5)}
    side = (sizes["side"] // 2 - 4) // 2
    shapes |= _dense("0", 16 * side * side, 120) | _dense("1", 120, 84)
    return shapes | _dense("2", 84, 10)


def _lenet(f: Any, p: Mapping[str, Any], x: Any, sizes: Sizes) -> Any:
    del sizes
    h = f.max_pool(f.tanh(f.conv(x, p["K0"], 2)), 2)
    h = f.max_pool(f.tanh(f.conv(h, p["K1"], 0)), 2)
    h = f.reshape(h, (h.shape[0], p["W0"].shape[0]))
    h = f.tanh(h @ p["W0"] + p["b0"])
    h = f.tanh(h @ p["W1"] + p["b1"])
    return h @ p["W2"] + p["b2"]


def _basic_block_parameters(sizes: Sizes) -> Shapes:
    channels = sizes["channels"]
    kernel = (channels, channels, 3, 3)
    return {"K0": kernel} | _norm("0", channels) | {"K1": kernel} | _norm("1", channels)


def _basic_block(f: Any, p: Mapping[str, Any], x: Any, sizes: Sizes) -> Any:
    del sizes
    h = f.relu(f.batch_norm(f.conv(x, p["K0"], 1), p["g0"], p["s0"]))
    return f.relu(x + f.batch_norm(f.conv(h, p["K1"], 1), p["g1"], p["s1"]))


def _factorisation_parameters(sizes: Sizes) -> Shapes:
    return {"U": (sizes["rows"], sizes["rank"]), "Vt": (sizes["rank"], sizes["columns"])}


def _factorisation_error(f: Any, p: Mapping[str, Any], x: Any, sizes: Sizes) -> Any:
    del f, sizes
    return x - p["U"] @ p["Vt"]


def _neuron(f: Any, p: Mapping[str, Any], x: Any, sizes: Sizes) -> Any:
    del sizes
    return f.tanh(x @ p["W"])


MODELS: dict[str, Model] = {
    "multilayer": Model(
        lambda sizes: (sizes["batch"], sizes["widths"][0]),
        _multilayer_parameters,
        _multilayer,
        has_labels=True,
    ),
    "residual": Model(
        lambda sizes: (sizes["batch"], sizes["width"]),
        _residual_parameters,
        _residual,
        has_labels=True,
    ),
    "attention": Model(_tokens, _attention_parameters, _attention, has_labels=False),
    "gpt block": Model(_tokens, _gpt_parameters, _gpt, has_labels=False),
    "lenet": Model(_images, _lenet_parameters, _lenet, has_labels=True),
    "basic block": Model(_images, _basic_block_parameters, _basic_block, has_labels=False),
    "factorisation": Model(
        lambda sizes: (sizes["rows"], sizes["columns"]),
        _factorisation_parameters,
        _factorisation_error,
        has_labels=False,
    ),
    "neuron": Model(
        lambda sizes: (sizes["batch"], sizes["inputs"]),
        lambda sizes: {"W": (sizes["inputs"], 1)},
        _neuron,
        has_labels=False,
    ),
}
